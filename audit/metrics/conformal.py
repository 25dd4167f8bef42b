"""Split conformal prediction: scores, the threshold from calibration rows, sets and intervals (NumPy)."""

from __future__ import annotations

import math

import numpy as np


def least_ambiguous(probabilities: np.ndarray) -> np.ndarray:
    """Return score[n, classes] of LAC: one minus the class's probability (Sadinle, Lei and Wasserman 2019)."""
    return 1.0 - np.asarray(probabilities, np.float64)


def adaptive(probabilities: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return score[n, classes] of APS: the probability of all more probable classes, and u[n] of the class's own.

    Romano, Sesia and Candès 2020. u is uniform in 0 to 1 and independent of everything else: without it the
    sets of sure models are far too large. Classes of equal probability have the same score.
    """
    p = np.asarray(probabilities, np.float64)
    order = np.argsort(-p, axis=1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=1)
    upto = np.cumsum(ranked, axis=1)
    before = np.concatenate([np.zeros((len(p), 1)), upto[:, :-1]], axis=1)
    for j in range(1, p.shape[1]):  # equal classes: all of them are up to each, none before
        tied = ranked[:, j] == ranked[:, j - 1]
        before[tied, j] = before[tied, j - 1]
    for j in range(p.shape[1] - 2, -1, -1):
        tied = ranked[:, j] == ranked[:, j + 1]
        upto[tied, j] = upto[tied, j + 1]
    score = np.empty_like(upto)
    np.put_along_axis(score, order, before + np.asarray(u)[:, None] * (upto - before), axis=1)
    return score


def threshold(scores: np.ndarray, alpha: float) -> float:
    """Return the ceil((n + 1)(1 - alpha))-th smallest of the calibration rows' scores[n].

    A further exchangeable row's score lies at or below it with probability 1 - alpha at least (Vovk et al.
    2005; Lei et al. 2018). Infinite where there are too few rows for alpha: then everything is in the set.
    """
    s = np.sort(np.asarray(scores, np.float64))
    if np.isnan(s).any():
        raise ValueError("scores with NaN: expected numbers")
    place = rank(len(s), alpha)
    return math.inf if place > len(s) else float(s[place - 1])


def rank(n: int, alpha: float) -> int:
    """Return which smallest of n calibration scores is the threshold; above n there is none."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha}, expected in (0, 1)")
    return math.ceil((n + 1) * (1 - alpha) - 1e-9)
