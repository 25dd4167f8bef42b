"""A rate over disjoint groups: largest difference, smallest ratio, worst, best and mean, each over the highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from audit.evidence import Estimate, GroupMeans, GroupRates, RateOverHighest
from audit.stats.estimates import EstimateSide, bounded
from audit.stats.group_means import summarise_means
from audit.stats.rates import HYBRID

Of = Literal["difference", "ratio", "minimum", "maximum", "mean", "departure"]
_ENDS = "half of the groups at each end (Tukey-Kramer)"
_METHODS: dict[str, str] = {
    "difference": f"largest of all pairs' differences, {HYBRID}; all at once below, {_ENDS}",
    "ratio": f"smallest of all pairs' ratios, {HYBRID}; all at once above, {_ENDS}",
    "minimum": "smallest of Clopper-Pearson limits; all groups at once (Sidak) above",
    "maximum": "largest of Clopper-Pearson limits; all groups at once (Sidak) below",
    "mean": f"mean of rates, {HYBRID}",
    "departure": "largest of Clopper-Pearson limits of the rates and of their complements; all at once (Sidak) below",
}
_OVER_HIGHEST = f"smallest of the ratios to each other group, {HYBRID}; all of them at once (Sidak) above"


def groups(
    names: Sequence[str],
    k: Sequence[float] | np.ndarray,
    n: Sequence[float] | np.ndarray,
    sizes: Sequence[float] | np.ndarray,
    *,
    of: Of,
    side: EstimateSide = "two-sided",
    note: str = "",
) -> Estimate:
    """Return a summary of the rates k / n of disjoint groups, with valid bounds on both sides.

    n are the rates' denominators (effective where rows are clustered), whose sum is the estimate's n, and
    sizes the groups' rows. `difference` is the largest minus the smallest rate, `ratio` the smallest over the
    largest, `departure` the largest max(rate, 1 - rate), which counts groups as above one half and below it.
    Fewer than two groups, an empty denominator or a ratio of zeros leave no value, but a reason.
    Groups may come in any order.
    """
    if not len(names) == len(k) == len(n) == len(sizes) or len(set(names)) != len(names):
        raise ValueError(f"groups {list(names)}: expected distinct names, each with one k, n and size")
    rows = sorted(zip(names, map(float, k), map(float, n), map(float, sizes), strict=True))
    columns = tuple(zip(*rows, strict=True)) if rows else ((), (), (), ())
    statistic = GroupRates(of=of, groups=columns[0], k=columns[1], n=columns[2], sizes=columns[3])
    return summarise(statistic, side=side, note=note)


def over_highest(
    names: Sequence[str],
    k: Sequence[float] | np.ndarray,
    n: Sequence[float] | np.ndarray,
    *,
    note: str = "",
) -> tuple[Estimate, ...]:
    """Return each group's rate over the highest rate of them all, in the order given, as `groups` takes them.

    The highest rate of the truth may be any group's, so the bounds hold whichever it is: below, each ratio's
    limit holds at 1 - alpha and the smallest is taken; above, the limits of all the ratios hold at once.
    """
    if not len(names) == len(k) == len(n) or len(set(names)) != len(names):
        raise ValueError(f"groups {list(names)}: expected distinct names, each with one k and n")
    rows = sorted(zip(names, map(float, k), map(float, n), strict=True))
    ordered, hits, trials = zip(*rows, strict=True) if rows else ((), (), ())
    whole = GroupRates(of="ratio", groups=ordered, k=hits, n=trials, sizes=trials)
    reason, total = _undefined(whole), round(math.fsum(trials))
    if reason:
        nothing = Estimate(value=None, n=total, method=_OVER_HIGHEST, note=note, reason=reason)
        return tuple(nothing for _ in names)
    each = [RateOverHighest(group=name, groups=ordered, k=hits, n=trials) for name in names]
    return tuple(bounded(s, total, _OVER_HIGHEST, note=note) for s in each)


def summarise(s: GroupRates | GroupMeans, *, side: EstimateSide = "two-sided", note: str = "") -> Estimate:
    """Return the estimate of group rates or means; where it has no value it still keeps the counts."""
    if isinstance(s, GroupMeans):
        return summarise_means(s, note=note)
    rows, method = round(math.fsum(s.n)), _METHODS[s.of]
    reason = _undefined(s)
    if reason:
        return Estimate(value=None, n=rows, method=method, side=side, statistic=s, note=note, reason=reason)
    return bounded(s, rows, method, side=side, note=note)


def _undefined(s: GroupRates) -> str:
    """Return why the summary has no value, or nothing."""
    if len(s.groups) < 2:
        return f"{len(s.groups)} group, so there is nothing to compare"
    empty = [name for name, n in zip(s.groups, s.n, strict=True) if n == 0]
    if empty:
        return f"the rate's denominator is empty in group {', '.join(empty)}"
    if s.of == "ratio" and not any(s.k):
        return "every group's rate is 0, so their ratio is undefined"
    return ""
