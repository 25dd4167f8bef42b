"""A mean over disjoint groups: the largest difference of any two, and the largest."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from audit.evidence import Estimate, GroupMeans
from audit.stats.estimates import bounded
from audit.stats.means import cluster_units, moments

Of = Literal["difference", "maximum"]
_METHODS: dict[str, str] = {
    "difference": "largest of all pairs' differences, hybrid of skewness-corrected t bounds (MOVER); all at once "
    "below (Tukey-Kramer)",
    "maximum": "largest of skewness-corrected t bounds; all groups at once (Sidak) below",
}


def group_means(
    values: ArrayLike,
    group: ArrayLike,
    *,
    of: Of,
    cluster: ArrayLike | None = None,
    inflation: float = 1.0,
    low: float | None = None,
    high: float | None = None,
    note: str = "",
) -> Estimate:
    """Return a summary of the means of values[n] in each group[n], with valid bounds on both sides.

    low and high are the ends of a value's possible range, where known. cluster[n] names what rows share:
    clusters are then the independent units, and inflation is what clusters in several groups add to the
    variance of a difference. A group with fewer than two units, or whose values are all equal without a
    known range, and fewer than two groups, leave no value, but a reason.
    """
    v, names = np.asarray(values, np.float64), np.asarray(group).astype(str)
    if v.ndim != 1 or v.shape != names.shape or not np.isfinite(v).all():
        raise ValueError(
            f"values of shape {v.shape}, groups of shape {names.shape}; expected [n] both, finite"
        )
    met = sorted(set(names.tolist()))
    owner = None if cluster is None else np.asarray(cluster)
    parts = [moments(_units(v, names == name, owner), low, high) for name in met]
    statistic = GroupMeans(
        of=of,
        groups=tuple(met),
        n=tuple(p.n for p in parts),
        mean=tuple(p.mean for p in parts),
        variance=tuple(p.variance * inflation for p in parts),
        third=tuple(p.third * inflation**1.5 for p in parts),
        sizes=tuple(float((names == name).sum()) for name in met),
        low=low,
        high=high,
    )
    return summarise_means(statistic, note=note)


def summarise_means(s: GroupMeans, *, note: str = "") -> Estimate:
    """Return the estimate of group means; where it has no value it still keeps the moments."""
    rows, method, reason = round(math.fsum(s.sizes)), _METHODS[s.of], _undefined(s)
    if reason:
        return Estimate(value=None, n=rows, method=method, statistic=s, note=note, reason=reason)
    return bounded(s, rows, method, note=note)


def _units(v: np.ndarray, rows: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Return a group's independent values: its rows', or one a cluster."""
    return v[rows] if cluster is None else cluster_units(v[rows], cluster[rows])


def _undefined(s: GroupMeans) -> str:
    """Return why the summary has no value, or nothing."""
    if len(s.groups) < 2:
        return f"{len(s.groups)} group, so there is nothing to compare"
    few = [name for name, n in zip(s.groups, s.n, strict=True) if n < 2]
    if few:
        return f"the mean has no error with one independent row: group {', '.join(few)}"
    equal = [name for name, spread in zip(s.groups, s.variance, strict=True) if spread == 0]
    if equal and (s.low is None or s.high is None):
        return f"all values are equal and their range is not known: group {', '.join(equal)}"
    return ""
