"""One rate, and two rates compared: exact limits, clustered rows by their effective number."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from audit.evidence import Estimate, Rate, RatePair
from audit.stats.estimates import EstimateSide, bounded, not_estimable

EXACT = "Clopper-Pearson exact interval"
HYBRID = "hybrid of Clopper-Pearson limits (MOVER)"


def rate(
    hits: ArrayLike, *, cluster: ArrayLike | None = None, side: EstimateSide = "two-sided", note: str = ""
) -> Estimate:
    """Return the share of true values of hits[n], bounded exactly (Clopper and Pearson 1934).

    cluster[n] names what rows share (a patient, a user); the exact interval is then taken at the
    effective number of rows (Korn and Graubard 1998). Without rows there is no value, but a reason.
    """
    flags = _flags(hits)
    if cluster is None:
        return rate_of(float(flags.sum()), float(flags.size), side=side, note=note)
    clusters = len(np.unique(np.asarray(cluster)))
    if flags.size and clusters < 2:
        return not_estimable(f"all {flags.size} rows lie in one cluster", n=flags.size, method=EXACT)
    k, n = effective_counts(flags, cluster)
    method = f"{EXACT} at the effective number of rows of {clusters} clusters (Korn-Graubard)"
    return rate_of(k, n, rows=flags.size, method=method, side=side, note=note)


def rate_of(
    k: float,
    n: float,
    *,
    rows: int | None = None,
    method: str = EXACT,
    side: EstimateSide = "two-sided",
    note: str = "",
) -> Estimate:
    """Return the rate k / n bounded exactly; rows is the shown n where k and n are effective counts."""
    shown = round(n) if rows is None else rows
    if n == 0:
        return not_estimable("the rate's denominator is empty (n = 0)", n=shown, method=method)
    return bounded(Rate(k=float(k), n=float(n)), shown, method, side=side, note=note)


def effective_counts(hits: ArrayLike, cluster: ArrayLike | None = None) -> tuple[float, float]:
    """Return the effective k and n of hits[n]: k / n is the rate, n shrinks with the clusters' likeness.

    n_eff = p (1 - p) / v, where v is the rate's variance between clusters, at most n, times the squared
    ratio of t quantiles at n - 1 and clusters - 1 degrees of freedom (Korn and Graubard 1998). Where all
    rows agree, v says nothing and each cluster counts as one row (n squared over the sum of squared sizes).
    One cluster alone gives n = 0: nothing can be said.
    """
    flags = _flags(hits)
    n = flags.size
    if cluster is None or n == 0:
        return float(flags.sum()), float(n)
    _, member = np.unique(np.asarray(cluster), return_inverse=True)
    sizes = np.bincount(member)
    if len(sizes) == n:
        return float(flags.sum()), float(n)
    if len(sizes) < 2:
        return 0.0, 0.0
    p = float(flags.mean())
    excess = np.bincount(member, weights=flags) - p * sizes
    variance = len(sizes) / (len(sizes) - 1) * float(np.sum(excess**2)) / n**2
    alike = n**2 / float(np.sum(sizes**2))
    effective = alike if p in (0.0, 1.0) else n if variance == 0 else min(p * (1 - p) / variance, n)
    few = student.isf(0.025, n - 1) / student.isf(0.025, len(sizes) - 1)
    effective = float(effective * few**2)
    return min(p * effective, effective), effective


def counts_of(rate: Estimate, factor: float = 1.0) -> tuple[float, float]:
    """Return a rate's effective (k, n), both divided by a factor; (0, 0) where it has no value."""
    if not isinstance(rate.statistic, Rate):
        return 0.0, 0.0
    return rate.statistic.k / factor, rate.statistic.n / factor


def difference(k1: float, n1: float, k2: float, n2: float, *, note: str = "") -> Estimate:
    """Return k1 / n1 - k2 / n2 of independent rates (Zou and Donner 2008 over Clopper-Pearson limits)."""
    return _compare("difference", k1, n1, k2, n2, note)


def ratio(k1: float, n1: float, k2: float, n2: float, *, note: str = "") -> Estimate:
    """Return (k1 / n1) / (k2 / n2) of independent rates (Donner and Zou 2012 over Clopper-Pearson limits).

    A second rate of zero leaves no value, but a reason.
    """
    return _compare("ratio", k1, n1, k2, n2, note)


def _compare(
    of: Literal["difference", "ratio"], k1: float, n1: float, k2: float, n2: float, note: str
) -> Estimate:
    """Return the bounded comparison, or the reason why there is none."""
    rows, method = round(n1 + n2), f"{of}, {HYBRID}"
    if n1 == 0 or n2 == 0:
        which = "first" if n1 == 0 else "second"
        return not_estimable(f"the {which} rate's denominator is empty (n = 0)", n=rows, method=method)
    if of == "ratio" and k2 == 0:
        return not_estimable(f"the second rate is 0 of {n2:g}, so the ratio is undefined", rows, method)
    return bounded(RatePair(of=of, k1=k1, n1=n1, k2=k2, n2=n2), rows, method, note=note)


def _flags(hits: ArrayLike) -> np.ndarray:
    """Return hits as a flat boolean array; ValueError where they are anything but true and false."""
    flags = np.asarray(hits)
    if flags.ndim != 1 or not np.isin(flags, (0, 1)).all():
        raise ValueError(f"hits of shape {flags.shape}, dtype {flags.dtype}; expected bool[n]")
    return flags.astype(bool)
