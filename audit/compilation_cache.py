"""What XLA compiles is kept in the user's cache folder, so that the next run need not compile it again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import jax

MOST = 2**30  # bytes that a run finds at most; the oldest files go first
LEAST_SECONDS = 0.2  # of compiling; less is not worth a file


def keep() -> None:
    """Keep compiled code in the folder of `place`, unless JAX was told another or none at all."""
    folder = place()
    if _folder() or not _writable(folder):
        return
    _prune(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)


def place() -> Path:
    """Return the folder: jax-audit/xla in $XDG_CACHE_HOME, by default ~/.cache."""
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "jax-audit" / "xla"


def named() -> dict[str, str]:
    """Return the folder in use for the record, the user's home left out of its name."""
    folder = _folder()
    if not folder or not getattr(jax.config, "jax_enable_compilation_cache", True):
        return {}
    home = str(Path.home())
    return {"compilation cache": f"~{folder[len(home) :]}" if folder.startswith(home + os.sep) else folder}


def _folder() -> str:
    """Return the folder that JAX keeps compiled code in, or nothing."""
    return getattr(jax.config, "jax_compilation_cache_dir", None) or ""


def _prune(folder: Path) -> None:
    """Remove the oldest files until the rest take no more than MOST; another run may be removing them, too."""
    with contextlib.suppress(OSError):
        files = sorted((f.stat().st_mtime, f.stat().st_size, f) for f in folder.iterdir() if f.is_file())
        over = sum(size for _, size, _ in files) - MOST
        for _, size, file in files:
            if over <= 0:
                break
            file.unlink(missing_ok=True)
            over -= size


def _writable(folder: Path) -> bool:
    """Return whether files can be put into the folder, after making it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
