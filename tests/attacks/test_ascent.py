"""The lean ascent of training: it reaches what is known to be the optimum, and the divergence is its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.ascent import ascend, divergence
from audit.attacks.balls import ball

RNG = np.random.default_rng(4)
X = RNG.normal(size=(40, 6)).astype(np.float32)
W = RNG.normal(size=6).astype(np.float32)
SCALE = np.array([1.0, 2.0, 0.5, 0.0, 1.0, 1.0], np.float32)
KEYS = jax.random.split(jax.random.key(0), 40)


@pytest.mark.parametrize(("norm", "dual", "step"), [("linf", 1, 0.5), ("l2", 2, 1.0)])
def test_a_linear_score_is_raised_to_its_closed_form(norm, dual, step):
    b = ball(jnp.asarray(X), 0.3, norm, SCALE)
    moved = np.asarray(ascend(b, lambda x: x @ W, KEYS, steps=25, step=step))
    gain = (moved - X) @ W.astype(np.float64)
    np.testing.assert_allclose(gain, 0.3 * np.linalg.norm(W * SCALE, dual), rtol=2e-3)
    np.testing.assert_array_equal(moved[:, 3], X[:, 3])


def test_no_point_leaves_the_box_and_the_worst_point_met_is_returned():
    b = ball(jnp.asarray(X), 0.5, "linf", 1.0, -1.0, 1.0)
    low, high = np.minimum(X, -1.0), np.maximum(X, 1.0)
    peak = X + 0.1

    def score(x):  # a peak inside the ball: ascending in steps of 0.5 jumps over it
        return -jnp.abs(x - peak).sum(axis=1)

    moved = np.asarray(ascend(b, score, KEYS, steps=9, step=1.0))
    last = np.asarray(ascend(b, lambda x: x @ W, KEYS, steps=9, step=1.0))
    assert ((moved >= low) & (moved <= high) & (last >= low) & (last <= high)).all()
    one = np.asarray(ascend(b, score, KEYS, steps=1, step=1.0))
    assert (np.asarray(score(moved)) >= np.asarray(score(one)) - 1e-6).all()


def test_examples_do_not_see_each_other():
    b, alone = (ball(jnp.asarray(rows), 0.3, "linf") for rows in (X, X[7:8]))

    def score(x):
        return jnp.sin(3 * x).sum(axis=1)

    every = ascend(b, score, KEYS, steps=5, step=0.4)
    np.testing.assert_array_equal(every[7:8], ascend(alone, score, KEYS[7:8], steps=5, step=0.4))


@pytest.mark.parametrize("k", [1, 3])
def test_divergence_is_its_definition(k):
    z, v = RNG.normal(size=(2, 9, k))
    full = [np.concatenate([np.zeros((9, 1)), a], 1) if k == 1 else a for a in (z, v)]
    p, q = (np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) for a in full)
    found = divergence(jnp.asarray(z, jnp.float32), jnp.asarray(v, jnp.float32))
    np.testing.assert_allclose(found, (p * np.log(p / q)).sum(axis=1), rtol=1e-4, atol=1e-6)
