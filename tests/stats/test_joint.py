import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, norm

from audit import stats
from audit.metrics.group_rates import KIND_NAMES, KINDS, RATES
from audit.stats import joint, limits, multiplicity
from audit.stats.joint_tables import counts_in, counts_table, gaps_table

SIX = tuple(RATES)
HITS = np.array([rate.hits(KINDS) for rate in RATES.values()])
AMONG = np.array([rate.among(KINDS) for rate in RATES.values()])
NAMES = [f"g{i}" for i in range(10)]
tables = st.lists(
    st.lists(st.integers(0, 60), min_size=5, max_size=5).filter(any), min_size=2, max_size=5
).map(np.array)


def _family(counts, draws=1000, metrics=slice(None), names=None, of="difference"):
    names = names or NAMES[: len(counts)]
    return stats.family(names, SIX[metrics], counts, HITS[metrics], AMONG[metrics], of=of, draws=draws)


def _drawn(sizes, positive=0.3, accuracy=0.8, seed=0):
    """Return counts of KINDS with the same true rates in every group."""
    right, wrong = accuracy, 1 - accuracy
    cells = [positive * right, positive * wrong, (1 - positive) * wrong, (1 - positive) * right, 0.0]
    rng = np.random.default_rng(seed)
    return np.array([rng.multinomial(n, cells) for n in sizes])


# ---------------------------------------------------------------- the bootstrap


def test_replicates_are_those_of_rows_drawn_with_replacement():
    """The naive bootstrap draws rows, counts again and computes every rate; the distributions must agree."""
    counts = np.array([[30, 12, 9, 40, 0], [14, 9, 21, 33, 0], [8, 3, 2, 19, 0]])
    rows = np.repeat(np.arange(15), counts.ravel())
    rng, naive = np.random.default_rng(8), []
    for _ in range(2000):
        again = np.bincount(rng.choice(rows, len(rows)), minlength=15).reshape(3, 5)
        naive.append((again @ (HITS & AMONG).T / np.maximum(again @ AMONG.T, 1)).T)
    (ours,) = joint.replicates(counts, 2000)
    assert (ours.sum((1, 2)) == len(rows)).all()
    rates = (ours @ (HITS & AMONG).T / np.maximum(ours @ AMONG.T, 1)).transpose(0, 2, 1)
    naive = np.array(naive)
    for m in range(6):
        for g in range(3):
            assert ks_2samp(rates[:, m, g], naive[:, m, g]).pvalue > 1e-4
        spread = [np.ptp(r[:, m], axis=1) for r in (rates, naive)]
        assert ks_2samp(*spread).pvalue > 1e-4
    joined = [np.corrcoef(r.reshape(2000, -1).T) for r in (rates, naive)]
    np.testing.assert_allclose(joined[0], joined[1], atol=0.12)


def test_the_largest_t_is_the_naive_one():
    """Loops over replicates, metrics and pairs."""
    counts = _drawn([80, 50, 120])
    family = _family(counts, draws=40)
    largest = []
    for drawn in np.concatenate(list(joint.replicates(counts, 40))):
        worst = 0.0
        for hit, among in zip(HITS, AMONG, strict=True):
            k, n = drawn[:, hit & among].sum(1), drawn[:, among].sum(1)
            truth = counts[:, hit & among].sum(1) / counts[:, among].sum(1)
            p = (k + 1) / (n + 2)
            error = np.sqrt(p * (1 - p) / (n + 2))
            for a in range(3):
                for b in range(a):
                    apart = (k[a] / n[a] - truth[a]) - (k[b] / n[b] - truth[b])
                    worst = max(worst, abs(apart) / math.hypot(error[a], error[b]))
        largest.append(worst)
    np.testing.assert_allclose(family.largest, np.sort(largest), rtol=1e-9)


def test_two_groups_and_one_rate_have_the_normal_quantile():
    family = _family(_drawn([40_000, 60_000]), draws=20_000, metrics=slice(0, 1))
    for alpha in (0.3, 0.1, 0.05):
        assert np.quantile(family.largest, 1 - alpha) == pytest.approx(norm.isf(alpha / 2), abs=0.03)
        assert norm.isf(family.level(alpha)) == pytest.approx(norm.isf(alpha / 2), abs=1e-6)


def test_a_rate_twice_in_the_family_costs_nothing_and_two_alike_ones_little():
    counts = _drawn([20_000] * 3)
    once = stats.family(NAMES[:3], ["a"], counts, HITS[:1], AMONG[:1], draws=4000)
    twice = stats.family(NAMES[:3], ["a", "b"], counts, HITS[[0, 0]], AMONG[[0, 0]], draws=4000)
    np.testing.assert_array_equal(once.largest, twice.largest)
    assert twice.level(0.05) > 1.6 * multiplicity.all_pairs_alpha(0.025, 3)


def test_chunks_do_not_change_the_number_of_draws(monkeypatch):
    monkeypatch.setattr(joint, "CHUNK", 64)
    assert len(_family(_drawn([50, 50]), draws=101).largest) == 101


# ---------------------------------------------------------------- the bounds


@settings(max_examples=25)
@given(tables, st.randoms())
def test_the_order_of_groups_never_matters(counts, random):
    places = random.sample(range(len(counts)), len(counts))
    one, two = (
        _family(counts, draws=60),
        _family(counts[places], draws=60, names=[NAMES[i] for i in places]),
    )
    assert one.groups == two.groups
    np.testing.assert_array_equal(one.largest, two.largest)
    for a, b in zip(one.limits(0.1), two.limits(0.1), strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=25)
@given(tables, st.sampled_from(["difference", "ratio"]), st.floats(1e-6, 0.4))
def test_limits_hold_the_estimate_shrink_with_alpha_and_mirror_each_other(counts, of, alpha):
    family = _family(counts, draws=1200, of=of)
    wide, narrow = family.limits(alpha / 2), family.limits(alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = family.k / family.n
        value = rate[:, :, None] - rate[:, None] if of == "difference" else rate[:, :, None] / rate[:, None]
    there = ~np.isnan(narrow[0])
    assert (there == ~np.isnan(value)).all() or of == "ratio"
    tiny = 1e-9
    assert (wide[0] - tiny <= narrow[0])[there].all() and (narrow[1] <= wide[1] + tiny)[there].all()
    with np.errstate(invalid="ignore"):
        assert (narrow[0] <= value + tiny)[there].all() and (value <= narrow[1] + tiny)[there].all()
    mirrored = narrow[1].transpose(0, 2, 1)
    if of == "difference":
        np.testing.assert_allclose(narrow[0][there], -mirrored[there], atol=1e-12)


def test_the_level_lies_between_one_rate_and_as_many_independent_ones():
    family = _family(_drawn([3000] * 10))
    z = norm.isf(family.level(0.05))
    assert (
        norm.isf(multiplicity.all_pairs_alpha(0.05, 10))
        < z
        < norm.isf(multiplicity.all_pairs_alpha(0.05 / 6, 10))
    )
    assert z == pytest.approx(np.sort(family.largest)[950])
    for alpha in (0.04, 1e-4):  # too few replicates for it: any dependence
        assert family.level(alpha) == multiplicity.all_pairs_alpha(alpha / 6, 10)
    assert joint.draws_for(0.05) == 1000 and joint.draws_for(0.05, rules=12) == 12_000


def test_ten_groups_of_twenty_with_hardly_a_hit_have_finite_bounds():
    """Without smoothing a replicate without hits has no spread, so that its |t| is infinite."""
    rng = np.random.default_rng(3)
    counts = np.array([[0, 0, k, 20 - k, 0] for k in rng.binomial(20, 0.05, 10)])
    assert (counts[:, 2] == 0).any()
    family = _family(counts, metrics=slice(0, 1))
    assert np.isfinite(family.largest).all() and family.largest[-1] < 12
    low, high = family.limits(0.05)
    assert np.isfinite(low).all() and (np.abs(low) <= 1).all() and (np.abs(high) <= 1).all()
    none = _family(np.array([[0, 0, 0, 20, 0]] * 10), metrics=slice(0, 1))
    assert (none.largest == 0).all()
    assert none.level(0.05) == multiplicity.all_pairs_alpha(0.05, 10)  # never sharper than one rate's


def test_an_empty_denominator_has_no_limits_and_is_named():
    family = _family(np.array([[5, 5, 5, 5, 0], [0, 0, 5, 5, 0], [5, 5, 5, 5, 0]]))
    low, high = family.limits(0.05)
    positive = SIX.index("true_positive_rate")
    assert np.isnan(low[positive, 1]).all() and np.isnan(high[positive, :, 1]).all()
    assert np.isfinite(low[positive, 0, 2])
    with pytest.raises(ValueError, match="empty in group g1"):
        family.widest(positive)
    assert family.widest(0) == (0, 0) and _family(np.array([[1, 0, 0, 9, 0], [9, 0, 0, 1, 0]])).widest(0) == (
        1,
        0,
    )


def test_limits_are_the_hybrid_ones_at_the_level():
    family = _family(_drawn([100, 400, 60]))
    low, high = family.limits(0.05)
    for m in range(6):
        expected = limits.contrasts(family.k[m], family.n[m], 1.0, family.level(0.05))
        np.testing.assert_array_equal((low[m], high[m]), expected)


@pytest.mark.parametrize(
    ("names", "counts", "hits"),
    [
        (["a", "a"], [[1], [1]], [[1]]),
        (["a"], [[1]], [[1]]),
        (["a", "b"], [[0], [0]], [[1]]),
        (["a", "b"], [[1], [1]], [[1, 0]]),
    ],
)
def test_an_impossible_family_is_refused(names, counts, hits):
    with pytest.raises(ValueError, match="expected"):
        stats.family(names, ["m"], counts, hits, hits)


# ---------------------------------------------------------------- adjusted p-values


@settings(max_examples=20)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 10_000))
def test_p_is_below_alpha_where_the_limits_exclude_equality(a, b, seed):
    rest = _drawn([200, 200], seed=seed)
    counts = np.array([[a, 0, 0, 40 - a, 0], [b, 0, 0, 40 - b, 0], *rest])
    family = _family(counts)
    low, high = family.limits(0.05)
    p = family.p_value(0, 0, 1)
    assert p == family.p_value(0, 1, 0)
    assert 0 < p <= 1
    shown = low[0, 0, 1] > 0 or high[0, 0, 1] < 0
    assert shown == (p <= 0.05) or abs(p - 0.05) < 0.002


def test_p_without_replicates_is_that_of_tukey_kramer_and_bonferroni():
    family = replace(_family(_drawn([400, 400, 400])), largest=np.zeros(0))
    k, n = family.k[0], family.n[0]
    pair = stats.difference(k[0], n[0], k[1], n[1])
    each = min(
        stats.p_fail(pair.statistic, 0.0, at_most=True), stats.p_fail(pair.statistic, 0.0, at_least=True)
    )
    expected = 6 * multiplicity.all_pairs_error(each, 3)
    assert family.p_value(0, 0, 1) == pytest.approx(min(expected, 1.0), rel=1e-6)


# ---------------------------------------------------------------- tables


def test_stored_counts_rebuild_the_same_bounds():
    counts = _drawn([90, 70, 40])
    names = ["b", "a", "c"]
    table = counts_table({"sex": dict(zip(names, counts, strict=True)), "age": {"x": counts[0]}}, KIND_NAMES)
    again = counts_in(type(table).model_validate_json(table.model_dump_json()), "sex", KIND_NAMES)
    fresh = _family(counts, names=names)
    rebuilt = _family(np.array(list(again.values())), names=list(again))
    np.testing.assert_array_equal(fresh.limits(0.05), rebuilt.limits(0.05))
    assert [fresh.p_value(m, 0, 1) for m in range(6)] == [rebuilt.p_value(m, 0, 1) for m in range(6)]


def test_the_table_shows_the_widest_gap_of_every_rate_or_why_not():
    counts = np.array([[50, 10, 5, 35, 0], [10, 20, 30, 60, 0], [0, 0, 20, 30, 0]])
    family = _family(counts)
    table = gaps_table({"sex": (family, family.n)})
    rows = {row[1]: dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows}
    row = rows["selection_rate"]
    assert (row["higher"], row["lower"], row["n_higher"], row["n_lower"]) == ("g0", "g1", 100, 120)
    assert row["value"] == pytest.approx(0.55 - 40 / 120)
    assert row["low"] < row["value"] < row["high"] and 0 < row["p"] <= 1
    assert rows["true_positive_rate"]["value"] is None and "g2" in rows["true_positive_rate"]["reason"]
    assert "1,000 multinomial" in table.note
    alone = gaps_table({"sex": (replace(family, largest=np.zeros(0)), family.n)})
    assert "Bonferroni" in alone.note


def test_counts_of_one_or_two_are_counted_in_the_note():
    table = counts_table({"sex": {"a": np.array([1, 2, 3, 0, 5])}}, KIND_NAMES)
    assert "2 of 5 counts are 1 or 2" in table.note
