"""Keep the caller's folder from standing in for our own packages (`models`, `reports`)."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from audit.errors import AuditError

OURS = ("models", "reports")


def guard() -> None:
    """Move the caller's folder to the end of sys.path; AuditError when a package of ours is another's."""
    here = Path.cwd().resolve()
    root = Path(__file__).resolve().parent.parent
    if here != root:
        local = [entry for entry in sys.path if Path(entry or os.curdir).resolve() == here]
        sys.path[:] = [entry for entry in sys.path if entry not in local] + local
    for name in OURS:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin != root / name / "__init__.py":
            raise AuditError(
                f"the import package {name!r} comes from {origin or 'a folder without __init__.py'}",
                f"{root / name}, a part of jax-audit",
                "rename or uninstall the other one, or run the jax-audit script",
            )
