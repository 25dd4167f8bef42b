"""Responsible-AI audits of JAX/Flax models, judged on intervals: `audit.run(config)` returns the Record."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "run": "audit.pipeline",
    "open_run": "audit.opening",
    "Record": "audit.evidence",
    "Policy": "audit.evidence",
    "Rule": "audit.evidence",
    "Dataset": "audit.subject",
    "DecisionRule": "audit.subject",
    "Feature": "audit.subject",
    "Model": "audit.subject",
    "Split": "audit.subject",
    "SplitPlan": "audit.data.roles",
    "from_arrays": "audit.data.arrays",
    "from_splits": "audit.data.arrays",
    "AuditError": "audit.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that light commands load no JAX."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'audit' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(_PUBLIC)
