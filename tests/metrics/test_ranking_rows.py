"""Ranking metrics against naive loops and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from audit.metrics import ranking


def _case(seed: int, n: int = 30, items: int = 25, held: int = 1):
    rng = np.random.default_rng(seed)
    drawn = np.argsort(rng.random((n, items)), axis=1) + 1
    seen = drawn[:, :6].copy()
    seen[: n // 2, :3] = 0
    return rng.normal(size=(n, items)), seen, drawn[:, 6 : 6 + held]


def _naive(scores, seen, held, k):
    """Sort the unseen items of one row in Python; their places, NDCG, hit and reciprocal rank."""
    order = sorted((i for i in range(len(scores)) if i + 1 not in seen), key=lambda i: -scores[i])
    ranks = [order.index(code - 1) + 1 for code in held]
    gain = sum(1 / math.log2(1 + r) for r in ranks if r <= k)
    best = sum(1 / math.log2(1 + r) for r in range(1, min(len(held), k) + 1))
    return order[:k], ranks, gain / best, any(r <= k for r in ranks), 1 / min(ranks)


@pytest.mark.parametrize("held", [1, 3])
@pytest.mark.parametrize("k", [1, 5, 10])
def test_ranking_metrics_are_those_of_a_sort_in_python(k, held):
    scores, seen, taken = _case(k, held=held)
    found = ranking.ranked(scores, seen, taken, k)
    for i in range(len(scores)):
        top, ranks, ndcg, hit, reciprocal = _naive(scores[i], set(seen[i]), taken[i], k)
        assert found.top[i].tolist() == top
        assert found.rank[i].tolist() == ranks
        assert ranking.ndcg(found.rank, k)[i] == pytest.approx(ndcg, abs=1e-12)
        assert ranking.hit(found.rank, k)[i] == hit
        assert ranking.reciprocal(found.rank)[i] == pytest.approx(reciprocal, abs=1e-15)


@pytest.mark.parametrize("held", [1, 3])
def test_ndcg_is_scikit_learns_over_the_unseen_items(held):
    scores, seen, taken = _case(4, held=held)
    ours = ranking.ndcg(ranking.ranked(scores, seen, taken, 10).rank, 10)
    for i in range(len(scores)):
        unseen = np.setdiff1d(np.arange(25), seen[i] - 1)
        relevant = np.isin(unseen, taken[i] - 1).astype(float)
        assert ours[i] == pytest.approx(ndcg_score(relevant[None], scores[i][unseen][None], k=10), abs=1e-12)


def test_equal_scores_never_help():
    scores, seen, taken = _case(5)
    rank = ranking.ranked(np.zeros_like(scores), seen, taken, 10).rank
    assert (rank[:, 0] == 25 - (seen > 0).sum(axis=1)).all()  # behind every other unseen item


def test_too_short_a_catalogue_leaves_places_empty():
    found = ranking.ranked(np.array([[3.0, 2.0, 1.0]]), np.array([[1, 2]]), np.array([[3]]), 10)
    assert found.top.tolist() == [[2, -1, -1]]
    assert ranking.attention(found.top, 10).tolist() == [[1, 0, 0]]


def test_exposure_and_history_means_are_those_of_a_loop():
    rng = np.random.default_rng(6)
    member, top = rng.random((12, 3)), np.argsort(rng.random((7, 12)), axis=1)[:, :4]
    codes = rng.integers(0, 13, (7, 5))
    codes[0] = 0
    weight = ranking.attention(top, 4)
    shown, taken = ranking.of_shown(member, top, weight), ranking.of_history(member, codes)
    logs = [1 / math.log2(2 + p) for p in range(4)]
    for i in range(7):
        naive = sum(w * member[c] for w, c in zip(logs, top[i], strict=True)) / sum(logs)
        assert shown[i] == pytest.approx(naive)
        real = [c - 1 for c in codes[i] if c]
        assert np.isnan(taken[i]).all() if not real else taken[i] == pytest.approx(member[real].mean(axis=0))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_gini_is_half_the_relative_mean_difference(amounts):
    a = np.array(amounts)
    naive = 0.0 if a.sum() == 0 else np.abs(a[:, None] - a[None]).sum() / (2 * len(a) ** 2 * a.mean())
    assert ranking.gini(a) == pytest.approx(naive, abs=1e-9)
