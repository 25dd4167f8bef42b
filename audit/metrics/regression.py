"""Calibration line of predicted numbers with leverage-safe errors, and how far two samples lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Line:
    """Intercept and slope of the target on the prediction, their standard errors and degrees of freedom."""

    intercept: float
    slope: float
    intercept_error: float
    slope_error: float
    intercept_df: float
    slope_df: float


@dataclass(frozen=True)
class Distance:
    """The widest distance of any two groups' values, and which two."""

    value: float
    first: str
    second: str


def line(predicted: np.ndarray, y: np.ndarray, cluster: np.ndarray | None = None) -> Line | None:
    """Return the least-squares line of y[n] on predicted[n]; None where no line fits without some unit.

    The errors are HC3 (MacKinnon and White 1985), which is how far the line moves when each row, or each whole
    cluster (CR3, Bell and McCaffrey 2002), is left out. The degrees of freedom are those of Bell and McCaffrey's
    Satterthwaite approximation for independent errors of one spread, the hat matrix's off-diagonal left out: few
    where few units, far from the others, decide the line.
    """
    order = np.lexsort((y, predicted))  # the order of rows never matters, to the last bit
    x, y = predicted[order], y[order]
    unit = np.arange(len(x)) if cluster is None else np.unique(cluster[order], return_inverse=True)[1]
    if len(x) < 3 or unit.max() < 2:
        return None
    centre, scale = x.mean(), x.std()
    if scale <= 1e-12 * max(1.0, abs(float(centre))):
        return None
    z = (x - centre) / scale
    sums = np.stack([np.bincount(unit, v) for v in (np.ones(len(z)), z, z * z, y, z * y)])
    total = sums.sum(axis=1)
    left = total[:, None] - sums
    if (_spread(left) <= 1e-9).any():
        return None
    whole, without = np.array(_fit(total)), np.array(_fit(left))
    to_own = np.array([[1.0, -centre / scale], [0.0, 1 / scale]])  # from the standardised axis back
    errors = np.sqrt(np.square(to_own @ (without - whole[:, None])).sum(axis=1))
    intercept, slope = to_own @ whole
    pull = np.stack(
        [1 / len(z) - centre / scale * z / len(z), z / len(z)]
    )  # of each row on intercept and slope
    worth = np.stack([np.bincount(unit, one * one) for one in pull])
    df = np.square(worth.sum(axis=1)) / np.square(worth).sum(axis=1)
    df = np.clip(df, 1.0, unit.max() - 1)
    return Line(
        float(intercept), float(slope), float(errors[0]), float(errors[1]), float(df[0]), float(df[1])
    )


def widest(values: np.ndarray, group: np.ndarray) -> tuple[Distance, Distance]:
    """Return the largest 1-Wasserstein and Kolmogorov-Smirnov distance of values[n] between any two groups.

    The first is in the values' unit, the second a difference of shares from 0 to 1; two groups at least.
    """
    names, grid = sorted(set(group.tolist())), np.unique(values)
    below = [np.searchsorted(np.sort(values[group == name]), grid, side="right") for name in names]
    share = np.stack([count / count[-1] for count in below])  # each group's distribution function on the grid
    earth, steps = [], []
    for i, j in combinations(range(len(names)), 2):
        apart = np.abs(share[i] - share[j])
        earth.append(Distance(float(apart[:-1] @ np.diff(grid)), names[i], names[j]))
        steps.append(Distance(float(apart.max()), names[i], names[j]))
    return max(earth, key=lambda d: d.value), max(steps, key=lambda d: d.value)


def _spread(sums: np.ndarray) -> np.ndarray:
    """Return n times the sum of squares about the mean, over n squared."""
    n, x, xx = sums[:3]
    return (n * xx - x * x) / np.maximum(n, 1) ** 2


def _fit(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return intercept and slope from the sums of 1, x, x^2, y and x y."""
    n, x, xx, y, xy = sums
    slope = (n * xy - x * y) / (n * xx - x * x)
    return (y - slope * x) / n, slope
