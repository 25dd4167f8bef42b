"""Digests of what an audit depends on: data, model, software, our own source."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from audit.subject import Dataset, Model, Split

PACKAGES = ("jax-audit", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "pandas",
            "scikit-learn", "fairlearn", "shap")  # fmt: skip


def of_json(value: Any) -> str:
    """Return the SHA-256 of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def of_arrays(tree: Any) -> str:
    """Return the SHA-256 of an array, or of a mapping or sequence of them (None is allowed)."""
    total = hashlib.sha256()
    _feed(total, tree)
    return total.hexdigest()


def dataset_digest(data: Dataset) -> dict[str, str]:
    """Return the digests of each split's rows (inputs, labels, groups, clusters) and of all of them."""
    splits = {name: of_arrays(_rows(split, data)) for name, split in sorted(data.splits.items())}
    features = [(f.name, f.kind, f.mutable, float(f.scale)) for f in data.features]
    meaning = [data.task, data.modality, data.classes, data.favourable, features, data.unit]
    bounds = of_arrays([data.low, data.high, data.scale])
    if data.folds is not None:
        meaning.append(of_arrays(data.folds))
    if data.catalogue is not None:
        meaning.append(
            of_arrays([data.catalogue.counts, {k: m for k, (_, m) in data.catalogue.groups.items()}])
        )
        meaning.append({name: names for name, (names, _) in data.catalogue.groups.items()})
    if data.tokens is not None:
        meaning.append(hashlib.sha256(data.tokens.saved).hexdigest())
    return {**splits, "data": of_json([splits, meaning, bounds])}


def model_digest(model: Model) -> str:
    """Return the digest of a model: its parameters or scores, its name and how its outputs decide."""
    import jax

    leaves = [
        (jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(model.params)
    ]
    inside = of_arrays(
        [dict(leaves), dict(model.scores), *([dict(model.decisions)] if model.decisions else [])]
    )
    return of_json(
        [inside, model.network, model.notes, model.outputs, str(model.decision), model.differentiable]
    )


@cache
def software() -> dict[str, str]:
    """Return the versions of what computes the numbers."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


@cache
def source_digest() -> str:
    """Return the SHA-256 of this suite's own Python source."""
    root = Path(__file__).parent
    files = [
        *root.rglob("*.py"),
        *(root.parent / "models").rglob("*.py"),
        *(root.parent / "reports").rglob("*.py"),
    ]
    return of_json(
        {f.relative_to(root.parent).as_posix(): f.read_text(encoding="utf-8") for f in sorted(files)}
    )


def _rows(split: Split, data: Dataset) -> list[Any]:
    """Return what identifies the rows of a split, whichever fold they are in."""
    x = split.x if data.folds is None else split.x[:, : len(data.features)]
    rows = [x, split.y, dict(split.groups), split.cluster, split.weight, dict(split.legitimate)]
    return rows if split.text is None else [*rows, split.text]


def _feed(total: Any, tree: Any) -> None:
    """Feed arrays to a hash with their shape and type."""
    if isinstance(tree, Mapping):
        for key in sorted(tree):
            total.update(f"{key}:".encode())
            _feed(total, tree[key])
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            _feed(total, item)
    elif tree is None:
        total.update(b"none")
    else:
        a = np.ascontiguousarray(tree)
        total.update(f"{a.dtype.kind}{a.shape}".encode())
        total.update("\0".join(map(str, a.ravel())).encode() if a.dtype.kind in "OU" else a.tobytes())
