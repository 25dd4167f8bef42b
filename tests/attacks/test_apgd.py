"""What Auto-PGD promises: the worst point met, one compilation, its cost, draws, transfer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.apgd import advance, apgd, apgd_cost, clean, start
from audit.attacks.balls import ball
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, Transfer, apgd_rows, transfer_rows
from audit.attacks.slope import look
from audit.devices import map_examples

N, D = 32, 12
RNG = np.random.default_rng(8)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
Y = RNG.integers(0, 5, N).astype(np.int32)
NET = {
    "a": RNG.normal(0, 1, (D, 10)).astype(np.float32),
    "b": RNG.normal(0, 1, (10, 5)).astype(np.float32),
}
W = (RNG.normal(size=D) * np.exp(RNG.normal(size=D))).astype(np.float32)
SPACE = {"low": 0.0, "high": 1.0}


def _net(params, x):
    """Return logits[n, 5]."""
    return jnp.tanh(x @ params["a"]) @ params["b"]


def _keys(n=N, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def _rows(n=N):
    return Rows(X[:n], Y[:n], np.arange(n, dtype=np.uint32))


def _shared(eps, params=NET):
    return Shared(params, jax.random.key(3), np.float32(eps), np.ones(D, np.float32), 0.0, 1.0)


def test_the_worst_point_counts_over_steps_restarts_and_x_itself():
    b = ball(jnp.asarray(X), 0.1, "linf", 1.0, 0.0, 1.0)
    found = clean(_net, NET, b, Y, _keys(), loss=Loss())
    state, margins = start(b, _keys(), found, 0), [found.margin]
    for _ in range(13):  # no checkpoint yet, so that `here` is the last point
        state = advance(_net, NET, b, Y, _keys(), state, 1, 100, loss=Loss())
        margins.append(state.here.margin)
    np.testing.assert_array_equal(state.found.margin, np.min(margins, axis=0))
    np.testing.assert_allclose(
        Loss().margin(_net(NET, b.place(state.found.u)), Y), state.found.margin, atol=1e-5
    )
    again = advance(_net, NET, b, Y, _keys(), state, 50, 12, loss=Loss())
    assert (np.asarray(again.done) == 12).all() and np.array_equal(again.u, state.u)
    one = Loss().margin(_net(NET, apgd(_net, NET, X, Y, _keys(), eps=0.1, steps=5, **SPACE)), Y)
    more = Loss().margin(_net(NET, apgd(_net, NET, X, Y, _keys(), eps=0.1, steps=5, restarts=4, **SPACE)), Y)
    assert (more <= one + 1e-6).all() and (more < one - 1e-5).any()


def test_one_compilation_serves_every_eps_steps_and_restarts():
    traces = []

    def apply(params, x):
        traces.append(1)
        return _net(params, x)

    for i in (1, 2, 3):
        apgd(apply, NET, X, Y, _keys(), eps=0.1 * i, steps=2 * i, restarts=i, low=0.1 * i)
        if i == 1:
            first = len(traces)
    assert len(traces) == first


def _counting(counts):
    """Return the net, counting its evaluations forward alone and with a gradient."""

    def tell(what):
        jax.debug.callback(lambda: counts.__setitem__(what, counts[what] + 1))

    @jax.custom_vjp
    def counted(x):
        tell("forward")
        return x

    counted.defvjp(lambda x: (tell("gradient") or x, None), lambda _, g: (g,))
    return lambda params, x, keys=None: _net(params, counted(x))


@pytest.mark.parametrize(("targets", "draws"), [(0, 0), (2, 0), (0, 3)])
def test_the_stated_cost_is_the_cost(targets, draws):
    counts = {"forward": 0, "gradient": 0}
    apgd(_counting(counts), NET, X, Y, _keys(), eps=0.1, steps=4, restarts=2, targets=targets, draws=draws)
    jax.effects_barrier()
    assert counts == apgd_cost(steps=4, restarts=2, targets=targets, draws=draws)._asdict()


def test_draws_average_the_gradient_of_a_randomised_model():
    """Signs that flip at random leave no one gradient of use; their mean leads to the linear optimum."""
    w, y = W, (Y % 2).astype(np.int32)

    def apply(params, x, keys):
        noise = jax.vmap(lambda key: jax.random.normal(key, (D,)))(keys)
        return jnp.sum(x * (params[None] + 4 * jnp.abs(w).max() * noise), axis=1, keepdims=True)

    sign = np.where(y == 1, -1.0, 1.0)[:, None]
    best = np.abs(w).sum() * 0.1
    gains = {}
    for draws in (1, 2000):
        moved = apgd(apply, w, X, y, _keys(), eps=0.1, steps=3, draws=draws)
        gains[draws] = float(np.mean(sign * (np.asarray(moved) - X) @ w / best))
    assert gains[2000] > 0.85 > 0.5 > gains[1]
    b = ball(jnp.asarray(X), 0.1, "linf")
    with pytest.raises(ValueError, match="keys=None with draws=3; expected a JAX key an example; give keys"):
        look(apply, w, b, jnp.zeros_like(X), y, None, loss=Loss(), draws=3)


def test_a_transferred_attack_is_scored_on_the_audited_model():
    other = jax.tree.map(lambda a: a + 0.1 * RNG.normal(size=a.shape).astype(np.float32), NET)
    attack = apgd_rows(_net, "linf", Loss(), 10, 1)
    moved, margin = map_examples(
        transfer_rows(attack, _net, Loss()), Transfer(_shared(0.1, other), NET), _rows()
    )
    np.testing.assert_array_equal(moved, map_examples(attack, _shared(0.1, other), _rows()))
    np.testing.assert_allclose(margin, Loss().margin(_net(NET, moved), Y), atol=1e-5)
    clean_margin = np.asarray(Loss().margin(_net(NET, X), Y))
    direct = np.asarray(Loss().margin(_net(NET, map_examples(attack, _shared(0.1), _rows())), Y))
    assert direct.mean() < margin.mean() < clean_margin.mean()
