"""How far confidence is from accuracy: a debiased distance with bounds, and the ECE for comparison only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from audit.evidence import Estimate
from audit.stats.estimates import descriptive, normal, not_estimable

METHOD = "root of the debiased squared gap over {bins} equal-mass bins, test inverted"
ECE = "expected calibration error over {bins} equal-width bins; biased upwards, shown only"
_Z = 1.6448536269514722


def calibration_error(
    confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15, cluster: ArrayLike | None = None
) -> Estimate:
    """Return the root mean squared gap of confidence[n] and correct[n] over equal-mass bins, debiased.

    T = sum w_k (gap_k^2 - v_k), v_k the sample variance of the gap in bin k (Kumar et al. 2019). The
    standard error counts half a right and half a wrong row more in every bin, and is the one at which the
    95 % upper bound solves T_u - T = z sqrt(a T_u + b), since the spread of T grows with T. Equal
    confidences share a bin. The value is in probability units. Clusters leave no value, but a reason.
    """
    c, y = _pairs(confidence, correct)
    method = METHOD.format(bins=bins)
    if cluster is not None and len(np.unique(np.asarray(cluster))) < len(c):
        return not_estimable("rows share clusters; the calibration error's bound needs independent rows")
    if len(c) < 4 * bins:
        return not_estimable(f"{len(c)} rows, where {bins} bins need {4 * bins}", len(c), method)
    n, gap, plain, smooth = _bins(c, y, bins)
    if (n < 2).any():
        return not_estimable("a bin holds fewer than two rows", len(c), method)
    weight = n / len(c)
    value = float(np.sum(weight * (gap**2 - plain)))
    return normal(
        value, _inverted_error(value, weight, gap, plain, smooth), len(c), link="square", method=method
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> Estimate:
    """Return ECE: the mean absolute gap over equal-width bins (Guo et al. 2017), descriptive.

    A confidence on an edge belongs to the bin below, 0 to the first, 1 to the last.
    """
    c, y = _pairs(confidence, correct)
    if len(c) == 0:
        return not_estimable("no rows", 0, ECE.format(bins=bins))
    place = np.clip(np.ceil(c * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=c - y, minlength=bins)
    return descriptive(float(np.abs(gaps).sum() / len(c)), len(c), ECE.format(bins=bins))


def _pairs(confidence: ArrayLike, correct: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float arrays sorted by confidence, then correctness, so that row order never matters."""
    c, y = np.asarray(confidence, float), np.asarray(correct, float)
    if c.ndim != 1 or c.shape != y.shape or not ((c >= 0) & (c <= 1)).all() or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"confidence of shape {c.shape} in [0, 1] and correct of shape {y.shape} true or false"
        )
    order = np.lexsort((y, c))
    return c[order], y[order]


def _bins(c: np.ndarray, y: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return per bin its rows, mean gap, the gap's variance, and that variance with one row more."""
    edges = np.unique(c[np.arange(1, bins) * len(c) // bins])
    place = np.searchsorted(edges, c, side="right")
    rows = np.bincount(place, minlength=len(edges) + 1)
    kept = rows > 0

    def total(of: np.ndarray) -> np.ndarray:
        return np.bincount(place, weights=of, minlength=len(rows))[kept]

    n = rows[kept].astype(float)
    apart = c - y
    first, second, centre = total(apart), total(apart**2), total(c) / n
    gap = first / n
    plain = np.maximum(second / n - gap**2, 0) / np.maximum(n - 1, 1)
    one_more = (second + (centre**2 + (1 - centre) ** 2) / 2) / (n + 1)
    smooth = (one_more - ((first + centre - 0.5) / (n + 1)) ** 2) / n
    return n, gap, plain, smooth


def _inverted_error(
    value: float, weight: np.ndarray, gap: np.ndarray, plain: np.ndarray, smooth: np.ndarray
) -> float:
    """Return (T_u - T) / z at the one-sided 95 % level, with the spread of T a linear function of T."""
    signal = weight * np.maximum(gap**2 - plain, 0)
    slope = 4 * float(np.sum(weight**2 * smooth))
    if signal.sum() > 0:
        slope = max(slope, 4 * float(np.sum(weight * smooth * signal) / np.sum(signal)))
    floor = 2 * float(np.sum((weight * smooth) ** 2))
    half = _Z * slope / 2
    return half + math.sqrt(half**2 + slope * max(value, -floor / slope) + floor)
