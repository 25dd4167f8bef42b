"""What the gate makes of the calibration error: a calibrated model seldom FAILs, a miscalibrated one more with n."""

import numpy as np
import pytest

from audit import stats

ALPHA = 0.05
CONFIDENCE = {  # by the model's accuracy
    0.75: lambda rng, n: rng.uniform(0.5, 1, n),
    0.98: lambda rng, n: 1 - rng.beta(0.5, 24.5, n),
    0.995: lambda rng, n: 1 - rng.beta(0.3, 59.7, n),
}
SHIFT = {0.75: 0.08, 0.98: 0.04, 0.995: 0.02}  # a model that is right so much more rarely than it says


def fails(accuracy, n, shift, limit, runs, seed=3):
    """The share of runs in which a rule `at_most: limit` FAILs."""
    rng, found = np.random.default_rng(seed), 0
    for _ in range(runs):
        c = CONFIDENCE[accuracy](rng, n)
        e = stats.calibration_error(c, rng.random(n) < np.clip(c - shift, 0, 1))
        found += stats.low_bound(e.statistic, ALPHA) > limit
    return found / runs


def test_confidences_have_the_accuracy_that_their_name_says():
    rng = np.random.default_rng(0)
    for accuracy, draw in CONFIDENCE.items():
        assert draw(rng, 200_000).mean() == pytest.approx(accuracy, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", list(CONFIDENCE))
@pytest.mark.parametrize("n", [300, 1000, 5000])
def test_a_calibrated_model_fails_in_at_most_5_percent_of_runs(accuracy, n):
    """Even at the limit 0, the hardest: any calibrated model passes any other limit more often."""
    assert fails(accuracy, n, 0.0, 0.0, runs=500) <= ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", list(CONFIDENCE))
def test_a_miscalibrated_model_fails_more_and_more_with_n(accuracy):
    shares = [fails(accuracy, n, SHIFT[accuracy], SHIFT[accuracy] / 4, runs=200) for n in (300, 1000, 5000)]
    assert shares[0] <= shares[1] <= shares[2] and shares[0] < shares[2]
    assert shares[2] > 0.95
