"""The largest of several bounded quantities, and how far apart they lie, whether or not they share rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from audit.evidence import Estimate, Moments, Normal, Rate
from audit.evidence_statistics import Extreme
from audit.stats.estimates import bounded, not_estimable

LARGEST = "largest of {m}: its own upper bound; all {m} at once below (Bonferroni)"
RANGE = "largest minus smallest of {m}: bounds of both ends above; all {m} at once below (Bonferroni)"


def largest(estimates: Mapping[str, Estimate], *, n: int, note: str = "") -> Estimate:
    """Return the largest of the quantities by name, judged on n rows.

    Above, the largest of their upper bounds holds at the same level, since one of them is the truly largest
    (intersection-union); below, every lower bound must hold, each at alpha over their number. Fewer than two,
    or one without bounds, leave no value, but a reason.
    """
    return _extreme("largest", LARGEST, estimates, n, note)


def spread(estimates: Mapping[str, Estimate], *, n: int, note: str = "") -> Estimate:
    """Return the largest minus the smallest of the quantities by name, judged on n rows.

    Above, an upper and a lower bound must hold, each at alpha / 2; below, both of every quantity.
    """
    return _extreme("range", RANGE, estimates, n, note)


def _extreme(
    of: Literal["largest", "range"], method: str, estimates: Mapping[str, Estimate], n: int, note: str
) -> Estimate:
    """Return the bounded extreme, or the reason why there is none."""
    method = method.format(m=len(estimates))
    if len(estimates) < 2:
        return not_estimable(f"{len(estimates)} to compare, where two are the fewest", n, method)
    names = tuple(sorted(estimates))
    each: list[Rate | Moments | Normal] = []
    for name in names:
        one = estimates[name]
        if one.value is None or not isinstance(one.statistic, Rate | Moments | Normal):
            return not_estimable(f"{name}: {one.reason or 'it has no bounds'}", n, method)
        each.append(one.statistic)
    return bounded(Extreme(of=of, names=names, each=tuple(each)), n, method, note=note)
