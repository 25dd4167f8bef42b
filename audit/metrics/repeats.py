"""How many rows repeat another beyond what chance, and the columns' own values, would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MORE = 5.0  # times as often as its values agree by themselves, a column may agree where all others do
OFTENER = 1.25  # times as often as a row equals one of the other rows, it may equal one of its own


def beyond_chance(
    columns: Sequence[np.ndarray],
    cluster: np.ndarray | None = None,
    others: Sequence[np.ndarray] = (),
) -> float:
    """Return about how many rows are copies of others beyond those that coarse columns give by chance.

    columns: the features and the target, each [n]; others: the same columns, each [m], of rows drawn alike. Rows of one
    cluster are known to be alike and count once. Chance is the smaller of two numbers. What the columns allow: two rows
    equal in all columns but one agree in that one by chance with about the probability that two of its values are
    equal, sum p^2; columns depend on each other, so five times that, by the column that allows least. What the other
    rows show: a row and one of the others are equal as often as two rows, up to sampling noise and a quarter.
    """
    n = len(columns[0])
    both = [np.concatenate(pair) for pair in zip(columns, others, strict=True)] if others else columns
    every = np.stack([np.unique(c, return_inverse=True)[1].reshape(-1) for c in both], axis=1)
    codes, outside = every[:n], every[n:]
    keep = np.arange(n)
    if cluster is not None:  # one of the equal rows of a cluster
        shared = np.unique(np.asarray(cluster), return_inverse=True)[1].reshape(-1, 1)
        _, keep = np.unique(np.concatenate([codes, shared], axis=1), axis=0, return_index=True)
    codes = codes[keep]
    whole = _pairs(codes)
    if not whole:
        return 0.0
    allowed = (
        min((_chance(codes, i) for i in range(codes.shape[1])), default=0.0) if codes.shape[1] > 1 else 0.0
    )
    if len(outside):
        equal = _pairs_between(codes, outside)
        at_most = OFTENER * (equal + 3 * equal**0.5 + 3)
        allowed = min(allowed, at_most * (len(codes) - 1) / (2 * len(outside)))
    _, counts = np.unique(codes, axis=0, return_counts=True)
    return float((counts - 1).sum() * max(0.0, 1 - allowed / whole))


def _chance(codes: np.ndarray, i: int) -> float:
    """Return how many pairs equal in all columns would be there by chance, as column i's values tell."""
    counts = np.bincount(codes[:, i]).astype(np.float64)
    equal = float(((counts / len(codes)) ** 2).sum())
    return min(1.0, MORE * equal) * _pairs(np.delete(codes, i, axis=1))


def _pairs(codes: np.ndarray) -> float:
    """Return how many pairs of rows are equal."""
    _, counts = np.unique(codes, axis=0, return_counts=True)
    return float((counts.astype(np.float64) * (counts - 1)).sum() / 2)


def _pairs_between(codes: np.ndarray, others: np.ndarray) -> float:
    """Return how many pairs of a row and another row are equal."""
    _, which = np.unique(np.concatenate([codes, others]), axis=0, return_inverse=True)
    own, there = which.reshape(-1)[: len(codes)], which.reshape(-1)[len(codes) :]
    size = int(which.max()) + 1
    return float(
        (np.bincount(own, minlength=size) * np.bincount(there, minlength=size).astype(np.float64)).sum()
    )
