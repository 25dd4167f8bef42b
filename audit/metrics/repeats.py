"""How many rows repeat another beyond what chance, and the columns' own values, would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MORE = 5.0  # times as often as its values agree by themselves, a feature may agree where all others do
FINEST = 2  # features, those of the most various values, by each of which the repeats must be too many
OFTENER = 1.25  # times as often as a row equals one of the other rows, it may equal one of its own
PAIRS = 10  # equal values of a feature, fewer of which do not say whether it settles another one


def beyond_chance(
    features: Sequence[np.ndarray],
    target: Sequence[np.ndarray],
    cluster: np.ndarray | None = None,
    others: Sequence[np.ndarray] = (),
) -> float:
    """Return about how many rows are copies of others beyond those that coarse columns give by chance.

    features, target: columns[n] each; others: the same columns, features first, of other rows drawn alike. Rows of one
    cluster are known to be alike and count once. Chance is the smaller of two numbers. What the features allow: rows
    equal in all else agree in one feature by chance with about the probability that two of its values are equal, sum
    p^2; features depend on each other, so five times that is allowed for, one that another settles is no evidence, and
    both of the finest features must say so. What the other rows show: a row and one of the others are equal as often
    as two rows, up to sampling noise and a quarter.
    """
    columns, n = [*features, *target], len(features[0])
    both = [np.concatenate(pair) for pair in zip(columns, others, strict=True)] if others else columns
    every = np.stack([np.unique(c, return_inverse=True)[1].reshape(-1) for c in both], axis=1)
    codes, outside = every[:n], every[n:]
    if cluster is not None:  # one of the equal rows of a cluster
        shared = np.unique(np.asarray(cluster), return_inverse=True)[1].reshape(-1, 1)
        _, keep = np.unique(np.concatenate([codes, shared], axis=1), axis=0, return_index=True)
        codes = codes[keep]
    distinct, counts = np.unique(codes, axis=0, return_counts=True)
    whole = float((counts * (counts - 1.0)).sum() / 2)
    if not whole:
        return 0.0
    chance = sorted((_equal(codes[:, i]), i) for i in range(len(features)))[:FINEST]
    allowed = max(min(1.0, MORE * p) * _pairs_without(codes, distinct, i, p) for p, i in chance)
    if len(outside):
        equal = _pairs_between(codes, outside)
        at_most = OFTENER * (equal + 3 * equal**0.5 + 3)
        allowed = min(allowed, at_most * (len(codes) - 1) / (2 * len(outside)))
    return float((counts - 1).sum() * max(0.0, 1 - allowed / whole))


def _equal(column: np.ndarray) -> float:
    """Return the probability that two values[n] of a column are equal."""
    return float(((np.bincount(column) / len(column)) ** 2).sum())


def _pairs_without(codes: np.ndarray, distinct: np.ndarray, i: int, p: float) -> float:
    """Return how many pairs of rows are equal in all columns but i and those that settle it.

    A column settles i where distinct rows equal in it are equal in i more often than MORE times chance p.
    """
    rest = [
        k for k in range(codes.shape[1]) if k != i and not _settles(distinct[:, k], distinct[:, i], MORE * p)
    ]
    return _pairs(codes[:, rest]) if rest else len(codes) * (len(codes) - 1) / 2


def _settles(by: np.ndarray, column: np.ndarray, expected: float) -> bool:
    """Return whether equal values of one column go with equal values of another more often than expected."""
    equal = _pairs(by[:, None])
    return equal >= PAIRS and _pairs(np.stack([by, column], axis=1)) > expected * equal


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
