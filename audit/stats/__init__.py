"""Summaries to estimates: intervals, bounds, power (NumPy and SciPy, no JAX)."""

from audit.stats.auc import auc, auc_influence, auc_variance, macro_auc
from audit.stats.bootstrap import bootstrap, smooth
from audit.stats.bounds import crossing, high_bound, low_bound, p_fail, point, sharpest, simultaneous
from audit.stats.calibration import calibration_error, expected_calibration_error
from audit.stats.detectable import detectable, rows_by_group
from audit.stats.ends import ends
from audit.stats.estimates import bounded, census, descriptive, normal, not_estimable
from audit.stats.extremes import largest, spread
from audit.stats.group_means import group_means
from audit.stats.groups import groups, over_highest, summarise
from audit.stats.joint import Family, family
from audit.stats.joint_tables import counts_in, counts_table, crossed_table, gaps_table
from audit.stats.means import linearised, mean, root_mean
from audit.stats.multiplicity import benjamini_hochberg, holm, holm_levels
from audit.stats.overlap import f1, macro_f1
from audit.stats.power import minimum_detectable_gap, rows_needed
from audit.stats.rates import counts_of, difference, effective_counts, rate, rate_of, ratio
from audit.stats.strata import METHOD as STANDARDISED
from audit.stats.strata import standardised

__all__ = [
    "Family",
    "STANDARDISED",
    "auc",
    "auc_influence",
    "auc_variance",
    "benjamini_hochberg",
    "bootstrap",
    "bounded",
    "calibration_error",
    "census",
    "counts_in",
    "counts_of",
    "counts_table",
    "crossed_table",
    "crossing",
    "descriptive",
    "detectable",
    "difference",
    "effective_counts",
    "ends",
    "expected_calibration_error",
    "f1",
    "family",
    "gaps_table",
    "group_means",
    "groups",
    "high_bound",
    "holm",
    "holm_levels",
    "largest",
    "linearised",
    "low_bound",
    "macro_auc",
    "macro_f1",
    "mean",
    "minimum_detectable_gap",
    "normal",
    "not_estimable",
    "over_highest",
    "p_fail",
    "point",
    "rate",
    "rate_of",
    "ratio",
    "root_mean",
    "rows_by_group",
    "rows_needed",
    "sharpest",
    "simultaneous",
    "smooth",
    "standardised",
    "spread",
    "summarise",
]
