import numpy as np
import pytest
from scipy.stats import norm

from audit import stats

TEN = [f"g{i}" for i in range(10)]


def _share_decided(make, decides, runs=300):
    return sum(decides(make(seed)) for seed in range(runs)) / runs


@pytest.mark.parametrize(("p", "limit"), [(0.9, 0.85), (0.6, 0.7), (0.99, 0.95), (0.3, 0.25)])
def test_the_rows_needed_for_a_rate_decide_with_about_the_power(p, limit):
    now = stats.rate_of(100 * p, 100)
    rows = stats.rows_needed(now, limit, at_least=True)
    bound, sign = (stats.low_bound, 1) if p > limit else (stats.high_bound, -1)

    def decided(seed):
        k = np.random.default_rng(seed).binomial(rows, p)
        return sign * (bound(stats.rate_of(k, rows).statistic, 0.05) - limit) >= 0

    assert 0.7 <= _share_decided(lambda seed: seed, decided) <= 0.93


@pytest.mark.parametrize("rates", [np.full(10, 0.3), np.r_[[0.3] * 9, 0.36], np.r_[[0.3] * 5, [0.5] * 5]])
def test_the_rows_needed_for_groups_decide_with_about_the_power(rates):
    now = stats.groups(TEN, rates * 60, [60] * 10, [60] * 10, of="difference")
    rows = stats.rows_needed(now, 0.1, at_most=True)
    each = int(np.ceil(rows / 10))

    def decided(seed):
        k = np.random.default_rng(seed).binomial(each, rates)
        s = stats.groups(TEN, k, [each] * 10, [each] * 10, of="difference").statistic
        return stats.high_bound(s, 0.05) <= 0.1 if np.ptp(rates) < 0.1 else stats.low_bound(s, 0.05) > 0.1

    assert 0.7 <= _share_decided(lambda seed: seed, decided) <= 1.0


def test_two_groups_need_the_textbook_number():
    """Rows a group to show equivalence: (z_alpha + z_beta)^2 2 p (1 - p) / limit^2."""
    now = stats.groups(["a", "b"], [30, 30], [100, 100], [100, 100], of="difference")
    z = norm.isf(0.05) + norm.ppf(0.9)  # both ordered pairs must hold, so each may miss 10 %
    assert stats.rows_needed(now, 0.1, at_most=True) == pytest.approx(2 * z**2 * 0.42 / 0.01, rel=0.03)


def test_at_the_limit_no_number_of_rows_decides():
    assert stats.rows_needed(stats.rate_of(80, 100), 0.8, at_least=True) is None
    assert stats.rows_needed(stats.not_estimable("nothing"), 0.8, at_least=True) is None
    assert stats.rows_needed(stats.rate_of(80_100, 100_000), 0.8, at_least=True) > 9 * 10**5
    with pytest.raises(ValueError, match="exactly one"):
        stats.rows_needed(stats.rate_of(1, 2), 0.8)


@pytest.mark.parametrize(
    "estimate",
    [
        stats.rate_of(20, 20),
        stats.difference(10, 20, 3, 20),
        stats.ratio(10, 20, 9, 20),
        stats.groups(["a", "b", "c"], [9, 8, 7], [20] * 3, [20] * 3, of="ratio"),
        stats.groups(["a", "b", "c"], [9, 8, 7], [20] * 3, [20] * 3, of="minimum"),
        stats.groups(["a", "b", "c"], [9, 8, 7], [20] * 3, [20] * 3, of="maximum"),
        stats.groups(["a", "b", "c"], [9, 8, 7], [20] * 3, [20] * 3, of="mean"),
        stats.mean(np.linspace(0, 1, 20), low=0.0, high=1.0),
        stats.normal(0.3, 0.2, 30, link="logit", method="m"),
        stats.normal(0.01, 0.02, 200, link="square", method="m"),
    ],
    ids=lambda e: e.method[:20],
)
def test_more_rows_are_needed_the_nearer_the_limit_on_either_side(estimate):
    up = [stats.rows_needed(estimate, estimate.value + gap, at_most=True) for gap in (0.05, 0.02)]
    down = [stats.rows_needed(estimate, estimate.value - gap, at_most=True) for gap in (0.05, 0.02)]
    for far, near in (up, down):
        if far is not None and near is not None:
            assert estimate.n <= far <= near
    assert any(v is not None for v in (*up, *down))


def test_the_minimum_detectable_gap_is_seen_with_the_power():
    gap = stats.minimum_detectable_gap(0.3, 400, 300)
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(400):
        pair = stats.difference(rng.binomial(300, 0.3 + gap), 300, rng.binomial(400, 0.3), 400)
        seen += stats.low_bound(pair.statistic, 0.05) > 0
    assert 0.72 <= seen / 400 <= 0.86
    assert stats.minimum_detectable_gap(0.5, 2, 2) == 0.5
