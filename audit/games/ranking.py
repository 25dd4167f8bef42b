"""What attributions come to: sizes without rounding's noise, a player's mean with its interval, the ranking table."""

from __future__ import annotations

import numpy as np

from audit import stats
from audit.evidence import Column, Estimate, Measurement, Scalar, Table
from audit.games.game import ROUNDING, largest


def without_rounding(values: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return |values|, 0 where they are but single precision's noise beside the outputs; NaN stays NaN."""
    size = np.abs(values)
    return np.where(size <= ROUNDING * largest(outputs), 0.0, size)


def mean_size(size: np.ndarray, cluster: np.ndarray | None) -> Estimate:
    """Bound one player's mean |value|; one that no explained row depends on has none to bound."""
    if not size.any():
        return stats.descriptive(0.0, len(size), "mean", note="no explained row depends on it")
    return stats.mean(size, cluster=cluster, low=0.0)


def ranking(importance: list[Measurement], what: str, unit: str, note: str) -> Table:
    """Tabulate the players' mean |value|, largest first."""
    rows: list[tuple[Scalar, ...]] = [
        (m.where["feature"], m.estimate.value, m.estimate.low, m.estimate.high) for m in importance
    ]
    columns = (
        Column(name="feature", label="feature", kind="text"),
        Column(name="value", label=f"mean |{what}|{f', {unit}' if unit else ''}"),
        Column(name="low", label="low"),
        Column(name="high", label="high"),
    )
    return Table(
        name="importance",
        title="What the model's outputs rest on",
        kind="importance",
        columns=columns,
        rows=tuple(sorted(rows, key=lambda row: -float(row[1] or 0.0))),
        note=note,
    )
