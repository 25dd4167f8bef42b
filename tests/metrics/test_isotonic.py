"""CORP: isotonic recalibration, its decomposition of the Brier score, and the band that holds under calibration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from audit.metrics.isotonic import consistency_band, decompose, rate_at, recalibrate


def calibrated(seed, n, sharpen=1.0):
    rng = np.random.default_rng(seed)
    c = rng.uniform(0.05, 0.95, n)
    logit = np.log(c / (1 - c)) * sharpen
    return 1 / (1 + np.exp(-logit)), (rng.random(n) < c).astype(float)


@pytest.mark.parametrize("digits", [1, 9])
def test_rates_are_scikit_learns_isotonic_regression(digits):
    c, y = calibrated(0, 400)
    c = np.round(c, digits)
    found = recalibrate(c, y)
    theirs = IsotonicRegression().fit(c, y).predict(found.forecast)
    np.testing.assert_allclose(found.rate, theirs, atol=1e-9)
    assert found.rows.sum() == 400 and found.events.sum() == y.sum()


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.booleans()), min_size=1, max_size=30)
)
def test_the_parts_are_not_negative_and_add_up_to_the_brier_score(pairs):
    c, y = np.array([p for p, _ in pairs]), np.array([e for _, e in pairs], float)
    found = decompose(recalibrate(c, y))
    assert found.score == pytest.approx(np.mean((c - y) ** 2), abs=1e-12)
    assert min(found.miscalibration, found.discrimination, found.uncertainty) >= 0
    total = found.miscalibration - found.discrimination + found.uncertainty
    assert total == pytest.approx(found.score, abs=1e-12)
    order = np.random.default_rng(0).permutation(len(c))
    again = decompose(recalibrate(c[order], y[order]))
    assert again == found


def test_a_recalibrated_forecast_has_no_miscalibration_and_a_constant_one_no_discrimination():
    c, y = calibrated(1, 300, sharpen=3)
    found = recalibrate(c, y)
    place = np.searchsorted(found.forecast, c)
    assert decompose(recalibrate(found.rate[place], y)).miscalibration == pytest.approx(0, abs=1e-12)
    flat = decompose(recalibrate(np.full(300, 0.3), y))
    assert flat.discrimination == pytest.approx(0, abs=1e-12)
    assert flat.miscalibration == pytest.approx((y.mean() - 0.3) ** 2)
    assert (
        decompose(recalibrate(c, y)).miscalibration
        > 5 * decompose(recalibrate(*calibrated(1, 300))).miscalibration / 4
    )


def test_the_band_holds_a_calibrated_model_about_as_often_as_it_says():
    at, inside = np.linspace(0.1, 0.9, 9), []
    for seed in range(60):
        found = recalibrate(*calibrated(seed, 300))
        low, high = consistency_band(found, at, replicates=99, seed=seed)
        rate = rate_at(found, found.rate, at)
        inside.append((low <= rate) & (rate <= high))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06)
    loud = recalibrate(*calibrated(0, 2000, sharpen=3))
    low, high = consistency_band(loud, np.array([0.1, 0.9]), replicates=99, seed=0)
    rate = rate_at(loud, loud.rate, np.array([0.1, 0.9]))
    assert rate[0] > high[0] and rate[1] < low[1]


def test_a_rate_between_forecasts_is_that_of_the_one_below():
    found = recalibrate(np.array([0.2, 0.2, 0.6]), np.array([0, 1, 1]))
    np.testing.assert_allclose(
        rate_at(found, found.rate, np.array([0.1, 0.2, 0.5, 0.6, 1.0])), [0.5, 0.5, 0.5, 1, 1]
    )


@pytest.mark.parametrize("confidence", [[], [1.1], [np.nan]])
def test_forecasts_that_are_no_probabilities_are_refused(confidence):
    with pytest.raises(ValueError, match="values of 0 to 1"):
        recalibrate(np.array(confidence), np.zeros(len(confidence)))
