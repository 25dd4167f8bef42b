"""Losses against their definitions, and margins against the decision they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.losses import Loss
from audit.subject import DecisionRule, Model, decide

RNG = np.random.default_rng(0)
Y2, Y4 = RNG.integers(0, 2, 200), RNG.integers(0, 4, 200)


def _outputs(kind, k):
    z = RNG.normal(0, 3, (200, k)).astype(np.float32)
    if kind == "logits":
        return z
    p = 1 / (1 + np.exp(-z)) if k == 1 else np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return p.astype(np.float32)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("threshold", [None, 0.2, 0.9])
def test_a_negative_margin_is_a_wrong_decision(kind, k, threshold):
    y, out = (Y4 if k == 4 and threshold is None else Y2), _outputs(kind, k)
    rule = DecisionRule() if threshold is None else DecisionRule("threshold", threshold)
    decided = decide(out, Model("m", None, outputs=kind, decision=rule))
    margin = np.asarray(Loss("margin", kind, threshold).margin(jnp.asarray(out), jnp.asarray(y)))
    np.testing.assert_array_equal(margin < 0, decided != y)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_the_softplus_of_what_is_raised_is_the_cross_entropy(kind):
    z = _outputs("logits", 4)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    loss = Loss("cross-entropy", kind)(jnp.asarray(z if kind == "logits" else p), jnp.asarray(Y4))
    np.testing.assert_allclose(jax.nn.softplus(loss), -np.log(p[np.arange(200), Y4]), rtol=2e-5, atol=2e-6)


def test_a_single_logit_is_the_log_odds_of_class_1():
    loss = Loss()(jnp.array([[2.0], [2.0]]), jnp.array([1, 0]))
    np.testing.assert_allclose(loss, [-2, 2], rtol=1e-6)
    margin = Loss("margin", threshold=0.8).margin(jnp.array([[2.0], [2.0]]), jnp.array([1, 0]))
    np.testing.assert_allclose(margin, [2 - np.log(4), np.log(4) - 2], rtol=1e-6)


@pytest.mark.parametrize("name", ["cross-entropy", "margin"])
def test_certain_probabilities_give_finite_losses_and_gradients(name):
    loss = Loss(name, "probabilities")
    for out in (jnp.array([[0.0], [1.0]]), jnp.array([[0.0, 1.0], [1.0, 0.0]])):
        y = jnp.array([1, 1])
        g = jax.grad(lambda o, y=y: loss(o, y).sum())(out)
        assert bool(jnp.isfinite(loss(out, y)).all()) and bool(jnp.isfinite(g).all())


def test_certainty_in_logits_leaves_the_gradient_whole():
    z, y = jnp.array([[60.0, 0.0, -5.0]]), jnp.array([0])
    g = jax.grad(lambda z: Loss()(z, y).sum())(z)[0]
    e = np.exp(-5.0)
    np.testing.assert_allclose(g, [-1, 1 / (1 + e), e / (1 + e)], rtol=1e-6)
