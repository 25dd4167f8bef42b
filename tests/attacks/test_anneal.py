"""Auto-PGD with a shrinking radius: what it returns lies within eps, and it goes round a wall."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.anneal import anneal, anneal_cost, part, wider
from audit.attacks.apgd import apgd
from audit.attacks.balls import ball, size
from audit.attacks.losses import Loss
from audit.metrics.robustness import inside

N, D = 32, 12
RNG = np.random.default_rng(8)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
Y = RNG.integers(0, 3, N).astype(np.int32)
W = (RNG.normal(size=(D, 3)) * np.exp(RNG.normal(size=(D, 1)))).astype(np.float32)


def _linear(params, x):
    """Return logits[n, 3]."""
    return x @ params


def _keys(n=N, seed=0):
    return jax.random.split(jax.random.key(seed), n)


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_it_returns_points_within_eps_and_reaches_a_linear_optimum(norm):
    scale = np.where(np.arange(D) % 4 == 3, 0, 1.5).astype(np.float32)
    space = {"scale": scale, "low": np.zeros(D, np.float32), "high": np.ones(D, np.float32)}
    for eps in (0.05, 0.4):
        moved = np.asarray(anneal(_linear, W, X, Y, _keys(), eps=eps, norm=norm, **space, targets=2))
        assert inside(X, moved, eps=eps, norm=norm, **space).all()
        u = np.where(scale == 0, 0, (moved - X) / np.where(scale == 0, 1, scale))
        assert float(size(jnp.asarray(u), norm).max()) <= eps * (1 + 1e-4)
        reached = np.asarray(Loss().margin(_linear(W, moved), Y))
        strong = apgd(_linear, W, X, Y, _keys(), eps=eps, norm=norm, **space, loss=Loss("margin"), targets=2)
        best = np.asarray(Loss().margin(_linear(W, strong), Y))
        clean = np.asarray(Loss().margin(_linear(W, X), Y))
        assert (reached <= best + 0.012 * (clean - best) + 1e-5).all()


def test_a_basin_that_few_starts_within_eps_reach_is_reached_from_further_away():
    """Along the mean s of u / eps the loss rises to a harmless 0.8 leftwards, and beyond s = 0.3 to above 1."""
    eps, n, d = 0.1, 64, 10

    def apply(params, x):
        s = jnp.mean(x, axis=1, keepdims=True) / eps
        loss = jnp.where(s < 0.3, jnp.minimum(-0.5 * s, 0.8), 2 * (s - 0.3) - 0.15)
        return jnp.concatenate([jnp.ones_like(s), loss], axis=1)

    given = (apply, None, jnp.zeros((n, d)), jnp.zeros(n, jnp.int32), _keys(n))
    how = {"eps": eps, "steps": 30, "loss": Loss("margin")}
    plain, wide = (
        float(jnp.mean(Loss().margin(apply(None, moved), given[3]) < 0))
        for moved in (apgd(*given, **how), anneal(*given, **how, targets=1))
    )
    assert plain < 0.15 and wide > plain + 0.15


def test_radii_fall_in_equal_ratios_and_the_parts_add_up():
    b = ball(jnp.asarray(X), 0.1, "linf")
    radii = [float(wider(b, 4.0, j, 3).eps[0, 0]) for j in range(3)]
    np.testing.assert_allclose(radii, [0.4, 0.2, 0.1], rtol=1e-6)
    assert float(wider(b, 4.0, 0, 1).eps[0, 0]) == pytest.approx(0.1)
    assert [int(part(100, j, 3)) for j in range(3)] == [30, 30, 40]
    assert [int(part(7, j, 3)) for j in range(3)] == [2, 2, 3]
    assert int(part(9, 0, 1)) == 9


def test_the_stated_cost_is_the_cost():
    counts = {"forward": 0, "gradient": 0}

    def tell(what):
        jax.debug.callback(lambda: counts.__setitem__(what, counts[what] + 1))

    @jax.custom_vjp
    def counted(x):
        tell("forward")
        return x

    counted.defvjp(lambda x: (tell("gradient") or x, None), lambda _, g: (g,))
    anneal(lambda params, x: _linear(params, counted(x)), W, X, Y, _keys(), eps=0.1, steps=10, targets=2)
    jax.effects_barrier()
    assert counts == anneal_cost(steps=10, targets=2)._asdict()
