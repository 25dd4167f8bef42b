"""The difference of two groups' rates within strata: the Mantel-Haenszel risk difference and its limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

MOST = 4  # times its rows that a rate counts as at most: where strata decide, its error is skew, not normal
METHOD = "Mantel-Haenszel weights over strata, hybrid of Clopper-Pearson limits at effective rows"


def standardised(k: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return effective counts k[2], n[2] of two groups' rates k[2, s] / n[2, s], standardised over strata s.

    The weights are Mantel and Haenszel's (1959), n1 n2 / (n1 + n2) of a stratum, so that the difference of
    the two rates is their common risk difference. Each rate has the variance of independent strata: every
    stratum's rate with one row more at the group's own rate, its p (1 - p) raised by what that row takes
    away, so that strata of one row are right on average and strata without a hit are not taken for certain.
    Strata that decide nearly all make a rate worth up to four times its rows, no more.
    Strata without rows of both groups are a ValueError.
    """
    hits, rows = np.asarray(k, float), np.asarray(n, float)
    if hits.shape != rows.shape or rows.ndim != 2 or len(rows) != 2 or not rows.size or (rows <= 0).any():
        raise ValueError(
            f"k {hits.shape}, n {rows.shape}; expected [2, strata], each with rows of both groups"
        )
    order = np.lexsort((*rows, *hits))  # sums that the strata's order cannot change
    hits, rows = hits[:, order], rows[:, order]
    weight = rows[0] * rows[1] / rows.sum(axis=0)
    weight = weight / weight.sum()
    rate = (hits / rows) @ weight
    effective = np.array(
        [_worth(*of, weight, p) for of, p in zip(zip(hits, rows, strict=True), rate, strict=True)]
    )
    return np.clip(rate, 0.0, 1.0) * effective, effective


def _worth(k: np.ndarray, n: np.ndarray, weight: np.ndarray, rate: float) -> float:
    """Return how many rows of one rate have the variance of this standardised one."""
    share = weight**2 / n
    alike = 1 / share.sum()  # were all strata's rates the same (Kish 1965)
    if not 0 < rate < 1:
        return float(alike)
    p = (k + rate) / (n + 1)
    within = share @ (p * (1 - p) / (1 - n / (n + 1) ** 2)) * alike
    return min(float(alike * rate * (1 - rate) / within), MOST * float(n.sum()))
