"""Finished checks and trained weights, kept by content digest and sealed: a repeated run redoes only what changed."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from audit import cache_key, screen
from audit.evidence import CheckResult, canonical
from audit.manifest import of_file
from audit.store import whole, write_bytes

KEPT = ".finished"
SEAL = "hmac.sha256"  # beside an entry's files: HMAC-SHA256 over its name and all of them
RESULT = "result.json"


def opened(out: Path) -> Kept | None:
    """Return the finished work beside the runs of `out`, or None, with a note why, where there is no key for it."""
    key = cache_key.key(screen.note)
    return Kept(out, key) if key else None


class Kept:
    """The folder of finished work beside the runs; what another key sealed, or someone changed, is done again."""

    def __init__(self, out: Path, key: bytes, note: Callable[[str], None] = screen.note) -> None:
        self.folder, self._key, self._note, self._told = out / KEPT, key, note, False

    def result(self, digest: str) -> tuple[CheckResult, dict[str, bytes]] | None:
        """Return a kept check's result and sidecar files; None when absent, or not as kept and so removed."""
        folder = self.folder_of(digest)
        found = _read(folder) if folder else None
        if folder and found is None:
            self._drop(folder)
        return found

    def keep(self, digest: str, result: CheckResult, files: dict[str, bytes]) -> None:
        """Keep a finished check."""

        def fill(place: Path) -> None:
            for path, data in {**files, RESULT: result.model_dump_json().encode()}.items():
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                write_bytes(place / path, data)

        self.keep_folder(digest, fill)

    def folder_of(self, digest: str) -> Path | None:
        """Return the kept folder of this digest; None when absent, or not as kept and so removed."""
        folder = self.folder / digest
        if folder.is_dir() and not folder.is_symlink() and self._sealed(folder):
            return folder
        if folder.exists() or folder.is_symlink():
            self._drop(folder)
        return None

    def keep_folder(self, digest: str, fill: Callable[[Path], None]) -> None:
        """Keep a folder that `fill` writes, whole or not at all."""
        with contextlib.suppress(FileExistsError), whole(self.folder / digest) as partial:
            fill(partial)
            write_bytes(partial / SEAL, self._seal(partial, digest))

    def _sealed(self, folder: Path) -> bool:
        """Tell whether an entry is the one that this key sealed under this name."""
        try:
            stated = (folder / SEAL).read_bytes()
            return hmac.compare_digest(stated, self._seal(folder, folder.name))
        except OSError:
            return False

    def _seal(self, folder: Path, digest: str) -> bytes:
        """Return the HMAC of an entry's name and files; OSError for what is no plain file."""
        files = {}
        for path in folder.rglob("*"):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise OSError(f"{path} is no plain file")
            if path.is_file() and path != folder / SEAL:
                files[path.relative_to(folder).as_posix()] = of_file(path)
        told = canonical({"entry": digest, "files": files})
        return hmac.new(self._key, told, hashlib.sha256).hexdigest().encode()

    def _drop(self, entry: Path) -> None:
        """Remove what cannot be trusted, and say so once in a run."""
        if not self._told:
            self._note(f"{entry} was changed or was kept with another key: such work is done again")
        self._told = True
        if entry.is_symlink() or not entry.is_dir():
            with contextlib.suppress(OSError):
                entry.unlink()
        shutil.rmtree(entry, ignore_errors=True)


def _read(folder: Path) -> tuple[CheckResult, dict[str, bytes]] | None:
    """Read a kept result with its files; None where they are not what this version writes."""
    try:
        result = CheckResult.model_validate_json((folder / RESULT).read_bytes())
        return result, {a.path: (folder / a.path).read_bytes() for a in result.findings.artifacts}
    except (OSError, ValidationError):
        return None
