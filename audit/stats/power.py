"""How many rows would decide, how small a gap these rows can tell from none, how often a truth is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import logit
from scipy.stats import binom, norm

from audit.evidence import (
    Estimate,
    GroupMeans,
    GroupRates,
    Mapped,
    Moments,
    Normal,
    Rate,
    RateOverHighest,
    RatePair,
    Replicates,
    Statistic,
)
from audit.evidence_statistics import Extreme
from audit.stats import bounds, mean_bounds
from audit.stats.roots import root

MOST = 10**9
DRAWS = 128
Counts = Rate | RatePair | GroupRates


def rows_needed(
    estimate: Estimate,
    limit: float,
    *,
    at_least: bool = False,
    at_most: bool = False,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int | None:
    """Return about how many rows would decide with this power, were the truth as estimated.

    The rows are those that the estimate's n counts (a rate's denominator); for groups, those of all groups
    at their present shares.
    Normal approximation, raised until the exact bound decides at the expected counts. None where the
    estimate lies at the limit, has no statistic, or more than 10^9 rows would be needed.
    """
    if at_least == at_most:
        raise ValueError("give exactly one of at_least and at_most")
    statistic = estimate.statistic
    if statistic is None or estimate.value is None or estimate.value == limit:
        return None
    above = estimate.value > limit
    side: bounds.Side = "low" if above else "high"
    growth = max(_growth(statistic, limit, side, alpha, power), 1.0)
    while growth * estimate.n < MOST:
        if _decides(_grown(statistic, growth), limit, side, alpha):
            return math.ceil(growth * estimate.n)
        growth *= 1.1
    return None


def minimum_detectable_gap(
    rate: float, n1: float, n2: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest gap that a rate of n1 rows and another of n2 rows are told apart by, with this power.

    One-sided normal approximation; the second rate lies on the side of `rate` that has more room.
    """
    toward = -1.0 if rate > 0.5 else 1.0
    room = max(rate, 1 - rate)
    z = float(norm.isf(alpha) + norm.ppf(power))

    def excess(gap: float) -> float:
        other = rate + toward * gap
        return gap - z * math.sqrt(_spread(rate, n1) + _spread(other, n2))

    return root(excess, 0.0, room) if excess(room) > 0 else room


def samples(truth: Counts, *, growth: float = 1.0, draws: int = DRAWS) -> tuple[Statistic, ...]:
    """Return equally likely samples of true rates: the counts that independent groups at k / n would give.

    At `growth` times the rows. Binomial quantiles of a Latin hypercube (McKay et al. 1979) with a fixed seed:
    equal truths give equal samples, a higher rate never fewer hits, and one rate its quantiles exactly.
    Effective sizes are drawn at the nearest whole number of rows.
    """
    k, n = _columns(_grown(truth, growth))
    order = np.random.default_rng(0).permuted(np.tile(np.arange(draws), (len(n), 1)), axis=1)
    whole = np.maximum(np.round(n), 1)
    hits = binom.ppf((order + 0.5) / draws, whole[:, None], (k / n)[:, None]) * (n / whole)[:, None]
    return tuple(_with_counts(truth, tuple(hit.tolist()), tuple(n.tolist()), growth) for hit in hits.T)


def chance(
    found: Sequence[Statistic],
    limit: float,
    word: Literal["PASS", "FAIL"],
    *,
    at_least: bool = False,
    at_most: bool = False,
    alpha: float = 0.05,
) -> float:
    """Return the share of equally likely samples whose bound at 1 - alpha shows this word, as the gate reads it.

    A sample that has no value (a ratio of zeros) shows none; so do no samples.
    """
    side = _side(word, at_least, at_most)
    return sum(shows(s, limit, side, alpha, word) for s in found) / max(len(found), 1)


def reaches(
    power: float,
    found: Sequence[Statistic],
    limit: float,
    word: Literal["PASS", "FAIL"],
    *,
    at_least: bool = False,
    at_most: bool = False,
    alpha: float = 0.05,
) -> bool:
    """Return whether `chance` is at least the power (positive), looking at no more samples than that takes."""
    side, missed = _side(word, at_least, at_most), 0
    shown, needed = 0, max(math.ceil(power * len(found)), 1)
    for s in found:
        hit = shows(s, limit, side, alpha, word)
        shown, missed = shown + hit, missed + (not hit)
        if shown >= needed or missed > len(found) - needed:
            break
    return shown >= needed


def _side(word: str, at_least: bool, at_most: bool) -> bounds.Side:
    """Return which bound shows the word."""
    if at_least == at_most:
        raise ValueError("give exactly one of at_least and at_most")
    return "low" if at_least == (word == "PASS") else "high"


def shows(s: Statistic, limit: float, side: bounds.Side, alpha: float, word: str) -> bool:
    """Return whether the bound lies on its side of the limit: on it is a PASS, never a FAIL."""
    try:
        if word == "FAIL":
            return bounds.beyond(s, limit, side, alpha)
        bound = (bounds.low_bound if side == "low" else bounds.high_bound)(s, alpha)
        value = bounds.point(s)
    except (ValueError, ArithmeticError):
        return False
    return min(bound, value) >= limit if side == "low" else max(bound, value) <= limit


def _columns(s: Statistic) -> tuple[np.ndarray, np.ndarray]:
    """Return k and n of every rate."""
    match s:
        case Rate():
            return np.array([s.k]), np.array([s.n])
        case RatePair():
            return np.array([s.k1, s.k2]), np.array([s.n1, s.n2])
        case GroupRates():
            return np.array(s.k), np.array(s.n)
        case _:
            raise ValueError(f"statistic={s.family!r}, expected rates")


def _with_counts(s: Counts, k: tuple[float, ...], n: tuple[float, ...], growth: float) -> Statistic:
    """Return a statistic of the same kind with other counts."""
    match s:
        case Rate():
            return Rate(k=min(k[0], n[0]), n=n[0])
        case RatePair():
            return RatePair(of=s.of, k1=min(k[0], n[0]), n1=n[0], k2=min(k[1], n[1]), n2=n[1])
        case GroupRates():
            sizes = tuple(size * growth for size in s.sizes)
            return GroupRates(of=s.of, groups=s.groups, k=tuple(map(min, k, n)), n=n, sizes=sizes)


def _spread(p: float, n: float) -> float:
    """Return the variance of a rate, half a hit and half a miss added."""
    smooth = (min(max(p, 0.0), 1.0) * n + 0.5) / (n + 1)
    return smooth * (1 - smooth) / n


def _decides(statistic: Statistic, limit: float, side: bounds.Side, alpha: float) -> bool:
    """Return whether the bound of this side lies on its side of the limit."""
    if side == "low":
        return bounds.low_bound(statistic, alpha) >= limit
    return bounds.high_bound(statistic, alpha) <= limit


def misses(statistic: Statistic, limit: float, side: bounds.Side, alpha: float) -> float:
    """Return about how often this side's bound misses the limit, were the truth the statistic's own value.

    Normal approximation. Where every comparison must hold, the chances of missing each are added
    (Bonferroni); where one is enough, it is the strongest one's.
    """
    z, needed = _apart(statistic, limit, side, alpha)
    return float(np.sum(norm.sf(z - needed)))


def _apart(statistic: Statistic, limit: float, side: bounds.Side, alpha: float) -> tuple[np.ndarray, float]:
    """Return how many standard errors each comparison that counts lies from the limit, and how many it needs."""
    gap, error = _comparisons(statistic, limit)
    z = (gap if side == "low" else -gap) / error
    if bounds.simultaneous(statistic, side):
        z, alpha = np.array([z.max()]), bounds.level_at(statistic, side, alpha, limit)
    if isinstance(statistic, Replicates):
        bound = (bounds.low_bound if side == "low" else bounds.high_bound)(statistic, alpha)
        return z, abs(bound - statistic.value) / statistic.se
    return z, float(norm.isf(alpha))


def _growth(statistic: Statistic, limit: float, side: bounds.Side, alpha: float, power: float) -> float:
    """Return the factor on n at which this side's bound reaches the limit with this power.

    Where every comparison must hold, the chances of missing each add up to 1 - power (Bonferroni).
    """
    z, needed = _apart(statistic, limit, side, alpha)
    if z.min() <= 0:
        return math.inf

    def missed(log_growth: float) -> float:
        return float(np.sum(norm.sf(math.exp(log_growth / 2) * z - needed))) - (1 - power)

    return math.exp(root(missed, -40.0, 40.0)) if missed(40.0) < 0 < missed(-40.0) else math.inf


def _comparisons(statistic: Statistic, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each comparison lies above the limit, and its standard error."""
    match statistic:
        case Rate(k=k, n=n):
            # the level is spent at the limit's spread, the power at the truth's: about two to one
            error = (2 * math.sqrt(_spread(limit, n)) + math.sqrt(_spread(k / n, n))) / 3
            return np.array([k / n - limit]), np.array([error])
        case RatePair(of=of, k1=k1, n1=n1, k2=k2, n2=n2):
            gap, error = _pairs((k1, k2), (n1, n2), of, limit)
            return gap[0, 1:], error[0, 1:]
        case GroupRates(of=of, k=k, n=n):
            if of in ("difference", "ratio"):
                gap, error = _pairs(k, n, of, limit)
                other = ~np.eye(len(k), dtype=bool)
                return gap[other], error[other]
            rates = np.divide(k, n)
            spread = np.array([_spread(p, m) for p, m in zip(rates, n, strict=True)])
            if of == "mean":
                return np.array([rates.mean() - limit]), np.sqrt([spread.sum()]) / len(k)
            if of == "departure":
                return np.r_[rates, 1 - rates] - limit, np.sqrt(np.r_[spread, spread])
            return rates - limit, np.sqrt(spread)
        case RateOverHighest(group=group, groups=groups, k=k, n=n):
            own = groups.index(group)
            gap, error = _pairs(k, n, "ratio", limit)
            return np.delete(gap[own], own), np.delete(error[own], own)
        case GroupMeans(of=of, mean=mean):
            means, error, other = (
                np.array(mean),
                mean_bounds.errors(statistic),
                ~np.eye(len(mean), dtype=bool),
            )
            if of == "maximum":
                return means - limit, error
            return (means[:, None] - means - limit)[other], np.hypot(error[:, None], error)[other]
        case Moments(n=n, mean=mean, variance=variance, low=low, high=high):
            ends = [abs(end - mean) / n for end in (low, high) if end is not None]
            return np.array([mean - limit]), np.array([max(math.sqrt(variance / n), *ends, 1e-12)])
        case Normal(value=value, se=se, link=link):
            with np.errstate(divide="ignore", invalid="ignore"):
                onto = {"identity": limit, "log": np.log(limit), "logit": logit(limit), "square": limit**2}
            return np.array([value - float(onto[link])]), np.array([se])
        case Mapped(by=by, of=of):
            return _comparisons(of, bounds.unmapped(by, limit))
        case Replicates(value=value, se=se):
            return np.array([value - limit]), np.array([se])
        case Extreme(of=of, each=each):
            value, error = np.array([_seen(s) for s in each]).T
            if of == "largest":
                return value - limit, error
            other = ~np.eye(len(each), dtype=bool)
            return (value[:, None] - value - limit)[other], (error[:, None] + error)[other]


def _seen(s: Rate | Moments | Normal) -> tuple[float, float]:
    """Return a quantity and the standard error that its 90 % interval tells."""
    width = bounds.high_bound(s, 0.05) - bounds.low_bound(s, 0.05)
    return bounds.point(s), width / 2 / float(norm.isf(0.05))


def _pairs(
    k: tuple[float, ...], n: tuple[float, ...], of: str, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each ordered pair how far its difference or ratio is above the limit, on the rates' scale."""
    rates = np.divide(k, n)
    spread = np.array([_spread(p, m) for p, m in zip(rates, n, strict=True)])
    weight, shift = (1.0, limit) if of == "difference" else (limit, 0.0)
    return rates[:, None] - weight * rates - shift, np.sqrt(spread[:, None] + weight**2 * spread)


def _grown(s: Statistic, growth: float) -> Statistic:
    """Return the statistic of the same rates and spread at `growth` times the rows."""

    def times(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(v * growth for v in values)

    match s:
        case Rate():
            return Rate(k=s.k * growth, n=s.n * growth)
        case RatePair():
            k1, n1, k2, n2 = times((s.k1, s.n1, s.k2, s.n2))
            return RatePair(of=s.of, k1=k1, n1=n1, k2=k2, n2=n2)
        case GroupRates():
            return s.model_copy(update={"k": times(s.k), "n": times(s.n), "sizes": times(s.sizes)})
        case RateOverHighest():
            return s.model_copy(update={"k": times(s.k), "n": times(s.n)})
        case GroupMeans():
            return s.model_copy(update={"n": times(s.n), "sizes": times(s.sizes)})
        case Moments():
            return s.model_copy(update={"n": s.n * growth})
        case Normal():
            return s.model_copy(update={"se": s.se / math.sqrt(growth)})
        case Mapped():
            return s.model_copy(update={"of": _grown(s.of, growth)})
        case Replicates():
            return s.model_copy(update={"se": s.se / math.sqrt(growth)})
        case Extreme():
            return s.model_copy(update={"each": tuple(_grown(one, growth) for one in s.each)})
