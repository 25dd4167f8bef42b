"""The secret that seals finished work: from the environment, or a file that its owner alone can read (no JAX)."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from audit import state
from audit.errors import StoreError

VARIABLE = "JAX_AUDIT_CACHE_KEY"
FILE = "cache.key"
SHORTEST = 16  # characters of a key from the environment
_HEX = re.compile(rb"[0-9a-f]{64}\n")


def key(note: Callable[[str], None]) -> bytes | None:
    """Return the secret key of finished work, made at first use; None, with a note why, where there can be none.

    JAX_AUDIT_CACHE_KEY comes first (empty counts as absent; StoreError where it is too short to be a secret). Else
    it is 32 random bytes in the user's state folder, mode 0600. A file that others could read or write is
    replaced by a new key, since theirs may be what sealed the work; another user's file is never used.
    """
    given = os.environ.get(VARIABLE, "")
    if given and len(given) < SHORTEST:
        raise StoreError(
            f"{VARIABLE} of {len(given)} characters",
            f"a secret of {SHORTEST} or more",
            "openssl rand -hex 32",
        )
    if given:
        return given.encode("utf-8", "surrogateescape")
    place = state.folder()
    if place is None:
        note(f"finished work is not kept: there is no state folder for its key; set {VARIABLE}")
        return None
    try:
        return _of_file(place / FILE, note)
    except OSError as error:
        note(f"finished work is not kept: its key cannot be used ({error}); set {VARIABLE}")
        return None


def _of_file(path: Path, note: Callable[[str], None]) -> bytes:
    """Return the key in the file, written first where there is none or it is not the owner's secret."""
    if not os.path.lexists(path):
        _write(path, replace=False)
    why = _unfit(path)
    if why:
        note(f"{path} {why}: replaced by a new key, and the work that the old one sealed is done again")
        _write(path, replace=True)
    return _read(path)


def _unfit(path: Path) -> str:
    """Return why a key file cannot be trusted, or nothing; PermissionError for another user's."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return "is no plain file"
    if os.name == "posix" and found.st_uid != os.geteuid():
        raise PermissionError(13, "belongs to another user", str(path))
    if os.name == "posix" and found.st_mode & 0o077:
        return "could be read by others"
    return "" if _HEX.fullmatch(_read(path)) else "holds no key"


def _read(path: Path) -> bytes:
    """Return the key file's bytes."""
    return path.read_bytes()


def _write(path: Path, *, replace: bool) -> None:
    """Write a new key whole; where another process was first and replace is false, its key stays."""
    partial = path.with_name(f".{FILE}-{secrets.token_hex(8)}")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(partial, path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
