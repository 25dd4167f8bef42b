"""From which truth on these rows show a word, and how many rows each group needs for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaincinv
from scipy.stats import binom, norm

from audit.evidence import (
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
from audit.stats.power import MOST, misses, shows
from audit.stats.roots import root

Word = Literal["PASS", "FAIL"]
STEPS = 14  # halvings of an interval of truths
_FARTHEST = {"minimum": 1.0, "maximum": 0.0, "departure": 0.5}  # what the other groups are at, farthest off


def detectable(
    statistic: Statistic,
    limit: float,
    word: Word,
    *,
    at_least: bool = False,
    at_most: bool = False,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float | None:
    """Return the truth nearest the limit of which samples of this size show the word with this power.

    None where no truth does. One rate: exact, by binomial tails. Groups: all at the pooled rate but the
    smallest, which is off by the gap (a least or largest rate: for PASS all groups alike, for FAIL only the
    smallest at the value), in `rows_needed`'s normal approximation; means likewise, with each group's spread as
    estimated. Any other: the spread is taken to be as
    estimated. Raises ValueError unless exactly one of at_least and at_most is given.
    """
    if at_least == at_most:
        raise ValueError("give exactly one of at_least and at_most")
    side: bounds.Side = "low" if at_least == (word == "PASS") else "high"
    asked = _Asked(limit, word, side, alpha, power)
    match statistic:
        case Rate():
            return _of_rate(statistic, asked)
        case Mapped(by=by, of=of):
            inner = detectable(
                of,
                bounds.unmapped(by, limit),
                word,
                at_least=at_least,
                at_most=at_most,
                alpha=alpha,
                power=power,
            )
            return None if inner is None else bounds.mapped(by, inner)
        case RatePair() | GroupRates() | RateOverHighest():
            return _of_groups(asked, *_truths(statistic, word))
        case GroupMeans():
            return _of_groups(asked, *_mean_truths(statistic, asked))
        case Extreme():  # as if normal, with the spread that its own bound tells
            bound = (bounds.low_bound if side == "low" else bounds.high_bound)(statistic, alpha)
            value = bounds.point(statistic)
            return _of_value(Normal(value=value, se=abs(bound - value) / float(norm.isf(alpha))), asked)
        case _:
            return _of_value(statistic, asked)


def rows_by_group(
    s: Statistic, limit: float, word: Word, *, at_least: bool, alpha: float = 0.05, power: float = 0.8
) -> dict[str, int]:
    """Return the rows to which each group with fewer must grow, the others staying as they are.

    With so many in each of them the word shows with this power, were all rates as estimated: the fewest more
    rows that decide if all small groups grow to one size. Empty where no realistic number does, and for
    what is not of groups.
    """
    if not isinstance(s, GroupRates | GroupMeans):
        return {}
    side: bounds.Side = "low" if at_least == (word == "PASS") else "high"

    def enough(rows: float) -> bool:
        grown = _at_least(s, rows)
        return misses(grown, limit, side, alpha) <= 1 - power and shows(grown, limit, side, alpha, word)

    few, many = min(s.n), min(s.n)
    while not enough(many):
        few, many = many, 2 * many
        if many > MOST:
            return {}
    while many > 1.02 * few:
        middle = math.sqrt(few * many)
        few, many = (few, middle) if enough(middle) else (middle, many)
    return {name: math.ceil(many) for name, n in zip(s.groups, s.n, strict=True) if n < many}


@dataclass(frozen=True)
class _Asked:
    """What is to be shown: the word at this limit, by the bound of this side at 1 - alpha, with this power."""

    limit: float
    word: Word
    side: bounds.Side
    alpha: float
    power: float


def _of_rate(s: Rate, asked: _Asked) -> float | None:
    """Return the true rate: the least count that shows the word, then the rate that reaches it often enough."""
    n = max(round(s.n), 1)
    if asked.side == "high":  # count the misses instead of the hits
        mirrored = _of_rate(s, _Asked(1 - asked.limit, asked.word, "low", asked.alpha, asked.power))
        return None if mirrored is None else 1 - mirrored
    if asked.limit > 1 or (asked.limit == 1 and asked.word == "FAIL"):
        return None
    if asked.limit <= 0 and asked.word == "PASS":
        return 0.0
    fewest = int(binom.isf(asked.alpha, n, min(max(asked.limit, 0.0), 1.0))) + 1
    return float(betaincinv(fewest, n - fewest + 1, asked.power)) if fewest <= n else None


def _of_value(s: Moments | Normal | Replicates, asked: _Asked) -> float | None:
    """Return the truth of an estimate with this spread: the value whose bound is the limit, and z more."""
    sign = 1.0 if asked.side == "low" else -1.0
    centre, error, (low, high), shown = _scale(s)
    reach = 50 * error + abs(asked.limit - shown(centre)) + 1e-9

    def excess(value: float) -> float:
        bound = (bounds.low_bound if asked.side == "low" else bounds.high_bound)(
            _moved(s, value), asked.alpha
        )
        return max(-1e9, min(1e9, bound - asked.limit))

    ends = (max(centre - reach, low), min(centre + reach, high))
    if excess(ends[0]) * excess(ends[1]) > 0:
        return None
    truth = root(excess, *ends) + sign * float(norm.ppf(asked.power)) * error
    return shown(truth) if low <= truth <= high else None


def _scale(
    s: Moments | Normal | Replicates,
) -> tuple[float, float, tuple[float, float], Callable[[float], float]]:
    """Return the estimate and its error where it is about normal, the ends there, and the way back."""
    match s:
        case Moments(n=n, mean=mean, variance=variance, low=low, high=high):
            ends = [abs(end - mean) / n for end in (low, high) if end is not None]
            error = max(math.sqrt(variance / n), *ends, 1e-12)
            return mean, error, (_or(low, -math.inf), _or(high, math.inf)), float
        case Normal(value=value, se=se, link=link):
            ends = (0.0, math.inf) if link == "square" else (-math.inf, math.inf)
            return value, se, ends, lambda v: bounds.point(Normal(value=v, se=se, link=link))
        case Replicates(value=value, se=se, ends=(low, high)):
            return value, se, (_or(low, -math.inf), _or(high, math.inf)), float


def _moved(s: Moments | Normal | Replicates, value: float) -> Statistic:
    """Return the statistic of a sample of the same spread whose estimate is this value."""
    return s.model_copy(update={"mean" if isinstance(s, Moments) else "value": value})


def _or(end: float | None, other: float) -> float:
    """Return the end of a range, or what stands for none."""
    return other if end is None else end


def _of_groups(asked: _Asked, low: float, high: float, truth: Callable[[float], Statistic]) -> float | None:
    """Return the true comparison, by halving between the limit and the farthest truth from low to high."""
    inside, outside = (high, low) if asked.side == "low" else (low, high)
    outside = min(max(asked.limit, low), high)

    def shown(value: float) -> bool:
        there = truth(value)
        return (
            misses(there, asked.limit, asked.side, asked.alpha) <= 1 - asked.power
            and shows(there, asked.limit, asked.side, asked.alpha, asked.word)
        )  # fmt: skip

    if not shown(inside):
        return None
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if shown(middle) else (inside, middle)
    return inside


def _truths(
    s: RatePair | GroupRates | RateOverHighest, word: Word
) -> tuple[float, float, Callable[[float], Statistic]]:
    """Return the lowest and highest true value there is, and the counts to be expected of each."""
    match s:
        case RatePair(of=of, n1=n1, k2=k2, n2=n2):
            p = k2 / n2
            ends = (-p, 1 - p) if of == "difference" else (0.0, 1 / p if p else math.inf)
            scale = (lambda v: p + v) if of == "difference" else (lambda v: p * v)
            return *ends, lambda v: s.model_copy(update={"k1": min(max(scale(v), 0.0), 1.0) * n1})
        case RateOverHighest(group=group, groups=groups):
            return 0.0, 1.0, _one_off(s, groups.index(group), lambda p, v: p * v)
        case GroupRates(of=of, k=k, n=n):
            small, p = int(np.argmin(n)), sum(k) / sum(n)
            if of == "ratio":
                return 0.0, 1.0, _one_off(s, small, lambda p, v: p * v)
            if of == "difference":
                toward = -1.0 if p > 0.5 else 1.0
                return 0.0, max(p, 1 - p), _one_off(s, small, lambda p, v: p + toward * v)
            others = None if of == "mean" or word == "PASS" else _FARTHEST[of]
            least = 0.5 if of == "departure" else 0.0
            return least, 1.0, lambda v: _with_rates(s, small, v if others is None else others, v)


def _mean_truths(s: GroupMeans, asked: _Asked) -> tuple[float, float, Callable[[float], Statistic]]:
    """Return the lowest and highest true value looked at, and the means to be expected of each."""
    reach = 50 * float(mean_bounds.errors(s).max()) + abs(asked.limit - mean_bounds.value(s))
    least, most = (-math.inf if s.low is None else s.low), (math.inf if s.high is None else s.high)
    small, pooled = int(np.argmin(s.n)), float(np.average(s.mean, weights=s.n))

    def means(others: float, own: float) -> GroupMeans:
        each = (own if i == small else others for i in range(len(s.n)))
        return s.model_copy(update={"mean": tuple(min(max(v, least), most) for v in each)})

    if s.of == "difference":
        toward = -1.0 if most - pooled < pooled - least else 1.0
        room = max(most - pooled, pooled - least)
        return 0.0, min(asked.limit + reach, room), lambda v: means(pooled, pooled + toward * v)
    lowest, highest = max(asked.limit - reach, least), min(asked.limit + reach, most)
    return lowest, highest, lambda v: means(v if asked.word == "PASS" else lowest, v)


def _one_off(
    s: GroupRates | RateOverHighest, which: int, own: Callable[[float, float], float]
) -> Callable[[float], Statistic]:
    """Return the counts at each value: every group at the pooled rate but one, which is off by the value."""
    p = sum(s.k) / sum(s.n)
    return lambda v: _with_rates(s, which, p, min(max(own(p, v), 0.0), 1.0))


def _with_rates(s: GroupRates | RateOverHighest, which: int, others: float, own: float) -> Statistic:
    """Return the counts to be expected of one group at its own rate and all others at theirs."""
    return s.model_copy(update={"k": tuple(m * (own if i == which else others) for i, m in enumerate(s.n))})


def _at_least(s: GroupRates | GroupMeans, rows: float) -> GroupRates | GroupMeans:
    """Return the group rates or means with each denominator raised to at least this many rows."""
    more = [max(rows / n, 1.0) for n in s.n]

    def times(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(v * m for v, m in zip(values, more, strict=True))

    more_rows = {"n": times(s.n), "sizes": times(s.sizes)}
    return s.model_copy(update=more_rows if isinstance(s, GroupMeans) else more_rows | {"k": times(s.k)})
