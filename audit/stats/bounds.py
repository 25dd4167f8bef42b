"""From a stored statistic to its value, a one-sided bound at any level, and the level at which a limit falls.

Every bound holds for the quantity itself with probability at least 1 - alpha. Where the quantity is a
largest or smallest over groups, one side needs only each comparison to hold (intersection-union: one
comparison is the extreme one), the other needs all to hold at once (Sidak; Bonferroni where they may depend
on each other; for pairs of groups the truth within the limit at which any of them errs most often:
`multiplicity.all_pairs_error`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeGuard

import numpy as np
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

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
from audit.stats import limits, mean_bounds, multiplicity
from audit.stats.multiplicity import FAR
from audit.stats.roots import leaves_zero, root

Side = Literal["low", "high"]
_LINKS: dict[str, Callable[[float], float]] = {
    "identity": float,
    "log": math.exp,
    "logit": lambda v: float(expit(v)),
    "square": lambda v: math.sqrt(max(v, 0.0)),
}
_MAPS: dict[str, Callable[[float], float]] = {
    "root": lambda x: math.sqrt(max(x, 0.0)),
    "f1": lambda x: 2 * x / (1 + x),
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
        case RateOverHighest(group=group, groups=groups, k=k, n=n):
            _groups(groups, k, n)
            highest = max(a / b for a, b in zip(k, n, strict=True))
            if highest == 0:
                raise ValueError("a ratio over a highest rate of zero")
            own = groups.index(group)
            return k[own] / n[own] / highest
        case Moments():
            if not mean_bounds.possible(statistic):
                raise ValueError("moments of no possible sample")
            return statistic.mean
        case GroupMeans():
            return mean_bounds.value(statistic)
        case Normal(value=value, se=se, link=link):
            if se < 0:
                raise ValueError("a negative standard error")
            return _LINKS[link](value)
        case Mapped(by=by, of=of):
            return mapped(by, point(of))
        case Replicates(value=value, se=se, levels=levels, low=low, high=high):
            if not (se > 0 and len(levels) == len(low) == len(high) > 0):
                raise ValueError("replicates without a standard error, or of unequal numbers")
            return value
        case Extreme(of=of, names=names, each=each):
            if len(names) != len(each) or len(each) < 2:
                raise ValueError(
                    f"{of} of {len(each)} quantities of {len(names)} names; expected two or more"
                )
            values = [point(s) for s in each]
            return max(values) - (min(values) if of == "range" else 0.0)
        case _:
            raise ValueError(f"statistic={statistic!r} is none that can be bounded")


def mapped(by: str, x: float) -> float:
    """Return the function of x that a Mapped statistic shows."""
    return _MAPS[by](x)


def unmapped(by: str, y: float) -> float:
    """Return the x that a Mapped statistic shows as y (a negative one for a root's y < 0)."""
    if by == "root":
        return y * abs(y)
    return y / (2 - y) if y < 2 else math.inf


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

    least, most = math.log(sharpest(statistic)), math.log(0.5)
    if beyond(most) <= 0:
        return 1.0
    if beyond(least) > 0:
        return _to_family(statistic, side, sharpest(statistic), limit)
    at_end = beyond(least) == 0  # a limit at the end of the range, where a bound that shows nothing stays
    each = math.exp((leaves_zero if at_end else root)(beyond, least, most))
    return _to_family(statistic, side, min(each * (1 + 1e-9), 0.5), limit)


def sharpest(statistic: Statistic) -> float:
    """Return the smallest alpha at which the statistic has a bound: what its stored replicates support."""
    return statistic.levels[-1] if isinstance(statistic, Replicates) else SHARPEST


def simultaneous(statistic: Statistic, side: Side) -> bool:
    """Return whether this side's bound needs all groups, or all pairs, to hold at once."""
    if isinstance(statistic, RateOverHighest):
        return side == "high"
    if isinstance(statistic, Extreme):
        return side == "low"
    if not isinstance(statistic, GroupRates | GroupMeans):
        return False
    at_once = {"difference": "low", "maximum": "low", "departure": "low", "ratio": "high", "minimum": "high"}
    return at_once.get(statistic.of) == side


def each_level(statistic: Statistic, side: Side, alpha: float) -> float:
    """Return the level at which each comparison is bounded so that the whole bound holds at 1 - alpha."""
    if not 0 < alpha <= 0.5:
        raise ValueError(f"alpha={alpha}, expected in (0, 0.5]")
    if not (_all_pairs(statistic) and simultaneous(statistic, side)):
        return level_at(statistic, side, alpha, 0.0)

    def apart(level: float) -> float:
        return _apart(statistic, _bound(statistic, side, level))

    def excess(log_level: float) -> float:
        level = math.exp(log_level)
        return math.log(multiplicity.all_pairs_error(level, len(statistic.groups), apart(level)) / alpha)

    least, most = (multiplicity.all_pairs_alpha(alpha, len(statistic.groups), a) for a in (0.0, FAR))
    if apart(least) == 0:
        return least
    if apart(most) >= FAR:
        return most
    return math.exp(root(excess, math.log(least) - 1e-6, math.log(most) + 1e-6))


def level_at(statistic: Statistic, side: Side, alpha: float, limit: float) -> float:
    """Return the level of each comparison at which any shows the limit broken with probability alpha at most."""
    if isinstance(statistic, Extreme):
        return alpha / _parts(statistic, side)
    if not simultaneous(statistic, side):
        return alpha
    if _all_pairs(statistic):
        return multiplicity.all_pairs_alpha(alpha, len(statistic.groups), _apart(statistic, limit))
    return multiplicity.each_alpha(alpha, _count(statistic))


def beyond(statistic: Statistic, limit: float, side: Side, alpha: float) -> bool:
    """Return whether this side's bound at 1 - alpha lies strictly beyond the limit, without finding the bound."""

    def shown(level: float) -> bool:
        bound = _bound(statistic, side, level)
        return bound > limit if side == "low" else bound < limit

    if _all_pairs(statistic) and simultaneous(statistic, side):  # two levels that are known decide most cases
        groups = len(statistic.groups)
        if not shown(multiplicity.all_pairs_alpha(alpha, groups, FAR)):
            return False
        if shown(multiplicity.all_pairs_alpha(alpha, groups)):
            return True
    return shown(level_at(statistic, side, alpha, limit))


def _to_family(statistic: Statistic, side: Side, alpha: float, bound: float) -> float:
    """Return the level of the whole bound when each comparison has level alpha and shows the bound."""
    if isinstance(statistic, Extreme):
        return min(alpha * _parts(statistic, side), 1.0)
    if not simultaneous(statistic, side):
        return alpha
    if _all_pairs(statistic):
        return multiplicity.all_pairs_error(alpha, _count(statistic), _apart(statistic, bound))
    return multiplicity.each_error(alpha, _count(statistic))


def _all_pairs(statistic: Statistic) -> TypeGuard[GroupRates | GroupMeans]:
    """Return whether it is all ordered pairs of groups that must hold at once."""
    return isinstance(statistic, GroupRates | GroupMeans) and statistic.of in ("difference", "ratio")


def _apart(s: GroupRates | GroupMeans, gap: float) -> float:
    """Return how many standard errors apart rates may lie that differ by the gap: the least it can be.

    A rate's standard error is never more than 1 / (2 sqrt(n)), so for a difference nothing is estimated; of means
    nothing is known beforehand, so they may lie together. A ratio leaves 1 - ratio of the lowest rate's distance
    from zero, where a rate below a half errs by less.
    """
    if isinstance(s, GroupMeans):
        return 0.0
    if s.of == "difference":
        return 2 * math.sqrt(min(s.n)) * max(gap, 0.0)
    p = min(k / n for k, n in zip(s.k, s.n, strict=True))
    return math.sqrt(min(s.n) * (p / (1 - p) if p < 0.5 else 4 * p * p)) * max(1 - gap, 0.0)


def _parts(s: Extreme, side: Side) -> int:
    """Return how many bounds must hold at once: of every quantity below, of the extreme ones alone above."""
    return (len(s.each) if side == "low" else 1) * (2 if s.of == "range" else 1)


def _count(statistic: Statistic) -> int:
    """Return how many groups, or comparisons of one group with each other one, must hold at once."""
    if isinstance(statistic, RateOverHighest):
        return len(statistic.groups) - 1
    if isinstance(statistic, GroupRates) and statistic.of == "departure":
        return 2 * len(statistic.groups)  # above one half and below it
    return len(statistic.groups) if isinstance(statistic, GroupRates | GroupMeans) else 1


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
        case RateOverHighest(group=group, groups=groups, k=k, n=n):
            own = groups.index(group)  # over the highest is the smallest of the ratios to each group
            to_each = limits.ratios(np.array(k), np.array(n), alpha)[which][own]
            return float(min(np.delete(to_each, own).min(), 1.0))
        case Moments():
            return float(mean_bounds.bound(statistic, which, alpha))
        case GroupMeans():
            return mean_bounds.group_bound(statistic, which, alpha)
        case Normal(value=value, se=se, link=link, df=df):
            z = float(norm.isf(alpha) if df is None else student.isf(alpha, df))
            return _LINKS[link](value + (z if which else -z) * se)
        case Mapped(by=by, of=of):
            return mapped(by, _bound(of, side, alpha))
        case Replicates():
            return _replicated_bound(statistic, which, alpha)
        case Extreme(of=of, each=each):
            own = max(_bound(s, side, alpha) for s in each)
            if of == "largest":
                return own
            gap = own - min(_bound(s, "high" if side == "low" else "low", alpha) for s in each)
            return max(gap, 0.0)


def _group_bound(s: GroupRates, which: int, alpha: float) -> float:
    """Return the extreme of all groups' or all ordered pairs' limits."""
    k, n = np.array(s.k), np.array(s.n)
    if s.of == "mean":
        return limits.average(k, n, alpha)[which]
    if s.of in ("minimum", "maximum"):
        each = limits.clopper_pearson(k, n, alpha)[which]
        return float(each.min() if s.of == "minimum" else each.max())
    if s.of == "departure":
        low, high = limits.clopper_pearson(k, n, alpha)
        return float(max(high.max(), (1 - low).max()) if which else max(low.max(), (1 - high).max(), 0.5))
    pairs = limits.contrasts(k, n, 1.0, alpha) if s.of == "difference" else limits.ratios(k, n, alpha)
    others = pairs[which][~np.eye(len(k), dtype=bool)]
    return float(max(others.max(), 0.0) if s.of == "difference" else min(others.min(), 1.0))


def _replicated_bound(s: Replicates, which: int, alpha: float) -> float:
    """Return the bootstrap t bound; between two stored levels t is interpolated, beyond them there is none."""
    if alpha < s.levels[-1] * (1 - 1e-9):
        raise ValueError(f"{s.draws:,} replicates support no level below {s.levels[-1]:.2g}, not {alpha:.2g}")
    end, sign = s.ends[which], 1 if which else -1
    found = [math.inf if t is None else -sign * t for t in (s.low if which else s.high)]
    above = [math.log(level) for level in s.levels]
    after = min(max(int(np.searchsorted(-np.array(above), -math.log(alpha))), 1), len(above) - 1)
    share = min(max((above[after - 1] - math.log(alpha)) / (above[after - 1] - above[after]), 0.0), 1.0)
    before, t = found[after - 1], found[after]
    if share < 1 and math.isfinite(t):
        t = before + share * (t - before)
    bound = s.value + sign * t * s.se
    return bound if end is None else (min(bound, end) if which else max(bound, end))


def _summary(s: GroupRates) -> float:
    """Return the largest minus the smallest rate, or the summary of that name."""
    _groups(s.groups, s.k, s.n, s.sizes)
    rates = sorted(k / n for k, n in zip(s.k, s.n, strict=True))
    if s.of == "ratio" and rates[-1] == 0:
        raise ValueError("a ratio of rates that are all zero")
    values = {
        "difference": lambda: rates[-1] - rates[0],
        "ratio": lambda: rates[0] / rates[-1],
        "minimum": lambda: rates[0],
        "maximum": lambda: rates[-1],
        "mean": lambda: math.fsum(rates) / len(rates),
        "departure": lambda: max(rates[-1], 1 - rates[0]),
    }
    return values[s.of]()


def _groups(names: tuple[str, ...], k: tuple[float, ...], n: tuple[float, ...], *sizes: tuple) -> None:
    """Raise ValueError unless there are two groups or more, each with possible counts."""
    if len({len(part) for part in (names, k, n, *sizes)}) > 1 or len(names) < 2:
        raise ValueError("group rates need two groups or more, each with k, n and size")
    _counts(k, n)


def _counts(k: tuple[float, ...], n: tuple[float, ...]) -> None:
    """Raise ValueError unless every rate is k of n with 0 <= k <= n and n > 0."""
    for hits, trials in zip(k, n, strict=True):
        if not (trials > 0 and 0 <= hits <= trials):
            raise ValueError(f"a rate of {hits} of {trials}")
