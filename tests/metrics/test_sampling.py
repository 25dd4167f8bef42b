"""The rows that a check looks at: the same in any order of the rows, every class among those probed."""

import numpy as np
import pytest
from scipy.stats import chi2

from audit.metrics.sampling import FLOOR, sample

IDS = np.array([f"row-{i}" for i in range(1000)])


def test_all_rows_are_taken_where_there_is_no_limit():
    for limit in (None, 1000, 5000):
        assert (np.sort(sample(IDS, limit, 3)) == np.arange(1000)).all()


def test_draws_are_without_replacement_and_another_seed_draws_others():
    a, b, c = sample(IDS, 50, 1), sample(IDS, 50, 1), sample(IDS, 50, 2)
    assert (a == b).all()
    assert len(set(a)) == 50
    assert len(set(a) & set(c)) < 15


@pytest.mark.parametrize("strata", [None, np.arange(1000) % 7], ids=["simple", "stratified"])
def test_the_same_rows_come_in_the_same_order_wherever_they_stand(strata):
    drawn = IDS[sample(IDS, 100, 5, strata)]
    for order in (np.arange(1000)[::-1], np.random.default_rng(0).permutation(1000)):
        own = None if strata is None else strata[order]
        assert (IDS[order][sample(IDS[order], 100, 5, own)] == drawn).all()


def test_every_row_is_as_likely_as_any_other():
    """Pearson's chi-squared of how often each row is among the first 100 of 1,000, over 400 seeds."""
    counts = sum(np.isin(np.arange(1000), sample(IDS, 100, seed)) for seed in range(400))
    assert np.sum((counts - 40.0) ** 2) / (40 * 0.9) < chi2.ppf(1 - 1e-6, 999)


def test_strata_are_drawn_in_proportion_and_rare_ones_at_least_a_few_times():
    strata = np.repeat([0, 1, 2], [900, 97, 3])
    counts = np.bincount(strata[sample(IDS, 128, 0, strata)])
    assert counts.sum() == 128
    assert counts[2] == 3
    assert counts[1] >= max(FLOOR, 11)
    assert counts[0] >= 110


def test_more_strata_than_rows_drawn_give_one_row_each():
    strata = np.arange(1000) // 5
    assert np.bincount(strata[sample(IDS, 50, 0, strata)]).max() == 1
