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
from audit.attacks.l1 import best, nearest, top

D = 6
UNIT = st.floats(0, 1, width=32)
X = arrays(np.float32, (3, D), elements=UNIT)
V = arrays(np.float32, (3, D), elements=st.floats(-8, 8, width=32))
SCALE = arrays(np.float32, D, elements=st.sampled_from([np.float32(v) for v in (0.0, 0.5, 1.0, 3.0)]))
EPS = st.floats(0.015625, 4, width=32)
NORM = st.sampled_from(["linf", "l2", "l1"])


@partial(jax.jit, static_argnums=3)
def _solve(x, v, eps, norm, scale):
    """Return projection, its place, and maximiser."""
    b = ball(x, eps, norm, scale, 0.0, 1.0)
    u = b.project(v)
    return u, b.place(u), b.maximiser(v), b.lower, b.upper


@partial(jax.jit, static_argnums=4)
def _step(x, v, w, eps, norm, scale):
    """Return the projection of v, the maximiser for w and the step along w from x."""
    b = ball(x, eps, norm, scale, 0.0, 1.0)
    return b.project(v), b.maximiser(w), b.direction(w, jnp.zeros_like(x))


_top = jax.jit(top)


def _length(u, norm):
    return np.linalg.norm(u, {"linf": np.inf, "l2": 2, "l1": 1}[norm])


def _largest_t(v, eps, lower, upper, most):
    """Bisect for the largest t <= most with ||clip(t v, lower, upper)||_2 <= eps, in float64."""
    least = 0.0
    if np.linalg.norm(np.clip(most * v, lower, upper)) <= eps:
        return np.clip(most * v, lower, upper)
    for _ in range(200):
        t = (least + most) / 2
        least, most = (t, most) if np.linalg.norm(np.clip(t * v, lower, upper)) <= eps else (least, t)
    return np.clip(least * v, lower, upper)


def _nearest_l1(v, eps, lower, upper):
    """Minimise |u - v|^2 over the L1 ball and the box by bisection on its multiplier, in float64."""
    least, most = 0.0, np.abs(v).max() + 1
    bound = np.where(v > 0, upper, -lower)
    if np.minimum(np.abs(v), bound).sum() <= eps:
        return np.sign(v) * np.minimum(np.abs(v), bound)
    for _ in range(200):
        t = (least + most) / 2
        least, most = (t, most) if np.clip(np.abs(v) - t, 0, bound).sum() > eps else (least, t)
    return np.sign(v) * np.clip(np.abs(v) - most, 0, bound)


def _best_l1(g, eps, lower, upper):
    """Fill entries up to their bound, steepest first: the fractional knapsack."""
    u, left = np.zeros(len(g)), eps
    for i in sorted(range(len(g)), key=lambda i: -abs(g[i])):
        u[i] = np.sign(g[i]) * min(left, upper[i] if g[i] > 0 else -lower[i])
        left -= abs(u[i])
    return u


@settings(max_examples=60, deadline=None)
@given(X, V, SCALE, EPS, NORM)
def test_a_projection_is_in_ball_and_box_and_nearest(x, v, scale, eps, norm):
    u, placed, _, lower, upper = (np.asarray(a, np.float64) for a in _solve(x, v, eps, norm, scale))
    assert (placed >= 0).all() and (placed <= 1).all()
    assert (placed[:, scale == 0] == x[:, scale == 0]).all()
    for i in range(3):
        if norm == "l2":
            closest = _largest_t(v[i].astype(float), eps, lower[i], upper[i], 1.0)
        elif norm == "l1":
            closest = _nearest_l1(v[i].astype(float), eps, lower[i], upper[i])
        else:
            closest = np.clip(np.clip(v[i], lower[i], upper[i]), -eps, eps)
        np.testing.assert_allclose(u[i], closest, atol=2e-5 * max(1, eps))
        assert _length(u[i], norm) <= eps * (1 + 1e-5)


@settings(max_examples=60, deadline=None)
@given(X, V, SCALE, EPS, NORM)
def test_the_maximiser_is_the_best_of_ball_and_box(x, v, scale, eps, norm):
    _, _, u, lower, upper = (np.asarray(a, np.float64) for a in _solve(x, v, eps, norm, scale))
    for i in range(3):
        g = v[i].astype(float)
        top = np.abs(g).max()
        if norm == "linf":
            top_u = np.clip(np.sign(g) * eps, lower[i], upper[i])
        elif norm == "l1":
            top_u = _best_l1(g, eps, lower[i], upper[i])
        else:
            top_u = _largest_t(g / top if top else g, eps, lower[i], upper[i], 1e9)
        assert _length(u[i], norm) <= eps * (1 + 1e-5)
        assert (u[i] >= lower[i]).all() and (u[i] <= upper[i]).all()
        assert g @ u[i] >= g @ top_u - 1e-4 * max(abs(g @ top_u), 1e-3)


@settings(max_examples=60, deadline=None)
@given(X, V, V, SCALE, EPS, NORM)
def test_no_feasible_point_is_nearer_and_the_step_is_uphill(x, v, w, scale, eps, norm):
    """The projection's variational inequality <v - Pv, z - Pv> <= 0, for feasible z found apart from it."""
    u, z, step = _step(x, v, w, eps, norm, scale)
    inner = np.sum((v - np.asarray(u, float)) * (np.asarray(z, float) - u), axis=1)
    assert (inner <= 1e-4 * (1 + np.abs(v).sum(1) * eps)).all()
    assert (np.sum(np.asarray(step, float) * w, axis=1) >= 0).all()
    lengths = np.asarray(size(step, norm)).ravel()
    assert ((np.abs(lengths - 1) < 1e-5) | (lengths == 0)).all()


def test_the_l1_projection_is_exact_at_the_size_of_an_image():
    rng = np.random.default_rng(1)
    x, eps = rng.uniform(0, 1, (4, 3072)), np.array([0.5, 12, 200, 5000.0])
    v = rng.normal(0, [[0.01], [1], [1], [1]], (4, 3072)).astype(np.float32)
    lower, upper = (-x).astype(np.float32), (1 - x).astype(np.float32)
    u = nearest(jnp.asarray(v), jnp.asarray(eps[:, None], jnp.float32), lower, upper)
    g = best(jnp.asarray(v), jnp.asarray(eps[:, None], jnp.float32), lower, upper)
    for i in range(4):
        want = _nearest_l1(v[i].astype(float), eps[i], lower[i].astype(float), upper[i].astype(float))
        np.testing.assert_allclose(u[i], want, atol=3e-6)
        assert np.abs(np.asarray(u[i], float)).sum() <= eps[i] * (1 + 2e-6)
        want = _best_l1(v[i].astype(float), eps[i], lower[i].astype(float), upper[i].astype(float))
        np.testing.assert_allclose(v[i] @ np.asarray(g[i], float), v[i] @ want, rtol=1e-5)
        assert np.abs(np.asarray(g[i], float)).sum() <= eps[i] * (1 + 1e-5)


@settings(max_examples=60, deadline=None)
@given(V, X, st.floats(0.125, 4, width=32))
def test_the_top_is_filled_in_the_order_of_a_sort(slope, bound, amount):
    slope = np.abs(slope)
    filled = np.asarray(_top(slope, bound, np.full((3, 1), amount)), float)
    assert (filled >= 0).all() and (filled <= bound + 1e-6).all()
    np.testing.assert_allclose(
        filled.sum(1), np.minimum(bound.sum(1, dtype=float), amount), rtol=1e-5, atol=1e-6
    )
    for i in range(3):
        for better in range(D):  # nothing is filled while a steeper entry has room
            worse = slope[i] < slope[i, better]
            assert filled[i, better] >= bound[i, better] - 1e-5 or filled[i, worse].sum() < 1e-6


def test_an_l1_step_is_spread_over_the_entries_asked_for():
    climb = jax.jit(lambda b, g, entries: b.climb(0 * g, g, 0.5 * jnp.ones((1, 1)), entries))
    b = ball(jnp.zeros((1, 6)), 1.0, "l1", 1.0, -jnp.inf, jnp.array([1, 1, 1, 0, 0.125, 1.0]))
    g = jnp.array([[3.0, -2.0, 0.5, 9.0, 2.5, 0.0]])  # the fourth may not rise, the fifth by 1/8 only
    np.testing.assert_array_equal(b.climb(0 * g, g, 0.5 * jnp.ones((1, 1))), [[0.5, 0, 0, 0, 0, 0]])
    np.testing.assert_allclose(climb(b, g, jnp.array([[2]])), [[0.25, -0.125, 0, 0, 0.125, 0]], atol=1e-7)
    np.testing.assert_allclose(
        climb(b, g, jnp.array([[4]])), [[1 / 8, -1 / 8, 1 / 8, 0, 1 / 8, 0]], atol=1e-7
    )


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_random_draws_fill_the_ball(norm):
    draw = jax.jit(lambda x, keys: ball(x, 0.5, norm).uniform(keys))
    u = np.asarray(draw(jnp.zeros((4000, 3)), jax.random.split(jax.random.key(0), 4000)))
    lengths = np.asarray(size(jnp.asarray(u), norm)).ravel() / 0.5
    assert lengths.max() <= 1 + 1e-6
    # Uniform in a ball of three dimensions: the cubed length is uniform, so its mean is 1/2 +- 0.0046.
    assert abs((lengths**3).mean() - 0.5) < 4 * 0.0046
    assert np.abs(u.mean(axis=0)).max() < 0.03
    # Moments tell a uniform draw from another one that fills the ball: E u^2 / eps^2 is 1/3, 1/5, 1/10.
    second = {"linf": 1 / 3, "l2": 1 / 5, "l1": 1 / 10}[norm]
    np.testing.assert_allclose((u**2).mean(axis=0) / 0.25, second, rtol=0.08)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_starts_lie_at_every_distance_however_many_dimensions(norm):
    draw = jax.jit(lambda x, keys: ball(x, 0.5, norm).inner(keys))
    u = draw(jnp.zeros((2000, 100)), jax.random.split(jax.random.key(0), 2000))
    lengths = np.sort(np.asarray(size(u, norm)).ravel() / 0.5)
    assert np.abs(lengths - np.linspace(0, 1, 2000)).max() < 1.63 / np.sqrt(2000)  # Kolmogorov-Smirnov, 1 %


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_draws_on_the_sphere_have_its_radius_and_every_direction(norm):
    draw = jax.jit(lambda x, keys: ball(x, 0.5, norm).surface(keys))
    u = np.asarray(draw(jnp.zeros((2000, 3)), jax.random.split(jax.random.key(0), 2000)))
    np.testing.assert_allclose(size(jnp.asarray(u), norm).ravel(), 0.5, rtol=1e-5)
    octants = np.bincount((u > 0) @ [1, 2, 4], minlength=8)
    assert octants.min() > 250 - 4 * 15 and octants.max() < 250 + 4 * 15  # 250 +- 15 each


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
    with pytest.raises(ValueError, match="norm='l7'; expected 'linf', 'l2' or 'l1'"):
        ball(jnp.zeros((1, 1)), 0.1, "l7")
