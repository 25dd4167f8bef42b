"""Means over groups and departures from one half: closed forms, Welch, simulation, what the gate does with them."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from audit import gate, stats
from audit.evidence import CheckResult, Findings, GroupMeans, Measurement, Policy, Rule
from audit.stats import bounds, multiplicity


def _of(parts, of="difference", **how):
    group = np.repeat([f"g{i:02d}" for i in range(len(parts))], [len(p) for p in parts])
    return stats.group_means(np.concatenate(parts), group, of=of, **how)


def _judged(estimate, limit, share=0.0):
    m = Measurement(name="gap", label="gap", estimate=estimate, better="lower")
    result = CheckResult(
        check="x.y", area="fairness", title="x", status="ok", findings=Findings(measurements=(m,))
    )
    rule = Rule(id="R", measure="x.y.gap", at_most=limit, because="a test")
    policy = Policy(name="p", rules=(rule,), minimum_group_share=share)
    return gate.judge([result], policy, on=dt.date(2030, 1, 1))[0][0]


def test_the_value_is_the_largest_minus_the_smallest_mean_and_welch_agrees_for_many_rows():
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 1, 4000), rng.normal(0, 3, 1000)
    found = _of([b, a])
    assert found.value == pytest.approx(a.mean() - b.mean(), rel=1e-12)
    welch = ttest_ind(a, b, equal_var=False)
    either, one = welch.confidence_interval(0.95), welch.confidence_interval(0.9)
    assert stats.low_bound(found.statistic, 0.05) == pytest.approx(
        either.low, abs=0.004
    )  # either may be higher
    assert stats.high_bound(found.statistic, 0.05) == pytest.approx(one.high, abs=0.004)


def test_the_largest_mean_is_the_worst_groups_own_bound_above_and_sidaks_below():
    rng = np.random.default_rng(1)
    half = rng.normal(0, 1, 25)
    parts = [c + np.r_[half, -half] for c in (0.0, 0.2, 3.0)]  # no skewness, where the bound is Student's
    found, alone = _of(parts, of="maximum"), stats.mean(parts[2])
    assert found.value == pytest.approx(parts[2].mean())
    assert stats.high_bound(found.statistic, 0.05) == pytest.approx(stats.high_bound(alone.statistic, 0.05))
    level = multiplicity.each_alpha(0.05, 3)
    assert stats.low_bound(found.statistic, 0.05) == pytest.approx(stats.low_bound(alone.statistic, level))


@settings(max_examples=25)
@given(st.lists(st.integers(2, 30), min_size=2, max_size=6), st.integers(0, 99), st.floats(1e-5, 0.4))
def test_bounds_of_group_means_hold_the_value_and_no_order_matters(sizes, seed, alpha):
    rng = np.random.default_rng(seed)
    values = rng.exponential(1, sum(sizes))
    group = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    found, order = stats.group_means(values, group, of="difference", low=0.0), rng.permutation(len(values))
    again = stats.group_means(values[order], group[order], of="difference", low=0.0)
    assert found.value == pytest.approx(again.value, rel=1e-12) and found.low == pytest.approx(again.low)
    low, high = stats.low_bound(found.statistic, alpha), stats.high_bound(found.statistic, alpha)
    assert 0 <= low <= found.value + 1e-9 and found.value <= high + 1e-9
    assert stats.high_bound(found.statistic, alpha / 2) >= high - 1e-9
    p = stats.p_fail(found.statistic, 0.1, at_most=True)
    if 1e-9 < p < 0.49:
        assert stats.low_bound(found.statistic, p) == pytest.approx(0.1, abs=1e-6)


def test_a_group_without_an_error_of_its_own_is_named_and_a_policy_may_leave_it_out():
    rng = np.random.default_rng(2)
    found = _of([rng.normal(0, 1, 900), rng.normal(0, 1, 900), np.array([50.0])])
    assert found.value is None and "g02" in found.reason
    assert _judged(found, 0.5).verdict == "NOT-ESTIMABLE"
    kept = _judged(found, 0.5, share=0.01)
    assert kept.verdict == "PASS" and kept.excluded_groups == ("g02",)
    assert "all values are equal" in _of([np.zeros(9), np.ones(9)]).reason
    assert "nothing to compare" in _of([np.arange(9.0)]).reason
    with pytest.raises(ValueError, match="finite"):
        stats.group_means([np.nan, 1.0], ["a", "b"], of="difference")


def test_the_gate_judges_a_gap_of_means_and_counts_the_rows_that_would_decide():
    rng = np.random.default_rng(3)
    parts = [rng.normal(0, 1, 400), rng.normal(0.5, 1, 60)]
    assert _judged(_of(parts), 1.5).verdict == "PASS"
    failed = _judged(_of(parts), 0.05)
    assert failed.verdict == "FAIL" and failed.passes_at is None
    open_ = _judged(_of(parts), 0.6)
    assert open_.verdict == "INCONCLUSIVE" and open_.rows_needed > 460
    assert set(open_.rows_by_group) <= {"g00", "g01"} and open_.rows_by_group
    assert open_.fails_at > 0.6 > open_.passes_at > 0


def test_the_truth_said_to_show_a_fail_is_shown_with_the_power():
    rng, sizes = np.random.default_rng(4), (300, 80)
    s = _of([rng.normal(0, 1, n) for n in sizes]).statistic
    truth = stats.detectable(s, 0.2, "FAIL", at_most=True)
    shown = 0
    for _ in range(400):
        drawn = _fast([rng.normal(0, 1, sizes[0]), rng.normal(truth, 1, sizes[1])])
        shown += bounds.beyond(drawn, 0.2, "low", 0.05)
    assert 0.7 < shown / 400 < 0.9


def test_clusters_are_the_units_of_group_means():
    rng = np.random.default_rng(5)
    each, group = rng.normal(size=60), np.repeat(["a", "b"], 30)
    found = stats.group_means(
        np.repeat(each, 5), np.repeat(group, 5), of="difference", cluster=np.repeat(np.arange(60), 5)
    )
    plain = stats.group_means(each, group, of="difference")
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert found.n == 300
    wider = stats.group_means(each, group, of="difference", inflation=2.0)
    assert wider.high - wider.value == pytest.approx(math.sqrt(2) * (plain.high - plain.value), rel=0.02)


def test_a_departure_is_the_larger_of_a_chance_and_its_complement():
    found = stats.groups(["a", "b"], [20, 45], [100, 100], [100, 100], of="departure")
    assert found.value == 0.8
    mirrored = stats.rate_of(80, 100).statistic
    assert stats.high_bound(found.statistic, 0.05) == pytest.approx(stats.high_bound(mirrored, 0.05))
    level = multiplicity.each_alpha(0.05, 4)
    assert stats.low_bound(found.statistic, 0.05) == pytest.approx(stats.low_bound(mirrored, level))
    even = stats.groups(["a", "b"], [50, 50], [100, 100], [100, 100], of="departure")
    assert even.value == 0.5 and even.low == 0.5 and even.high > 0.59
    truth = stats.detectable(even.statistic, 0.6, "FAIL", at_most=True)
    assert 0.7 < truth < 0.8
    many = stats.groups(["a", "b"], [500, 500], [1e3, 1e3], [1e3, 1e3], of="departure").statistic
    assert 0.5 <= stats.detectable(many, 0.6, "PASS", at_most=True) < 0.6


def test_departures_of_even_chances_rarely_look_like_a_leak():
    rng, wrong = np.random.default_rng(6), 0
    for _ in range(400):
        found = stats.groups(list("abcde"), rng.binomial(200, 0.5, 5), [200] * 5, [200] * 5, of="departure")
        wrong += bounds.beyond(found.statistic, 0.5, "low", 0.05)
    assert wrong / 400 <= 0.07


# ---------------------------------------------------------------- simulation

DRAWS = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "skewed": lambda rng, n: rng.exponential(1, n),
    "heavy": lambda rng, n: rng.standard_t(4, n),
    "distance": lambda rng, n: np.abs(rng.normal(0, 1, n)),
}
SIZES = {
    "20 and 20": [20, 20],
    "20 and 200": [20, 200],
    "200 and 200": [200, 200],
    "ten of 10": [10] * 10,
    "ten of 50-450": np.linspace(50, 450, 10).astype(int).tolist(),
    "forty of 20-500": np.linspace(20, 500, 40).astype(int).tolist(),
}


def _fast(parts, low=None):
    """Return the statistic of these groups without its interval."""
    return GroupMeans(
        of="difference",
        groups=tuple(f"g{i:02d}" for i in range(len(parts))),
        n=tuple(float(len(p)) for p in parts),
        mean=tuple(float(p.mean()) for p in parts),
        variance=tuple(float(p.var(ddof=1)) for p in parts),
        third=tuple(float(((p - p.mean()) ** 3).mean()) for p in parts),
        sizes=tuple(float(len(p)) for p in parts),
        low=low,
    )


def _wrong(sizes, draw, runs, *, gap=0.0, low=None, spread=1.0):
    """Return how often a gap of at most `gap` is shown to be larger, and one of `gap` to be smaller."""
    rng, half, wrong = np.random.default_rng(len(sizes)), len(sizes) // 2, np.zeros(2)
    scale = np.linspace(1, spread, len(sizes))
    for _ in range(runs):
        parts = [
            c * draw(rng, n) + gap * (i < half) for i, (n, c) in enumerate(zip(sizes, scale, strict=True))
        ]
        s = _fast(parts, low)
        wrong += [bounds.beyond(s, gap, "low", 0.05), stats.high_bound(s, 0.05) < gap if gap else 0]
    return wrong / runs


@pytest.mark.parametrize("sizes", ["20 and 20", "ten of 50-450"])
def test_equal_means_are_rarely_shown_to_differ(sizes):
    assert _wrong(SIZES[sizes], DRAWS["normal"], 150)[0] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES)
def test_gaps_of_means_err_in_at_most_5_percent_of_runs_on_average_and_7_at_worst(sizes, capsys):
    """Both words, at no gap and at a gap of half a standard deviation between the halves of the groups."""
    found = {}
    for name, draw in DRAWS.items():
        low = 0.0 if name in ("distance", "skewed") else None
        found[f"{name}, no gap"] = _wrong(SIZES[sizes], draw, 600, low=low)
        if low is None:
            found[f"{name}, unequal spread"] = _wrong(SIZES[sizes], draw, 600, spread=3.0)
        found[f"{name}, at the limit"] = _wrong(SIZES[sizes], draw, 600, gap=0.5, low=low)
    errors = np.array(list(found.values()))
    with capsys.disabled():
        shown = "; ".join(f"{k} {100 * v[0]:.1f}/{100 * v[1]:.1f}" for k, v in found.items())
        print(f"\n| gap of means, {sizes} | lower / upper wrong, % | {shown} |")
    noise = 2 * math.sqrt(0.07 * 0.93 / 600)
    assert errors.mean(axis=0).max() <= 0.05 + noise / 3 and errors.max() <= 0.07 + noise
