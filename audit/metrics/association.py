"""How strongly each feature of a table tells an attribute's groups apart: Cramer's V, corrected for its bias."""

from __future__ import annotations

import numpy as np

BINS = 10


def cramers_v(first: np.ndarray, second: np.ndarray) -> float:
    """Return the association of two columns of values[n], 0 (none) to 1 (each tells the other).

    The root of the mean square contingency over its maximum, both freed of what chance adds (Bergsma 2013,
    Journal of the Korean Statistical Society 42:323). A column of one value is associated with nothing: 0.
    """
    a, b = (np.unique(column, return_inverse=True)[1].reshape(-1) for column in (first, second))
    n, rows, columns = len(a), int(a.max()) + 1, int(b.max()) + 1
    if n < 2 or min(rows, columns) < 2:
        return 0.0
    counts = np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi2 = float(((counts - expected) ** 2 / expected).sum()) / n
    phi2 = max(0.0, phi2 - (rows - 1) * (columns - 1) / (n - 1))
    most = min(size - (size - 1) ** 2 / (n - 1) for size in (rows, columns)) - 1
    return float(min(np.sqrt(phi2 / most), 1.0)) if most > 0 else 0.0


def in_bins(values: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin[n] of each number, about `bins` cut at quantiles; equal numbers stay together.

    A value that is most of the column, at either end too, has a bin of its own side.
    """
    met = np.unique(values)
    if len(met) <= bins:
        return np.searchsorted(met, values)
    cuts = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    cuts = np.unique(np.where(cuts >= met[-1], met[-2], cuts))
    return np.searchsorted(cuts, values, side="left")


def associations(x: np.ndarray, numeric: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return Cramer's V[d] of every column of x[n, d] with groups[n], numbers taken in tenths."""
    text = np.asarray(groups).astype(str)
    return np.array([cramers_v(in_bins(x[:, j]) if numeric[j] else x[:, j], text) for j in range(x.shape[1])])
