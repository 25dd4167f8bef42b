"""Differences of two runs: exact where they are paired, honest where they are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import binomtest, norm, ttest_rel

from audit import stats
from audit.evidence import Normal, Rate, RatePair
from audit.stats.paired import (
    correlated,
    independent,
    mcnemar,
    paired_mean,
    paired_rate,
    rate_bounds,
    surely,
)

counts = st.integers(0, 60)


def rows(lost, gained, both, neither):
    """Hits of two runs with these numbers of rows of each kind."""
    kinds = np.repeat([[1, 0], [0, 1], [1, 1], [0, 0]], [lost, gained, both, neither], axis=0)
    return kinds[:, 0], kinds[:, 1]


def tables(n):
    """Every (lost, gained) of n rows."""
    grid = np.stack(np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"), axis=-1).reshape(-1, 2)
    return grid[grid.sum(axis=1) <= n]


def chance(table, n, p, q):
    """The multinomial probability of each (lost, gained) when rows are lost with p and gained with q."""
    lost, gained = table.T
    ways = gammaln(n + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(n - lost - gained + 1)
    return np.exp(ways + lost * np.log(p) + gained * np.log(q) + (n - lost - gained) * np.log1p(-p - q))


# ---------------------------------------------------------------- paired rates


@given(counts, counts)
def test_mcnemar_is_the_exact_binomial_test_of_the_changed_rows(lost, gained):
    p = mcnemar(lost, gained)
    if lost == gained:
        assert p == 1.0
        return
    side = "greater" if gained > lost else "less"
    assert p == pytest.approx(binomtest(gained, lost + gained, 0.5, alternative=side).pvalue, rel=1e-9)


def test_mcnemar_agrees_with_statsmodels():
    tests = pytest.importorskip("statsmodels.stats.contingency_tables")
    for lost, gained in ((3, 12), (40, 22), (0, 6), (150, 101)):
        both_sides = tests.mcnemar([[500, lost], [gained, 100]], exact=True).pvalue
        assert 2 * mcnemar(lost, gained) == pytest.approx(both_sides, rel=1e-9)


def test_a_paired_difference_counts_the_rows():
    found = paired_rate(*rows(lost=12, gained=3, both=70, neither=15))
    assert found.value == pytest.approx(-0.09)
    assert found.p == mcnemar(12, 3)
    assert found.low < found.value < found.high < 0
    assert "12 are hits of the first run alone and 3 of the second alone" in found.note
    assert found.paired


@given(counts, counts, st.integers(1, 200), st.sampled_from([0.05, 0.025, 0.005]))
def test_the_bounds_have_the_sign_that_the_test_shows(lost, gained, others, alpha):
    low, high = rate_bounds(lost, gained, lost + gained + others, alpha)
    sure = mcnemar(lost, gained) <= alpha
    assert (low > 0 or high < 0) == sure
    assert -1 <= low <= (gained - lost) / (lost + gained + others) <= high <= 1
    assert rate_bounds(gained, lost, lost + gained + others, alpha) == pytest.approx((-high, -low))


@pytest.mark.parametrize("n", [20, 60])
@pytest.mark.parametrize("alpha", [0.05, 0.025])
def test_the_bounds_err_no_more_often_than_alpha(n, alpha):
    """Exact: summed over every table, so that no simulation noise hides an error."""
    table = tables(n)
    low = np.array([rate_bounds(int(lost), int(gained), n, alpha)[0] for lost, gained in table])
    rates = (0.001, 0.01, 0.05, 0.1, 0.2, 0.45)
    errors = {(p, q): chance(table, n, p, q)[low > q - p + 1e-12].sum() for p in rates for q in rates}
    assert max(errors.values()) <= alpha
    assert np.mean(list(errors.values())) >= alpha / 5  # and they are of use
    equal = [errors[p, p] for p in rates]
    assert max(equal) <= alpha


def test_many_rows_give_walds_interval():
    a, b = rows(lost=900, gained=700, both=6000, neither=2400)
    found, change = paired_rate(a, b), b - a
    half = norm.isf(0.025) * change.std() / np.sqrt(len(a))
    assert found.low == pytest.approx(change.mean() - half, rel=0.05)
    assert found.high == pytest.approx(change.mean() + half, rel=0.06)


def test_a_drop_of_five_points_in_2000_rows_is_seen():
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(200):
        a = rng.random(2000) < 0.9
        b = np.where(a, rng.random(2000) < 0.9, rng.random(2000) < 0.4)  # 85 %
        found = paired_rate(a, b)
        seen += found.value < 0 and found.p <= 0.05
    assert seen >= 198


def test_pairing_sees_what_independent_samples_hide():
    a, b = rows(lost=30, gained=10, both=1700, neither=260)
    apart = independent(Rate(k=a.sum(), n=2000), Rate(k=b.sum(), n=2000))
    together = paired_rate(a, b)
    assert together.value == pytest.approx(apart.value)
    assert together.p < 0.01 < 0.1 < apart.p
    assert apart.low < together.low and together.high < 0 < apart.high


def test_shared_clusters_widen_the_interval_and_keep_its_error():
    rng, wrong, naive = np.random.default_rng(8), 0, 0
    cluster = np.repeat(np.arange(60), 5)
    for _ in range(300):
        kind = rng.choice(3, 60, p=[0.8, 0.1, 0.1])[cluster]  # every row of a person changes alike
        a, b = (kind == 1).astype(int), (kind == 2).astype(int)
        wrong += paired_rate(a, b, cluster=cluster).p <= 0.05
        naive += paired_rate(a, b).p <= 0.05
    assert wrong / 300 <= 0.13  # two sides of 5 %
    assert naive / 300 > 0.3


@pytest.mark.parametrize("a, b", [([1, 0], [1]), ([], []), ([1, 2], [1, 0]), ([[1]], [[1]]), ([np.nan], [1])])
def test_what_is_no_pair_of_hits_is_refused(a, b):
    with pytest.raises(ValueError):
        paired_rate(a, b)


# ---------------------------------------------------------------- paired means


def test_a_paired_mean_is_the_t_interval_where_nothing_is_skewed():
    rng = np.random.default_rng(2)
    a = rng.exponential(size=400)
    change = rng.normal(0.02, 0.2, 200)
    b = a + np.r_[change, 2 * change.mean() - change]  # symmetric: Hall's correction vanishes
    found, naive = paired_mean(a, b), ttest_rel(b, a)
    assert found.value == pytest.approx((b - a).mean())
    assert (found.low, found.high) == pytest.approx(tuple(naive.confidence_interval(0.95)), rel=1e-6)
    assert 2 * found.p == pytest.approx(naive.pvalue, rel=1e-4)


def test_a_paired_mean_errs_rarely_on_skewed_losses():
    rng, wrong = np.random.default_rng(4), np.zeros(2)
    for _ in range(1000):
        change = rng.exponential(size=150) - 1.0
        found = paired_mean(np.zeros(150), change)
        wrong += found.p <= 0.05 and found.value > 0, found.p <= 0.05 and found.value < 0
    assert wrong.max() <= 70  # 5 % and its noise


def test_the_order_of_the_rows_changes_nothing():
    rng = np.random.default_rng(6)
    a, b, cluster = rng.random(90), rng.random(90), rng.integers(0, 20, 90)
    order = rng.permutation(90)
    assert paired_mean(a, b) == paired_mean(a[order], b[order])
    assert paired_mean(a, b, cluster=cluster) == paired_mean(a[order], b[order], cluster=cluster[order])


def test_the_same_rows_twice_show_nothing():
    a = np.random.default_rng(0).random(50)
    found = paired_mean(a, a)
    assert (found.value, found.p, found.low, found.high) == (0.0, 1.0, None, None)
    assert found.note
    hits = paired_rate(a > 0.5, a > 0.5)
    assert (hits.value, hits.p) == (0.0, 1.0)
    assert hits.low == pytest.approx(-hits.high)
    assert hits.high == pytest.approx(1 - 0.025 ** (1 / 50))  # rule of three


# ---------------------------------------------------------------- independent samples


@given(st.integers(0, 80), st.integers(0, 50))
def test_two_rates_have_the_bounds_of_their_difference(k, m):
    found = independent(Rate(k=m, n=50), Rate(k=k, n=80))
    peer = stats.difference(k, 80, m, 50)
    assert (found.value, found.low, found.high) == pytest.approx((peer.value, peer.low, peer.high), abs=1e-12)
    if found.value:
        pair = RatePair(of="difference", k1=k, n1=80, k2=m, n2=50)
        side = "low" if found.value > 0 else "high"
        assert found.p == pytest.approx(stats.crossing(pair, 0.0, side), rel=1e-6, abs=1e-14)
    assert not found.paired


def test_two_normals_add_their_variances():
    found = independent(Normal(value=1.0, se=0.3), Normal(value=2.0, se=0.4))
    assert (found.low, found.high) == pytest.approx((1 - 0.5 * norm.isf(0.025), 1 + 0.5 * norm.isf(0.025)))
    assert found.p == pytest.approx(norm.sf(2.0), rel=1e-6)


def test_correlated_normals_subtract_their_covariance():
    a, b = Normal(value=1.0, se=0.3), Normal(value=2.0, se=0.4)
    se = np.sqrt(0.3**2 + 0.4**2 - 2 * 0.7 * 0.3 * 0.4)
    found = correlated(a, b, 0.7, "m")
    assert (found.low, found.high) == pytest.approx((1 - se * norm.isf(0.025), 1 + se * norm.isf(0.025)))
    assert found.p == pytest.approx(norm.sf(1 / se), rel=1e-6) and found.paired
    none = correlated(a, b, 0.0, "m")
    assert (none.low, none.p) == pytest.approx((independent(a, b).low, independent(a, b).p))
    assert correlated(a, a, 0.999, "m").high < 0.05


def test_a_replicated_number_shows_no_smaller_p_than_its_replicates_support():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    a, b = (
        stats.macro_f1(np.where(rng.random(400) < p, y, 1 - y), y, 2, draws=2000).statistic
        for p in (0.95, 0.6)
    )
    assert independent(a, b).p == correlated(a, b, 0.5, "m").p == stats.sharpest(a) == 0.025


def test_a_correlation_is_taken_at_its_lower_limit():
    rng, low, runs = np.random.default_rng(1), 0, 400
    for _ in range(runs):
        x = rng.normal(size=60)
        y = 0.8 * x + 0.6 * rng.normal(size=60)
        low += surely(float(np.corrcoef(x, y)[0, 1]), 60) > 0.8
    assert low / runs <= 0.08
    assert surely(0.9, 5) == -1.0 and 0.99 < surely(1.0, 100) <= 1.0


def test_a_bound_at_infinity_is_none():
    ratio = RatePair(of="ratio", k1=5, n1=10, k2=1, n2=10)
    endless = RatePair(of="ratio", k1=5, n1=10, k2=1e-300, n2=1)
    assert stats.high_bound(endless, 0.025) == np.inf
    found = independent(ratio, endless)
    assert found.high is None
    assert found.p == 1.0


def test_on_the_same_rows_independence_is_conservative():
    rng, wrong = np.random.default_rng(9), 0
    for _ in range(400):
        hard = rng.random(400) < 0.25
        a, b = (np.where(hard, rng.random(400) < 0.3, rng.random(400) < 0.95) for _ in range(2))
        wrong += independent(Rate(k=a.sum(), n=400), Rate(k=b.sum(), n=400)).p <= 0.05
    assert wrong / 400 <= 0.05  # of the 10 % that two sides allow


@pytest.mark.slow
@pytest.mark.parametrize("n_b", [500, 4000])
def test_gaps_of_groups_and_calibration_errors_do_not_change_by_chance(n_b):
    """The largest gap of four groups and the calibration error, no change: each side errs at most 5 %."""
    rng, wrong = np.random.default_rng(10), np.zeros((2, 2))
    for _ in range(300):
        pair = []
        for n in (4000, n_b):
            sizes = np.full(4, n // 4)
            gap = stats.groups("abcd", rng.binomial(sizes, 0.4), sizes, sizes, of="difference").statistic
            confidence = rng.random(n)
            right = rng.random(n) < np.clip(confidence + 0.03, 0, 1)
            pair.append((gap, stats.calibration_error(confidence, right).statistic))
        for which in (0, 1):
            found = independent(pair[0][which], pair[1][which])
            wrong[which, int(found.value > 0)] += found.p <= 0.05
    assert (wrong / 300 <= 0.07).all(), wrong / 300
