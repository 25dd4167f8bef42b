import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm, ttest_1samp
from scipy.stats import t as student

from audit import stats
from audit.evidence import Moments
from audit.stats import limits


def test_without_skewness_it_is_students_t():
    values = np.r_[np.arange(-10, 11)] + 3.0
    estimate, theirs = stats.mean(values), ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == pytest.approx((theirs.low, theirs.high))


@given(st.floats(-3, 3), st.integers(5, 500), st.floats(0.001, 0.4))
def test_the_correction_inverts_halls_polynomial(skewness, n, alpha):
    """Hall (1992): T + skew (T^2 / 3 + 1 / 6) / sqrt(n) + skew^2 T^3 / (27 n) is nearly normal."""
    skew, t = skewness / math.sqrt(n), student.isf(alpha, n - 1)
    low, high = limits.skewed_mean(n, 0.0, 1.0, skewness, alpha)
    for bound, target in ((low, t), (high, -t)):
        x = brentq(
            lambda x, at: x + skew * (x * x / 3 + 1 / 6) + skew**2 * x**3 / 27 - at, -1e4, 1e4, args=(target,)
        )
        assert bound == pytest.approx(-x / math.sqrt(n), rel=1e-5, abs=1e-7)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30).filter(lambda v: np.ptp(v) > 1e-3), st.randoms()
)
def test_row_order_never_matters(values, random):
    mixed = random.sample(values, len(values))
    assert stats.mean(values) == stats.mean(mixed)


def test_one_value_more_at_the_far_end_is_what_the_bound_adds():
    values = np.random.default_rng(0).random(40) ** 3
    more, bounded = stats.mean(np.r_[values, 1.0]).statistic, stats.mean(values, low=0.0, high=1.0)
    assert isinstance(more, Moments)
    assert stats.high_bound(bounded.statistic, 0.05) == pytest.approx(stats.high_bound(more, 0.05))
    less = stats.mean(np.r_[values, 0.0]).statistic
    assert stats.low_bound(bounded.statistic, 0.05) == pytest.approx(max(stats.low_bound(less, 0.05), 0))


def test_equal_values_have_a_bound_only_where_the_range_is_known():
    assert "range is not known" in stats.mean([0.0] * 9).reason
    zeros = stats.mean(np.zeros(100), low=0.0, high=1.0)
    assert zeros.value == 0 and zeros.low == 0
    assert 3 / 100 < stats.high_bound(zeros.statistic, 0.05) < 7 / 100, "above the rule of three, but near"


def test_values_that_are_not_finite_or_too_few_are_a_reason():
    assert "1 of 3 values" in stats.mean([1.0, 2.0, np.inf]).reason
    assert "1 value" in stats.mean([1.0]).reason and "0 value" in stats.mean([]).reason
    with pytest.raises(ValueError, match="within"):
        stats.mean([0.5, 2.0], high=1.0)


def test_clusters_are_the_units():
    values = np.repeat(np.random.default_rng(1).normal(size=30), 4)
    estimate, per_cluster = stats.mean(values, cluster=np.repeat(np.arange(30), 4)), stats.mean(values[::4])
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (per_cluster.value, per_cluster.low, per_cluster.high)
    )
    assert estimate.n == 120
    assert stats.mean(values, cluster=np.zeros(120)).value is None


@pytest.mark.parametrize("accuracy", [0.9, 0.98, 0.995])
def test_brier_bounds_err_rarely_even_for_accurate_models(accuracy):
    rng, n, runs = np.random.default_rng(2), 300, 400
    confident = 1 - 2 * (1 - accuracy)
    wrong = [0, 0]
    for _ in range(runs):
        p = np.clip(rng.beta(confident * 20, (1 - confident) * 20 + 0.2, n), 0, 1)
        score = (p - (rng.random(n) < p)) ** 2
        a, b = confident * 20, (1 - confident) * 20 + 0.2
        truth = a * b / ((a + b) * (a + b + 1))
        s = stats.mean(score, low=0.0, high=1.0).statistic
        wrong[0] += stats.low_bound(s, 0.05) > truth
        wrong[1] += stats.high_bound(s, 0.05) < truth
    assert max(wrong) / runs <= 0.07


@pytest.mark.parametrize(
    ("link", "onto"), [("identity", float), ("log", math.exp), ("logit", lambda v: 1 / (1 + math.exp(-v)))]
)
def test_a_normal_estimate_is_bounded_on_its_links_scale(link, onto):
    estimate = stats.normal(0.4, 0.1, 50, link=link, method="m")
    z = norm.isf(0.025)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (onto(0.4), onto(0.4 - 0.1 * z), onto(0.4 + 0.1 * z))
    )
    assert stats.normal(0.4, 0.1, 5, df=4, method="m").high == pytest.approx(
        0.4 + 0.1 * student.isf(0.025, 4)
    )
    assert stats.p_fail(estimate.statistic, onto(0.6), at_least=True) == pytest.approx(norm.sf(2), rel=1e-5)


def test_no_standard_error_no_value():
    assert stats.normal(0.4, 0.0, 50, method="m").value is None
    assert stats.normal(0.4, math.nan, 50, method="m").value is None
    assert stats.descriptive(math.nan, 3, "m").value is None
    assert stats.descriptive(0.3, 3, "m").kind == "descriptive"


def test_the_root_of_a_mean_has_the_roots_of_its_bounds_at_any_level():
    values = np.random.default_rng(0).exponential(size=80)
    mean, root = stats.mean(values, low=0.0), stats.root_mean(values)
    assert (root.value, root.low, root.high) == pytest.approx(np.sqrt([mean.value, mean.low, mean.high]))
    for alpha in (0.2, 0.001):
        assert stats.high_bound(root.statistic, alpha) ** 2 == pytest.approx(
            stats.high_bound(mean.statistic, alpha)
        )
    p = stats.p_fail(root.statistic, 0.8, at_most=True)
    assert p == pytest.approx(stats.p_fail(mean.statistic, 0.64, at_most=True), rel=1e-6)
    assert stats.p_fail(root.statistic, -1.0, at_most=True) < 1e-12
    assert (
        "one cluster" in stats.root_mean(values, cluster=np.zeros(80)).reason
        or stats.root_mean([1.0]).value is None
    )
