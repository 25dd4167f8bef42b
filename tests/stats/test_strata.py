"""The Mantel-Haenszel risk difference: closed form, Sato's variance, coverage beside Klingenberg's interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from audit import stats

SETTINGS = {  # rows of the first group, of the second, the second's rates; few rows, sparse, uneven, large
    "one stratum": ([30], [30], [0.3]),
    "five of ten": ([10] * 5, [10] * 5, [0.1, 0.3, 0.5, 0.7, 0.9]),
    "rare": ([10] * 5, [10] * 5, [0.02, 0.02, 0.05, 0.05, 0.1]),
    "matched pairs": ([1] * 100, [1] * 100, np.linspace(0.05, 0.95, 100)),
    "two to six": ([2] * 50, [6] * 50, np.linspace(0.02, 0.6, 50)),
    "uneven": ([5, 1000], [100, 30], [0.1, 0.3]),
    "strata decide": ([200] * 4, [200] * 4, [0.01, 0.01, 0.99, 0.99]),
    "strata decide, few": ([20] * 4, [20] * 4, [0.02, 0.02, 0.98, 0.98]),
    "rare, large": ([500] * 6, [300] * 6, [0.002, 0.005, 0.01, 0.01, 0.02, 0.03]),
    "large": (
        [600, 900, 800, 2000, 700, 400],
        [500, 400, 300, 600, 200, 80],
        [0.02, 0.05, 0.1, 0.2, 0.4, 0.7],
    ),
}
tables = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
        lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
    ),
    min_size=1,
    max_size=8,
)


def _naive(k, n):
    """The Mantel-Haenszel risk difference and the sums of Sato (1989), as PROC FREQ's manual writes them."""
    top = bottom = p = q = 0.0
    for x1, x2, n1, n2 in zip(*k, *n, strict=True):
        both = n1 + n2
        top += (x1 * n2 - x2 * n1) / both
        bottom += n1 * n2 / both
        p += (n1**2 * x2 - n2**2 * x1 + n1 * n2 * (n2 - n1) / 2) / both**2
        q += (x1 * (n2 - x2) + x2 * (n1 - x1)) / (2 * both)
    return top / bottom, p / bottom**2, q / bottom**2


def _columns(rows):
    k1, n1, k2, n2 = map(np.array, zip(*rows, strict=True))
    return np.stack([k1, k2]), np.stack([n1, n2])


@given(tables)
def test_the_difference_is_mantel_and_haenszels(rows):
    k, n = _columns(rows)
    hits, worth = stats.standardised(k, n)
    assert (worth > 0).all()
    assert hits[0] / worth[0] - hits[1] / worth[1] == pytest.approx(_naive(k, n)[0], abs=1e-12)


@given(tables, st.randoms())
def test_the_order_of_strata_never_matters(rows, random):
    mixed = random.sample(rows, len(rows))
    for a, b in zip(stats.standardised(*_columns(rows)), stats.standardised(*_columns(mixed)), strict=True):
        assert a.tolist() == b.tolist()


def test_at_many_rows_the_interval_is_satos():
    rng = np.random.default_rng(1)
    n = rng.integers(2_000, 9_000, (2, 6))
    k = rng.binomial(n, np.stack([np.linspace(0.1, 0.8, 6), np.linspace(0.05, 0.75, 6)]))
    hits, worth = stats.standardised(k, n)
    found = stats.difference(hits[0], worth[0], hits[1], worth[1])
    value, p, q = _naive(k, n)
    half = norm.isf(0.025) * np.sqrt(value * p + q)
    assert [found.low, found.high] == pytest.approx([value - half, value + half], abs=0.02 * half)


def test_without_a_hit_every_row_counts_as_in_one_rate():
    hits, worth = stats.standardised([[0, 0], [0, 0]], [[50, 50], [50, 50]])
    assert hits.tolist() == [0.0, 0.0]
    assert worth == pytest.approx([100.0, 100.0])
    _, uneven = stats.standardised([[0, 0], [0, 0]], [[5, 1000], [1000, 5]])
    assert uneven[0] < 25  # half of the weight rests on five rows


def test_strata_that_decide_make_a_rate_worth_more_than_its_rows_but_not_certain():
    _, some = stats.standardised([[20, 80], [20, 80]], [[100, 100], [100, 100]])
    assert 250 < some[0] < 400  # p (1 - p) of .16 within strata, .25 over them
    _, all_ = stats.standardised([[0, 100], [0, 100]], [[100, 100], [100, 100]])
    assert all_.tolist() == [800.0, 800.0]


@pytest.mark.parametrize(
    ("k", "n"),
    [([[1], [0]], [[2], [0]]), ([[1, 1]], [[2, 2]]), ([[], []], [[], []]), ([[1], [1]], [[2, 3], [2, 3]])],
)
def test_strata_without_both_groups_are_refused(k, n):
    with pytest.raises(ValueError, match="rows of both groups"):
        stats.standardised(k, n)


def _errors(setting, shift, alpha, runs):
    """How often each limit lies beyond the truth: ours below and above, Klingenberg's (2014) below and above."""
    n, low = np.array(SETTINGS[setting][:2]), np.asarray(SETTINGS[setting][2])
    high = np.clip(low + shift, 0, 1)
    weight = n[0] * n[1] / n.sum(axis=0)
    truth = float((weight * (high - low)).sum() / weight.sum())
    rng, wrong, z = np.random.default_rng(3), np.zeros(4), norm.isf(alpha)
    for _ in range(runs):
        k = np.stack([rng.binomial(n[0], high), rng.binomial(n[1], low)])
        hits, worth = stats.standardised(k, n)
        found = stats.difference(hits[0], worth[0], hits[1], worth[1]).statistic
        value, p, q = _naive(k, n)
        middle = value + z * z * p / 2
        reach = np.sqrt(max(middle**2 - value**2 + z * z * q, 0))
        ends = stats.low_bound(found, alpha), stats.high_bound(found, alpha), middle - reach, middle + reach
        wrong += np.array(
            [ends[0] > truth, ends[1] < truth, ends[2] > truth + 1e-12, ends[3] < truth - 1e-12]
        )
    return wrong / runs


@pytest.mark.slow
def test_limits_of_standardised_differences_hold_as_often_as_they_say():
    found = {(s, shift): _errors(s, shift, 0.05, 800) for s in SETTINGS for shift in (0.0, 0.1)}
    ours = np.array([wrong[:2] for wrong in found.values()])
    assert ours.mean() <= 0.05
    assert ours.max() <= 0.07, found
    klingenberg = np.array([wrong[2:] for wrong in found.values()])
    assert klingenberg.max() > 0.08  # where strata decide and rows are few: why it is not used


def test_limits_of_standardised_differences_hold_in_few_rows():
    for setting in ("five of ten", "strata decide, few"):
        assert _errors(setting, 0.1, 0.05, 300)[:2].max() <= 0.08
