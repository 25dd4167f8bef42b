"""Inequality of benefits, differential fairness, and what wrong labels could hide: plain numbers from counts."""

from __future__ import annotations

import math

import numpy as np


def entropy(benefit: np.ndarray, count: np.ndarray, alpha: int) -> float:
    """Return the generalised entropy index of benefits b[m] >= 0 that count[m] rows have; NaN without a benefit.

    mean((b / mean(b))^alpha - 1) / (alpha (alpha - 1)); at alpha = 1 Theil's mean(b / mean(b) log(b / mean(b)))
    (Speicher et al. 2018, equation 2). 0 is equality.
    """
    b, share = np.asarray(benefit, float), np.asarray(count, float) / np.sum(count)
    mean = float(share @ b)
    if mean <= 0:
        return math.nan
    ratio = b / mean
    if alpha == 1:
        return float(share @ np.where(ratio > 0, ratio * np.log(np.where(ratio > 0, ratio, 1.0)), 0.0))
    return float(share @ (ratio**alpha - 1)) / (alpha * (alpha - 1))


def differential(k: np.ndarray, n: np.ndarray, concentration: float) -> float:
    """Return the smoothed differential fairness epsilon of groups of which k[g] of n[g] rows are favoured.

    The largest |log P(outcome | group) / P(outcome | other group)| over both outcomes and all pairs, each
    probability the mean of a Dirichlet posterior, (k + concentration / 2) / (n + concentration) (Foulds et al.
    2020). 0 is parity.
    """
    favoured = (np.asarray(k, float) + concentration / 2) / (np.asarray(n, float) + concentration)
    logs = np.log([favoured, 1 - favoured])
    return float((logs.max(axis=1) - logs.min(axis=1)).max())


def reach(cells: np.ndarray, flips: int) -> tuple[float, float]:
    """Return the lowest and highest true positive rate that so many wrong labels could have hidden.

    cells: rows [true and predicted favourable, true only, predicted only, neither]; the truth may differ
    from the recorded labels in at most `flips` rows, whichever, as long as one row is truly favourable.
    """
    hit, miss, false, other = map(int, cells)
    high = _extreme(hit, miss, false, flips)
    low = 1 - _extreme(miss, hit, other, flips)
    return low, high


def _extreme(hit: int, miss: int, more: int, flips: int) -> float:
    """Return the largest hit share: misses taken away, hits added from `more`, at most `flips` in all."""
    away = np.arange(min(miss, flips) + 1)
    added = np.minimum(more, flips - away)
    rows = hit + miss - away + added
    rate = np.divide(hit + added, rows, out=np.zeros(len(rows)), where=rows > 0)
    return float(rate.max())
