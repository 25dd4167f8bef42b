"""Files as bytes: found, refused, opened, hashed."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from audit.errors import DataError

PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth")


def find(path: str | Path, obtain: str = "") -> Path:
    """Return the path of an existing file; DataError says how to obtain a missing one, and refuses pickles."""
    found = Path(path).expanduser()
    if found.suffix.lower() in PICKLES:
        raise DataError(
            f"path={str(path)!r} is a pickle", "CSV, Parquet, IDX or NPZ", "a pickle can run code when opened"
        )
    if found.is_dir():
        raise DataError(f"path={str(path)!r} is a folder", "a file", "name the file in it")
    if not found.is_file():
        todo = f"to obtain it: {obtain}" if obtain else "check the path; it is relative to the current folder"
        raise DataError(f"path={str(path)!r}", "a file that exists", todo)
    return found


def read_bytes(path: Path) -> bytes:
    """Return the file's bytes, unpacked where they are gzip; DataError where the archive is damaged."""
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"path={str(path)!r} is a damaged gzip file ({error})", "a whole file", "fetch it again"
        ) from error


def read_npz(path: Path) -> Mapping[str, np.ndarray]:
    """Return the arrays of an NPZ file; DataError where one would need pickle."""
    try:
        with path.open("rb") as handle, np.lib.npyio.NpzFile(handle, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except ValueError as error:
        raise DataError(
            f"path={str(path)!r} holds pickled objects ({error})",
            "plain arrays",
            "save numbers or text arrays",
        ) from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(
            f"path={str(path)!r} is no NPZ file ({error})", "a file made by numpy.savez"
        ) from error


def digest(*paths: Path) -> str:
    """Return the SHA-256 of one file, or of the lines `sha256sum` prints for several (file names only)."""
    each = [_sha256(path) for path in paths]
    if len(each) == 1:
        return each[0]
    lines = "".join(f"{one}  {path.name}\n" for one, path in zip(each, paths, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify(found: str, expected: str | None, source: str) -> None:
    """Raise DataError where the digest of the source is not the expected one (None expects nothing)."""
    if expected is not None and found != expected.lower():
        raise DataError(
            f"sha256={found} of {source}",
            f"{expected.lower()}",
            "the file is not the declared one: fetch it again",
        )


def refuse_same(one: Path | None, other: Path | None) -> None:
    """Raise DataError where two files have the same content, which would judge a model on what it saw."""
    if one is not None and other is not None and _sha256(one) == _sha256(other):
        raise DataError(
            f"path={one.name!r} and test={other.name!r} are the same file",
            "test rows of their own",
            "drop test",
        )


def _sha256(path: Path) -> str:
    """Return one file's SHA-256."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
