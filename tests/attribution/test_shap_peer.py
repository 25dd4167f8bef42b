"""Attributions beside shap: the same numbers, and shap's own type for its plots."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attribution.explanation import as_explanation
from audit.attribution.margins import identity, log_odds
from audit.attribution.peer import shap_values
from audit.attribution.players import columns, patches
from audit.attribution.reliance import share
from audit.attribution.shapley import explained, shapley


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def network(params, x):
    return jnp.tanh(x @ params[0]) @ params[1]


@pytest.fixture(scope="module")
def case():
    params, x, z = [draw(0, 6, 8), draw(1, 8, 3)], draw(2, 4, 6), draw(3, 10, 6)
    return params, x, z, shapley(network, params, x, z, groups=columns(6), margin=log_odds)


def margins_of(params):
    return lambda rows: explained(network, params, rows.astype(np.float32), margin=log_odds)


def test_shap_exact_explainer_finds_the_same_values(case):
    params, x, z, found = case
    peer = shap_values(margins_of(params), x, z, exact=True)
    np.testing.assert_allclose(found.values, peer.values, atol=2e-5)
    assert peer.explainer == "ExactExplainer" and peer.evaluations > len(x) * 2**6


def test_shap_permutation_explainer_lands_near(case):
    params, x, z, found = case
    peer = shap_values(margins_of(params), x, z, exact=False)
    assert peer.explainer == "PermutationExplainer"
    assert np.abs(found.values - peer.values).max() < 0.5 * np.abs(found.values).max()
    np.testing.assert_allclose(peer.values.sum(axis=1), found.outputs - found.base, atol=1e-4)


def test_explanation_keeps_values_base_and_names(case):
    _, x, _, found = case
    explanation = as_explanation(found, x, [f"f{i}" for i in range(6)])
    assert explanation.shape == (4, 6, 3)
    np.testing.assert_allclose(
        explanation.values.sum(axis=1) + explanation.base_values, found.outputs, atol=1e-5
    )
    assert explanation[:, :, 1].abs.mean(0).values.shape == (6,)
    assert list(explanation.feature_names) == [f"f{i}" for i in range(6)]


def test_explanation_of_one_output_has_no_output_axis():
    x, z = draw(5, 3, 4), draw(6, 5, 4)
    found = shapley(lambda p, r: r @ p, draw(7, 4, 1), x, z, groups=columns(4), margin=identity)
    explanation = as_explanation(found, x)
    assert explanation.values.shape == (3, 4) and explanation.base_values.shape == (3,)


def test_explanation_of_an_image_spreads_each_patch_over_its_pixels():
    x, z, groups = draw(8, 2, 4, 4, 3), draw(9, 3, 4, 4, 3), patches(4, 4, 2)
    found = shapley(lambda p, r: jax.nn.relu(r).sum(axis=(1, 2)), None, x, z, groups=groups, margin=identity)
    explanation = as_explanation(found, x, groups=groups)
    assert explanation.values.shape == (2, 4, 4, 3, 3)
    np.testing.assert_allclose(
        explanation.values.sum(axis=(1, 2, 3)) + explanation.base_values, found.outputs, atol=1e-4
    )
    assert np.unique(explanation.values[0, :2, :2, :, 0]).size == 1


def test_share_is_a_ratio_of_sums_with_the_error_of_the_jackknife():
    rng = np.random.default_rng(0)
    part = rng.exponential(size=400)
    whole = part + rng.exponential(3.0, size=400)
    found = share(part, whole)
    total, whole_total = part.sum(), whole.sum()
    left_out = (total - part) / (whole_total - whole)
    jackknife = np.sqrt((399 / 400) * np.square(left_out - left_out.mean()).sum())
    assert found.value == pytest.approx(total / whole_total)
    assert found.error == pytest.approx(jackknife, rel=0.01)
    assert found.units == 400
    assert share(np.zeros(3), np.zeros(3)) is None


def test_share_counts_a_cluster_once():
    rng = np.random.default_rng(1)
    part = rng.exponential(size=50)
    whole = part + rng.exponential(size=50)
    once = share(part, whole)
    people = np.repeat(np.arange(50), 4)
    four = share(np.repeat(part, 4), np.repeat(whole, 4), people)
    assert four.value == pytest.approx(once.value) and four.error == pytest.approx(once.error)
    assert four.units == 50 and four.effective == pytest.approx(once.effective)


def test_logit_of_a_share_follows_from_the_chain_rule_and_refuses_the_ends():
    found = share(np.array([1.0, 2.0, 1.0]), np.array([4.0, 5.0, 7.0]))
    value, error = found.logit
    assert value == pytest.approx(np.log(0.25 / 0.75)) and error == pytest.approx(found.error / (0.25 * 0.75))
    with pytest.raises(ValueError, match="strictly between"):
        _ = share(np.zeros(3), np.ones(3)).logit


ALONE = """
import numpy as np
from audit.attribution.peer import shap_values
x = np.eye(3, 4, dtype=np.float32)
shap_values(lambda rows: rows[:, :1] ** 2, x, np.zeros((2, 4), np.float32), exact=True)
import numba, shap.utils._masked_model
print(type(shap.utils._masked_model._build_fixed_output).__name__, bool(numba.config.DISABLE_JIT))
"""


def test_shaps_helpers_are_not_compiled_and_numba_is_left_as_it_was():
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert done.stdout.split() == ["function", "False"], done.stderr
