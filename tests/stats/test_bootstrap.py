"""The studentised Poisson bootstrap: weights keyed by row, bounds at every level that the replicates support."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, poisson

from audit import stats
from audit.evidence import Replicates
from audit.stats.bootstrap import DRAWS, TAIL, by_unit, keys, of_totals, weights


def mean_of(totals):
    """The mean of the second column over rows counted in the first, with its gradient."""
    value = totals[:, 1] / totals[:, 0]
    return value, np.stack([-value / totals[:, 0], 1 / totals[:, 0]], axis=1)


def columns(values):
    return np.stack([np.ones(len(values)), values], axis=1)


# ---------------------------------------------------------------- weights


def test_weights_are_poisson_and_uncorrelated():
    found = weights(keys(np.arange(3000)), range(400))
    share = np.bincount(found.ravel(), minlength=9)[:9] / found.size
    assert share == pytest.approx(poisson.pmf(np.arange(9), 1.0), abs=2e-3)
    assert (found.mean(), found.var()) == pytest.approx((1.0, 1.0), abs=5e-3)
    between_rows = np.corrcoef(found[:, :40].T)[np.triu_indices(40, 1)]
    between_draws = np.corrcoef(found[:40])[np.triu_indices(40, 1)]
    assert np.std(between_rows) == pytest.approx(400**-0.5, rel=0.2)
    assert np.std(between_draws) == pytest.approx(3000**-0.5, rel=0.2)


@given(st.permutations(list(range(12))), st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_a_weight_is_a_function_of_its_row_and_its_draw_alone(order, draws):
    ids = np.array([f"patient {i}" for i in range(12)])
    whole = weights(keys(ids), range(10))
    assert np.array_equal(weights(keys(ids[order]), draws), whole[draws][:, order])
    assert len(np.unique(keys(ids))) == 12


def test_rows_of_a_unit_are_added_in_any_order():
    rng = np.random.default_rng(0)
    table, unit, order = rng.random((60, 3)), rng.integers(0, 9, 60), rng.permutation(60)
    names, sums = by_unit(table, unit)
    assert np.array_equal(sums, by_unit(table[order], unit[order])[1])
    assert sums == pytest.approx(np.stack([table[unit == name].sum(axis=0) for name in names]))


# ---------------------------------------------------------------- bounds


def test_the_mean_of_many_rows_has_the_normal_interval_on_any_path():
    rng = np.random.default_rng(1)
    values = rng.normal(3.0, 2.0, 2000)
    half = norm.isf(0.025) * values.std() / 2000**0.5
    by_id = stats.smooth(columns(values), mean_of, ids=np.arange(2000), draws=4000)
    pooled = stats.smooth(columns(np.round(values)), mean_of, draws=4000)
    clusters = stats.smooth(
        columns(np.tile(values, 2)), mean_of, cluster=np.tile(np.arange(2000), 2), draws=4000
    )
    for found in (by_id, clusters):
        assert (found.low, found.high) == pytest.approx(
            (values.mean() - half, values.mean() + half), abs=0.01
        )
    assert pooled.low == pytest.approx(np.round(values).mean() - half, abs=0.015)
    assert (by_id.n, clusters.n) == (2000, 4000) and "2,000 clusters" in clusters.method


def test_the_standard_error_is_the_delta_methods():
    rng = np.random.default_rng(2)
    values, w = rng.exponential(size=50), rng.poisson(1.0, (3, 50))
    _, errors = of_totals(columns(values), mean_of)(w)
    each = [np.repeat(values, one) for one in w]
    assert errors == pytest.approx([v.std() / len(v) ** 0.5 for v in each])


def test_the_bounds_are_the_replicates_own_quantiles():
    """Naive: the weights by hand, every replicate's t, its quantiles."""
    rng = np.random.default_rng(3)
    values = rng.exponential(size=40)
    found = stats.smooth(columns(values), mean_of, ids=np.arange(40), draws=2000)
    w = weights(keys(np.unique(np.arange(40))), range(2000)).astype(float)
    share = w / w.sum(axis=1, keepdims=True)
    means = share @ values
    errors = np.sqrt(np.sum(w * (values - means[:, None]) ** 2, axis=1)) / w.sum(axis=1)
    t = (means - values.mean()) / errors
    se = values.std() / 40**0.5
    for alpha in (0.025, 0.05, 0.3):
        low, high = values.mean() - se * np.quantile(t, [1 - alpha, alpha])
        assert stats.low_bound(found.statistic, alpha) == pytest.approx(low, abs=0.01)
        assert stats.high_bound(found.statistic, alpha) == pytest.approx(high, abs=0.03)


def test_what_the_replicates_cannot_support_is_refused_and_never_extrapolated():
    found = stats.smooth(
        columns(np.random.default_rng(4).normal(size=300)), mean_of, ids=np.arange(300), draws=2000
    )
    s = found.statistic
    assert isinstance(s, Replicates)
    assert stats.sharpest(s) == pytest.approx(TAIL / 2000)
    assert stats.low_bound(s, TAIL / 2000) < found.value
    with pytest.raises(ValueError, match="2,000 replicates support no level below 0.025, not 0.02"):
        stats.low_bound(s, 0.02)
    assert stats.p_fail(s, found.value + 9, at_least=True) == stats.sharpest(s)  # the smallest p there is
    assert TAIL / DRAWS == 0.05 / 20  # the default supports Holm over 20 rules at 5 %
    with pytest.raises(ValueError, match="at least 2000"):
        stats.smooth(columns(np.arange(9.0)), mean_of, ids=np.arange(9), draws=999)


def test_the_record_is_small_and_bounds_are_monotone_in_the_level():
    s = stats.smooth(
        columns(np.random.default_rng(5).normal(size=200)), mean_of, ids=np.arange(200)
    ).statistic
    assert len(s.model_dump_json()) < 2000
    levels = np.geomspace(0.5, 0.0025, 300)
    assert (np.diff([stats.low_bound(s, a) for a in levels]) <= 1e-12).all()
    assert (np.diff([stats.high_bound(s, a) for a in levels]) >= -1e-12).all()
    limit = stats.high_bound(s, 0.0123)
    assert stats.p_fail(s, limit, at_least=True) == pytest.approx(0.0123, rel=1e-4)
    assert Replicates.model_validate_json(s.model_dump_json()) == s


def test_rows_that_do_not_differ_have_no_value():
    assert (
        "no standard error"
        in stats.smooth(columns(np.ones(50)), mean_of, ids=np.arange(50), draws=2000).reason
    )
    rare = stats.smooth(columns(np.arange(300) < 2), mean_of, ids=np.arange(300), draws=2000)
    assert "% of the bootstrap replicates have no standard error" in rare.reason and rare.value is None


# ---------------------------------------------------------------- how often it is wrong


def confusion(classes, accuracy, first):
    """The joint chances of true and predicted classes: the first class has this share, errors go anywhere."""
    shares = np.r_[first, np.full(classes - 1, (1 - first) / (classes - 1))]
    wrong = (1 - accuracy) / (classes - 1)
    return shares[:, None] * np.where(np.eye(classes, dtype=bool), accuracy, wrong)


def macro_errors(n, accuracy, classes, first, runs, seed=6):
    """How often the one-sided 95 % bounds of the mean F1 exclude it, and how often there are none."""
    chances, rng, wrong = confusion(classes, accuracy, first), np.random.default_rng(seed), np.zeros(3)
    truth = np.mean(2 * np.diag(chances) / (chances.sum(axis=0) + chances.sum(axis=1)))
    for _ in range(runs):
        true, predicted = np.divmod(rng.choice(classes**2, n, p=chances.ravel()), classes)
        s = stats.macro_f1(predicted, true, classes, draws=2000).statistic
        if s is None:
            wrong[2] += 1
            continue
        wrong[:2] += stats.low_bound(s, 0.05) > truth, stats.high_bound(s, 0.05) < truth
    return wrong / runs


@pytest.mark.parametrize(("n", "accuracy", "first"), [(50, 0.7, 0.5), (300, 0.9, 0.9), (1000, 0.98, 0.5)])
def test_the_mean_f1_errs_rarely(n, accuracy, first):
    low, high, none = macro_errors(n, accuracy, 2, first, 200)
    assert max(low, high) <= 0.1  # 7 % and the noise of 200 runs; the slow grid is stricter
    assert none <= 0.05


def test_a_mean_f1_of_too_few_errors_is_not_estimable():
    assert macro_errors(50, 0.98, 2, 0.5, 60)[2] > 0.9
    true = np.arange(100) % 2
    assert stats.macro_f1(true, true, 2).value is None


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 5])
def test_the_mean_f1_errs_rarely_on_the_whole_grid(classes):
    errors = [
        macro_errors(n, accuracy, classes, first, 500)[:2]
        for n in (50, 150, 500, 5000)
        for accuracy in (0.7, 0.9, 0.98)
        for first in (1 / classes, 0.8)
    ]
    assert np.mean(errors) <= 0.05 and np.max(errors) <= 0.07 + 0.01  # and the noise of 500 runs
