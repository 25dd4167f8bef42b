"""Orders of players by attribution, and how far two of them agree (NumPy)."""

from __future__ import annotations

import numpy as np


def places(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each player's place[n, players] by falling value, 0 the largest; ties fall at random."""
    order = np.lexsort((rng.random(values.shape), -values))
    return np.argsort(order, axis=1)


def random_places(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return places[..., players] of orders drawn at random, each independently."""
    return np.argsort(np.argsort(rng.random(shape), axis=-1), axis=-1)


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation[n] of a[n, players] and b[n, players], ties at their mean rank.

    Two rows of one order agree fully, 1, even where all their values are equal; where only one of the two
    has no order, or has a value that is not finite, there is no correlation: NaN.
    """
    ranks = [_mean_ranks(v) for v in (a, b)]
    x, y = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.clip((x * y).sum(axis=1) / size, -1.0, 1.0)
    found = np.where((ranks[0] == ranks[1]).all(axis=1), 1.0, found)
    return np.where((np.isfinite(a) & np.isfinite(b)).all(axis=1), found, np.nan)


def top_overlap(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Return the Jaccard overlap[n] of the k largest of a[n, players] and of b[n, players]; ties to the first."""
    tops = [np.argsort(np.argsort(-v, axis=1, kind="stable"), axis=1) < k for v in (a, b)]
    both = (tops[0] & tops[1]).sum(axis=1)
    return both / (tops[0] | tops[1]).sum(axis=1)


def half_splits(
    size: np.ndarray, k: int, rng: np.random.Generator, *, cluster: np.ndarray | None = None, draws: int = 200
) -> tuple[float, float]:
    """Return how alike the mean sizes[players] over two random halves of the rows are, averaged over draws.

    That is Spearman's correlation and the Jaccard overlap of the k largest, of size[n, players]. Rows of one
    cluster stay together. NaN where there are fewer than two units, or no order.
    """
    unit = np.arange(len(size)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    units = int(unit.max()) + 1
    if units < 2:
        return np.nan, np.nan
    first = (random_places((draws, units), rng) < units // 2)[:, unit].astype(float)
    a, b = (half @ size / half.sum(axis=1, keepdims=True) for half in (first, 1 - first))
    return float(spearman(a, b).mean()), float(top_overlap(a, b, k).mean())


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return mean ranks[n, players]: how many are smaller, and half of those that are equal."""
    mine, others = values[:, :, None], values[:, None, :]
    return (mine > others).sum(axis=2) + 0.5 * (mine == others).sum(axis=2)
