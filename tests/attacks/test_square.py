"""Square against the paper's schedule, a naive loop and linear optima, and the promises of a random search."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.gradient import gradient_size
from audit.attacks.losses import Loss
from audit.attacks.patches import _bump, propose
from audit.attacks.square import share, square, square_cost
from audit.metrics.robustness import inside

RNG = np.random.default_rng(4)
N = 4
SHAPES = {"table": (12,), "image": (12, 12, 2)}
FORMS = pytest.mark.parametrize("form", list(SHAPES))
NORMS = pytest.mark.parametrize("norm", ["linf", "l2"])
NETS = {form: RNG.normal(size=(int(np.prod(s)), 3)).astype(np.float32) for form, s in SHAPES.items()}


def _linear(w, x):
    """Return the log-odds[n, 1], far above any boundary."""
    return x.reshape(len(x), -1) @ w[:, None] + 50


def _net(w, x):
    """Return logits[n, 3]."""
    return jnp.tanh(x.reshape(len(x), -1)) @ w


def _keys(n):
    return jax.random.split(jax.random.key(1), n)


def _given(form, n=N):
    x = np.random.default_rng(n).uniform(0.1, 0.9, (n, *SHAPES[form])).astype(np.float32)
    return x, np.asarray(_net(NETS[form], x)).argmax(1).astype(np.int32)


def test_the_schedule_is_the_papers():
    # Section 4 of the paper: 10,000 queries, p halved at 10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000.
    at = [0, 10, 11, 50, 51, 200, 201, 501, 1001, 2001, 4001, 6001, 8001, 9999]
    halved = [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    np.testing.assert_allclose([share(i, 10_000) for i in at], 0.8 / 2.0 ** np.array(halved))
    np.testing.assert_allclose(
        [share(i // 2, 5_000) for i in (10, 12, 52, 8002)], 0.8 / 2.0 ** np.array([0, 1, 2, 9])
    )


@pytest.mark.parametrize("side", [3, 4, 7, 11])
def test_a_bump_is_the_papers_eta(side):
    grid = np.zeros((side, side))
    for first, height, sign in ((0, side // 2, 1), (side // 2, side - side // 2, -1)):
        half = np.zeros((height, side))
        row, column = height // 2, side // 2
        for k in range(max(row, column) + 1):
            half[max(row - k, 0) : row + k + 1, max(column - k, 0) : column + k + 1] += 1 / (k + 1) ** 2
        grid[first : first + height] = sign * half / np.linalg.norm(half)
    i, j = np.arange(-2, 14)[:, None], np.arange(-1, 13)[None]
    bump = np.asarray(_bump(jnp.asarray(i), jnp.asarray(j), jnp.asarray(side)))
    np.testing.assert_allclose(bump[2 : 2 + side, 1 : 1 + side], grid, atol=1e-6)
    np.testing.assert_allclose((bump**2).sum(), 2, rtol=1e-5)


@FORMS
@NORMS
def test_the_search_equals_a_naive_loop(form, norm):
    x, y = _given(form)
    eps, queries, w, ones = {"linf": 0.12, "l2": 0.8}[norm], 30, NETS[form], np.ones(SHAPES[form], np.float32)
    given = {"eps": eps, "norm": norm, "scale": ones, "low": 0.0, "high": 1.0}
    first, found = (square(_net, w, x, y, _keys(N), **given, queries=most) for most in (1, queries))
    radius = jnp.full([1] * len(SHAPES[form]), eps)

    @jax.jit
    def move(key, query, u, part):
        return propose(norm, jax.random.fold_in(key, query), u, part, radius, jnp.asarray(ones))

    for i in range(N):
        u, spent = np.asarray(first.x[i] - x[i]), 1
        best = _margin(w, x[i] + u, y[i])
        while best >= 0 and spent < queries:  # the same proposals, judged one by one
            at = (spent - 1) * 10_000 // queries
            part = 0.8 / 2 ** sum(at > t for t in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000))
            v = np.clip(move(_keys(N)[i], spent, u, part), -x[i], 1 - x[i])
            spent += 1
            if _margin(w, x[i] + v, y[i]) < best:
                u, best = v, _margin(w, x[i] + v, y[i])
        np.testing.assert_allclose(found.margin[i], best, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.x[i], x[i] + u, atol=1e-4)
        assert found.queries[i] == spent


def _margin(w, x, y):
    """Return the margin of one input in float64."""
    z = np.tanh(x.astype(float).ravel()) @ w.astype(float)
    return z[y] - max(z[k] for k in range(3) if k != y)


@pytest.mark.parametrize(
    ("shape", "norm", "least"),
    [
        ((784,), "linf", 0.9),
        ((28, 28, 1), "linf", 0.8),
        pytest.param((784,), "l2", 0.7, marks=pytest.mark.slow),
        pytest.param((28, 28, 1), "l2", 0.5, marks=pytest.mark.slow),
    ],
)
def test_5000_queries_come_near_a_linear_models_optimum(shape, norm, least):
    w = np.random.default_rng(0).normal(size=784).astype(np.float32)
    x, eps = np.full((2, *shape), 0.5, np.float32), {"linf": 0.05, "l2": 0.5}[norm]
    found = square(_linear, w, x, np.ones(2, np.int32), _keys(2), eps=eps, norm=norm, low=0.0, high=1.0)
    gain = -(np.asarray(found.x, float) - x).reshape(2, -1) @ w
    best = eps * (np.abs(w).sum() if norm == "linf" else np.linalg.norm(w))
    assert (gain >= least * best).all() and (gain <= best * (1 + 1e-4)).all()
    assert (np.asarray(found.queries) == 5000).all()


@FORMS
@NORMS
def test_every_point_lies_in_ball_and_box_and_leaves_frozen_entries(form, norm):
    x, y = _given(form)
    scale = np.where(RNG.random(SHAPES[form]) < 0.2, 0, RNG.uniform(0.5, 2, SHAPES[form])).astype(np.float32)
    space = {"eps": 0.4, "norm": norm, "scale": scale, "low": 0.0, "high": 1.0}
    found = square(_net, NETS[form], x, y, _keys(N), **space, queries=40)
    assert inside(x, np.asarray(found.x), **space).all() and (np.asarray(found.x) != x).any()


def test_squares_reach_every_pixel():
    u, ones = jnp.zeros((9, 7, 1)), jnp.ones((9, 7, 1))
    draw = jax.jit(jax.vmap(lambda key: propose("linf", key, u, jnp.float32(0.05), ones[:1, :1], ones)))
    changed = np.asarray(draw(_keys(400))) != 0
    assert changed.any(axis=0).all() and set(changed.sum(axis=(1, 2, 3))) == {4}  # round(sqrt(0.05 * 63)) = 2


def test_subsets_hold_this_share_of_the_movable_entries_and_at_least_one():
    movable = jnp.asarray(np.arange(50) % 5 > 0, jnp.float32)
    draw = jax.jit(
        jax.vmap(lambda key, p: propose("linf", key, jnp.zeros(50), p, jnp.ones(1), movable), (0, None))
    )
    for p in (0.001, 0.3):
        changed = np.asarray(draw(_keys(500), p)) != 0
        assert not changed[:, ::5].any() and changed.any(axis=1).all()
        assert abs(changed.sum(axis=1).mean() - max(40 * p, 1.0)) < 0.8


def test_hidden_gradients_do_not_hide_from_scores():
    x, y = _given("table")

    def hidden(w, x):
        return _net(w, jnp.round(x * 32) / 32)

    assert not np.asarray(gradient_size(hidden, NETS["table"], x, y)).any()
    found = square(hidden, NETS["table"], x, y, _keys(N), eps=0.2, low=0.0, high=1.0, queries=300)
    assert (np.asarray(found.margin) < 0).any()
    assert (found.margin < Loss().margin(hidden(NETS["table"], x), jnp.asarray(y)) - 0.3).all()


def test_a_wrong_decision_costs_no_query_and_a_probability_with_a_threshold_is_read():
    w, x = np.array([4.0, 0.0], np.float32), np.array([[0.5, 0.5], [0.4, 0.5], [0.3, 0.5]], np.float32)
    loss = Loss("margin", "probabilities", threshold=0.8)  # class 1 from x[0] = 0.3466

    def apply(w, x):
        return jax.nn.sigmoid(x @ w[:, None])

    found = square(apply, w, x, np.array([1, 1, 1]), _keys(3), eps=0.1, loss=loss, queries=50)
    np.testing.assert_array_equal(np.asarray(found.margin) < 0, [False, True, True])
    assert found.queries[0] == 50 and found.queries[2] == 0
    np.testing.assert_array_equal(found.x[2], x[2])
    assert square_cost(queries=50).forward == 51


def test_l1_is_refused():
    with pytest.raises(ValueError, match="norm='l1'; expected 'linf' or 'l2'"):
        square(_net, NETS["table"], *_given("table"), _keys(N), eps=0.1, norm="l1")
