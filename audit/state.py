"""The user's state folder: what runs on one machine remember of each other."""

from __future__ import annotations

import os
from pathlib import Path


def path() -> Path:
    """Return $XDG_STATE_HOME/jax-audit, by default ~/.local/state/jax-audit; RuntimeError for a user without a home."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".local" / "state") / "jax-audit"


def folder() -> Path | None:
    """Return that folder, made where it is absent, or None where it can't be made or written."""
    try:
        found = path()
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return found if os.access(found, os.W_OK | os.X_OK) else None
