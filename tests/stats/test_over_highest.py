"""A group's rate over the highest of several: naive values, bounds in either direction, error by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import stats
from audit.evidence import RateOverHighest, RatePair

ALPHA = 0.05
counts = st.lists(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=7
)


def _over(pairs):
    k, n = [k for k, _ in pairs], [n for _, n in pairs]
    return stats.over_highest([f"g{i}" for i in range(len(k))], k, n)


@given(counts, st.floats(1e-6, 0.5))
def test_values_are_naive_and_bounds_are_those_of_the_pairs(pairs, alpha):
    found, rates = _over(pairs), [k / n for k, n in pairs]
    if max(rates) == 0:
        assert all(e.value is None and "every group's rate is 0" in e.reason for e in found)
        return
    each = 1 - (1 - alpha) ** (1 / (len(pairs) - 1))
    for i, e in enumerate(found):
        assert e.value == pytest.approx(rates[i] / max(rates))
        others = [
            RatePair(of="ratio", k1=pairs[i][0], n1=pairs[i][1], k2=k, n2=n)
            for j, (k, n) in enumerate(pairs)
            if j != i
        ]
        above = min(_high(p, each) for p in others)
        assert stats.high_bound(e.statistic, alpha) == pytest.approx(min(above, 1.0), rel=1e-6)
        below = min((stats.low_bound(p, alpha) for p in others if p.k2), default=1.0)
        empty = any(p.k2 == 0 for p in others)  # over a rate of zero found there is a lower bound too
        assert stats.low_bound(e.statistic, alpha) <= min(below, 1.0) + 1e-9
        if not empty:
            assert stats.low_bound(e.statistic, alpha) == pytest.approx(min(below, 1.0), rel=1e-6)


def _high(pair, alpha):
    return stats.high_bound(pair, alpha) if pair.k2 else np.inf


@given(counts, st.randoms())
def test_the_order_of_groups_never_matters(pairs, random):
    names = [f"g{i}" for i in range(len(pairs))]
    rows = [(name, *pair) for name, pair in zip(names, pairs, strict=True)]
    mixed = random.sample(rows, len(rows))
    first, second = (stats.over_highest(*zip(*given, strict=True)) for given in (rows, mixed))
    assert dict(zip(names, first, strict=True)) == dict(zip([r[0] for r in mixed], second, strict=True))


@given(counts, st.floats(0.02, 0.98), st.booleans())
def test_p_fail_is_the_level_at_which_the_bound_meets_the_limit(pairs, limit, least):
    for e in _over(pairs):
        if e.value is None:
            return
        p = stats.p_fail(e.statistic, limit, at_least=least, at_most=not least)
        if 1e-9 < p < 0.49:
            bound = stats.high_bound if least else stats.low_bound
            assert bound(e.statistic, p) == pytest.approx(limit, abs=1e-6)


def test_the_highest_group_itself_has_an_interval_when_another_may_be_higher():
    first, second = stats.over_highest(["a", "b"], [50, 49], [100, 100])
    assert first.value == 1 and first.high == 1 and 0.6 < first.low < 0.9
    assert second.value == pytest.approx(0.98) and second.high == 1
    clear = stats.over_highest(["a", "b"], [5000, 900], [10000, 10000])[0]
    assert (clear.value, clear.low, clear.high) == (1, 1, 1)


def test_one_group_empty_groups_and_repeated_names():
    assert "1 group" in stats.over_highest(["a"], [1], [2])[0].reason
    assert "group b" in stats.over_highest(["a", "b"], [1, 0], [2, 0])[0].reason
    assert stats.over_highest([], [], []) == ()
    with pytest.raises(ValueError, match="distinct"):
        stats.over_highest(["a", "a"], [1, 1], [2, 2])


def test_rows_needed_decide_with_about_the_power_asked():
    k, n = np.array([120, 95, 110]), np.array([300, 300, 300])
    estimate = stats.over_highest(["a", "b", "c"], k, n)[1]
    rows = stats.rows_needed(estimate, 0.7, at_least=True)
    assert rows is not None and rows > 900
    rng, size = np.random.default_rng(5), round(rows / 3)
    drawn = (rng.binomial(size, k / n) for _ in range(300))
    found = [stats.over_highest(["a", "b", "c"], hits, [size] * 3)[1].statistic for hits in drawn]
    shown = np.mean([stats.low_bound(s, ALPHA) >= 0.7 for s in found])
    assert 0.7 <= shown <= 0.98


SIZES = ([200, 200], [50, 450], [40] * 5, [30, 300, 2000, 60, 500], list(range(50, 451, 44)))
SHAPES = {
    "equal": lambda groups: np.ones(groups),
    "one lower": lambda groups: np.r_[0.8, np.ones(groups - 1)],
    "spread": lambda groups: np.linspace(1, 0.6, groups),
}


def _errors(sizes, rates, runs):
    """Return for each group how often the lower bound lies above the truth, and the upper below it."""
    rng, names = np.random.default_rng(8), tuple(f"g{i:02d}" for i in range(len(sizes)))
    truth, wrong = rates / rates.max(), np.zeros((2, len(sizes)))
    for hits in rng.binomial(sizes, rates, size=(runs, len(sizes))):
        if hits.any():
            found = [RateOverHighest(group=g, groups=names, k=tuple(hits), n=tuple(sizes)) for g in names]
            wrong[0] += np.array([stats.low_bound(s, ALPHA) for s in found]) > truth + 1e-9
            wrong[1] += np.array([stats.high_bound(s, ALPHA) for s in found]) < truth - 1e-9
    return wrong / runs


@pytest.mark.slow
def test_bounds_err_at_most_5_percent_on_average_and_7_at_worst(capsys):
    table = []
    for sizes in SIZES:
        for top in (0.1, 0.5, 0.95):
            for shape, make in SHAPES.items():
                errors = _errors(sizes, top * make(len(sizes)), 400)
                table.append((*errors.max(axis=1), f"n={sizes}, highest {top}, {shape}"))
    lower, upper = (np.array([row[i] for row in table]) for i in (0, 1))
    with capsys.disabled():
        for errors in (lower, upper):
            print(f"mean {errors.mean():.3f}, worst {errors.max():.3f} at {table[errors.argmax()][2]}")
    assert max(lower.mean(), upper.mean()) <= 0.05
    assert max(lower.max(), upper.max()) <= 0.07
