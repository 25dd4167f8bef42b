"""Networks of histories: causal, blind to gaps, trained by the one loop, and their loss."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from models.build import build
from models.losses import loss_of, next_items
from models.recipe import Recipe
from models.train import fit

RANKERS = ("two_tower", "sequential")
SMALL = {"two_tower": {"width": 8, "hidden": 8}, "sequential": {"width": 8, "blocks": 1}}


def _network(name, items=12, steps=6, dropout=0.0):
    return build(name, shape=(steps,), outputs=items, seed=1, options={**SMALL[name], "dropout": dropout})


def _histories(n=5, items=12, steps=6):
    history = np.random.default_rng(0).integers(1, items + 1, (n, steps)).astype(np.int32)
    history[0, :3] = 0
    return history


@pytest.mark.parametrize("name", RANKERS)
def test_a_step_sees_no_later_item(name):
    network, history = _network(name), _histories()
    train = jax.jit(network.train_apply)
    every, _ = train(network.params, {"history": history}, jax.random.key(0))
    changed = history.copy()
    changed[:, 4:] = 1
    after, _ = train(network.params, {"history": changed}, jax.random.key(0))
    assert every.shape == (5, 6, 12)
    np.testing.assert_allclose(every[:, :4], after[:, :4], atol=1e-5)
    assert np.abs(every[1:, 4:] - after[1:, 4:]).max() > 1e-3


@pytest.mark.parametrize("name", RANKERS)
def test_evaluation_scores_are_those_after_the_last_step_wherever_the_history_begins(name):
    network, history = _network(name), _histories()
    every, _ = jax.jit(network.train_apply)(network.params, {"history": history}, jax.random.key(0))
    apply = jax.jit(network.apply)
    last = apply(network.params, {"history": history})
    np.testing.assert_allclose(last, every[:, -1], atol=1e-5)
    cut = np.concatenate([history[:, 2:], np.zeros((5, 2), np.int32)], axis=1)  # gaps at the end
    fewer = np.concatenate([np.zeros((5, 2), np.int32), history[:, 2:]], axis=1)
    got, want = (apply(network.params, {"history": h}) for h in (cut, fewer))
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert np.isfinite(apply(network.params, {"history": np.zeros_like(history)})).all()


@pytest.mark.parametrize("name", ["sequential", pytest.param("two_tower", marks=pytest.mark.slow)])
def test_a_rule_of_succession_is_learned(name):
    rng = np.random.default_rng(2)
    start = rng.integers(0, 12, 96)
    walk = ((start[:, None] + np.arange(7)[None]) % 12 + 1).astype(np.int32)
    rows = ({"history": walk[:, :6]}, walk[:, 1:])
    recipe = Recipe(epochs=30, batch=32, learning_rate=0.03, patience=None)
    trained = fit(_network(name), rows, None, "ranking", recipe).network
    scores = jax.jit(trained.apply)(trained.params, {"history": walk[:12, :6]})
    assert (np.argmax(scores, axis=1) + 1 == walk[:12, 6]).all()


def test_the_loss_is_the_mean_cross_entropy_of_the_items_that_came():
    rng = np.random.default_rng(3)
    outputs, y = rng.normal(size=(4, 5, 7)).astype(np.float32), rng.integers(1, 8, (4, 5))
    y[0, :3] = 0
    p = np.exp(outputs) / np.exp(outputs).sum(axis=2, keepdims=True)
    for smoothing in (0.0, 0.2):
        naive = []
        for i in range(4):
            each = [
                -(1 - smoothing) * np.log(p[i, t, y[i, t] - 1]) - smoothing * np.log(p[i, t]).mean()
                for t in range(5)
                if y[i, t]
            ]
            naive.append(np.mean(each))
        np.testing.assert_allclose(next_items(smoothing)(outputs, y), naive, rtol=1e-5)
    held = next_items(0.0)(outputs[:, 0], y[:, 3:])
    np.testing.assert_allclose(held, [-np.log(p[i, 0][y[i, 3:] - 1]).mean() for i in range(4)], rtol=1e-5)


def test_the_loss_of_nothing_is_nothing():
    outputs = np.ones((2, 3, 4), np.float32)
    assert next_items(0.0)(outputs, np.zeros((2, 3), np.int32)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "y", [np.array([[0, 5]]), np.array([[-1, 2]]), np.array([1, 2]), np.array([[0.5, 1.0]])]
)
def test_codes_that_are_no_items_are_refused(y):
    with pytest.raises(ValueError, match="item codes"):
        loss_of("ranking", np.zeros((1, 4)), y)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("sequential", {"width": 10, "heads": 3}, "the heads divide"),
        ("sequential", {"blocks": 0}, "blocks=0"),
        ("two_tower", {"width": "wide"}, "width='wide'"),
        ("two_tower", {"dropout": 1.0}, "below 1"),
    ],
)
def test_options_of_rankers_are_checked(name, options, says):
    with pytest.raises(ValueError, match=says):
        build(name, shape=(6,), outputs=12, seed=0, options=options)


@pytest.mark.parametrize("name", RANKERS)
def test_rankers_take_histories_alone(name):
    with pytest.raises(ValueError, match="two items"):
        build(name, shape=(8, 8, 1), outputs=12, seed=0)
