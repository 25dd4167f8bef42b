"""The area under the ROC curve with an interval that holds for small classes and near separation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from scipy.stats import t as student

from audit.evidence import Estimate, Rate
from audit.stats.estimates import bounded, not_estimable

METHOD = "exact binomial interval at the number of pairs that DeLong's variance is worth"
UNSEEN = 0.2


def auc(
    scores: ArrayLike, labels: ArrayLike, *, cluster: ArrayLike | None = None, fold: ArrayLike | None = None
) -> Estimate:
    """Return P(score of a positive > score of a negative), ties half, with labels[n] true or false.

    Its variance is DeLong's (1988), or with cluster[n] that of whole clusters (Obuchowski 1997). The bound
    is the exact binomial one at A (1 - A) / variance independent pairs, and never fewer than the smaller
    class has rows (no scores have a larger variance), so that perfect separation has a bound too.
    A class in fewer than two rows or clusters leaves no value, but a reason.
    fold[n]: each fold's scores are those of a network of its own, and no two networks' scores are compared: the value
    is the mean over folds weighted by their pairs, and its variance that of independent folds. A fold in which a
    class lies in fewer than two rows or clusters is not in it.
    """
    s, positive = np.asarray(scores, float), np.asarray(labels).astype(bool)
    if s.ndim != 1 or s.shape != positive.shape:
        raise ValueError(f"scores of shape {s.shape}, labels of shape {positive.shape}; expected [n] both")
    return macro_auc(s[:, None], positive[:, None], cluster=cluster, fold=fold)


def macro_auc(
    scores: ArrayLike, labels: ArrayLike, *, cluster: ArrayLike | None = None, fold: ArrayLike | None = None
) -> Estimate:
    """Return the plain mean over k columns of the AUC of scores[n, k] for labels[n, k], as `auc` bounds one.

    The variance is that of the rows' (clusters') mean influence over the columns, so it knows that the same
    rows are in all of them; the fewest pairs are those of the smallest class.
    """
    s, positive = np.asarray(scores, float), np.asarray(labels).astype(bool)
    broken = np.count_nonzero(~np.isfinite(s).all(axis=1))
    if broken:
        return not_estimable(f"{broken} of {len(s)} scores are not finite", len(s), METHOD)
    group = _groups(len(s), cluster)
    parts = [_parts(one, group, fold) for one in positive.T]
    units = min(_fewest(one, group, rows) for one, rows in zip(positive.T, parts, strict=True))
    if units < 2:
        what = "rows" if cluster is None else "clusters"
        where = "" if fold is None else " of every fold"
        return not_estimable(
            f"a class lies in {units} {what}{where}, where two are the fewest", len(s), METHOD
        )
    found = [auc_influence(*pair, cluster=cluster, fold=fold) for pair in zip(s.T, positive.T, strict=True)]
    value = math.fsum(area for area, _ in found) / len(found)
    total = np.sum([influence for _, influence in found], axis=0) / len(found)
    kept = [one[np.concatenate(rows)] for one, rows in zip(positive.T, parts, strict=True)]
    unseen = [_unseen(area, one) for (area, _), one in zip(found, kept, strict=True)]
    variance = math.fsum((total**2).tolist()) + (math.fsum(map(math.sqrt, unseen)) / len(found)) ** 2
    few = float(student.isf(0.025, len(s)) / student.isf(0.025, units - 1)) ** 2
    pairs = max(float(units), value * (1 - value) / variance * few)
    method = METHOD if cluster is None else f"{METHOD}, between {len(total):,} clusters (Obuchowski)"
    method += "" if fold is None else ", of pairs within folds"
    return bounded(Rate(k=min(value, 1.0) * pairs, n=pairs), len(s), method)


def auc_variance(scores: ArrayLike, labels: ArrayLike, *, cluster: ArrayLike | None = None) -> float:
    """Return the variance of the area under the ROC curve (DeLong et al. 1988; clusters: Obuchowski 1997)."""
    _, influence = auc_influence(scores, labels, cluster=cluster)
    return math.fsum((influence**2).tolist())


def auc_influence(
    scores: ArrayLike, labels: ArrayLike, *, cluster: ArrayLike | None = None, fold: ArrayLike | None = None
) -> tuple[float, np.ndarray]:
    """Return the area and influence[u] of every row, or sorted cluster: their squares sum to its variance.

    The summed products of two curves' influences on the same rows are their covariance (DeLong et al. 1988,
    the fast form of Sun and Xu 2014; clusters: Obuchowski 1997). fold as in `auc`.
    """
    s, positive = np.asarray(scores, float), np.asarray(labels).astype(bool)
    group = _groups(len(s), cluster)
    parts = _parts(positive, group, fold)
    pairs = [int(positive[rows].sum()) * int((~positive[rows]).sum()) for rows in parts]
    area, total = [], np.zeros(int(group.max()) + 1)
    for rows, worth in zip(parts, pairs, strict=True):
        own, influence = _influence(s[rows], positive[rows], group[rows], len(total))
        area.append(own * worth / sum(pairs))
        total += influence * (worth / sum(pairs))
    return math.fsum(area), total


def _influence(s: np.ndarray, positive: np.ndarray, group: np.ndarray, most: int) -> tuple[float, np.ndarray]:
    """Return the area of rows whose scores are all compared, and influence[most] of their groups."""
    share, total = _placements(s, positive), np.zeros(most)
    for rows in (positive, ~positive):
        units = len(np.unique(group[rows]))
        centre = math.fsum(share[rows].tolist()) / len(share[rows])
        apart = (share[rows] - centre) / len(share[rows]) * np.sqrt(units / (units - 1))
        order = np.lexsort((apart, group[rows]))
        total += np.bincount(group[rows][order], weights=apart[order], minlength=most)
    return math.fsum(share[positive].tolist()) / np.count_nonzero(positive), total


def _parts(positive: np.ndarray, group: np.ndarray, fold: ArrayLike | None) -> list[np.ndarray]:
    """Return the rows that are compared with each other: all, or those of each fold with both classes twice."""
    if fold is None:
        return [np.arange(len(positive))]
    own = np.asarray(fold)
    parts = [np.flatnonzero(own == one) for one in np.unique(own)]
    return [rows for rows in parts if _fewest(positive, group, [rows]) >= 2]


def _fewest(positive: np.ndarray, group: np.ndarray, parts: list[np.ndarray]) -> int:
    """Return in how many rows or clusters the smaller class lies, less one for each further part's own mean."""
    counts = [[len(np.unique(group[rows][positive[rows] == one])) for one in (True, False)] for rows in parts]
    return int(np.sum(counts, axis=0).min()) - len(parts) + 1 if parts else 0


def _groups(n: int, cluster: ArrayLike | None) -> np.ndarray:
    """Return the number of each row's cluster, or of the row itself."""
    return np.arange(n) if cluster is None else np.unique(np.asarray(cluster), return_inverse=True)[1]


def _placements(s: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the share of the other class each row is ordered rightly against, by midranks (Sun and Xu 2014)."""
    rank, share = rankdata(s), np.empty(len(s))
    share[positive] = (rank[positive] - rankdata(s[positive])) / np.count_nonzero(~positive)
    share[~positive] = 1 - (rank[~positive] - rankdata(s[~positive])) / np.count_nonzero(positive)
    return share


def _unseen(value: float, positive: np.ndarray) -> float:
    """Return the variance that a fifth of a row at each end of the scale adds to each class.

    It stands for the rare misplaced rows that a sample near separation has missed.
    """
    m, n = np.count_nonzero(positive), np.count_nonzero(~positive)
    return UNSEEN * (value**2 + (1 - value) ** 2) * (1 / m**2 + 1 / n**2)
