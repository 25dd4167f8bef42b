import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest
from scipy.stats import t as student

from audit import stats
from audit.stats import limits


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_rate_is_bounded_as_scipy_does_it(counts):
    k, n = counts
    ours, theirs = stats.rate_of(k, n), binomtest(k, n).proportion_ci(0.95, "exact")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)
    assert ours.value == k / n and ours.n == n


def test_p_fail_of_a_rate_is_the_binomial_tail():
    statistic = stats.rate_of(60, 100).statistic
    assert stats.p_fail(statistic, 0.7, at_least=True) == pytest.approx(binom.cdf(60, 100, 0.7), rel=1e-6)
    assert stats.p_fail(statistic, 0.5, at_most=True) == pytest.approx(binom.sf(59, 100, 0.5), rel=1e-6)
    assert stats.p_fail(statistic, 0.5, at_least=True) == 1.0


def test_an_empty_denominator_is_a_reason_never_a_number():
    for estimate in (
        stats.rate([]),
        stats.rate_of(0, 0),
        stats.difference(0, 0, 1, 2),
        stats.ratio(1, 2, 0, 0),
    ):
        assert estimate.value is None and "n = 0" in estimate.reason and estimate.statistic is None


def test_hits_that_are_not_true_or_false_are_refused():
    with pytest.raises(ValueError, match="expected bool"):
        stats.rate([0.2, 0.8])
    with pytest.raises(ValueError, match="expected bool"):
        stats.rate(np.array([True, np.nan]))


@pytest.mark.parametrize(("k", "n", "low", "high"), [(56, 70, 0.0524, 0.3339), (9, 10, 0.1705, 0.8090)])
def test_with_wilson_limits_the_hybrid_is_newcombes_published_one(monkeypatch, k, n, low, high):
    """Newcombe (1998), Statistics in Medicine 17:873, table II, method 10: 56/70 - 48/80 and 9/10 - 3/10."""

    def wilson(k, n, alpha):
        z = 1.959963984540054
        centre, half = (k + z * z / 2) / (n + z * z), z * np.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
        return centre - half, centre + half

    other = (48, 80) if n == 70 else (3, 10)
    monkeypatch.setattr(limits, "clopper_pearson", wilson)
    lower, upper = limits.contrasts(np.array([k, other[0]]), np.array([n, other[1]]), 1.0, 0.025)
    assert (round(lower[0, 1], 4), round(upper[0, 1], 4)) == (low, high)


def test_with_wilson_limits_the_hybrid_is_statsmodels_newcomb(monkeypatch):
    proportion = pytest.importorskip("statsmodels.stats.proportion")

    def wilson(k, n, alpha):
        pairs = [proportion.proportion_confint(a, b, 2 * alpha, "wilson") for a, b in zip(k, n, strict=True)]
        return tuple(np.array(side) for side in zip(*pairs, strict=True))

    monkeypatch.setattr(limits, "clopper_pearson", wilson)
    for k, n in (((3, 20), (10, 250)), ((0, 8), (12, 9)), ((30, 29), (300, 30))):
        lower, upper = limits.contrasts(np.array(k), np.array(n), 1.0, 0.05)
        theirs = proportion.confint_proportions_2indep(k[0], n[0], k[1], n[1], "newcomb", "diff", 0.1)
        assert (lower[0, 1], upper[0, 1]) == pytest.approx(theirs, abs=1e-9)


@given(st.tuples(*[st.integers(0, 30)] * 2), st.tuples(*[st.integers(30, 90)] * 2), st.floats(0.001, 0.4))
def test_a_ratios_limits_solve_the_difference_of_the_weighted_rates(k, n, alpha):
    k, n = np.array(k, float), np.array(n, float)
    lower, upper = limits.ratios(k, n, alpha)
    if lower[0, 1] > 0:
        assert limits.contrasts(k, n, lower[0, 1], alpha)[0][0, 1] == pytest.approx(0, abs=1e-9)
    else:
        assert k[0] == 0
    if math.isfinite(upper[0, 1]):
        assert limits.contrasts(k, n, upper[0, 1], alpha)[1][0, 1] == pytest.approx(0, abs=1e-9)
    else:
        assert k[1] == 0


def test_ratios_with_zero_counts():
    none = stats.ratio(0, 100, 30, 100)
    assert none.value == 0 and none.low == 0 and 0.03 < none.high < 0.3
    over = stats.ratio(30, 100, 0, 50)
    assert over.value is None and "0 of 50" in over.reason


def _worst_error(n1, n2, limit, of, alpha=0.05):
    """Return average and worst chance, over p, that a one-sided bound wrongly excludes the true limit."""
    k1, k2 = np.arange(n1 + 1.0), np.arange(n2 + 1.0)
    low1, high1 = limits.clopper_pearson(k1, n1, alpha)
    low2, high2 = limits.clopper_pearson(k2, n2, alpha)
    p1, p2 = (k1 / n1)[:, None], k2 / n2
    weight, shift = (1.0, limit) if of == "difference" else (limit, 0.0)
    centre = p1 - weight * p2 - shift
    too_low = centre + np.hypot(high1[:, None] - p1, weight * (p2 - low2)) < 0
    too_high = centre - np.hypot(p1 - low1[:, None], weight * (high2 - p2)) > 0
    errors = []
    for q in np.arange(0.01, 1, 0.01):
        p = q + limit if of == "difference" else q * limit
        if 0 < p < 1:
            weights = np.outer(binom.pmf(k1, n1, p), binom.pmf(k2, n2, q))
            errors.append((weights[too_low].sum(), weights[too_high].sum()))
    return np.mean(errors, axis=0).max(), np.max(errors)


@pytest.mark.parametrize("of", ["difference", "ratio"])
@pytest.mark.parametrize("sizes", [(10, 10), (20, 20), (65, 65), (30, 300), (300, 30), (15, 150)])
def test_a_one_sided_bound_errs_at_most_5_percent_on_average_and_7_at_worst(of, sizes):
    for limit in (0.05, 0.1, 0.2) if of == "difference" else (0.5, 0.8):
        average, worst = _worst_error(*sizes, limit, of)
        assert average <= 0.05 and worst <= 0.07
        assert worst >= 0.02, "so wide that it would never decide"


def test_the_bounds_of_a_pair_are_those_of_its_two_clopper_pearson_limits():
    estimate = stats.difference(56, 70, 48, 80)
    low1, high2 = beta.ppf(0.025, 56, 15), beta.isf(0.025, 49, 32)
    assert estimate.low == pytest.approx(0.2 - math.hypot(0.8 - low1, high2 - 0.6))


def test_clusters_of_one_row_change_nothing():
    hits = np.arange(50) % 3 == 0
    plain, each = stats.rate(hits), stats.rate(hits, cluster=np.arange(50))
    assert (plain.low, plain.high, plain.statistic) == (each.low, each.high, each.statistic)


def test_identical_rows_in_clusters_count_as_one_row_each():
    hits = np.repeat(np.arange(40) % 4 == 0, 5)
    clustered = stats.rate(hits, cluster=np.repeat(np.arange(40), 5))
    assert clustered.value == 0.25 and clustered.n == 200
    few = (student.isf(0.025, 199) / student.isf(0.025, 39)) ** 2
    assert clustered.statistic.n == pytest.approx(39 * few)


def test_rows_that_all_agree_count_as_one_a_cluster():
    estimate = stats.rate(np.ones(100, bool), cluster=np.repeat(np.arange(10), 10))
    few = (student.isf(0.025, 99) / student.isf(0.025, 9)) ** 2
    assert estimate.value == 1 and estimate.statistic.n == pytest.approx(10 * few)
    assert stats.rate(np.ones(9, bool), cluster=np.zeros(9)).value is None


def test_clustered_intervals_cover_where_plain_ones_do_not():
    rng = np.random.default_rng(0)
    wrong = {"plain": 0, "clustered": 0}
    owner = np.repeat(np.arange(40), 8)
    for _ in range(300):
        hits = rng.random(320) < np.repeat(rng.beta(1.2, 2.8, 40), 8)
        for name, cluster in (("plain", None), ("clustered", owner)):
            estimate = stats.rate(hits, cluster=cluster)
            wrong[name] += not estimate.low <= 0.3 <= estimate.high
    assert wrong["clustered"] <= 24 < 45 <= wrong["plain"]
