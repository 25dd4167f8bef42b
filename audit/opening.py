"""The one way in for every reader: a run folder as it was written, judged again, or a bare record that says so."""

from __future__ import annotations

from pathlib import Path

from audit import manifest, store
from audit.errors import StoreError
from audit.evidence import Record
from audit.verify import judged_again, verify

BARE = f"give its {store.EVIDENCE} itself to read it unverified"


def open_run(path: str | Path) -> Record:
    """Return the record of a run folder after checking every digest and judging its numbers again.

    path: a run folder, or its evidence.json. A bare record (such a file without a manifest next to it, or a
    folder that holds nothing else of a run) has no digest to be compared with: it is judged again, and comes back
    with `unverified` set. Raises StoreError with the first difference for anything that is not as it was written.
    """
    path = Path(path)
    folder = _folder(path)
    if folder is None:
        record = store.read_record(path)[0]
        problems = tuple(judged_again(record))
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
    """Return the error for what is not as it was written: the first difference, and how many more."""
    first, *rest = problems
    more = f" (and {len(rest):,} more)" if rest else ""
    todo = BARE if manifest.ABSENT in problems else "see jax-audit verify"
    return StoreError(f"{path} is not as it was written: {first}{more}", "a run as it was written", todo)
