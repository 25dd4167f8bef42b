"""Scaled logits: known temperatures found again, scikit-learn's Platt, bounds, a model's probabilities scaled."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LogisticRegression

from audit.errors import ConfigError, ModelError
from audit.scaling import scaled
from audit.subject import Dataset, DecisionRule, Model, Split, observe
from models.scaling import FARTHEST, fit_scaling


def _sampled(n, k, seed=0):
    """Logits and classes that are drawn from their softmax: calibrated."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=2.0, size=(n, k))
    if k == 1:
        return z, (rng.random(n) < expit(z[:, 0])).astype(int)
    return z, np.array([rng.choice(k, p=p) for p in softmax(z, axis=1)])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_known_temperature_is_found_again(k):
    z, y = _sampled(20_000, k)
    found = fit_scaling(3.0 * z, y, "temperature")
    assert 1 / found.slope[0] == pytest.approx(3.0, rel=0.05) and not found.intercept.any()
    assert str(found).startswith("T = ")


@pytest.mark.parametrize("k", [1, 4])
def test_the_temperature_is_that_of_a_search_in_one_dimension(k):
    z, y = _sampled(500, k, seed=1)

    def loss(slope):
        if k == 1:
            return np.logaddexp(0, -slope * z[:, 0] * (2 * y - 1)).mean()
        return -log_softmax(slope * z, axis=1)[np.arange(len(y)), y].mean()

    best = minimize_scalar(loss, bounds=(0.01, 100), method="bounded", options={"xatol": 1e-9}).x
    assert fit_scaling(z, y, "temperature").slope[0] == pytest.approx(best, rel=1e-4)


def test_vector_scaling_of_one_output_is_logistic_regression():
    z, y = _sampled(800, 1, seed=2)
    known = LogisticRegression(C=np.inf, tol=1e-10).fit(0.4 * z - 1.0, y)
    found = fit_scaling(0.4 * z - 1.0, y, "vector")
    np.testing.assert_allclose(found.slope, known.coef_[0], rtol=1e-4)
    np.testing.assert_allclose(found.intercept, known.intercept_, rtol=1e-4)


def test_vector_scaling_undoes_what_was_done_to_each_class():
    z, y = _sampled(40_000, 3, seed=3)
    found = fit_scaling(z / np.array([0.5, 1.0, 2.0]) + np.array([1.0, 0.0, -1.0]), y, "vector")
    np.testing.assert_allclose(found.slope, [0.5, 1.0, 2.0], rtol=0.08)
    shifts = found.intercept - found.intercept.mean()
    np.testing.assert_allclose(shifts, np.array([-0.5, 0.0, 2.0]) - 0.5, atol=0.1)


@pytest.mark.parametrize(("right", "low", "high"), [(True, 10.0, FARTHEST), (False, 0.01, 0.02)])
def test_rows_all_decided_alike_have_a_slope_all_the_same(right, low, high):
    z = np.array([[-1.0], [1.0], [-2.0], [0.5]])
    y = np.array([0, 1, 0, 1])
    assert low <= fit_scaling(z, y if right else 1 - y, "temperature").slope[0] <= high


@pytest.mark.parametrize("z", [np.zeros((0, 2)), np.array([[np.nan, 1.0]])])
def test_no_rows_and_no_numbers_are_refused(z):
    with pytest.raises(ValueError, match="expected at least one row"):
        fit_scaling(z, np.zeros(len(z), int), "temperature")


def _data(z, y, task="binary"):
    splits = {"calibration": Split(z, y, np.arange(len(y))), "test": Split(z, y, np.arange(len(y)))}
    return Dataset("d", task, "table", splits, classes=("no", "yes"))


@pytest.mark.parametrize("outputs", ["logits", "probabilities"])
def test_a_model_s_log_loss_falls_to_the_least_of_its_family(outputs):
    z, y = _sampled(3000, 1, seed=4)
    made = (lambda p, x: p * x) if outputs == "logits" else (lambda p, x: 1 / (1 + np.e ** (-p * x)))
    model = Model("m", made, np.float32(4.0), outputs, DecisionRule("threshold"))
    after = scaled(model, _data(z.astype(np.float32), y), "temperature")
    assert (
        after.outputs == "logits"
        and "T = " in after.notes[-1]
        and "3,000 calibration rows" in after.notes[-1]
    )
    found = observe(after, _data(z.astype(np.float32), y))
    inner = np.abs(z) < 2  # beyond it a probability in float32 has lost its log-odds
    np.testing.assert_allclose(found.outputs["test"][inner], z[inner], rtol=0.2)  # T is near 4
    np.testing.assert_array_equal(
        found.predictions(), observe(model, _data(z.astype(np.float32), y)).predictions()
    )


def test_a_file_of_scores_is_scaled():
    z, y = _sampled(3000, 1, seed=5)
    p = expit(2 * z)
    model = Model("s", None, outputs="probabilities", scores={"test": p, "calibration": p})
    after = observe(scaled(model, _data(z, y), "temperature"), _data(z, y))
    slope = fit_scaling(2 * z, y, "temperature").slope
    np.testing.assert_allclose(after.outputs["test"], slope * logit(np.clip(p, 1e-7, 1 - 1e-7)), rtol=1e-6)
    with pytest.raises(ModelError, match="scores of the calibration rows"):
        scaled(Model("s", None, outputs="probabilities", scores={"test": p}), _data(z, y), "temperature")


def test_what_has_no_probabilities_is_refused():
    z, y = _sampled(10, 1)
    with pytest.raises(ConfigError, match="probabilities to scale"):
        scaled(Model("m", lambda p, x: x, outputs="values"), _data(z, y, "regression"), "vector")
    with pytest.raises(ConfigError, match="without calibration rows"):
        bare = Dataset("d", "binary", "table", {"test": Split(z, y, np.arange(len(y)))})
        scaled(Model("m", lambda p, x: x, outputs="logits"), bare, "vector")
