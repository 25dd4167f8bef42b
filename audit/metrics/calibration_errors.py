"""Calibration errors from the literature, none of which has an honest interval: smECE, ECE-sweep, KS; and a test."""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import dct, idct
from scipy.special import ndtr

CELLS = 8192  # of the grid on which residuals are smoothed
HALVINGS = 40
MOST_BINS = 10_000  # of the sweep


def smooth_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return smECE: the mean absolute residual smoothed by a reflected Gaussian as wide as the error itself.

    smECE_s = integral over t of |mean_i K_s(t, c_i) (y_i - c_i)| with the Gaussian kernel of deviation s
    reflected at 0 and 1; smECE is the largest s with smECE_s >= s, which the error meets since it falls in s
    (Błasiok and Nakkiran 2023). Residuals lie on a grid of 8,192 cells, each shared by the two nearest
    centres; the reflected Gaussian is a diagonal of the cosine transform.
    """
    confidence, correct = _sorted(confidence, correct)
    place = np.clip(confidence * CELLS - 0.5, 0.0, CELLS - 1.0)
    cell = np.minimum(place.astype(int), CELLS - 2)
    share, residual = place - cell, (correct - confidence) / len(confidence)
    mass = np.bincount(cell, residual * (1 - share), minlength=CELLS)
    mass += np.bincount(cell + 1, residual * share, minlength=CELLS)
    waves = np.asarray(dct(mass, type=2, norm="ortho"))
    frequency = (np.pi * np.arange(CELLS)) ** 2 / 2

    def smoothed(width: float) -> float:
        return float(
            np.abs(np.asarray(idct(waves * np.exp(-frequency * width**2), type=2, norm="ortho"))).sum()
        )

    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed(middle) >= middle else (low, middle)
    return low


def sweep_error(confidence: np.ndarray, correct: np.ndarray) -> tuple[float, int]:
    """Return ECE over the most equal-mass bins whose shares of correct rows still rise, and their number.

    The number of bins grows from 1 until the shares of one number fall somewhere; the one before counts
    (Roelofs et al. 2022, equal mass). Equal confidences share a bin, unlike in the authors' code, and 10,000
    bins are the most, unless the shares rise from each confidence to the next.
    """
    confidence, correct = _sorted(confidence, correct)
    n = len(confidence)
    hits, sure = np.r_[0.0, np.cumsum(correct)], np.r_[0.0, np.cumsum(confidence)]
    kept = np.r_[0, np.flatnonzero(np.diff(confidence) > 0) + 1, n]
    if not _rises(hits, kept):
        kept = np.array([0, n])
        for bins in range(2, min(n, MOST_BINS) + 1):
            first = np.searchsorted(confidence, confidence[np.arange(1, bins) * n // bins])
            cuts = np.unique(np.r_[0, first, n])
            if not _rises(hits, cuts):
                break
            kept = cuts
    error = np.abs(np.diff(hits[kept]) - np.diff(sure[kept])).sum() / n
    return float(error), len(kept) - 1


def _rises(hits: np.ndarray, cuts: np.ndarray) -> bool:
    """Return whether the share of correct rows never falls from one bin to the next."""
    rows, right = np.diff(cuts), np.diff(hits[cuts])
    return bool((right[1:] * rows[:-1] >= right[:-1] * rows[1:]).all())


def kolmogorov_smirnov_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return the largest gap of summed confidence and summed outcome, rows in order of confidence, over n.

    No bins are needed (Gupta et al. 2021). It is read where the confidence changes, so ties have no order.
    """
    confidence, correct = _sorted(confidence, correct)
    ends = np.flatnonzero(np.r_[np.diff(confidence) > 0, True])
    return float(np.abs(np.cumsum(confidence - correct)[ends]).max() / len(confidence))


def spiegelhalter(confidence: np.ndarray, correct: np.ndarray) -> tuple[float, float] | None:
    """Return Spiegelhalter's (1986) Z of calibrated probabilities and its two-sided p; None where it has none.

    Z = sum (y - c)(1 - 2 c) / sqrt(sum (1 - 2 c)^2 c (1 - c)): the Brier score's distance from what it would
    be on average, standard normal for independent rows. Certain (0, 1) or even (0.5) confidences alone leave
    no variance.
    """
    c, y = _sorted(confidence, correct)
    spread = float(np.sum((1 - 2 * c) ** 2 * c * (1 - c)))
    if spread <= 0:
        return None
    z = float(np.sum((y - c) * (1 - 2 * c))) / math.sqrt(spread)
    return z, float(2 * ndtr(-abs(z)))


def _sorted(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as floats by confidence, then outcome; ValueError without rows or outside 0 to 1."""
    c, y = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if len(c) == 0 or not ((c >= 0) & (c <= 1)).all():
        raise ValueError(f"confidence[{len(c)}]: expected at least one row, and values of 0 to 1")
    order = np.lexsort((y, c))
    return c[order], y[order]
