"""How far confidence is from accuracy: a debiased distance with bounds, and the ECE for comparison only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from audit.evidence import Estimate
from audit.stats.estimates import descriptive, normal, not_estimable

METHOD = "root of the debiased squared gap over {bins} equal-mass bins, test inverted"
ECE = "expected calibration error over {bins} equal-width bins; biased upwards, shown only"
FEWEST_CLUSTERS = 20  # worth of clusters of one size (Kish 1965)
BLOCK = 1 << 14  # rows binned at a time, so that what is made of them stays in the cache
FOLD_ROWS = 8  # in a bin of one fold
MOST_UNEQUAL = 3  # clusters for each that they are worth


def calibration_error(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    bins: int = 15,
    cluster: ArrayLike | None = None,
    fold: ArrayLike | None = None,
) -> Estimate:
    """Return the root mean squared gap of confidence[n] and correct[n] over equal-mass bins, debiased.

    T = sum w_k (gap_k^2 - v_k), v_k the sample variance of the gap in bin k (Kumar et al. 2019). The
    standard error counts half a right and half a wrong row more in every bin, and is the one at which the
    95 % upper bound solves T_u - T = z sqrt(a T_u + b), since the spread of T grows with T. Equal
    confidences share a bin. The value is in probability units. With cluster[n] the gaps' covariance is that
    between whole clusters, across bins too, and t of their number stands for z.
    fold[n]: each fold's confidences are those of a network of its own. Bins are then those of a fold, at most `bins`
    and of FOLD_ROWS rows at least, and the value is the root of the networks' mean squared gap: what pooled rows
    would show is never more, since gaps that go opposite ways in two networks cancel there.
    """
    method, group = METHOD.format(bins=bins), None if cluster is None else np.asarray(cluster)
    if group is not None and len(np.unique(group)) == len(group):
        group = None
    c, y = _checked(confidence, correct)
    own = None if fold is None else np.asarray(fold)
    if group is None and own is None:
        c, y = _arranged(c, y)
    else:
        order = np.lexsort((y, c))
        c, y = c[order].astype(float), y[order].astype(float)
        group, own = (None if a is None else a[order] for a in (group, own))
    if own is None:
        if len(c) < 4 * bins:
            return not_estimable(f"{len(c)} rows, where {bins} bins need {4 * bins}", len(c), method)
        place = _places(c, bins)
    else:
        method = f"{method}, bins within folds"
        few = min(np.unique(own, return_counts=True)[1], default=0)
        if few < 2 * FOLD_ROWS:
            return not_estimable(
                f"{few} rows in a fold, where {2 * FOLD_ROWS} are the fewest", len(c), method
            )
        place = _places_of_folds(c, own, bins)
    n, gap, plain, smooth = _bins(c, y, place)
    if (n < 2).any():
        return not_estimable("a bin holds fewer than two rows", len(c), method)
    weight, df = n / len(c), None
    covariance = np.diag(smooth)
    if group is not None:
        sizes = np.unique(group, return_counts=True)[1]
        worth = len(c) ** 2 / float(np.sum(sizes**2))
        method = f"{method}, between {len(sizes):,} clusters"
        if worth < max(FEWEST_CLUSTERS, len(sizes) / MOST_UNEQUAL):
            needed = f"needs {FEWEST_CLUSTERS} and a third of their number"
            few = f"{len(sizes)} clusters of unlike sizes, worth {worth:.0f} of one size, where the bound {needed}"
            return not_estimable(few, len(c), method)
        between, alike = _between(c - y, place, group, n, gap)
        covariance = between + np.diag(np.maximum(plain - np.diag(between), 0) + (smooth - plain) * alike)
        plain, df = np.diag(between), worth - 1
    value = float(np.sum(weight * (gap**2 - plain)))
    se = _inverted_error(value, weight, gap, plain, covariance, df)
    return normal(value, se, len(c), link="square", df=df, method=method)


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> Estimate:
    """Return ECE: the mean absolute gap over equal-width bins (Guo et al. 2017), descriptive.

    A confidence on an edge belongs to the bin below, 0 to the first, 1 to the last.
    """
    c, y = _checked(confidence, correct)
    if len(c) == 0:
        return not_estimable("no rows", 0, ECE.format(bins=bins))
    gaps = np.zeros(bins)
    for start in range(0, len(c), BLOCK):
        sure = c[start : start + BLOCK].astype(float)
        place = np.maximum(np.ceil(sure * bins) - 1, 0).astype(np.intp)
        gaps += np.bincount(place, weights=sure - y[start : start + BLOCK], minlength=bins)
    return descriptive(float(np.abs(gaps).sum() / len(c)), len(c), ECE.format(bins=bins))


def _checked(confidence: ArrayLike, correct: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays of one shape, confidence in 0 to 1, correct true or false; ValueError otherwise."""
    c, y = np.asarray(confidence), np.asarray(correct)
    c = c if np.issubdtype(c.dtype, np.floating) else c.astype(float)
    inside = c.size == 0 or (c.min() >= 0 and c.max() <= 1)  # NaN is neither
    if c.ndim != 1 or c.shape != y.shape or not inside or not (y.dtype == bool or np.isin(y, (0, 1)).all()):
        raise ValueError(
            f"confidence of shape {c.shape} in [0, 1] and correct of shape {y.shape} true or false"
        )
    return c, y.astype(bool)


def _arranged(c: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the wrong rows, then the right ones, each by confidence: sums are the same in any order of rows."""
    wrong, right = np.sort(c[~y]), np.sort(c[y])
    return np.concatenate([wrong, right]).astype(float), np.repeat([0.0, 1.0], [len(wrong), len(right)])


def _places(c: np.ndarray, bins: int) -> np.ndarray:
    """Return each row's bin of equal mass."""
    cuts = np.arange(1, bins) * len(c) // bins
    edges = np.unique(np.sort(c, kind="stable")[cuts])  # sorted runs merge in linear time
    place = np.searchsorted(edges, c, side="right")
    filled = np.bincount(place) > 0
    if not filled.all():
        place = (np.cumsum(filled) - 1)[place]
    return place


def _places_of_folds(c: np.ndarray, fold: np.ndarray, bins: int) -> np.ndarray:
    """Return each row's bin of equal mass within its fold, numbered through all folds."""
    place, so_far = np.empty(len(c), np.intp), 0
    for one in np.unique(fold):
        rows = np.flatnonzero(fold == one)
        place[rows] = _places(c[rows], min(bins, len(rows) // FOLD_ROWS)) + so_far
        so_far = int(place[rows].max()) + 1
    return place


def _bins(c: np.ndarray, y: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return per bin its rows, mean gap, the gap's variance, and that with one row more."""

    def total(of: np.ndarray) -> np.ndarray:
        return np.bincount(place, weights=of)

    n = np.bincount(place).astype(float)
    apart = c - y
    first, second, centre = total(apart), total(apart * apart), total(c) / n
    gap = first / n
    plain = np.maximum(second / n - gap**2, 0) / np.maximum(n - 1, 1)
    one_more = (second + (centre**2 + (1 - centre) ** 2) / 2) / (n + 1)
    smooth = (one_more - ((first + centre - 0.5) / (n + 1)) ** 2) / n
    return n, gap, plain, smooth


def _between(
    apart: np.ndarray, place: np.ndarray, group: np.ndarray, n: np.ndarray, gap: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance[k, k] of the bins' gaps between clusters, and a cluster's mean rows[k] in a bin.

    The jackknife's sandwich (Bell and McCaffrey 2002): each cluster's summed residuals over the rows that the
    bin has without it, multiplied across bins.
    """
    _, member = np.unique(group, return_inverse=True)
    residual, rows = np.zeros((member.max() + 1, len(n))), np.zeros((member.max() + 1, len(n)))
    np.add.at(residual, (member, place), apart - gap[place])
    np.add.at(rows, (member, place), 1.0)
    residual /= np.maximum(n - rows, 1.0)
    clusters = len(residual)
    return residual.T @ residual * (clusters - 1) / clusters, (rows**2).sum(axis=0) / n


def _inverted_error(
    value: float,
    weight: np.ndarray,
    gap: np.ndarray,
    plain: np.ndarray,
    covariance: np.ndarray,
    df: float | None,
) -> float:
    """Return (T_u - T) / z at the one-sided 95 % level, with the spread of T a linear function of T.

    Its slope is 4 g'WSWg over g'Wg: for gaps g alike in size, of one sign or each its own, or as they are
    found, whichever is the most. Its floor is 2 tr (WS)^2.
    """
    z = float(norm.isf(0.05) if df is None else student.isf(0.05, df))
    weighted = weight[:, None] * covariance * weight
    signal = np.sqrt(np.maximum(gap**2 - plain, 0)) * np.sign(gap)
    slope = 4 * max(float(np.trace(weighted)), float(weighted.sum()))
    if signal.any():
        slope = max(slope, 4 * float(signal @ weighted @ signal / np.sum(weight * signal**2)))
    product = weight[:, None] * covariance
    floor = 2 * float(np.sum(product * product.T))
    half = z * slope / 2
    return half + math.sqrt(half**2 + slope * max(value, -floor / slope) + floor)
