"""The makers of estimates: bounded from a statistic, normal, descriptive, and not estimable."""

from __future__ import annotations

import math
from typing import Literal

from audit.evidence import Estimate, Normal, Statistic
from audit.stats import bounds

EstimateSide = Literal["two-sided", "at most", "at least"]
Link = Literal["identity", "log", "logit", "square"]
LEVEL = 0.95


def bounded(
    statistic: Statistic, n: int, method: str, *, side: EstimateSide = "two-sided", note: str = ""
) -> Estimate:
    """Return the statistic's estimate with its 95 % interval: two one-sided bounds at 97.5 % each."""
    alpha = (1 - LEVEL) / 2
    low, high = bounds.low_bound(statistic, alpha), bounds.high_bound(statistic, alpha)
    return Estimate(
        value=bounds.point(statistic),
        n=n,
        method=method,
        side=side,
        level=LEVEL,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        statistic=statistic,
        note=note,
    )


def normal(
    value: float,
    se: float,
    n: int,
    *,
    link: Link = "identity",
    df: float | None = None,
    method: str,
    side: EstimateSide = "two-sided",
    note: str = "",
) -> Estimate:
    """Return a bounded estimate whose value, on the link's scale, is normal with standard error se.

    With df it is Student's t. The link maps that scale to the shown one: identity v, log exp(v), logit
    expit(v), square sqrt(max(v, 0)). Without a positive finite se the estimate has no value, but a reason.
    """
    if not (math.isfinite(value) and math.isfinite(se) and se > 0):
        return not_estimable(f"no interval: the standard error is {se:.3g}", n=n, method=method)
    return bounded(Normal(value=value, se=se, link=link, df=df), n, method, side=side, note=note)


def census(value: float, n: int, method: str, *, note: str = "") -> Estimate:
    """Return a value of a whole that was tried to the last of its n members: no sampling error, every bound itself.

    It speaks of that whole and of nothing beyond it, which `method` should say.
    """
    return bounded(Normal(value=value, se=0.0), n, method, note=note)


def descriptive(value: float, n: int, method: str, *, note: str = "") -> Estimate:
    """Return a number that has no honest interval: reports show it, a rule must refuse it."""
    if not math.isfinite(value):
        return not_estimable("the value is not finite", n=n, method=method)
    return Estimate(value=value, n=n, method=method, kind="descriptive", note=note)


def not_estimable(reason: str, n: int = 0, method: str = "") -> Estimate:
    """Return an estimate without a value, which says why there is none."""
    return Estimate(value=None, n=n, method=method, reason=reason)
