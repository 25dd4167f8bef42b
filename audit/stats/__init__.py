"""Summaries to estimates: intervals, bounds, power (NumPy and SciPy, no JAX)."""

from audit.stats.auc import auc, auc_variance
from audit.stats.bounds import crossing, high_bound, low_bound, p_fail, point, simultaneous
from audit.stats.calibration import calibration_error, expected_calibration_error
from audit.stats.estimates import bounded, descriptive, normal, not_estimable
from audit.stats.groups import groups, summarise
from audit.stats.means import mean
from audit.stats.multiplicity import benjamini_hochberg, holm, holm_levels
from audit.stats.power import minimum_detectable_gap, rows_needed
from audit.stats.rates import difference, effective_counts, rate, rate_of, ratio

__all__ = [
    "auc",
    "auc_variance",
    "benjamini_hochberg",
    "bounded",
    "calibration_error",
    "crossing",
    "descriptive",
    "difference",
    "effective_counts",
    "expected_calibration_error",
    "groups",
    "high_bound",
    "holm",
    "holm_levels",
    "low_bound",
    "mean",
    "minimum_detectable_gap",
    "normal",
    "not_estimable",
    "p_fail",
    "point",
    "rate",
    "rate_of",
    "ratio",
    "rows_needed",
    "simultaneous",
    "summarise",
]
