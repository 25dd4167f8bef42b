"""Split conformal prediction: the threshold by hand, scores by loops, the promise by Monte Carlo."""

import numpy as np
import pytest
from scipy.stats import beta

from audit.metrics.conformal import adaptive, least_ambiguous, rank, threshold


def test_the_threshold_is_the_order_statistic_of_one_more_row():
    scores = np.array([0.4, 0.1, 0.3, 0.2, 0.5, 0.6, 0.9, 0.8, 0.7])
    assert rank(9, 0.1) == 9 and threshold(scores, 0.1) == 0.9  # ceil(10 * 0.9)
    assert rank(9, 0.2) == 8 and threshold(scores, 0.2) == 0.8
    assert threshold(scores, 0.05) == np.inf and threshold(np.zeros(0), 0.5) == np.inf
    assert rank(99, 0.1) == 90 and rank(100, 0.1) == 91
    with pytest.raises(ValueError, match="alpha=0"):
        threshold(scores, 0)
    with pytest.raises(ValueError, match="NaN"):
        threshold(np.array([np.nan]), 0.1)


def test_adaptive_scores_are_the_sums_of_all_more_probable_and_a_part_of_the_own():
    rng = np.random.default_rng(0)
    p, u = rng.dirichlet(np.ones(5), 50), rng.random(50)
    p[0] = [0.3, 0.3, 0.2, 0.1, 0.1]
    u[0] = 0.5
    wanted = [
        [sum(row[row > row[c]]) + part * sum(row[row == row[c]]) for c in range(5)]
        for row, part in zip(p, u, strict=True)
    ]
    np.testing.assert_allclose(adaptive(p, u), wanted, atol=1e-12)
    np.testing.assert_allclose(adaptive(p, u)[0], [0.3, 0.3, 0.7, 0.9, 0.9])
    np.testing.assert_allclose(least_ambiguous(p), 1 - p)


def coverage(scores, runs, n=60, alpha=0.1):
    """The coverage of 300 further rows by each of many calibration sets of n."""
    rng, rows, found = np.random.default_rng(1), np.arange(n + 300), []
    for _ in range(runs):
        p = rng.dirichlet(np.ones(4), n + 300)
        y = (p.cumsum(axis=1) < rng.random(n + 300)[:, None]).sum(axis=1)
        s = scores(p)[rows, y]
        found.append(np.mean(s[n:] <= threshold(s[:n], alpha)))
    return np.array(found)


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_coverage_is_what_is_promised_and_spread_as_vovk_says(method):
    """Given the calibration rows, coverage is Beta(k, n + 1 - k): scores without ties."""
    rng = np.random.default_rng(2)
    scores = least_ambiguous if method == "lac" else lambda p: adaptive(p, rng.random(len(p)))
    found, k = coverage(scores, 300), rank(60, 0.1)
    assert found.mean() == pytest.approx(k / 61, abs=0.007)
    assert found.std() == pytest.approx(np.sqrt(beta(k, 61 - k).var() + 0.09 / 300), rel=0.12)


def test_coverage_with_ties_is_no_less_than_promised():
    assert coverage(lambda p: np.round(1 - p, 1), 200).mean() >= 0.9 - 0.007
