"""Summaries to estimates: intervals, bounds, power (NumPy and SciPy, no JAX)."""

from audit.stats.bounds import crossing, high_bound, low_bound, p_fail, point, simultaneous
from audit.stats.estimates import bounded, descriptive, normal, not_estimable
from audit.stats.groups import groups, summarise
from audit.stats.means import mean
from audit.stats.multiplicity import benjamini_hochberg, holm, holm_levels
from audit.stats.rates import difference, effective_counts, rate, rate_of, ratio

__all__ = [
    "benjamini_hochberg",
    "bounded",
    "crossing",
    "descriptive",
    "difference",
    "effective_counts",
    "groups",
    "high_bound",
    "holm",
    "holm_levels",
    "low_bound",
    "mean",
    "normal",
    "not_estimable",
    "p_fail",
    "point",
    "rate",
    "rate_of",
    "ratio",
    "simultaneous",
    "summarise",
]
