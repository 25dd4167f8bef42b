"""Whether two attributions rank a row's features alike (NumPy, SciPy)."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation[n] of a[n, p] and b[n, p], row by row, ties given their mean rank.

    NaN where all of a row's numbers are equal: there is no ranking then.
    """
    left, right = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (a, b))
    size = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    return np.where(size > 0, (left * right).sum(axis=1) / np.where(size > 0, size, 1.0), np.nan)
