"""What is said of a gradient method's own quality: whether values add up, whether they rank as Shapley values do."""

from __future__ import annotations

import numpy as np

from audit import stats
from audit.attribution.paths import Gradients
from audit.evidence import Column, Estimate, Measurement, Scalar, Table
from audit.games.game import ROUNDING, largest

TINY = 1e-300


def incomplete(found: Gradients) -> np.ndarray:
    """Return each row's completeness error as a share of the sum of its inputs' |value|, 0 where it is rounding."""
    values = np.abs(found.values).reshape(len(found.steps), -1).sum(axis=1)
    noise = ROUNDING * largest(found.outputs)
    error = found.completeness[:, 0]
    return np.where(error <= noise, 0.0, error / np.maximum(values, max(noise, TINY)))


def completeness(found: Gradients) -> Measurement:
    """Return the largest completeness error."""
    share = incomplete(found)
    return Measurement(
        name="completeness_error",
        label="Largest completeness error of a row",
        estimate=stats.descriptive(float(share.max()), len(share), "largest, as a share of sum |value|"),
        better="lower",
    )


def table(found: Gradients, tolerance: float) -> Table:
    """Tabulate completeness errors and the points spent on a path."""
    share, steps = incomplete(found), found.steps
    columns = (
        Column(name="method", label="method", kind="text"),
        Column(name="rows", label="rows", kind="count"),
        Column(name="median", label="median error"),
        Column(name="largest", label="largest error"),
        Column(name="above", label=f"rows above {tolerance:g}", kind="count"),
        Column(name="median_steps", label="median points a row", kind="count"),
        Column(name="most_steps", label="most points a row", kind="count"),
    )
    row: tuple[Scalar, ...] = (found.method, len(share), float(np.median(share)), float(share.max()))
    row += (int((share > tolerance).sum()), int(np.median(steps)), int(steps.max()))
    note = "A row's error: |sum of values - (output - baseline's output)| as a share of the sum of |value|."
    return Table(name="completeness", title="Do the values add up?", columns=columns, rows=(row,), note=note)


def mean_rank(rho: np.ndarray, cluster: np.ndarray | None) -> Estimate:
    """Bound the mean of the rank correlations of rows that have a ranking."""
    there = np.isfinite(rho)
    if there.sum() < 2:
        return stats.not_estimable("fewer than two rows rank their features", n=len(rho))
    bounded = np.clip(rho[there], -1.0, 1.0)
    return stats.mean(bounded, cluster=None if cluster is None else cluster[there], low=-1.0, high=1.0)
