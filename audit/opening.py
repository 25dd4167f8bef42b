"""The one way in for every reader: a run folder as it was written, judged again, or a bare record that says so."""

from __future__ import annotations

from pathlib import Path

from audit import manifest, store
from audit.errors import StoreError
from audit.evidence import Record
from audit.verify import judged_again, verify


def open_run(path: str | Path, *, unverified: bool = False) -> Record:
    """Return the record of a run folder after checking every digest and judging its numbers again.

    path: a run folder, or its evidence.json. unverified: a bare record will do, too (an evidence.json without a
    manifest next to it, or a folder that holds nothing else of a run). It has no digests to be compared with: it is
    judged again and comes back with `unverified` set, which every report says. Raises StoreError with the first
    difference for what is not as it was written.
    """
    path = Path(path)
    folder = _folder(path)
    if folder is None:
        record = store.read_record(path)[0]
        problems = tuple(judged_again(record))
        if not problems and not unverified:
            raise StoreError(
                f"{path} is a bare record, not verified", "a run folder", "or open it as unverified"
            )
    else:
        found = verify(folder)
        record, problems = found.record, found.problems
    if problems or record is None:
        raise _refused(path, problems)
    return record.model_copy(update={"unverified": folder is None})


def _folder(path: Path) -> Path | None:
    """Return the run folder that a path names, or None for a bare record."""
    if path.is_dir():
        parts = (manifest.MANIFEST, manifest.SIGNATURE, store.VERDICT)
        return path if any((path / name).exists() for name in parts) else None
    inside = path.name == store.EVIDENCE and (path.parent / manifest.MANIFEST).exists()
    return path.parent if inside else None


def _refused(path: Path, problems: tuple[str, ...]) -> StoreError:
    """Return the error for what is not as it was written: the first difference, and how many more.

    A part of the record is named before the file that holds it.
    """
    first = next((p for p in problems if p.startswith(f"{store.EVIDENCE}: ")), problems[0])
    more = f" (and {len(problems) - 1:,} more)" if len(problems) > 1 else ""
    bare = f"give its {store.EVIDENCE} alone to read it unverified"
    todo = bare if manifest.ABSENT in problems else "see jax-audit verify"
    return StoreError(f"{path} is not as it was written: {first}{more}", "a run as it was written", todo)
