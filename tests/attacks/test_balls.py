"""Balls and boxes: what is projected lies in both, and is the nearest point."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audit.attacks.balls import ball, size

D = 6
UNIT = st.floats(0, 1, width=32)
X = arrays(np.float32, (3, D), elements=UNIT)
V = arrays(np.float32, (3, D), elements=st.floats(-8, 8, width=32))
SCALE = arrays(np.float32, D, elements=st.sampled_from([np.float32(v) for v in (0.0, 0.5, 1.0, 3.0)]))
EPS = st.floats(0.015625, 4, width=32)
NORM = st.sampled_from(["linf", "l2"])


@partial(jax.jit, static_argnums=3)
def _solve(x, v, eps, norm, scale):
    """Return projection, its place, and maximiser."""
    b = ball(x, eps, norm, scale, 0.0, 1.0)
    u = b.project(v)
    return u, b.place(u), b.maximiser(v), b.lower, b.upper


def _length(u, norm):
    return np.abs(u).max() if norm == "linf" else np.linalg.norm(u)


def _largest_t(v, eps, lower, upper, most):
    """Bisect for the largest t <= most with ||clip(t v, lower, upper)||_2 <= eps, in float64."""
    least = 0.0
    if np.linalg.norm(np.clip(most * v, lower, upper)) <= eps:
        return np.clip(most * v, lower, upper)
    for _ in range(200):
        t = (least + most) / 2
        least, most = (t, most) if np.linalg.norm(np.clip(t * v, lower, upper)) <= eps else (least, t)
    return np.clip(least * v, lower, upper)


@settings(max_examples=60, deadline=None)
@given(X, V, SCALE, EPS, NORM)
def test_a_projection_is_in_ball_and_box_and_nearest(x, v, scale, eps, norm):
    u, placed, _, lower, upper = (np.asarray(a, np.float64) for a in _solve(x, v, eps, norm, scale))
    assert (placed >= 0).all() and (placed <= 1).all()
    assert (placed[:, scale == 0] == x[:, scale == 0]).all()
    for i in range(3):
        if norm == "l2":
            nearest = _largest_t(v[i].astype(float), eps, lower[i], upper[i], 1.0)
        else:
            nearest = np.clip(np.clip(v[i], lower[i], upper[i]), -eps, eps)
        np.testing.assert_allclose(u[i], nearest, atol=2e-5 * max(1, eps))
        assert _length(u[i], norm) <= eps * (1 + 1e-5)


@settings(max_examples=60, deadline=None)
@given(X, V, SCALE, EPS, NORM)
def test_the_maximiser_is_the_best_of_ball_and_box(x, v, scale, eps, norm):
    _, _, u, lower, upper = (np.asarray(a, np.float64) for a in _solve(x, v, eps, norm, scale))
    for i in range(3):
        g = v[i].astype(float)
        top = np.abs(g).max()
        if norm == "linf":
            best = np.clip(np.sign(g) * eps, lower[i], upper[i])
        else:
            best = _largest_t(g / top if top else g, eps, lower[i], upper[i], 1e9)
        assert _length(u[i], norm) <= eps * (1 + 1e-5)
        assert g @ u[i] >= g @ best - 1e-4 * max(abs(g @ best), 1e-3)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_draws_fill_the_ball(norm):
    draw = jax.jit(lambda x, keys: ball(x, 0.5, norm).uniform(keys))
    u = np.asarray(draw(jnp.zeros((4000, 3)), jax.random.split(jax.random.key(0), 4000)))
    lengths = np.asarray(size(jnp.asarray(u), norm)).ravel() / 0.5
    assert lengths.max() <= 1 + 1e-6
    # Uniform in a ball of three dimensions: the cubed length is uniform, so its mean is 1/2 +- 0.0046.
    assert abs((lengths**3).mean() - 0.5) < 4 * 0.0046
    assert np.abs(u.mean(axis=0)).max() < 0.03


def test_a_row_outside_the_box_may_stay_but_not_move_further_out():
    x = jnp.array([[1.5, 0.5]])
    b = ball(x, 1.0, "linf", 1.0, 0.0, 1.0)
    np.testing.assert_array_equal(b.place(b.project(jnp.array([[9.0, 9.0]]))), [[1.5, 1.0]])
    np.testing.assert_array_equal(b.place(b.project(jnp.array([[-9.0, 0.0]]))), [[0.5, 0.5]])


def test_each_example_may_have_its_own_radius():
    b = ball(jnp.zeros((2, 4)), jnp.array([0.1, 0.2]), "l2")
    lengths = size(b.project(jnp.ones((2, 4))), "l2").ravel()
    np.testing.assert_allclose(lengths, [0.1, 0.2], rtol=1e-6)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm='l7'; expected 'linf' or 'l2'"):
        ball(jnp.zeros((1, 1)), 0.1, "l7")
