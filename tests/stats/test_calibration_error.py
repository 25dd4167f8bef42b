import numpy as np
import pytest
from scipy.stats import norm

from audit import stats


def test_the_value_is_the_naive_debiased_gap():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 900)
    correct = rng.random(900) < confidence - 0.15
    order = np.argsort(confidence)
    total = 0.0
    for rows in np.array_split(order, 15):
        apart = confidence[rows] - correct[rows]
        total += len(rows) / 900 * (apart.mean() ** 2 - apart.var(ddof=1) / len(rows))
    estimate = stats.calibration_error(confidence, correct)
    assert estimate.value == pytest.approx(np.sqrt(total), rel=1e-9)
    assert estimate.low < 0.15 < estimate.high and estimate.n == 900


def test_row_order_never_matters_even_with_ties():
    rng = np.random.default_rng(1)
    confidence, correct = np.round(rng.uniform(0.5, 1, 400), 1), rng.random(400) < 0.7
    mixed = rng.permutation(400)
    assert stats.calibration_error(confidence, correct) == stats.calibration_error(
        confidence[mixed], correct[mixed]
    )


def test_one_confidence_for_all_is_the_gap_of_means():
    correct = np.arange(500) % 5 != 0
    estimate = stats.calibration_error(np.full(500, 0.9), correct)
    assert estimate.value == pytest.approx(np.sqrt(0.01 - 0.16 / 499), rel=1e-6)


def test_too_few_rows_and_clusters_are_a_reason():
    assert "need 60" in stats.calibration_error(np.full(59, 0.5), np.zeros(59)).reason
    correct = np.arange(100) % 2
    few = stats.calibration_error(np.full(100, 0.5), correct, cluster=np.arange(100) // 6)
    assert few.value is None and "17 clusters" in few.reason
    unlike = np.repeat(np.arange(101), [200, *[1] * 100])
    assert (
        "worth 2 of one size"
        in stats.calibration_error(np.full(300, 0.5), np.arange(300) % 2, cluster=unlike).reason
    )
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        stats.calibration_error([1.2] * 99, [1] * 99)


def test_clusters_of_one_row_are_rows_and_copied_rows_add_nothing():
    rng = np.random.default_rng(6)
    c = rng.uniform(0.5, 1, 400)
    y = rng.random(400) < c - 0.05
    plain = stats.calibration_error(c, y)
    assert stats.calibration_error(c, y, cluster=rng.permutation(400)) == plain
    three = [np.repeat(v, 3) for v in (c, y, np.arange(400))]
    copied = stats.calibration_error(three[0], three[1], cluster=three[2])
    naive = stats.calibration_error(three[0], three[1])
    assert copied.value == pytest.approx(plain.value, rel=0.05)
    assert copied.high == pytest.approx(plain.high, rel=0.1)
    assert naive.value > 1.3 * plain.value and naive.low > 0.03 > copied.low  # noise taken for a gap
    order = rng.permutation(1200)
    assert stats.calibration_error(*(v[order] for v in three[:2]), cluster=three[2][order]) == copied


def _clustered(clusters, most, alike, accuracy, shift, runs, seed=7):
    """Return how often the one-sided 95 % bounds err: people of 1 to `most` rows, alike in confidence and outcome."""
    confidence = {
        0.8: lambda u: 0.6 + 0.4 * u,
        0.98: lambda u: 1 - 0.06 * u**2,
        0.995: lambda u: 1 - 0.02 * u**3,
    }[accuracy]
    sure = np.sort(confidence((np.arange(150_000) + 0.5) / 150_000))
    target = np.sqrt(np.mean((sure - np.clip(sure - shift, 0, 1)).reshape(15, -1).mean(axis=1) ** 2))
    rng, wrong = np.random.default_rng(seed), np.zeros(2)
    for _ in range(runs):
        person = np.repeat(np.arange(clusters), rng.integers(1, most + 1, clusters))
        own = [np.sqrt(alike) * rng.normal(size=clusters)[person] for _ in range(2)]
        u, v = (norm.cdf(o + np.sqrt(1 - alike) * rng.normal(size=len(person))) for o in own)
        c = confidence(u)
        s = stats.calibration_error(c, v < np.clip(c - shift, 0, 1), cluster=person).statistic
        if s is not None:
            wrong += stats.low_bound(s, 0.05) > target, stats.high_bound(s, 0.05) < target
    return wrong / runs


@pytest.mark.parametrize(("clusters", "most"), [(40, 20), (200, 5)])
@pytest.mark.parametrize(("accuracy", "shift"), [(0.8, 0.0), (0.98, 0.05), (0.995, 0.02)])
def test_clustered_bounds_err_rarely(clusters, most, accuracy, shift):
    assert max(_clustered(clusters, most, 0.4, accuracy, shift, 100)) <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [20, 50, 200, 500])
@pytest.mark.parametrize("most", [1, 5, 20])
def test_clustered_bounds_err_rarely_on_the_whole_grid(clusters, most):
    rates = [
        _clustered(clusters, most, alike, accuracy, shift, 250)
        for alike in (0.0, 0.2, 0.5)
        for accuracy in (0.8, 0.98, 0.995)
        for shift in (0.0, 0.02, 0.05)
    ]
    assert np.max(rates) <= 0.07 and np.mean(rates) <= 0.05


def test_ignoring_the_clusters_would_err():
    """People who are wholly right or wrong: the naive upper bound misses the truth, the clustered one holds it."""
    rng, wrong = np.random.default_rng(8), np.zeros(2)
    for _ in range(150):
        person = np.repeat(np.arange(100), 20)
        c = np.full(2000, 0.9)
        y = (rng.random(100) < 0.8)[person]
        found = [stats.calibration_error(c, y, cluster=p).statistic for p in (None, person)]
        wrong += [not stats.low_bound(s, 0.05) <= 0.1 <= stats.high_bound(s, 0.05) for s in found]
    assert wrong[0] / 150 > 0.4 and wrong[1] / 150 <= 0.12


def test_ece_is_torchmetrics_textbook_example_with_confidence_one():
    """Ten rows at confidence 1.0, five right, and ten at 0.55, all wrong but one: |1 - .5| / 2 + |.55 - .1| / 2."""
    confidence, correct = np.r_[np.ones(10), np.full(10, 0.55)], np.r_[[1] * 5, [0] * 5, [1], [0] * 9]
    estimate = stats.expected_calibration_error(confidence, correct)
    assert estimate.value == pytest.approx(0.475)
    assert estimate.kind == "descriptive" and estimate.statistic is None


CONFIDENCE = {
    0.7: lambda rng, n: rng.uniform(0.4, 1, n),
    0.93: lambda rng, n: rng.beta(6, 1, n) / 2 + 0.5,
    0.98: lambda rng, n: 1 - rng.beta(0.5, 20, n),
    0.995: lambda rng, n: 1 - rng.beta(0.3, 50, n),
}


def _truth(c, kind, size):
    """Return the chance of being right at confidence c: shifted down, or overconfident by a temperature."""
    if kind == "shift":
        return np.clip(c - size, 0, 1)
    return 1 / (1 + np.exp(-np.log(c / (1 - c + 1e-15)) * size))


def _target(accuracy, kind, size):
    """Return the true root mean squared gap over 15 equal-mass bins."""
    c = np.sort(CONFIDENCE[accuracy](np.random.default_rng(9), 600_000))
    gaps = (c - _truth(c, kind, size)).reshape(15, -1).mean(axis=1)
    return float(np.sqrt(np.mean(gaps**2)))


def errors(accuracy, kind, size, n, runs, seed=4):
    """Return how often the one-sided 95 % bounds lie above (false FAIL) and below (false PASS) the truth."""
    rng, target, wrong = np.random.default_rng(seed), _target(accuracy, kind, size), [0, 0]
    for _ in range(runs):
        c = CONFIDENCE[accuracy](rng, n)
        s = stats.calibration_error(c, rng.random(n) < _truth(c, kind, size)).statistic
        wrong[0] += stats.low_bound(s, 0.05) > target
        wrong[1] += stats.high_bound(s, 0.05) < target
    return [w / runs for w in wrong]


@pytest.mark.parametrize("accuracy", list(CONFIDENCE))
@pytest.mark.parametrize("n", [300, 1000])
def test_bounds_err_rarely_even_for_accurate_models(accuracy, n):
    rates = [
        errors(accuracy, *shape, n, 150) for shape in (("shift", 0.0), ("shift", 0.02), ("temperature", 0.6))
    ]
    assert np.max(rates) <= 0.07 and np.mean(rates) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", list(CONFIDENCE))
@pytest.mark.parametrize("n", [150, 300, 1000, 3000])
def test_bounds_err_rarely_on_the_whole_grid(accuracy, n):
    shapes = [("shift", s) for s in (0.0, 0.02, 0.05)] + [("temperature", t) for t in (0.6, 0.3)]
    rates = [errors(accuracy, *shape, n, 600) for shape in shapes]
    assert np.max(rates) <= 0.07 and np.mean(rates) <= 0.05


def test_a_calibrated_model_of_many_rows_passes_a_tight_limit():
    rng = np.random.default_rng(5)
    c = rng.uniform(0.5, 1, 5000)
    good, bad = (
        stats.calibration_error(c, rng.random(5000) < c),
        stats.calibration_error(c, rng.random(5000) < c - 0.1),
    )
    assert stats.high_bound(good.statistic, 0.05) < 0.05
    assert stats.p_fail(bad.statistic, 0.05, at_most=True) < 1e-5


def test_errors_of_two_networks_that_go_opposite_ways_do_not_cancel():
    n = 400
    fold, confidence = np.arange(n) % 2, np.tile(np.linspace(0.2, 0.8, n // 2), 2)[np.arange(n)]
    rng = np.random.default_rng(0)
    correct = rng.random(n) < confidence + np.where(fold == 0, 0.2, -0.2)
    pooled, own = (stats.calibration_error(confidence, correct, fold=f) for f in (None, fold))
    assert pooled.value < 0.08 and own.value == pytest.approx(0.2, abs=0.05) and own.low > 0.1
    order = rng.permutation(n)
    assert stats.calibration_error(confidence[order], correct[order], fold=fold[order]) == own
    assert (
        "15 rows in a fold" in stats.calibration_error(confidence[:31], correct[:31], fold=fold[:31]).reason
    )
