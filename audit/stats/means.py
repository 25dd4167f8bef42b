"""The mean of independent or clustered values, bounded with a correction for skewness."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from audit.evidence import Estimate, Mapped, Moments
from audit.stats.estimates import EstimateSide, bounded, not_estimable

METHOD = "mean, skewness-corrected t (Hall 1992)"


def mean(
    values: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    low: float | None = None,
    high: float | None = None,
    side: EstimateSide = "two-sided",
    note: str = "",
) -> Estimate:
    """Return the mean of values[n]; low and high are the ends of their possible range, where known.

    cluster[n] names what rows share: clusters are then the independent units. Values that are not finite,
    too few, or all equal without a known range leave no value, but a reason.
    """
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 1 or (low is not None and (v < low).any()) or (high is not None and (v > high).any()):
        raise ValueError(f"values of shape {v.shape} within [{low}, {high}] expected")
    n, broken = len(v), int(np.count_nonzero(~np.isfinite(v)))
    units = v if cluster is None or broken else cluster_units(v, np.asarray(cluster))
    method = METHOD if cluster is None else f"{METHOD} over {len(units)} clusters"
    if broken:
        return not_estimable(f"{broken} of {n} values are not finite", n, method)
    if len(units) < 2:
        what = "value" if cluster is None else "cluster"
        return not_estimable(f"{len(units)} {what}, where two are the fewest", n, method)
    found = moments(units, low, high)
    if found.variance == 0 and (low is None or high is None):
        return not_estimable(f"all {n} values are equal and their range is not known", n, method)
    return bounded(found, n, method, side=side, note=note)


def root_mean(values: ArrayLike, *, cluster: ArrayLike | None = None, note: str = "") -> Estimate:
    """Return the root of the mean of values[n] >= 0, bounded by the roots of the mean's bounds."""
    found = mean(values, cluster=cluster, low=0.0, note=note)
    if not isinstance(found.statistic, Moments):
        return found
    return bounded(Mapped(by="root", of=found.statistic), found.n, f"root of the {found.method}", note=note)


def linearised(
    value: float,
    influence: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    low: float,
    high: float,
    method: str,
    note: str = "",
) -> Estimate:
    """Return a smooth statistic of the rows, bounded as the mean of value + influence[n].

    influence[n] is how a little more weight on each row moves the statistic (mean 0; Hampel 1974); its
    spread is the statistic's. low and high are the ends of the statistic's own range.
    """
    v = np.asarray(influence, dtype=np.float64)
    n, shown = len(v), f"{method}, influence of every row, skewness-corrected t"
    if n < 2 or not np.isfinite(v).all():
        return not_estimable(f"{n} rows, or an influence that is not finite", n, shown)
    units = v - math.fsum(v.tolist()) / n
    if cluster is not None:
        units = cluster_units(units, np.asarray(cluster))
        shown = f"{shown} over {len(units):,} clusters"
    if len(units) < 2 or not units.any():
        return not_estimable("too few rows differ in what came of them", n, shown)
    spread = moments(np.sort(units), None, None)
    around = spread.model_copy(update={"mean": float(value), "low": low, "high": high})
    return bounded(around, n, shown, note=note)


def moments(v: np.ndarray, low: float | None, high: float | None) -> Moments:
    """Return size, mean, variance and third central moment, exactly rounded so that order never matters."""
    n = len(v)
    centre = math.fsum(v.tolist()) / n
    centre = min(max(centre, float(v.min())), float(v.max()))
    apart = v - centre
    variance = math.fsum((apart**2).tolist()) / max(n - 1, 1)
    return Moments(
        n=n, mean=centre, variance=variance, third=math.fsum((apart**3).tolist()) / n, low=low, high=high
    )


def cluster_units(v: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return one value a cluster whose mean is that of all rows, and whose spread is that between clusters."""
    order = np.lexsort((v, cluster))
    _, member = np.unique(cluster[order], return_inverse=True)
    centre = math.fsum(v.tolist()) / len(v)
    totals = np.bincount(member, weights=v[order] - centre)
    return centre + totals * len(totals) / len(v)
