import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from audit import stats

rows = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=4, max_size=40).filter(
    lambda v: 2 <= sum(y for _, y in v) <= len(v) - 2
)


def _naive(scores, labels):
    """Return AUC and DeLong's variance by comparing every pair (DeLong, DeLong, Clarke-Pearson 1988)."""
    x, y = scores[labels], scores[~labels]
    kernel = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    return kernel.mean(), kernel.mean(1).var(ddof=1) / len(x) + kernel.mean(0).var(ddof=1) / len(y)


@given(rows)
def test_value_is_sklearns_and_variance_is_delongs(pairs):
    scores, labels = np.array([s for s, _ in pairs], float), np.array([y for _, y in pairs])
    value, variance = _naive(scores, labels)
    assert stats.auc(scores, labels).value == pytest.approx(roc_auc_score(labels, scores))
    assert stats.auc(scores, labels).value == pytest.approx(value)
    assert stats.auc_variance(scores, labels) == pytest.approx(variance, abs=1e-12)


@given(rows, st.randoms())
def test_row_order_never_matters(pairs, random):
    mixed = random.sample(pairs, len(pairs))
    one, two = [stats.auc([s for s, _ in p], [y for _, y in p]) for p in (pairs, mixed)]
    assert one == two


@given(rows)
def test_the_bounds_mirror_when_the_scores_do(pairs):
    scores, labels = np.array([s for s, _ in pairs], float), np.array([y for _, y in pairs])
    up, down = stats.auc(scores, labels), stats.auc(-scores, labels)
    assert (up.value, up.low, up.high) == pytest.approx(
        (1 - down.value, 1 - down.high, 1 - down.low), abs=1e-9
    )


def test_perfect_separation_has_the_bound_of_the_smaller_class():
    estimate = stats.auc(np.r_[np.zeros(80), np.ones(20)], np.r_[np.zeros(80), np.ones(20)])
    assert estimate.value == estimate.high == 1
    assert stats.low_bound(estimate.statistic, 0.05) == pytest.approx(0.05 ** (1 / 20))


def test_with_many_rows_the_interval_is_delongs():
    rng = np.random.default_rng(0)
    labels = rng.random(20000) < 0.4
    scores = rng.normal(size=20000) + labels
    estimate, half = stats.auc(scores, labels), norm.isf(0.025) * stats.auc_variance(scores, labels) ** 0.5
    assert (estimate.low, estimate.high) == pytest.approx(
        (estimate.value - half, estimate.value + half), abs=2e-4
    )


def test_a_class_of_fewer_than_two_and_scores_not_finite_are_a_reason():
    assert "0 rows" in stats.auc([1.0, 2.0], [1, 1]).reason
    assert "1 rows" in stats.auc([1.0, 2.0, 3.0], [1, 0, 0]).reason
    assert "not finite" in stats.auc([1.0, np.nan, 3.0, 4.0], [1, 0, 0, 1]).reason


def test_duplicated_rows_in_clusters_give_the_interval_of_the_originals():
    rng = np.random.default_rng(1)
    labels = rng.random(60) < 0.5
    scores = rng.normal(size=60) + labels
    single = stats.auc_variance(scores, labels)
    twice = [np.repeat(a, 3) for a in (scores, labels, np.arange(60))]
    assert stats.auc_variance(twice[0], twice[1], cluster=twice[2]) == pytest.approx(single, rel=1e-9)
    assert stats.auc(twice[0], twice[1], cluster=twice[2]).high > stats.auc(twice[0], twice[1]).high


def _placements(scores, labels):
    """DeLong's structural components by their definition, pair by pair."""
    pairs = [[(a > b) + (a == b) / 2 for b in scores[~labels]] for a in scores[labels]]
    return np.mean(pairs, axis=1), np.mean(pairs, axis=0)


def test_the_covariance_of_two_curves_is_delongs_by_definition():
    rng = np.random.default_rng(4)
    labels = rng.random(60) < 0.4
    one = np.round(rng.normal(size=60) + labels, 1)
    other = np.round(0.6 * one + rng.normal(size=60), 1)
    (a10, a01), (b10, b01) = _placements(one, labels), _placements(other, labels)
    naive = np.cov(a10, b10)[0, 1] / labels.sum() + np.cov(a01, b01)[0, 1] / (~labels).sum()
    (first, x), (second, y) = (stats.auc_influence(s, labels) for s in (one, other))
    assert (first, second) == pytest.approx((a10.mean(), b10.mean()))
    assert x @ y == pytest.approx(naive)
    assert x @ x == pytest.approx(stats.auc_variance(one, labels))
    twice = [np.repeat(v, 2) for v in (one, other, labels, np.arange(60))]
    x, y = (stats.auc_influence(s, twice[2], cluster=twice[3])[1] for s in twice[:2])
    assert x @ y == pytest.approx(naive)


def test_the_mean_of_areas_knows_that_its_curves_share_rows():
    rng = np.random.default_rng(5)
    labels = rng.random(200) < 0.5
    score = rng.normal(size=200) + labels
    one = stats.auc(score, labels)
    same = stats.macro_auc(np.stack([score, score], axis=1), np.stack([labels, labels], axis=1))
    assert (same.value, same.low, same.high) == pytest.approx((one.value, one.low, one.high))
    mirrored = stats.macro_auc(np.stack([score, -score], axis=1), np.stack([labels, labels], axis=1))
    assert mirrored.value == pytest.approx(0.5) and mirrored.high - mirrored.low < 0.5 * (one.high - one.low)
    apart = stats.macro_auc(
        np.stack([score, rng.normal(size=200) + labels], axis=1), np.stack([labels, labels], axis=1)
    )
    assert apart.high - apart.low < one.high - one.low


def _macro_errors(n, runs, seed=6):
    """How often the bounds of the mean one-vs-rest AUC of three normal classes exclude it."""
    rng, wrong = np.random.default_rng(seed), np.zeros(2)
    value = norm.cdf(1.5 / np.sqrt(2))
    for _ in range(runs):
        y = np.arange(n) % 3
        scores = rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[y]
        s = stats.macro_auc(scores, np.eye(3, dtype=bool)[y]).statistic
        wrong += stats.low_bound(s, 0.05) > value, stats.high_bound(s, 0.05) < value
    return wrong / runs


@pytest.mark.parametrize("n", [40, 300])
def test_the_mean_of_areas_errs_rarely(n):
    assert max(_macro_errors(n, 250)) <= 0.07


def _errors(m, n, value, sd, runs, seed=3):
    """Return how often either one-sided 95 % bound excludes the true AUC of two normals."""
    rng, wrong = np.random.default_rng(seed), [0, 0]
    for _ in range(runs):
        scores = np.r_[rng.normal(norm.ppf(value) * (1 + sd**2) ** 0.5, sd, m), rng.normal(size=n)]
        s = stats.auc(scores, np.r_[np.ones(m), np.zeros(n)]).statistic
        wrong[0] += stats.low_bound(s, 0.05) > value
        wrong[1] += stats.high_bound(s, 0.05) < value
    return [w / runs for w in wrong]


@pytest.mark.parametrize(("m", "n"), [(10, 100), (30, 300), (60, 60)])
@pytest.mark.parametrize(("value", "sd"), [(0.7, 1.0), (0.97, 1.0), (0.97, 3.0), (0.99, 3.0)])
def test_bounds_err_rarely_for_small_classes_and_near_separation(m, n, value, sd):
    assert max(_errors(m, n, value, sd, 200)) <= 0.07


def test_folds_compare_no_two_networks_and_are_the_mean_by_pairs():
    rng = np.random.default_rng(0)
    fold, y = np.repeat([0, 1, 2], 40), rng.random(120) < 0.4
    score = y + rng.normal(size=120) + 100.0 * fold  # each network on a scale of its own
    own = [stats.auc(score[fold == k], y[fold == k]) for k in range(3)]
    pairs = [y[fold == k].sum() * (~y[fold == k]).sum() for k in range(3)]
    found = stats.auc(score, y, fold=fold)
    assert found.value == pytest.approx(np.average([e.value for e in own], weights=pairs))
    assert found.high - found.low < min(e.high - e.low for e in own)
    assert abs(stats.auc(score, y).value - found.value) > 0.1
    share = np.array(pairs) / sum(pairs)
    alone = [stats.auc_variance(score[fold == k], y[fold == k]) for k in range(3)]
    influence = stats.auc_influence(score, y, fold=fold)[1]
    assert float(influence @ influence) == pytest.approx(float(share**2 @ alone))


def test_a_fold_without_two_of_a_class_is_left_out_and_one_fold_alone_changes_nothing():
    rng = np.random.default_rng(1)
    y = np.r_[rng.random(60) < 0.5, np.zeros(30, bool)]
    score, fold = rng.normal(size=90), np.repeat([0, 1], [60, 30])
    first = stats.auc(score[:60], y[:60])
    assert stats.auc(score, y, fold=fold).value == first.value
    assert stats.auc(score[:60], y[:60], fold=fold[:60]).statistic == first.statistic
    assert "of every fold" in stats.auc(score[60:], y[60:], fold=fold[60:]).reason
