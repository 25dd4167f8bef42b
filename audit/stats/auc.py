"""The area under the ROC curve with an interval that holds for small classes and near separation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from scipy.stats import t as student

from audit.evidence import Estimate, Rate
from audit.stats.estimates import bounded, not_estimable

METHOD = "exact binomial interval at the number of pairs that DeLong's variance is worth"
UNSEEN = 0.2


def auc(scores: ArrayLike, labels: ArrayLike, *, cluster: ArrayLike | None = None) -> Estimate:
    """Return P(score of a positive > score of a negative), ties half, with labels[n] true or false.

    Its variance is DeLong's (1988), or with cluster[n] that of whole clusters (Obuchowski 1997). The bound
    is the exact binomial one at A (1 - A) / variance independent pairs, and never fewer than the smaller
    class has rows (no scores have a larger variance), so that perfect separation has a bound too.
    A class in fewer than two rows or clusters leaves no value, but a reason.
    """
    s, positive = np.asarray(scores, float), np.asarray(labels).astype(bool)
    if s.ndim != 1 or s.shape != positive.shape:
        raise ValueError(f"scores of shape {s.shape}, labels of shape {positive.shape}; expected [n] both")
    broken = np.count_nonzero(~np.isfinite(s))
    if broken:
        return not_estimable(f"{broken} of {len(s)} scores are not finite", len(s), METHOD)
    s, positive, group = _ordered(s, positive, cluster)
    units = min(len(np.unique(group[positive])), len(np.unique(group[~positive])))
    if units < 2:
        what = "rows" if cluster is None else "clusters"
        return not_estimable(f"a class lies in {units} {what}, where two are the fewest", len(s), METHOD)
    share = _placements(s, positive)
    value = float(np.mean(share[positive]))
    method = METHOD if cluster is None else f"{METHOD}, between {len(np.unique(group))} clusters (Obuchowski)"
    pairs = _pairs(value, share, positive, group, units)
    return bounded(Rate(k=min(value, 1.0) * pairs, n=pairs), len(s), method)


def auc_variance(scores: ArrayLike, labels: ArrayLike, *, cluster: ArrayLike | None = None) -> float:
    """Return the variance of the area under the ROC curve (DeLong et al. 1988; clusters: Obuchowski 1997)."""
    s, positive, group = _ordered(np.asarray(scores, float), np.asarray(labels).astype(bool), cluster)
    return _variance(_placements(s, positive), positive, group)


def _ordered(
    s: np.ndarray, positive: np.ndarray, cluster: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, labels and group numbers in an order that the rows' order cannot change."""
    if cluster is None:
        order = np.lexsort((positive, s))
        return s[order], positive[order], np.arange(len(s))
    _, group = np.unique(np.asarray(cluster), return_inverse=True)
    order = np.lexsort((positive, s, group))
    return s[order], positive[order], group[order]


def _placements(s: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the share of the other class each row is ordered rightly against, by midranks (Sun and Xu 2014)."""
    rank, share = rankdata(s), np.empty(len(s))
    share[positive] = (rank[positive] - rankdata(s[positive])) / np.count_nonzero(~positive)
    share[~positive] = 1 - (rank[~positive] - rankdata(s[~positive])) / np.count_nonzero(positive)
    return share


def _variance(share: np.ndarray, positive: np.ndarray, group: np.ndarray) -> float:
    """Return the variance of the mean placement from the spread of the groups' totals."""
    total = np.zeros(int(group.max()) + 1)
    for rows in (positive, ~positive):
        units = len(np.unique(group[rows]))
        apart = (share[rows] - share[rows].mean()) / len(share[rows]) * np.sqrt(units / (units - 1))
        total += np.bincount(group[rows], weights=apart, minlength=len(total))
    return float(np.sum(total**2))


def _pairs(value: float, share: np.ndarray, positive: np.ndarray, group: np.ndarray, units: int) -> float:
    """Return the number of independent pairs that the rows are worth.

    A fifth of a row at each end of the scale joins each class, for the rare misplaced rows that a sample
    near separation has missed; the ratio of t quantiles corrects for few units, as in `effective_counts`.
    """
    m, n = np.count_nonzero(positive), np.count_nonzero(~positive)
    unseen = UNSEEN * (value**2 + (1 - value) ** 2) * (1 / m**2 + 1 / n**2)
    few = float(student.isf(0.025, len(share)) / student.isf(0.025, units - 1)) ** 2
    return max(float(units), value * (1 - value) / (_variance(share, positive, group) + unseen) * few)
