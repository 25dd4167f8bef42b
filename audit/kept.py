"""Finished checks and trained weights, kept by content digest: a repeated run redoes only what changed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from audit.evidence import CheckResult
from audit.store import sha256, whole, write_bytes

KEPT = ".finished"


class Kept:
    """The folder of finished work beside the runs."""

    def __init__(self, out: Path) -> None:
        self.folder = out / KEPT

    def result(self, digest: str) -> tuple[CheckResult, dict[str, bytes]] | None:
        """Return a kept check's result and sidecar files; None when absent, or damaged and so removed."""
        folder = self.folder / digest
        found = _read(folder)
        if found is None:
            shutil.rmtree(folder, ignore_errors=True)
        return found

    def keep(self, digest: str, result: CheckResult, files: dict[str, bytes]) -> None:
        """Keep a finished check."""
        with contextlib.suppress(FileExistsError), whole(self.folder / digest) as partial:
            for path, data in {**files, "result.json": result.model_dump_json().encode()}.items():
                (partial / path).parent.mkdir(parents=True, exist_ok=True)
                write_bytes(partial / path, data)

    def folder_of(self, digest: str) -> Path | None:
        """Return the kept folder of this digest, or None."""
        path = self.folder / digest
        return path if path.is_dir() else None

    def keep_folder(self, digest: str, fill: Callable[[Path], None]) -> None:
        """Keep a folder that `fill` writes, whole or not at all."""
        with contextlib.suppress(FileExistsError), whole(self.folder / digest) as partial:
            fill(partial)


def _read(folder: Path) -> tuple[CheckResult, dict[str, bytes]] | None:
    """Read a kept result and check its files against their digests."""
    try:
        result = CheckResult.model_validate_json((folder / "result.json").read_bytes())
        files = {a.path: (folder / a.path).read_bytes() for a in result.findings.artifacts}
    except (OSError, ValidationError):
        return None
    if any(sha256(files[a.path]) != a.sha256 for a in result.findings.artifacts):
        return None
    return result, files
