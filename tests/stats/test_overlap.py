"""F1 of one class is exact, the mean F1 bootstrapped; both as scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import f1_score

from audit import stats


def rows(n=400, classes=3, accuracy=0.8, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    return np.where(rng.random(n) < accuracy, true, rng.integers(0, classes, n)), true


def test_values_are_scikit_learns():
    predicted, true = rows()
    each = [stats.f1(predicted == c, true == c).value for c in range(3)]
    assert each == pytest.approx(f1_score(true, predicted, average=None))
    assert stats.macro_f1(predicted, true, 3).value == pytest.approx(
        f1_score(true, predicted, average="macro")
    )


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_bounds_of_f1_are_those_of_its_overlap(hits, false, missed):
    predicted = np.repeat([1, 1, 0], [hits, false, missed])
    true = np.repeat([1, 0, 1], [hits, false, missed])
    found = stats.f1(predicted, true)
    if len(true) == 0:
        assert found.value is None and "no row is of the class" in found.reason
        return
    assert found.value == pytest.approx(2 * hits / (2 * hits + false + missed))
    overlap = stats.rate_of(hits, len(true))
    assert found.low == pytest.approx(2 * overlap.low / (1 + overlap.low))
    assert found.high == pytest.approx(2 * overlap.high / (1 + overlap.high))


@pytest.mark.parametrize("overlap", [0.1, 0.6, 0.97])
def test_the_bounds_of_f1_err_no_more_often_than_their_level(overlap):
    """Exact, given the rows that are of the class or predicted to be: summed over every count of hits."""
    truth, n = 2 * overlap / (1 + overlap), 60
    found = [stats.f1(np.r_[np.ones(n)], np.arange(n) < k).statistic for k in range(n + 1)]
    chance = binom.pmf(np.arange(n + 1), n, overlap)
    assert chance[[stats.low_bound(s, 0.05) > truth for s in found]].sum() <= 0.05
    assert chance[[stats.high_bound(s, 0.05) < truth for s in found]].sum() <= 0.05


def test_order_never_matters_and_copied_rows_in_clusters_add_nothing():
    predicted, true = rows(120)
    mixed = np.random.default_rng(1).permutation(120)
    assert stats.macro_f1(predicted, true, 3) == stats.macro_f1(predicted[mixed], true[mixed], 3)
    single = stats.macro_f1(predicted, true, 3)
    people = np.repeat(np.arange(120), 4)
    four = stats.macro_f1(np.repeat(predicted, 4), np.repeat(true, 4), 3, cluster=people)
    assert four.value == pytest.approx(single.value) and four.n == 480
    assert (four.low, four.high) == pytest.approx((single.low, single.high), abs=0.01)
    naive = stats.macro_f1(np.repeat(predicted, 4), np.repeat(true, 4), 3)
    assert naive.high - naive.low < 0.6 * (four.high - four.low)
    mixed = np.random.default_rng(2).permutation(480)
    again = stats.macro_f1(
        np.repeat(predicted, 4)[mixed], np.repeat(true, 4)[mixed], 3, cluster=people[mixed]
    )
    assert again == four


def test_a_class_that_nobody_is_of_is_a_reason():
    assert "class number 2" in stats.macro_f1([0, 1, 1], [0, 1, 0], 3).reason
