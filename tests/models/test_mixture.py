"""A mixture of networks: the naive mean of probabilities, exact at both ends, differentiable, restorable."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models import checkpoint
from models.adapt import from_function
from models.mixture import empty, mixture

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
ONE = from_function(lambda p, x: x @ p["w"], {"w": jnp.zeros((3, 1))})
TWO = from_function(lambda p, x: x @ p["w"], {"w": jnp.zeros((3, 2))})


def members(network, k, scale=1.0):
    rng = np.random.default_rng(1)
    shape = network.params["params"]["w"].shape
    return [
        {"params": {"w": jnp.asarray(scale * rng.normal(size=shape), jnp.float32)}, "constants": {}}
        for _ in range(k)
    ]


def chances(network, params):
    """Return the probability[n] of class 1, in double precision."""
    out = np.asarray(X, np.float64) @ np.asarray(params["params"]["w"], np.float64)
    return 1 / (1 + np.exp(-(out[:, 0] if out.shape[1] == 1 else out[:, 1] - out[:, 0])))


@pytest.mark.parametrize("network", [ONE, TWO])
@pytest.mark.parametrize("constant", [(0.0, 0.0), (0.2, 0.1)])
def test_its_probability_is_the_weighted_mean_of_the_members(network, constant):
    params, shares = members(network, 3), np.array([0.5, 0.3, 0.2]) * (1 - sum(constant))
    mixed = mixture(network, params, shares, constant)
    expected = sum(s * chances(network, p) for s, p in zip(shares, params, strict=True)) + constant[1]
    found = jax.nn.sigmoid(mixed.apply(mixed.params, X))
    assert found.shape == (20, 1)
    np.testing.assert_allclose(found[:, 0], expected, rtol=2e-5)
    gradient = jax.grad(lambda x: mixed.apply(mixed.params, x).sum())(X)
    assert np.isfinite(gradient).all() and np.abs(gradient).min() > 0


def test_far_logits_do_not_overflow():
    mixed = mixture(ONE, members(ONE, 2, scale=80.0), [0.5, 0.5])
    logit = np.asarray(mixed.apply(mixed.params, X))
    assert np.isfinite(logit).all() and np.abs(logit).max() > 30
    assert np.isfinite(jax.grad(lambda x: mixed.apply(mixed.params, x).sum())(X)).all()


def test_it_is_restored_from_a_checkpoint_by_its_number_of_members(tmp_path):
    mixed = mixture(ONE, members(ONE, 3), [0.5, 0.3, 0.2])
    checkpoint.save(tmp_path / "w", mixed.params)
    like = empty(ONE, 3)
    again = dataclasses.replace(like, params=checkpoint.restore(tmp_path / "w", like.params))
    np.testing.assert_array_equal(again.apply(again.params, X), mixed.apply(mixed.params, X))


@pytest.mark.parametrize(("k", "shares"), [(0, []), (2, [0.5]), (2, [0.9, 0.3]), (2, [1.2, -0.2])])
def test_shares_that_are_none_are_refused(k, shares):
    with pytest.raises(ValueError, match="shares that sum to 1"):
        mixture(ONE, members(ONE, k), shares)
