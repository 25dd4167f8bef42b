"""One-sided bounds of a mean, and of the largest mean or difference of means over disjoint groups."""

from __future__ import annotations

import numpy as np

from audit.evidence import GroupMeans, Moments
from audit.stats import limits


def bound(s: Moments | GroupMeans, which: int, alpha: float) -> np.ndarray:
    """Return the lower (0) or upper (1) skewness-corrected bounds, one more value at the far end of a known range.

    One bound, or one for every group, which is never nearer than Student's: far out, where many groups are bounded
    at once, a skewness that one outlier makes would pull the bound of its group in. The added value stands for
    what the sample may have missed: without it a sample of equal values, or one whose rare large values were
    not drawn, would have a bound of no width.
    """
    end = (s.low, s.high)[which]
    n, mean, variance, third = (np.asarray(v, float) for v in (s.n, s.mean, s.variance, s.third))
    if end is not None:
        gap = (end - mean) / (n + 1)
        squares, cubes = (n - 1) * variance, n * third
        third = (cubes - 3 * gap * squares + n * (n * n - 1) * gap**3) / (n + 1)
        variance = (squares + n * (n + 1) * gap**2) / n
        mean, n = mean + gap, n + 1
    equal = variance == 0
    if end is None and equal.any():
        raise ValueError("equal values without a known range have no bound")
    spread, wider = np.where(equal, 1.0, variance), np.minimum if which == 0 else np.maximum
    found = limits.skewed_mean(n, mean, spread, third, alpha)[which]
    if isinstance(s, GroupMeans):
        found = wider(found, limits.skewed_mean(n, mean, spread, 0.0 * n, alpha)[which])
    if end is None:
        return found
    nearer = np.maximum if which == 0 else np.minimum
    return np.where(equal, end, nearer(found, end))


def possible(s: Moments | GroupMeans) -> bool:
    """Return whether samples of two values or more have these moments."""
    least, most = (-np.inf if s.low is None else s.low), (np.inf if s.high is None else s.high)
    n, mean, variance = np.asarray(s.n), np.asarray(s.mean), np.asarray(s.variance)
    return bool(np.all((n >= 2) & (variance >= 0) & (mean >= least) & (mean <= most)))


def value(s: GroupMeans) -> float:
    """Return the largest minus the smallest mean, or the largest; ValueError where no sample has these moments."""
    if len({len(part) for part in (s.groups, s.n, s.mean, s.variance, s.third, s.sizes)}) > 1:
        raise ValueError("group means of unequal numbers")
    if len(s.groups) < 2 or not possible(s):
        raise ValueError("group means need two groups or more, each with possible moments")
    return max(s.mean) - min(s.mean) if s.of == "difference" else max(s.mean)


def group_bound(s: GroupMeans, which: int, alpha: float) -> float:
    """Return the extreme of all groups' or all ordered pairs' bounds, each at level alpha.

    A pair's is Zou and Donner's (2008) hybrid of both groups' own bounds: unequal spreads, sizes and skewness
    need no common variance, and its Student quantiles are those of the groups, never of the sum.
    """
    if s.of == "maximum":
        return float(bound(s, which, alpha).max())
    mean = np.array(s.mean)
    low, high = np.minimum(bound(s, 0, alpha), mean), np.maximum(bound(s, 1, alpha), mean)
    pairs = limits.hybrid(mean, low, high)
    return float(max(pairs[which][~np.eye(len(mean), dtype=bool)].max(), 0.0))


def errors(s: GroupMeans) -> np.ndarray:
    """Return each group's standard error, never less than one value at a known end of the range would give."""
    ends = [np.abs(end - np.array(s.mean)) / np.array(s.n) for end in (s.low, s.high) if end is not None]
    return np.max([np.sqrt(np.divide(s.variance, s.n)), np.full(len(s.n), 1e-12), *ends], axis=0)
