import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, studentized_range

from audit import stats
from audit.stats import bounds, multiplicity

OFS = ("difference", "ratio", "minimum", "maximum", "mean")
TEN = [f"g{i}" for i in range(10)]
counts = st.lists(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=8
)


def _groups(pairs, of):
    k, n = [k for k, _ in pairs], [n for _, n in pairs]
    return stats.groups([f"g{i}" for i in range(len(k))], k, n, n, of=of)


@given(counts, st.sampled_from(OFS), st.floats(1e-6, 0.5))
def test_the_bounds_hold_the_value_and_tighten_with_alpha(pairs, of, alpha):
    estimate = _groups(pairs, of)
    if estimate.value is None:
        assert of == "ratio" and all(k == 0 for k, _ in pairs)
        return
    wide, narrow = [
        (stats.low_bound(estimate.statistic, a), stats.high_bound(estimate.statistic, a))
        for a in (alpha / 2, alpha)
    ]
    tiny = 1e-9
    assert wide[0] - tiny <= narrow[0] <= estimate.value + tiny
    assert estimate.value - tiny <= narrow[1] <= wide[1] + tiny


@given(counts, st.sampled_from(OFS), st.randoms())
def test_the_order_of_groups_never_matters(pairs, of, random):
    names = [f"g{i}" for i in range(len(pairs))]
    rows = [(name, k, n, n) for name, (k, n) in zip(names, pairs, strict=True)]
    mixed = random.sample(rows, len(rows))
    assert stats.groups(*zip(*rows, strict=True), of=of) == stats.groups(*zip(*mixed, strict=True), of=of)


@given(counts, st.sampled_from(OFS), st.floats(0.02, 0.98), st.booleans())
def test_p_fail_is_the_level_at_which_the_bound_meets_the_limit(pairs, of, limit, least):
    estimate = _groups(pairs, of)
    if estimate.value is None:
        return
    p = stats.p_fail(estimate.statistic, limit, at_least=least, at_most=not least)
    bound = stats.high_bound if least else stats.low_bound
    if 1e-9 < p < 0.49:
        assert bound(estimate.statistic, p) == pytest.approx(limit, abs=1e-6)
    if p == 1.0:
        at_half = bound(estimate.statistic, 0.5)
        assert at_half >= limit - 1e-9 if least else at_half <= limit + 1e-9


@pytest.mark.parametrize("of", ["difference", "ratio"])
def test_two_groups_are_their_pair(of):
    both = stats.groups(["a", "b"], [600, 240], [1800, 1600], [2000, 1800], of=of)
    pair = (stats.difference if of == "difference" else lambda a, b, c, d: stats.ratio(c, d, a, b))(
        600, 1800, 240, 1600
    ).statistic
    assert both.value == pytest.approx(stats.point(pair))
    easy, hard = (
        (stats.high_bound, stats.low_bound) if of == "difference" else (stats.low_bound, stats.high_bound)
    )
    assert easy(both.statistic, 0.05) == pytest.approx(easy(pair, 0.05))
    at_once, alone, halved = hard(both.statistic, 0.05), hard(pair, 0.05), hard(pair, 0.025)
    assert at_once == pytest.approx(alone, abs=1e-4)  # so far apart, only one of them can be the higher
    assert min(alone, halved) - 1e-9 <= at_once <= max(alone, halved) + 1e-9


@pytest.mark.parametrize("of", ["difference", "ratio"])
def test_two_groups_shown_to_differ_at_all_have_either_as_the_higher(of):
    """Against no gap at all, the level of one pair is alpha / 2: its p-value is twice the pair's."""
    s = stats.groups(["a", "b"], [60, 40], [100, 100], [100, 100], of=of).statistic
    pair = (stats.difference if of == "difference" else stats.ratio)(60, 100, 40, 100).statistic
    limit, least = (0.0, False) if of == "difference" else (1.0, True)
    alone = stats.p_fail(pair, limit, at_most=True)
    assert stats.p_fail(s, limit, at_least=least, at_most=not least) == pytest.approx(2 * alone, rel=1e-6)


def test_equal_rates_are_never_shown_to_differ():
    """At a limit that is the end of the range, where the bound of nothing shown rests: p is large, not tiny."""
    for of, limit in (("difference", 0.0), ("ratio", 1.0)):
        s = stats.groups(["a", "b", "c"], [30, 31, 29], [100] * 3, [100] * 3, of=of).statistic
        assert stats.p_fail(s, limit, at_least=of == "ratio", at_most=of != "ratio") > 0.5
        assert not bounds.beyond(s, limit, "high" if of == "ratio" else "low", 0.05)


def test_halves_apart_leave_only_the_pairs_between_them():
    """Five and five normals far apart: the pairs between them alone, by simulation; none apart: the range."""
    z = np.random.default_rng(0).standard_normal((200_000, 10))
    for apart, width in ((0.0, 4.0), (0.7, 4.0), (3.0, 3.6), (20.0, 3.6)):
        spread = np.ptp(z + apart * (np.arange(10) < 5), axis=1)
        found = np.mean(spread > apart + width)
        assert multiplicity.range_exceeds(width, 10, apart) == pytest.approx(
            found, abs=4 * 0.3 / 200_000**0.5
        )
    z = np.random.default_rng(1).standard_normal((200_000, 3))
    spread = np.ptp(z + np.array([1.0, 0, 0]), axis=1)
    assert multiplicity.range_exceeds(3.0, 3, 1.0) == pytest.approx(np.mean(spread > 4.0), abs=0.002)


@pytest.mark.parametrize("spread", [(1, 1, 1, 1), (1, 0.01, 0.1), (1, 0, 0.03), (5, 2, 1, 1, 0.1, 1)])
def test_no_truth_within_the_limit_errs_more_than_half_of_the_groups_at_each_end(spread):
    """Every corner of the truths within the limit, unequal standard errors, at the level for that limit."""
    sd = np.array(spread) / max(spread)
    z = np.random.default_rng(2).standard_normal((60_000, len(sd))) * sd
    se = np.hypot(sd[:, None], sd) + np.eye(len(sd))
    for apart in (0.0, 0.5, 1.5, 20.0):
        level = multiplicity.all_pairs_alpha(0.05, len(sd), apart)
        room = apart + norm.isf(level) * se
        for corner in range(2 ** (len(sd) - 1)):
            x = z + apart * (corner >> np.arange(len(sd)) & 1)
            wrong = np.mean((x[:, :, None] - x[:, None, :] > room).any((1, 2)))
            assert wrong <= 0.05 + 4 * (0.05 * 0.95 / 60_000) ** 0.5


@given(counts, st.sampled_from(["difference", "ratio"]), st.floats(0.02, 0.98), st.floats(1e-6, 0.5))
def test_beyond_is_whether_the_bound_lies_beyond(pairs, of, limit, alpha):
    statistic = _groups(pairs, of).statistic
    try:
        bounds.point(statistic)
    except ValueError:
        return
    for side, bound in (("low", stats.low_bound), ("high", stats.high_bound)):
        found = bound(statistic, alpha)
        if abs(found - limit) > 1e-9:
            assert bounds.beyond(statistic, limit, side, alpha) == (
                found > limit if side == "low" else found < limit
            )


def test_worst_and_best_group():
    estimate = stats.groups(["a", "b", "c"], [30, 50, 80], [100, 100, 100], [100] * 3, of="minimum")
    assert estimate.value == 0.3
    assert stats.low_bound(estimate.statistic, 0.05) == pytest.approx(
        stats.low_bound(stats.rate_of(30, 100).statistic, 0.05)
    )
    assert stats.high_bound(estimate.statistic, 0.05) == pytest.approx(
        stats.high_bound(stats.rate_of(30, 100).statistic, 1 - 0.95 ** (1 / 3))
    )


def test_a_group_without_rows_is_named_and_its_counts_are_kept():
    estimate = stats.groups(["a", "b", "c"], [3, 0, 4], [9, 0, 8], [20, 5, 20], of="difference")
    assert estimate.value is None and "group b" in estimate.reason
    assert estimate.statistic is not None and estimate.statistic.groups == ("a", "b", "c")
    assert "1 group" in stats.groups(["a"], [1], [2], [2], of="ratio").reason
    assert "every group's rate is 0" in stats.groups(["a", "b"], [0, 0], [5, 6], [5, 6], of="ratio").reason


def test_groups_that_repeat_are_refused():
    with pytest.raises(ValueError, match="distinct"):
        stats.groups(["a", "a"], [1, 1], [2, 2], [2, 2], of="difference")


def test_ten_empty_cells_still_have_finite_bounds():
    estimate = stats.groups(TEN, [0] * 10, [20] * 10, [20] * 10, of="difference")
    assert estimate.value == 0 and estimate.low == 0 and 0.1 < estimate.high < 0.4


def test_twelve_measures_of_ten_groups_take_well_under_a_second():
    k, n = [30, 29, 31, 35, 30, 26, 30, 32, 33, 25], [100.0] * 10
    start = time.perf_counter()
    for i in range(12):
        estimate = stats.groups(TEN, [v + i for v in k], n, n, of="ratio" if i % 2 else "difference")
        stats.p_fail(estimate.statistic, 0.3, at_most=True)
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize("groups", [2, 3, 10, 40])
@pytest.mark.parametrize("alpha", [0.3, 0.05, 1e-3, 1e-5])
def test_the_range_of_normals_is_scipys_studentized_range(groups, alpha):
    ours = multiplicity.all_pairs_error(alpha, groups)
    theirs = studentized_range.sf(2**0.5 * norm.isf(alpha), groups, np.inf)
    assert ours == pytest.approx(theirs, rel=1e-6)
    level = multiplicity.all_pairs_alpha(alpha, groups)
    assert multiplicity.all_pairs_error(level, groups) == pytest.approx(alpha, rel=1e-6)


def test_holm_and_benjamini_hochberg_on_published_examples():
    """Holm: textbook steps. Benjamini and Hochberg (1995), section 3.2: 15 p-values, four rejections."""
    assert stats.holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert stats.holm([0.04, 0.04], 0.05) == [False, False]
    assert stats.holm([], 0.05) == []
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.759,
        1,
    ]
    assert stats.benjamini_hochberg(p, 0.05) == [True] * 4 + [False] * 11
    assert stats.holm(p, 0.05) == [True] * 3 + [False] * 12


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.01, 0.2))
def test_holm_is_the_naive_step_down(p_values, alpha):
    rejected, left = set(), sorted(range(len(p_values)), key=lambda i: p_values[i])
    while left and p_values[left[0]] <= alpha / len(left):
        rejected.add(left.pop(0))
    assert stats.holm(p_values, alpha) == [i in rejected for i in range(len(p_values))]


def _errors(rates, sizes, limit, of, runs, seed=0):
    """Return how often the bounds say PASS and FAIL."""
    rng, names = np.random.default_rng(seed), [f"g{i:02d}" for i in range(len(sizes))]
    passes = fails = 0
    for _ in range(runs):
        estimate = stats.groups(names, rng.binomial(sizes, rates), sizes, sizes, of=of)
        if estimate.value is None:
            continue
        s = estimate.statistic
        passes += (
            stats.high_bound(s, 0.05) <= limit if of == "difference" else stats.low_bound(s, 0.05) >= limit
        )
        fails += bounds.beyond(s, limit, "low" if of == "difference" else "high", 0.05)
    return passes / runs, fails / runs


SMALL, LARGE = np.linspace(50, 450, 10).astype(int), np.linspace(500, 4500, 10).astype(int)


@pytest.mark.parametrize("sizes", [SMALL, LARGE, np.array([65, 65]), np.array([20] * 10)])
@pytest.mark.parametrize("base", [0.05, 0.3, 0.85])
def test_at_the_limit_neither_word_is_often_wrong(sizes, base):
    half = len(sizes) // 2
    rates = np.r_[[base + 0.1] * half, [base] * (len(sizes) - half)]
    assert max(_errors(rates, sizes, 0.1, "difference", 200)) <= 0.07
    lower = np.r_[[base] * half, [base * 0.8] * (len(sizes) - half)]
    assert max(_errors(lower, sizes, 0.8, "ratio", 200)) <= 0.07


def test_large_groups_pass_when_equal_and_fail_at_one_and_a_half_times_the_limit():
    equal, apart = np.full(10, 0.3), np.r_[[0.3] * 5, [0.45] * 5]
    assert _errors(equal, LARGE, 0.1, "difference", 200)[0] >= 0.93
    assert _errors(apart, LARGE, 0.1, "difference", 200)[1] >= 0.97
