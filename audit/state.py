"""The user's state folder: what runs on one machine remember of each other."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path | None:
    """Return $XDG_STATE_HOME/jax-audit, by default ~/.local/state/jax-audit, made if absent; None where it can't be."""
    given = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"
        path = base / "jax-audit"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home folder, or one that can't be written
        return None
    return path if os.access(path, os.W_OK | os.X_OK) else None
