"""Where held-out items stand among all unseen items, the lists that are shown, and what these come to by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ranked:
    """rank[n, m] of each held-out item among all unseen items, 1 the best, and top[n, k], the columns shown.

    An item of equal score stands before a held-out one, so that a model that scores all alike gains nothing.
    """

    rank: np.ndarray
    top: np.ndarray


def ranked(scores: np.ndarray, seen: np.ndarray, held: np.ndarray, k: int) -> Ranked:
    """Return the ranks of held[n, m] and the k best unseen columns under scores[n, items].

    seen[n, s] and held are codes: column + 1, and 0 for none. Every unseen item is a candidate: metrics over a sample
    of them need not even order two models rightly (Krichene and Rendle 2020). Fewer than k unseen items leave -1.
    """
    open_scores = unseen(scores, seen)
    own = np.take_along_axis(open_scores, held - 1, axis=1)
    rank = np.stack([(open_scores >= own[:, [j]]).sum(axis=1) for j in range(held.shape[1])], axis=1)
    rank = np.where(np.isneginf(own), scores.shape[1], rank)
    return Ranked(rank, shown(open_scores, k))


def unseen(scores: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return scores[n, items] (float64) with minus infinity for the items of seen[n, s]."""
    n, items = scores.shape
    wide = np.concatenate([np.zeros((n, 1)), np.asarray(scores, np.float64)], axis=1)
    np.put_along_axis(wide, np.asarray(seen), -np.inf, axis=1)
    return wide[:, 1:]


def shown(open_scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns[n, k] of the highest scores, best first, equal ones by column; -1 where none is left."""
    k = min(k, open_scores.shape[1])
    order = np.argsort(-open_scores, axis=1, kind="stable")[:, :k]
    return np.where(np.isneginf(np.take_along_axis(open_scores, order, axis=1)), -1, order)


def ndcg(rank: np.ndarray, k: int) -> np.ndarray:
    """Return NDCG@k[n] of ranks[n, m]: the sum of 1 / log2(1 + rank) over ranks up to k, over its largest value.

    Binary relevance (Jarvelin and Kekalainen 2002); with one held-out item it is that item's own term.
    """
    gain = np.where(rank <= k, 1 / np.log2(1 + rank), 0.0).sum(axis=1)
    best = discounts(min(rank.shape[1], k)).sum()
    return np.minimum(gain / best, 1.0)


def hit(rank: np.ndarray, k: int) -> np.ndarray:
    """Return whether any[n] held-out item is among the first k."""
    return rank.min(axis=1) <= k


def reciprocal(rank: np.ndarray) -> np.ndarray:
    """Return 1 over the rank[n] of the best placed held-out item."""
    return 1.0 / rank.min(axis=1)


def discounts(k: int) -> np.ndarray:
    """Return 1 / log2(1 + place)[k] of places 1 to k: the attention that a place gets."""
    return 1 / np.log2(np.arange(2, k + 2))


def attention(top: np.ndarray, k: int) -> np.ndarray:
    """Return each shown place's share[n, k] of its list's attention, 0 where nothing is shown."""
    weight = discounts(k)[: top.shape[1]] * (top >= 0)
    return weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)


def of_history(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the mean over a row's items of values[items, ...] at codes[n, s], [n, ...]; NaN without items."""
    table = np.concatenate([np.zeros((1, *values.shape[1:])), values])
    count = (codes > 0).sum(axis=1).reshape(-1, *[1] * (values.ndim - 1))
    with np.errstate(invalid="ignore"):
        return table[codes].sum(axis=1) / np.where(count > 0, count, np.nan)


def of_shown(values: np.ndarray, top: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean of values[items, ...] over the columns top[n, k] shown, [n, ...]."""
    picked = values[np.maximum(top, 0)]
    return np.einsum("nk,nk...->n...", weight, picked)


def gini(amount: np.ndarray) -> float:
    """Return the Gini coefficient of amounts[items] >= 0: 0 where all have alike, near 1 where one has all."""
    ordered, n = np.sort(np.asarray(amount, np.float64)), len(amount)
    total = ordered.sum()
    if total == 0:
        return 0.0
    place = np.arange(1, n + 1)
    return float(((2 * place - n - 1) * ordered).sum() / (n * total))
