"""The area under the ROC curve with an interval that holds for small classes and near separation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from scipy.stats import t as student

from audit.evidence import Estimate, Rate
from audit.stats.estimates import bounded, not_estimable

METHOD = "exact interval at DeLong's effective number of pairs"
UNSEEN = 0.2


def auc(scores: ArrayLike, labels: ArrayLike, *, cluster: ArrayLike | None = None) -> Estimate:
    """Return P(score of a positive > score of a negative) + half the ties, with labels[n] true or false.

    Its variance is DeLong's (1988), or with cluster[n] that of whole clusters (Obuchowski 1997). The bound
    is the exact binomial one at n_eff = A (1 - A) / variance, never below the smaller class, for which the
    largest variance any scores can have is A (1 - A) / min(m, n): perfect separation has an explicit bound.
    A class without rows leaves no value, but a reason.
    """
    s, positive = np.asarray(scores, float), np.asarray(labels).astype(bool)
    if not np.isfinite(s).all():
        return not_estimable(f"{np.count_nonzero(~np.isfinite(s))} of {len(s)} scores are not finite", len(s))
    group = np.arange(len(s)) if cluster is None else np.unique(np.asarray(cluster), return_inverse=True)[1]
    order = np.lexsort((s, positive, group))
    s, positive, group = s[order], positive[order], group[order]
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) == 0:
        return not_estimable(f"{m} positives and {n} negatives; both are needed", m + n, METHOD)
    units = _smaller_class(positive, group)
    if units < 2:
        return not_estimable("a class lies in fewer than two rows or clusters", m + n, METHOD)
    share = _placements(s, positive)
    value = float(np.sum(share[positive]) / m)
    effective = _effective(value, share, positive, group, units)
    method = METHOD if cluster is None else f"{METHOD} between {len(np.unique(group))} clusters (Obuchowski)"
    return bounded(Rate(k=value * effective, n=effective), m + n, method)


def placements(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return for each row[n] the share of the other class that it is ordered rightly against, ties half."""
    return _placements(np.asarray(scores, float), np.asarray(positive, bool))


def _placements(s: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return DeLong's structural components by midranks in O(n log n) (Sun and Xu 2014)."""
    rank, m, n = rankdata(s), int(positive.sum()), int((~positive).sum())
    share = np.empty(len(s))
    share[positive] = (rank[positive] - rankdata(s[positive])) / n
    share[~positive] = 1 - (rank[~positive] - rankdata(s[~positive])) / m
    return share


def _smaller_class(positive: np.ndarray, group: np.ndarray) -> int:
    """Return the fewer of the groups that hold positives and those that hold negatives."""
    return min(len(np.unique(group[positive])), len(np.unique(group[~positive])))


def _effective(
    value: float, share: np.ndarray, positive: np.ndarray, group: np.ndarray, units: int
) -> float:
    """Return the number of independent pairs with the AUC's variance, corrected for few units.

    A fifth of a row at either end of the scale is added to each class: near separation the sample misses
    the rare misplaced rows that make the variance.
    """
    weight = np.where(positive, 1 / positive.sum(), 1 / (~positive).sum())
    totals = np.bincount(group, weights=weight * (share - value))
    unseen = UNSEEN * (value**2 + (1 - value) ** 2) * (1 / positive.sum() ** 2 + 1 / (~positive).sum() ** 2)
    groups = len(totals)
    variance = groups / (groups - 1) * float(np.sum(totals**2)) + unseen
    few = float(student.isf(0.025, len(share)) / student.isf(0.025, units - 1)) ** 2
    return max(float(units), value * (1 - value) / variance * few)
