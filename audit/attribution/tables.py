"""From a table's features and training rows to the changes that counterfactuals may make (NumPy)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from audit.attribution.recourse import Space

POINTS = 9  # evenly spaced values tried of a number,
QUANTILES = 15  # and quantiles of its distinct training values
NORMAL = 1.4826  # a normal distribution's standard deviation over its median absolute deviation
BLOCK = 2**22  # numbers held at once


def space_of(
    features: Sequence[Any],
    train: np.ndarray,
    *,
    actions: Mapping[str, str],
    unit: Literal["sd", "mad"] = "sd",
    category_cost: float = 1.0,
) -> Space:
    """Return the changes that a table's features allow, from train[n, d]: ranges, categories, actions.

    A feature has name, kind ('numeric', 'categorical'), low, high, scale, mutable and categories.
    actions: 'up', 'down' or 'fixed' by name; a category has no order, so that it can only be fixed (ValueError).
    A changed category costs category_cost; a number changes in standard deviations, or median absolute ones
    times 1.4826, which give way to the standard deviation where they are 0.
    """
    asked = [actions.get(f.name, "") for f in features]
    ends = [_ends(f, train[:, j]) for j, f in enumerate(features)]
    return Space(
        numeric=np.array([f.kind == "numeric" for f in features]),
        unit=np.array([_unit(f, train[:, j], unit, category_cost) for j, f in enumerate(features)]),
        low=np.array([low for low, _ in ends]),
        high=np.array([high for _, high in ends]),
        direction=np.array([{"up": 1, "down": -1}.get(a, 0) for a in asked]),
        fixed=np.array([not f.mutable or a == "fixed" for f, a in zip(features, asked, strict=True)]),
        values=tuple(_values(f, train[:, j], ends[j]) for j, f in enumerate(features)),
    )


def nearest(space: Space, x: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the distance[n] of each row of x[n, d] to the nearest of among[m, d]: L1 in units, every feature.

    A category that differs counts its cost, a feature that may not change counts like any other.
    """
    weight = np.divide(1.0, space.unit, out=np.zeros(len(space.unit)), where=space.unit > 0)
    step = max(1, BLOCK // max(among.size, 1))
    parts = []
    for start in range(0, len(x), step):
        apart = np.abs(np.asarray(x[start : start + step], np.float64)[:, None] - among[None])
        parts.append((np.where(space.numeric, apart, apart > 0) @ weight).min(axis=1))
    return np.concatenate(parts)


def _ends(feature: Any, column: np.ndarray) -> tuple[float, float]:
    """Return the range of a number (declared, else that of train), the first and last code of a category."""
    if feature.kind == "categorical":
        return 0.0, float(len(feature.categories))
    low = column.min() if feature.low is None else feature.low
    return float(low), float(column.max() if feature.high is None else feature.high)


def _unit(feature: Any, column: np.ndarray, unit: str, category_cost: float) -> float:
    """Return what counts as 1."""
    if feature.kind == "categorical":
        return 1 / category_cost
    away = NORMAL * float(np.median(np.abs(column - np.median(column)))) if unit == "mad" else 0.0
    return away if away > 0 else float(feature.scale)


def _values(feature: Any, column: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Return the values to try: every category, or evenly spaced numbers and quantiles of the distinct ones."""
    if feature.kind == "categorical":
        return np.arange(1, len(feature.categories) + 1)
    met: Any = np.quantile(np.unique(column), np.linspace(0, 1, QUANTILES))
    return np.unique(np.clip(np.concatenate([np.linspace(*ends, POINTS), met]), *ends))
