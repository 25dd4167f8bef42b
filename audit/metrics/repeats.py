"""How many rows are copies of others, beyond the repeats that drawing from any distribution gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

RARE = 1e-4  # a chance at which what is seen is not put down to sampling
MARGIN = 3.0  # standard deviations by which counts are taken to the safe side


def copies(columns: Sequence[np.ndarray], cluster: np.ndarray | None = None) -> float:
    """Return about how many rows[n] are copies that no independent drawing explains; 0 where drawing may explain all.

    columns: features and target, each [n]. Rows of one cluster are known to be alike and count once. Let f_k be the
    number of distinct rows that occur k times. Of rows drawn independently from any distribution whatever, coarse,
    dependent or derived columns included, f_k^2 is at most (k + 1) / k f_(k-1) f_(k+1) but for sampling noise: the
    counts of a mixture of Poisson distributions are log-convex. Doubled rows break that: many pairs and hardly a
    triple. Where each row was copied a random number of times nothing is found, nor where copies are few among many
    repeats.
    """
    n = len(columns[0])
    codes = np.stack([np.unique(c, return_inverse=True)[1].reshape(-1) for c in columns], axis=1)
    if cluster is not None:  # one of the equal rows of a cluster
        shared = np.unique(np.asarray(cluster), return_inverse=True)[1].reshape(-1, 1)
        _, keep = np.unique(np.concatenate([codes, shared], axis=1), axis=0, return_index=True)
        codes = codes[keep]
    _, counts = np.unique(codes, axis=0, return_counts=True)
    f = np.bincount(counts, minlength=n + 2).astype(np.float64)
    return float(sum(_beyond(f, int(k)) for k in np.flatnonzero(f[2:-1]) + 2))


def _beyond(f: np.ndarray, k: int) -> float:
    """Return how many rows are copies among those that occur k times."""
    below = f[k - 1] + MARGIN * np.sqrt(f[k - 1]) + MARGIN
    least = max(f[k] - MARGIN * np.sqrt(f[k]), 0.0)
    needed = k / (k + 1) * least**2 / below  # rows that occur k + 1 times, were the others drawn
    if stats.poisson.cdf(f[k + 1], needed) >= RARE:
        return 0.0
    above = f[k + 1] + MARGIN * np.sqrt(f[k + 1]) + MARGIN
    return max(0.0, (k - 1) * (f[k] - np.sqrt((k + 1) / k * below * above)))
