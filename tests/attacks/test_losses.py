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


def _naive_dlr(z, y, target=None):
    """The difference of logits ratio of one row, from its definition (Croce and Hein 2020, equations 6, 7)."""
    order = np.sort(z)[::-1]
    if target is None:
        return -(z[y] - np.delete(z, y).max()) / (order[0] - order[2])
    return -(z[y] - z[target]) / (order[0] - (order[2] + order[3]) / 2)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_dlr_equals_its_definition_and_ignores_shift_and_scale(kind):
    z = _outputs("logits", 6)
    y, target = RNG.integers(0, 3, 200), RNG.integers(3, 6, 200)
    out = z if kind == "logits" else np.asarray(jax.nn.softmax(z))
    for t in (None, target):
        raised = np.asarray(Loss("dlr", kind)(jnp.asarray(out), jnp.asarray(y), t))
        want = [_naive_dlr(z[i], y[i], None if t is None else t[i]) for i in range(200)]
        np.testing.assert_allclose(raised, want, rtol=2e-4, atol=1e-5)
    moved = np.asarray(Loss("dlr")(jnp.asarray(100 * z + 7), jnp.asarray(y)))
    np.testing.assert_allclose(moved, [_naive_dlr(z[i], y[i]) for i in range(200)], rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(("classes", "untargeted", "targeted"), [
    (2, "margin", "margin"), (3, "dlr", "margin"), (4, "dlr", "dlr"),
])  # fmt: skip
def test_dlr_without_enough_classes_is_the_margin_and_says_so(classes, untargeted, targeted):
    loss, margin, z = Loss("dlr"), Loss("margin"), jnp.asarray(_outputs("logits", classes))
    y, target = jnp.asarray(Y2), jnp.asarray(1 - Y2)
    assert (loss.resolved(classes).name, loss.resolved(classes, targeted=True).name) == (untargeted, targeted)
    assert margin.resolved(classes) == margin and Loss().resolved(2) == Loss()
    for t, name in ((None, untargeted), (target, targeted)):
        same = np.array_equal(loss(z, y, t), margin(z, y, t))
        assert same == (name == "margin")


@pytest.mark.parametrize("outputs", ["one logit", "threshold"])
def test_dlr_of_one_logit_or_a_threshold_is_the_margin(outputs):
    threshold = 0.3 if outputs == "threshold" else None
    z = jnp.asarray(_outputs("logits", 1 if outputs == "one logit" else 4))
    y = jnp.asarray(Y2)
    raised = Loss("dlr", threshold=threshold)(z, y)
    np.testing.assert_array_equal(raised, -Loss("dlr", threshold=threshold).margin(z, y))


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_a_targeted_loss_raises_the_target(kind):
    z, y = _outputs("logits", 4), RNG.integers(0, 2, 200)
    target = y + 2
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    out, rows = jnp.asarray(z if kind == "logits" else p), np.arange(200)
    odds = Loss("cross-entropy", kind)(out, jnp.asarray(y), jnp.asarray(target))
    np.testing.assert_allclose(jax.nn.sigmoid(odds), p[rows, target], rtol=2e-4, atol=1e-6)
    lead = Loss("margin", kind)(out, jnp.asarray(y), jnp.asarray(target))
    np.testing.assert_allclose(lead, z[rows, target] - z[rows, y], rtol=1e-4, atol=1e-4)


def test_targets_are_the_wrong_classes_by_score():
    z = jnp.array([[3.0, 1.0, 2.0, 0.0], [0.0, 5.0, 1.0, 9.0]])
    targets = Loss().targets(z, jnp.array([0, 1]), 2)
    np.testing.assert_array_equal(targets, [[2, 1], [3, 2]])
    np.testing.assert_array_equal(Loss().targets(z, jnp.array([0, 1]), 9), [[2, 1, 3], [3, 2, 0]])
    np.testing.assert_array_equal(Loss().targets(z[:, :1], jnp.array([0, 1]), 9), [[1], [0]])
    np.testing.assert_array_equal(Loss(threshold=0.5).targets(z, jnp.array([0, 1]), 9), [[1], [0]])


@pytest.mark.parametrize("target", [None, 1])
def test_dlr_of_equal_logits_has_a_finite_loss_and_gradient(target):
    z, y = jnp.zeros((2, 5)), jnp.array([0, 3])
    t = None if target is None else jnp.array([1, 1])
    raised, g = jax.value_and_grad(lambda z: Loss("dlr")(z, y, t).sum())(z)
    assert raised == 0 and bool(jnp.isfinite(g).all())
