"""Covariance of group rates under cluster sampling, against a naive loop and a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from audit.metrics.clusters import inflation, rate_covariance


def _naive(hits, group, cluster):
    groups, clusters = group.max() + 1, np.unique(cluster)
    residual = np.zeros((len(clusters), groups))
    for h, g, c in zip(hits, group, cluster, strict=True):
        rows = group == g
        residual[np.searchsorted(clusters, c), g] += (h - hits[rows].mean()) / rows.sum()
    return residual.T @ residual


@pytest.mark.parametrize("seed", range(3))
def test_covariance_is_the_naive_sandwich(seed):
    rng = np.random.default_rng(seed)
    hits, group, cluster = rng.integers(0, 2, 120), rng.integers(0, 4, 120), rng.integers(5, 40, 120)
    group[:4] = range(4)
    ours = rate_covariance(hits, group, cluster)
    assert ours == pytest.approx(_naive(hits, group, cluster), abs=1e-15)


def test_clusters_within_groups_need_no_inflation():
    rng = np.random.default_rng(1)
    cluster = rng.integers(0, 30, 200)
    covariance = rate_covariance(rng.integers(0, 2, 200), cluster % 3, cluster)
    assert np.count_nonzero(covariance - np.diag(np.diag(covariance))) == 0
    assert inflation(covariance, "pairs") == inflation(covariance, "mean") == 1.0


def test_opposite_outcomes_of_one_person_inflate_differences_and_equal_ones_inflate_means():
    cluster = np.repeat(np.arange(50), 2)
    group = np.tile([0, 1], 50)
    equal = np.repeat(np.arange(50) % 2, 2)
    opposite = np.where(group == 0, equal, 1 - equal)
    assert inflation(rate_covariance(equal, group, cluster), "pairs") == 1.0
    assert inflation(rate_covariance(equal, group, cluster), "mean") == pytest.approx(2.0)
    assert inflation(rate_covariance(opposite, group, cluster), "pairs") == pytest.approx(2.0)
    assert inflation(rate_covariance(opposite, group, cluster), "mean") == 1.0


def test_rates_without_variance_need_no_inflation():
    covariance = rate_covariance(np.ones(6), np.asarray([0, 1, 2] * 2), np.asarray([0, 0, 0, 1, 1, 1]))
    assert inflation(covariance, "pairs") == inflation(covariance, "mean") == 1.0
