"""From a stored statistic to its value, a one-sided bound at any level, and the level at which a limit falls.

Every bound holds for the quantity itself with probability at least 1 - alpha. Where the quantity is a
largest or smallest over groups, one side needs only each comparison to hold (intersection-union: one
comparison is the extreme one), the other needs all to hold at once (Tukey-Kramer, Sidak).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

from audit.evidence import GroupRates, Moments, Normal, Rate, RatePair, Statistic
from audit.stats import limits, multiplicity
from audit.stats.roots import root

Side = Literal["low", "high"]
_LINKS: dict[str, Callable[[float], float]] = {
    "identity": float,
    "log": math.exp,
    "logit": lambda v: float(expit(v)),
    "square": lambda v: math.sqrt(max(v, 0.0)),
}
SHARPEST = 1e-15


def point(statistic: Statistic) -> float:
    """Return the value that the statistic estimates; ValueError where its numbers are impossible."""
    match statistic:
        case Rate(k=k, n=n):
            _counts((k,), (n,))
            return k / n
        case RatePair(of=of, k1=k1, n1=n1, k2=k2, n2=n2):
            _counts((k1, k2), (n1, n2))
            if of == "difference":
                return k1 / n1 - k2 / n2
            if k2 == 0:
                raise ValueError("a ratio over a rate of zero")
            return k1 / n1 / (k2 / n2)
        case GroupRates():
            return _summary(statistic)
        case Moments(n=n, mean=mean, variance=variance, low=low, high=high):
            if (
                n < 2
                or variance < 0
                or (low is not None and mean < low)
                or (high is not None and mean > high)
            ):
                raise ValueError("moments of no possible sample")
            return mean
        case Normal(value=value, se=se, link=link):
            if se < 0:
                raise ValueError("a negative standard error")
            return _LINKS[link](value)
        case _:
            raise ValueError(f"statistic={statistic!r} is none that can be bounded")


def low_bound(statistic: Statistic, alpha: float) -> float:
    """Return the one-sided lower bound that holds with probability 1 - alpha; alpha in (0, 0.5]."""
    return _bound(statistic, "low", each_level(statistic, "low", alpha))


def high_bound(statistic: Statistic, alpha: float) -> float:
    """Return the one-sided upper bound that holds with probability 1 - alpha (inf where there is none)."""
    return _bound(statistic, "high", each_level(statistic, "high", alpha))


def p_fail(statistic: Statistic, limit: float, *, at_least: bool = False, at_most: bool = False) -> float:
    """Return the smallest alpha at which the bound shows the limit broken (1.0 where alpha 0.5 does not).

    Give at_least=True for a required minimum (the upper bound must fall below the limit) or at_most=True.
    """
    if at_least == at_most:
        raise ValueError("give exactly one of at_least and at_most")
    side: Side = "high" if at_least else "low"
    return crossing(statistic, limit, side)


def crossing(statistic: Statistic, limit: float, side: Side) -> float:
    """Return the smallest alpha at which the bound of this side lies strictly beyond the limit, else 1.0."""

    def beyond(log_alpha: float) -> float:
        bound = _bound(statistic, side, math.exp(log_alpha))
        return max(-1e9, min(1e9, bound - limit if side == "low" else limit - bound))

    least, most = math.log(SHARPEST), math.log(0.5)
    if beyond(most) <= 0:
        return 1.0
    if beyond(least) > 0:
        return _to_family(statistic, side, SHARPEST)
    each = math.exp(root(beyond, least, most))
    return _to_family(statistic, side, min(each * (1 + 1e-9), 0.5))


def simultaneous(statistic: Statistic, side: Side) -> bool:
    """Return whether this side's bound needs all groups, or all pairs, to hold at once."""
    if not isinstance(statistic, GroupRates):
        return False
    return {"difference": "low", "maximum": "low", "ratio": "high", "minimum": "high"}.get(
        statistic.of
    ) == side


def each_level(statistic: Statistic, side: Side, alpha: float) -> float:
    """Return the level at which each comparison is bounded so that the whole bound holds at 1 - alpha."""
    if not 0 < alpha <= 0.5:
        raise ValueError(f"alpha={alpha}, expected in (0, 0.5]")
    if not isinstance(statistic, GroupRates) or not simultaneous(statistic, side):
        return alpha
    pairs = statistic.of in ("difference", "ratio")
    convert = multiplicity.all_pairs_alpha if pairs else multiplicity.each_alpha
    return convert(alpha, len(statistic.groups))


def _to_family(statistic: Statistic, side: Side, alpha: float) -> float:
    """Return the level of the whole bound when each comparison has level alpha."""
    if not isinstance(statistic, GroupRates) or not simultaneous(statistic, side):
        return alpha
    pairs = statistic.of in ("difference", "ratio")
    convert = multiplicity.all_pairs_error if pairs else multiplicity.each_error
    return convert(alpha, len(statistic.groups))


def _bound(statistic: Statistic, side: Side, alpha: float) -> float:
    """Return the bound with each of its comparisons at level alpha."""
    point(statistic)
    which = 0 if side == "low" else 1
    match statistic:
        case Rate(k=k, n=n):
            return float(limits.clopper_pearson(k, n, alpha)[which])
        case RatePair(of=of, k1=k1, n1=n1, k2=k2, n2=n2):
            k, n = np.array([k1, k2]), np.array([n1, n2])
            both = limits.contrasts(k, n, 1.0, alpha) if of == "difference" else limits.ratios(k, n, alpha)
            return float(both[which][0, 1])
        case GroupRates():
            return _group_bound(statistic, which, alpha)
        case Moments():
            return _mean_bound(statistic, which, alpha)
        case Normal(value=value, se=se, link=link, df=df):
            z = float(norm.isf(alpha) if df is None else student.isf(alpha, df))
            return _LINKS[link](value + (z if which else -z) * se)


def _group_bound(s: GroupRates, which: int, alpha: float) -> float:
    """Return the extreme of all groups' or all ordered pairs' limits."""
    k, n = np.array(s.k), np.array(s.n)
    if s.of == "mean":
        return limits.average(k, n, alpha)[which]
    if s.of in ("minimum", "maximum"):
        each = limits.clopper_pearson(k, n, alpha)[which]
        return float(each.min() if s.of == "minimum" else each.max())
    pairs = limits.contrasts(k, n, 1.0, alpha) if s.of == "difference" else limits.ratios(k, n, alpha)
    others = pairs[which][~np.eye(len(k), dtype=bool)]
    return float(max(others.max(), 0.0) if s.of == "difference" else min(others.min(), 1.0))


def _mean_bound(s: Moments, which: int, alpha: float) -> float:
    """Return the skewness-corrected bound of a mean, one more value at the far end of a known range added.

    The added value stands for what the sample may have missed: without it a sample of equal values, or one
    whose rare large values were not drawn, would have a bound of no width.
    """
    end = (s.low, s.high)[which]
    n, mean, variance, third = s.n, s.mean, s.variance, s.third
    if end is not None:
        gap = (end - mean) / (n + 1)
        squares, cubes = (n - 1) * variance, n * third
        third = (cubes - 3 * gap * squares + n * (n * n - 1) * gap**3) / (n + 1)
        variance = (squares + n * (n + 1) * gap**2) / n
        mean, n = mean + gap, n + 1
    if variance == 0:
        if end is None:
            raise ValueError("equal values without a known range have no bound")
        return end
    bound = limits.skewed_mean(n, mean, variance, third, alpha)[which]
    return bound if end is None else (max(bound, end) if which == 0 else min(bound, end))


def _summary(s: GroupRates) -> float:
    """Return the largest minus the smallest rate, or the summary of that name."""
    _counts(s.k, s.n)
    if not len(s.groups) == len(s.k) == len(s.n) == len(s.sizes) >= 2:
        raise ValueError("group rates need two groups or more, each with k, n and size")
    rates = sorted(k / n for k, n in zip(s.k, s.n, strict=True))
    if s.of == "ratio" and rates[-1] == 0:
        raise ValueError("a ratio of rates that are all zero")
    values = {
        "difference": lambda: rates[-1] - rates[0],
        "ratio": lambda: rates[0] / rates[-1],
        "minimum": lambda: rates[0],
        "maximum": lambda: rates[-1],
        "mean": lambda: math.fsum(rates) / len(rates),
    }
    return values[s.of]()


def _counts(k: tuple[float, ...], n: tuple[float, ...]) -> None:
    """Raise ValueError unless every rate is k of n with 0 <= k <= n and n > 0."""
    for hits, trials in zip(k, n, strict=True):
        if not (trials > 0 and 0 <= hits <= trials):
            raise ValueError(f"a rate of {hits} of {trials}")
