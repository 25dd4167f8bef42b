"""Numbers and samples that belong to rows: the same for a row wherever it stands, drawn by its id and the seed."""

from __future__ import annotations

import numpy as np

from audit.stats.bootstrap import keys, mixed

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform(ids: np.ndarray, stream: str, count: int) -> np.ndarray:
    """Return numbers[n, count] in [0, 1), by each row's id and the stream's name."""
    number = np.arange(1, count + 1, dtype=np.uint64) * GOLDEN
    word = mixed(mixed(keys(ids) ^ keys([stream])[0])[:, None] + number[None])
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


def spread(ids: np.ndarray, strata: np.ndarray, count: int, stream: str) -> np.ndarray:
    """Return the places, ascending, of `count` rows drawn by their ids, as evenly as can be over the strata[n]."""
    order = np.argsort(uniform(ids, stream, 1)[:, 0], kind="stable")
    turn = np.zeros(len(ids), int)
    for one in np.unique(strata):
        own = order[strata[order] == one]
        turn[own] = np.arange(len(own))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:count])
