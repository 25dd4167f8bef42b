"""Risk and coverage against naive loops, closed forms and the bounds' coverage by Monte Carlo."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit import stats
from audit.metrics.selective import augrc, aurc, risk_coverage


def drawn(seed, n, digits=9):
    rng = np.random.default_rng(seed)
    c = np.round(rng.uniform(0.5, 1, n), digits)
    return c, rng.random(n) < 1 - c


def test_areas_are_means_over_every_order_of_the_ties():
    c, w = np.array([0.9, 0.7, 0.7, 0.7, 0.6]), np.array([0, 1, 0, 1, 1])
    risks, generals = [], []
    for middle in itertools.permutations(w[1:4]):
        errors = np.cumsum([w[0], *middle, w[4]])
        risks.append(np.mean(errors / np.arange(1, 6)))
    assert aurc(c, w).value == pytest.approx(np.mean(risks))
    for i, j in itertools.product(range(5), repeat=2):
        generals.append(w[i] * (1.0 if c[i] > c[j] else 0.5 if c[i] == c[j] else 0.0))
    assert augrc(c, w).value == pytest.approx(np.mean(generals))
    risk, general = risk_coverage(c, w)
    assert risk[-1] == pytest.approx(0.6) and general[-1] == pytest.approx(0.6) and risk[0] == 0


def test_augrc_is_the_published_function_of_auroc_and_accuracy():
    """Traub et al. 2024: (1 - AUROC) accuracy (1 - accuracy) + (1 - accuracy)^2 / 2."""
    c, w = drawn(0, 500, digits=2)
    accuracy, auroc = 1 - w.mean(), roc_auc_score(~w, c)
    wanted = (1 - auroc) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2
    assert augrc(c, w).value == pytest.approx(wanted, rel=1e-12)


def test_a_perfect_order_has_the_least_areas():
    c, w = np.linspace(1, 0, 1000), np.arange(1000) >= 800
    assert aurc(c, w).value == pytest.approx(
        0.2 + 0.8 * np.log(0.8), abs=1e-3
    )  # Geifman et al. 2019, E-AURC's term
    assert augrc(c, w).value == pytest.approx(0.02, abs=1e-6)


@pytest.mark.parametrize("area", [aurc, augrc])
def test_influence_is_what_leaving_a_row_out_does(area):
    c, w = drawn(1, 300)
    whole = area(c, w)
    without = np.array([area(np.delete(c, i), np.delete(w, i)).value for i in range(300)])
    jackknife = (without.mean() - without) * 299
    np.testing.assert_allclose(whole.influence.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(whole.influence, jackknife, atol=0.08 * np.abs(jackknife).max())
    assert whole.influence.std() == pytest.approx(jackknife.std(), rel=0.05)


@pytest.mark.parametrize("area", [aurc, augrc])
def test_order_of_rows_moves_no_area(area):
    c, w = drawn(2, 200, digits=1)
    order = np.random.default_rng(0).permutation(200)
    again = area(c[order], w[order])
    assert again.value == area(c, w).value
    np.testing.assert_allclose(again.influence, area(c, w).influence[order], atol=1e-12)


def test_without_rows_there_is_no_curve():
    with pytest.raises(ValueError, match="one at least"):
        aurc(np.zeros(0), np.zeros(0))


CONFIDENCE = {
    0.75: lambda rng, n: rng.uniform(0.5, 1, n),
    0.98: lambda rng, n: 1 - rng.beta(0.5, 24.5, n),
    0.995: lambda rng, n: 1 - rng.beta(0.3, 59.7, n),
}


def _errors(area, accuracy, n, runs):
    """How often the one-sided 95 % bounds lie above and below the truth."""
    rng, wrong = np.random.default_rng(6), np.zeros(2)
    c = CONFIDENCE[accuracy](rng, 1_000_000)
    truth = area(c, rng.random(len(c)) < 1 - c).value
    for _ in range(runs):
        c = CONFIDENCE[accuracy](rng, n)
        found = area(c, rng.random(n) < 1 - c)
        s = stats.linearised(found.value, found.influence, low=0.0, high=1.0, method="area").statistic
        if s is not None:
            wrong += stats.low_bound(s, 0.05) > truth, stats.high_bound(s, 0.05) < truth
    return wrong / runs


@pytest.mark.slow
@pytest.mark.parametrize("area", [aurc, augrc])
@pytest.mark.parametrize("accuracy", list(CONFIDENCE))
@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_bounds_of_areas_err_rarely(area, accuracy, n):
    assert max(_errors(area, accuracy, n, 600)) <= 0.075


def test_bounds_of_an_area_err_rarely_in_short():
    assert max(_errors(augrc, 0.75, 300, 200)) <= 0.08


def test_copied_rows_of_one_cluster_add_nothing():
    c, w = drawn(3, 300)
    one = augrc(c, w)
    three = augrc(np.repeat(c, 3), np.repeat(w, 3))
    alone = stats.linearised(one.value, one.influence, low=0.0, high=1.0, method="area")
    copied = stats.linearised(
        three.value, three.influence, cluster=np.repeat(np.arange(300), 3), low=0.0, high=1.0, method="area"
    )
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high), rel=0.01)
    assert "300 clusters" in copied.method
