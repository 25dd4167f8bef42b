"""smECE, ECE-sweep, KS and Spiegelhalter's Z against their definitions written out plainly."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from audit.metrics.calibration import reliability
from audit.metrics.calibration_errors import (
    kolmogorov_smirnov_error,
    smooth_error,
    spiegelhalter,
    sweep_error,
)

ALL = (smooth_error, lambda c, y: sweep_error(c, y)[0], kolmogorov_smirnov_error)


def drawn(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    c = rng.beta(3, 1.5, n)
    return c, (rng.random(n) < np.clip(c - shift, 0, 1)).astype(float)


def naive_smooth_error(c, y):
    """Every row's reflected Gaussian summed on a fine grid, the integral by the trapezoid, the root by Brent."""
    t = np.linspace(0, 1, 801)

    def smoothed(width):
        mirrors = (c, c + 2, c - 2, -c, 2 - c, -2 - c)
        kernel = sum(np.exp(-(((t[:, None] - m) / width) ** 2) / 2) for m in mirrors)
        kernel = kernel / width / np.sqrt(2 * np.pi)
        return np.trapezoid(np.abs(kernel @ (y - c)) / len(c), t)

    return brentq(lambda width: smoothed(width) - width, 5e-3, 1.0, xtol=1e-7)


@pytest.mark.parametrize(("seed", "n", "shift"), [(0, 60, 0.0), (1, 90, 0.1), (2, 90, 0.4)])
def test_smooth_error_is_its_definition(seed, n, shift):
    c, y = drawn(seed, n, shift)
    assert smooth_error(c, y) == pytest.approx(naive_smooth_error(c, y), abs=5e-5)


def test_smooth_error_of_one_gap_for_all_is_near_that_gap_and_never_above():
    """One confidence, one gap: the smoothed residual integrates to the gap at any width, so smECE is the gap."""
    c = np.full(1000, 0.7)
    y = np.arange(1000) < 500
    assert smooth_error(c, y) == pytest.approx(0.2, abs=1e-6)
    assert smooth_error(np.zeros(5), np.zeros(5)) == pytest.approx(0.0, abs=1e-9)
    assert smooth_error(np.ones(5), np.zeros(5)) == pytest.approx(1.0, abs=1e-6)


def naive_sweep(c, y):
    """The published loop: bins from 1 up, the last before the shares fall; ties kept together."""
    kept = reliability(c, y, 1)
    for bins in range(2, len(c) + 1):
        found = reliability(c, y, bins)
        if (np.diff(found.accuracy) < -1e-12).any():
            break
        kept = found
    return float(np.sum(kept.n * np.abs(kept.confidence - kept.accuracy)) / len(c)), len(kept.n)


@pytest.mark.parametrize(
    ("seed", "n", "digits"), [(0, 100, 6), (1, 500, 6), (2, 500, 1), (3, 30, 1), (4, 7, 6)]
)
def test_sweep_is_the_published_loop(seed, n, digits):
    c, y = drawn(seed, n)
    error, bins = sweep_error(np.round(c, digits), y)
    wanted, wanted_bins = naive_sweep(np.round(c, digits), y)
    assert (error, bins) == (pytest.approx(wanted, abs=1e-12), wanted_bins)


def test_sweep_of_shares_that_always_rise_ends_with_every_confidence_its_own_bin():
    c = np.linspace(0, 1, 50_000)
    assert sweep_error(c, c > 0.5)[1] == 50_000


def test_sweep_and_ks_are_less_biased_than_ece_for_a_calibrated_model():
    """The reason for the sweep (Roelofs et al. 2022): far below equal-mass ECE-15 of calibrated models."""
    sweep, fixed = [], []
    for seed in range(40):
        c, y = drawn(seed, 300)
        found = reliability(c, y, 15)
        sweep.append(sweep_error(c, y)[0])
        fixed.append(np.sum(found.n * np.abs(found.confidence - found.accuracy)) / 300)
    assert np.mean(sweep) < 0.8 * np.mean(fixed)


def test_ks_is_the_largest_gap_of_the_cumulative_sums():
    c, y = np.array([0.2, 0.2, 0.9, 0.6]), np.array([1, 0, 1, 0])
    # by confidence: 0.2, 0.2 together, 0.6, 0.9: gaps .4 - 1, 1.0 - 1, 1.9 - 2
    assert kolmogorov_smirnov_error(c, y) == pytest.approx(0.6 / 4)
    assert kolmogorov_smirnov_error(np.full(10, 0.8), np.ones(10)) == pytest.approx(0.2)


def test_confidence_of_exactly_1_is_an_ordinary_confidence():
    c, y = np.r_[np.ones(10), np.full(10, 0.55)], np.r_[[1] * 5, [0] * 5, [1], [0] * 9]
    assert sweep_error(c, y) == (pytest.approx(0.475), 2)
    assert kolmogorov_smirnov_error(c, y) == pytest.approx((0.45 * 10 + 0.5 * 10) / 20)
    found = reliability(c, y, 15)
    assert found.n.tolist() == [10, 10] and found.upper[-1] == 1.0 and found.confidence[-1] == 1.0


@pytest.mark.parametrize("error", ALL)
def test_order_of_rows_and_ties_is_nothing(error):
    c, y = drawn(5, 200)
    c = np.round(c, 1)
    order = np.random.default_rng(0).permutation(200)
    assert error(c, y) == error(c[order], y[order])


@pytest.mark.parametrize("error", [*ALL, spiegelhalter])
def test_confidences_outside_0_to_1_are_no_confidences(error):
    for c in ([], [1.2], [np.nan]):
        with pytest.raises(ValueError, match="values of 0 to 1"):
            error(np.array(c), np.zeros(len(c)))


def test_spiegelhalter_is_standard_normal_for_calibrated_models_and_far_for_others():
    z = np.array([spiegelhalter(*drawn(seed, 400))[0] for seed in range(300)])
    assert abs(z.mean()) < 0.2 and z.std() == pytest.approx(1, abs=0.12)
    assert np.mean([spiegelhalter(*drawn(seed, 400))[1] <= 0.05 for seed in range(300)]) == pytest.approx(
        0.05, abs=0.04
    )
    assert spiegelhalter(*drawn(0, 2000, 0.15))[1] < 1e-6


def test_spiegelhalter_by_hand_and_without_variance():
    c, y = np.array([0.2, 0.7]), np.array([1, 1])
    z = (0.8 * 0.6 + 0.3 * -0.4) / np.sqrt(0.36 * 0.16 + 0.16 * 0.21)
    assert spiegelhalter(c, y) == (pytest.approx(z), pytest.approx(2 * norm.sf(abs(z))))
    assert spiegelhalter(np.array([0.0, 1.0, 0.5]), np.array([0, 1, 1])) is None
