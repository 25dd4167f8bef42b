"""One-sided confidence limits as plain numbers: exact binomial, hybrid of two or more rates, skewed mean.

Every function takes alpha in (0, 0.5] and returns limits that each hold with probability 1 - alpha.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainccinv, betaincinv
from scipy.stats import t as student

Array = np.ndarray


def clopper_pearson(k: Array | float, n: Array | float, alpha: float) -> tuple[Array, Array]:
    """Return the exact lower and upper limits of rates k / n (Clopper and Pearson 1934).

    k and n may be fractional (effective sizes of clustered rows); n is positive.
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    low = np.where(k > 0, betaincinv(np.where(k > 0, k, 1.0), n - k + 1, alpha), 0.0)
    high = np.where(k < n, betainccinv(k + 1, np.where(k < n, n - k, 1.0), alpha), 1.0)
    return np.minimum(low, k / n), np.maximum(high, k / n)


def contrasts(k: Array, n: Array, weight: float, alpha: float) -> tuple[Array, Array]:
    """Return lower and upper limits [g, g] of p_i - weight p_j for every ordered pair of rates.

    Zou and Donner's (2008) method of variance estimates recovery, of which Newcombe's (1998) method 10
    is the case with Wilson limits, over Clopper-Pearson limits: its one-sided error stays below the
    nominal level at small, unequal and extreme counts, where Wilson's and Wald's do not.
    """
    low, high = clopper_pearson(k, n, alpha)
    return hybrid(np.asarray(k, float) / np.asarray(n, float), low, high, weight)


def hybrid(value: Array, low: Array, high: Array, weight: float = 1.0) -> tuple[Array, Array]:
    """Return lower and upper limits [g, g] of value_i - weight value_j from each value's own (Zou and Donner 2008).

    low and high are limits of independent values, low <= value <= high.
    """
    below, above = value - low, high - value
    centre = value[:, None] - weight * value
    return (
        centre - np.hypot(below[:, None], weight * above),
        centre + np.hypot(above[:, None], weight * below),
    )


def ratios(k: Array, n: Array, alpha: float) -> tuple[Array, Array]:
    """Return lower and upper limits [g, g] of p_i / p_j for every ordered pair (Donner and Zou 2012, MOVER-R).

    A limit R solves `contrasts` with weight R = 0; the upper limit is infinite where p_j may be zero.
    """
    p = np.asarray(k, float) / np.asarray(n, float)
    low, high = clopper_pearson(k, n, alpha)
    product = np.outer(p, p)
    top, bottom = low * (2 * p - low), high * (2 * p - high)
    root = np.sqrt(np.maximum(product**2 - np.outer(top, bottom), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.where(top[:, None] > 0, top[:, None] / (product + root), 0.0)
        upper = 1 / lower.T
    return lower, upper


def average(k: Array, n: Array, alpha: float) -> tuple[float, float]:
    """Return the lower and upper limit of the unweighted mean of independent rates (Zou and Donner 2008)."""
    p = np.asarray(k, float) / np.asarray(n, float)
    low, high = clopper_pearson(k, n, alpha)
    centre, count = float(p.mean()), len(p)
    return (
        centre - float(np.linalg.norm(p - low)) / count,
        centre + float(np.linalg.norm(high - p)) / count,
    )


def skewed_mean(
    n: Array | float, mean: Array | float, variance: Array | float, third: Array | float, alpha: float
) -> tuple[Array, Array]:
    """Return the lower and upper limit of a mean by Hall's (1992) skewness-corrected t.

    variance is the sample's (divisor n - 1), positive, and third its third central moment.
    """
    n, variance = np.asarray(n, float), np.asarray(variance, float)
    error = np.sqrt(variance / n)
    skew = third / variance**1.5 / np.sqrt(n)
    t = student.isf(alpha, n - 1)
    return mean - error * _hall(t, skew), mean - error * _hall(-t, skew)


def _hall(t: Array, skew: Array) -> Array:
    """Return the x with x + skew (x**2 / 3 + 1 / 6) + skew**2 x**3 / 27 = t, a monotone cubic."""
    slope = skew / 3
    straight = np.abs(slope) < 1e-9
    safe = np.where(straight, 1.0, slope)
    return np.where(straight, t, (np.cbrt(1 + 3 * safe * (t - skew / 6)) - 1) / safe)
