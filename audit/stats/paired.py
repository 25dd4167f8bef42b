"""How much a number differs between two runs: paired on the same rows, else a hybrid of both runs' bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, norm

from audit.evidence import Frozen, Statistic
from audit.stats import bounds, limits
from audit.stats.means import mean
from audit.stats.roots import root

RATES = "paired rows, exact McNemar test, hybrid of Clopper-Pearson limits (MOVER)"
MEANS = "paired rows"
HYBRID = "hybrid of both runs' bounds (MOVER), independent samples assumed"
SHOWN = 0.025
CLOSEST = 1 - 1e-12


class Difference(Frozen):
    """The second run's number minus the first's, its 95 % interval, and how surely it has that sign.

    p is one-sided: the smallest level at which a bound shows the sign of `value`; 1 where none does.
    low and high are None where there is no bound.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float = 1.0
    paired: bool
    method: str
    note: str = ""


def paired_rate(a: ArrayLike, b: ArrayLike, *, cluster: ArrayLike | None = None) -> Difference:
    """Return rate b - rate a of hits a[n] and b[n] on the same rows.

    p is McNemar's (1947) exact conditional test on the rows where the runs differ; the interval takes its
    width from `rate_bounds` and its sign from the test. cluster[n] names what rows share: then the mean of
    b - a over clusters decides. Raises ValueError unless both are true or false, and of one length n > 0.
    """
    a, b = _pairs(a, b)
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise ValueError("hits other than true and false")
    if cluster is not None:
        return paired_mean(a, b, cluster=cluster, low=-1.0, high=1.0)
    lost, gained, n = int(np.sum(a > b)), int(np.sum(b > a)), len(a)
    low, high = rate_bounds(lost, gained, n, SHOWN)
    return Difference(
        value=(gained - lost) / n, low=low, high=high, p=mcnemar(lost, gained), paired=True, method=RATES,
        note=f"of {n:,} rows {lost:,} are hits of the first run alone and {gained:,} of the second alone",
    )  # fmt: skip


def mcnemar(lost: int, gained: int) -> float:
    """Return the exact one-sided p-value that the commoner kind of changed row is so by chance (1 if equal).

    It is P(X >= max(lost, gained)) for X ~ Binomial(lost + gained, 1/2).
    """
    if lost == gained:
        return 1.0
    return float(binom.sf(max(lost, gained) - 1, lost + gained, 0.5))


def rate_bounds(lost: int, gained: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the bounds of P(gained) - P(lost), each holding with probability 1 - alpha.

    Zou and Donner's (2008) hybrid of correlated estimates, over Clopper-Pearson limits of the two shares and
    with their multinomial correlation; a bound is beyond 0 only where McNemar's exact test shows that sign
    at alpha.
    """
    sure = mcnemar(lost, gained) <= alpha
    low = _lower(gained, lost, n, alpha)
    high = -_lower(lost, gained, n, alpha)
    return (low if sure else min(low, 0.0), high if sure else max(high, 0.0))


def paired_mean(
    a: ArrayLike,
    b: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Difference:
    """Return mean b - mean a of values a[n] and b[n] on the same rows, by Hall's t on the rows' differences.

    low and high are the ends of a single row's possible difference, where known; cluster[n] names what rows
    share. Differences that are all equal, or of one cluster, leave no interval, but a note.
    """
    a, b = _pairs(a, b)
    estimate = mean(b - a, cluster=cluster, low=low, high=high)
    value = math.fsum((b - a).tolist()) / len(a)
    method = f"{MEANS}, {estimate.method}"
    if estimate.statistic is None:
        return Difference(value=value, paired=True, method=method, note=estimate.reason)
    p = 1.0 if value == 0 else bounds.crossing(estimate.statistic, 0.0, "low" if value > 0 else "high")
    return Difference(value=value, low=estimate.low, high=estimate.high, p=p, paired=True, method=method)


def independent(a: Statistic, b: Statistic) -> Difference:
    """Return b - a of two statistics as if from independent samples (Zou and Donner 2008).

    Its bounds are b - a -/+ the root of the summed squares of the distances to both statistics' own
    one-sided bounds, so it holds for any statistic that has them; on the same rows it is conservative as
    long as the two runs' errors go together. Raises ValueError where a statistic is impossible.
    """
    return _hybrid(a, b, 0.0).model_copy(update={"paired": False, "method": HYBRID})


def correlated(a: Statistic, b: Statistic, likeness: float, method: str) -> Difference:
    """Return b - a of two statistics whose errors have this correlation (Zou and Donner 2008).

    As `independent`, less 2 likeness times the product of the two distances: nearly equal numbers of the
    same rows have a narrow difference, however wide their own bounds. Raises ValueError as it does.
    """
    note = f"correlation of the two runs' errors at least {likeness:.2f}"
    return _hybrid(a, b, likeness).model_copy(update={"method": method, "note": note})


def surely(likeness: float, units: int) -> float:
    """Return the lower 95 % limit of a correlation that was seen in so many units (Fisher 1921), -1 of few."""
    if units < 10:
        return -1.0
    seen = min(max(likeness, -CLOSEST), CLOSEST)
    return math.tanh(math.atanh(seen) - float(norm.isf(0.05)) / math.sqrt(units - 3))


def _hybrid(a: Statistic, b: Statistic, likeness: float) -> Difference:
    """Return b - a with bounds from both statistics' own and the correlation of their errors."""
    first, second = bounds.point(a), bounds.point(b)

    def low(alpha: float) -> float:
        below, above = second - bounds.low_bound(b, alpha), bounds.high_bound(a, alpha) - first
        return second - first - _joined(below, above, likeness)

    def high(alpha: float) -> float:
        above, below = bounds.high_bound(b, alpha) - second, first - bounds.low_bound(a, alpha)
        return second - first + _joined(above, below, likeness)

    ends = [end if math.isfinite(end) else None for end in (low(SHOWN), high(SHOWN))]
    p = _sign(second - first, low, high, max(bounds.sharpest(a), bounds.sharpest(b)))
    return Difference(value=second - first, low=ends[0], high=ends[1], p=p, paired=True, method=HYBRID)


def _joined(x: float, y: float, likeness: float) -> float:
    """Return the distance to the bound of a difference from those to both bounds."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return math.inf
    return math.sqrt(max(x * x + y * y - 2 * likeness * x * y, 0.0))


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float arrays; ValueError unless they are finite and of one length n > 0."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise ValueError(f"pairs of shapes {first.shape} and {second.shape}; expected [n] both, n > 0")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("pairs that are not finite")
    return first, second


def _lower(up: int, down: int, n: int, alpha: float) -> float:
    """Return the lower bound of P(up) - P(down) from the counts of n rows of three kinds."""
    p, q = up / n, down / n
    below = p - float(limits.clopper_pearson(up, n, alpha)[0])
    above = float(limits.clopper_pearson(down, n, alpha)[1]) - q
    both = 2 * below * above
    likeness = math.sqrt(p * q / ((1 - p) * (1 - q))) if p < 1 and q < 1 else 0.0
    return max(p - q - math.sqrt(below**2 + above**2 + likeness * both), -1.0)


def _sign(
    value: float, low: Callable[[float], float], high: Callable[[float], float], sharpest: float
) -> float:
    """Return the smallest level that shows the value's sign, no sharper than given; 1 where 0.5 does not."""
    if value == 0:
        return 1.0

    def beyond(log_alpha: float) -> float:
        alpha = math.exp(log_alpha)
        return max(-1e9, min(1e9, low(alpha) if value > 0 else -high(alpha)))

    least, most = math.log(sharpest), math.log(0.5)
    if beyond(most) <= 0:
        return 1.0
    if beyond(least) > 0:
        return sharpest
    return min(math.exp(root(beyond, least, most)) * (1 + 1e-9), 0.5)
