"""Which rows a check looks at: drawn by the seed and the rows' ids, so the same ones in any order of the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

FLOOR = 4  # rows of every stratum that are drawn first, where it has as many


def sample(ids: Iterable[Any], limit: int | None, seed: int, strata: np.ndarray | None = None) -> np.ndarray:
    """Return the places of all rows, or of `limit` of them, in an order that follows from seed and ids alone.

    Rows are ranked by a hash of (seed, id). Without strata the draw is a simple random sample, on which rates
    may be bounded. With strata[n] (of a probe: classes and decisions) it takes FLOOR rows of every stratum first,
    fewer where the limit is below that, and the rest in proportion to the strata's sizes.

    >>> ids = ["a", "b", "c", "d"]
    >>> [ids[i] for i in sample(ids, 2, 7)] == [ids[::-1][i] for i in sample(ids[::-1], 2, 7)]
    True
    """
    names = np.array([str(one) for one in ids], dtype=str)
    word = np.array([_word(seed, one) for one in names], np.uint64)
    order = np.lexsort((names, word))
    if strata is None or limit is None or limit >= len(names):
        return order[:limit]
    chosen = np.zeros(len(names), bool)
    chosen[order[_spread(np.asarray(strata)[order], limit)]] = True
    return order[chosen[order]]


def _word(seed: int, name: str) -> int:
    """Return 64 bits of a hash."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def _spread(strata: np.ndarray, limit: int) -> np.ndarray:
    """Return `limit` places of ranked rows: the first few of every stratum, then each at its share of its own."""
    found, code, size = np.unique(strata, return_inverse=True, return_counts=True)
    by_stratum = np.argsort(code, kind="stable")
    start = np.cumsum(size) - size
    place = np.empty(len(strata))
    place[by_stratum] = np.arange(len(strata)) - start[code[by_stratum]]
    floor = min(FLOOR, max(1, limit // len(found)))
    share = np.where(place < floor, -1.0, (place + 0.5) / size[code])
    return np.argsort(share, kind="stable")[:limit]
