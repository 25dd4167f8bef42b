"""The frozen numbers that bound an estimate at any level: counts, moments, errors, replicates (no arrays)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """An immutable value with strict keys and finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rate(Frozen):
    """k successes of n trials; both are effective (fractional) sizes where rows are clustered."""

    family: Literal["rate"] = "rate"
    k: float
    n: float


class RatePair(Frozen):
    """Two independent rates: the first minus, or over, the second."""

    family: Literal["rate pair"] = "rate pair"
    of: Literal["difference", "ratio"]
    k1: float
    n1: float
    k2: float
    n2: float


class GroupRates(Frozen):
    """One rate in several disjoint groups, and the summary taken over them.

    `difference` is the largest minus the smallest rate, `ratio` the smallest over the largest,
    `minimum`, `maximum` and `mean` the rate of that name, `departure` the largest max(rate, 1 - rate): how
    far a chance lies from one half, on either side. `sizes` are the rows of each group
    (a rate's own denominator n may be smaller).
    """

    family: Literal["group rates"] = "group rates"
    of: Literal["difference", "ratio", "minimum", "maximum", "mean", "departure"]
    groups: tuple[str, ...]
    k: tuple[float, ...]
    n: tuple[float, ...]
    sizes: tuple[float, ...]


class RateOverHighest(Frozen):
    """One group's rate over the highest rate of several disjoint groups, its own among them."""

    family: Literal["rate over highest"] = "rate over highest"
    group: str
    groups: tuple[str, ...]
    k: tuple[float, ...]
    n: tuple[float, ...]


class Moments(Frozen):
    """Size, mean, variance and third central moment of independent values (effective n if clustered)."""

    family: Literal["moments"] = "moments"
    n: float
    mean: float
    variance: float
    third: float
    low: float | None = None
    high: float | None = None


class GroupMeans(Frozen):
    """The mean of one value in several disjoint groups, and the summary taken over them.

    `difference` is the largest minus the smallest mean, `maximum` the largest. n, mean, variance and third are
    the moments of each group's independent units (clusters, where rows share one), low and high the ends of a
    value's possible range, `sizes` the rows of each group.
    """

    family: Literal["group means"] = "group means"
    of: Literal["difference", "maximum"]
    groups: tuple[str, ...]
    n: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    third: tuple[float, ...]
    sizes: tuple[float, ...]
    low: float | None = None
    high: float | None = None


class Normal(Frozen):
    """A value whose link-transformed estimate is normal (t when df is given) with standard error se.

    `value` and `se` are on the link's scale: identity v, log exp(v), logit expit(v), square sqrt(max(v, 0)).
    """

    family: Literal["normal"] = "normal"
    value: float
    se: float
    link: Literal["identity", "log", "logit", "square"] = "identity"
    df: float | None = None


class Mapped(Frozen):
    """A monotone function of a bounded quantity x, whose bounds are the function of x's bounds.

    `root` is sqrt(max(x, 0)), as the root of a mean square; `f1` is 2 x / (1 + x), F1 from the overlap x:
    the rows of a class that are predicted to be of it, over those that are of it or predicted to be.
    """

    family: Literal["mapped"] = "mapped"
    by: Literal["root", "f1"]
    of: Rate | Moments = Field(discriminator="family")


class Replicates(Frozen):
    """A value with its standard error and the quantiles of its studentised bootstrap replicates.

    t = (value* - value) / se*; low[j] is its quantile at levels[j] (falling from 0.5), high[j] that at
    1 - levels[j], None where it is infinite. The last level is the sharpest that the draws support; there
    is no bound at a sharper one. `ends` are those of the value's possible range.
    """

    family: Literal["replicates"] = "replicates"
    value: float
    se: float
    draws: int
    levels: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    ends: tuple[float | None, float | None] = (None, None)


class Extreme(Frozen):
    """The largest of several quantities, or the largest minus the smallest (`range`); they may depend on each other."""

    family: Literal["extreme"] = "extreme"
    of: Literal["largest", "range"]
    names: tuple[str, ...]
    each: tuple[Annotated[Rate | Moments | Normal, Field(discriminator="family")], ...]


Statistic = Annotated[
    Rate
    | RatePair
    | GroupRates
    | RateOverHighest
    | Moments
    | GroupMeans
    | Normal
    | Mapped
    | Replicates
    | Extreme,
    Field(discriminator="family"),
]
