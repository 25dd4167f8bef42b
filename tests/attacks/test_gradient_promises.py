"""What the gradient attacks promise: momentum, targets, cost, one compilation, examples apart, odd gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.balls import ball
from audit.attacks.gradient import fgsm, gradient_size, pgd, pgd_cost
from audit.attacks.local import fall
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, pgd_rows
from audit.devices import map_examples

N, D = 64, 12
RNG = np.random.default_rng(5)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
Y = RNG.integers(0, 2, N).astype(np.int32)
NET = {
    "a": RNG.normal(0, 1, (D, 8)).astype(np.float32),
    "b": RNG.normal(0, 1, (8, 3)).astype(np.float32),
}
NORMS = pytest.mark.parametrize("norm", ["linf", "l2"])


def _linear(w, x):
    """Return the log-odds[n, 1]."""
    return x @ w[:, None]


def _net(params, x):
    """Return logits[n, 3]."""
    return jnp.tanh(x @ params["a"]) @ params["b"]


def _keys(n=N, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def _naive_momentum(x, y, u, eps, steps, kept):
    """Return the last point of MI-FGSM (Dong et al. 2018) from x + u, one example, in float64."""
    a, b = NET["a"].astype(float), NET["b"].astype(float)
    velocity = np.zeros(D)
    for _ in range(steps):
        h = np.tanh((x + u) @ a)
        z = h @ b
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        other = np.where(np.arange(3) == y, 0, p) / (1 - p[y])  # the gradient of log((1 - p) / p)
        g = a @ ((1 - h**2) * (b @ (other - np.eye(3)[y])))
        velocity = kept * velocity + g / np.abs(g).sum()
        u = np.clip(u + 2.5 / steps * eps * np.sign(velocity), -eps, eps)
    return u


def test_momentum_is_that_of_mi_fgsm():
    """With one step of look-ahead the worst point is the last one where the margin falls all the way."""
    eps, steps, y = 0.05, 6, np.argmin(np.asarray(_net(NET, X)), axis=1).astype(np.int32)
    b = ball(jnp.asarray(X), eps, "linf")
    starts = np.asarray(b.inner(jax.vmap(lambda k: jax.random.fold_in(k, 0))(_keys())), float)
    moved = pgd(_net, NET, X, y, _keys(), eps=eps, steps=steps, momentum=0.9)
    plain = pgd(_net, NET, X, y, _keys(), eps=eps, steps=steps)
    same = 0
    for i in range(N):
        last = _naive_momentum(X[i].astype(float), y[i], starts[i], eps, steps, 0.9)
        same += np.abs(moved[i] - X[i] - last).max() < 1e-4
    assert same > 0.8 * N
    assert np.abs(moved - plain).max() > 1e-3


def test_targets_find_what_the_untargeted_loss_passes_by():
    """The class next to y is a wall; behind the one after it the margin falls below 0."""

    def apply(params, x):
        near = 1.9 - 0.05 * jnp.abs(x)
        far = 20 * (x - 0.5)
        return jnp.concatenate([jnp.full_like(x, 2.0), near, far], axis=1)

    x, y = jnp.array([[0.55]]) * jnp.ones((8, 1)), jnp.zeros(8, jnp.int32)
    given = {"eps": 0.2, "loss": Loss("margin"), "steps": 20}
    away = pgd(apply, None, x, y, _keys(8), **given)
    towards = pgd(apply, None, x, y, _keys(8), **given, targets=2)
    margin = Loss().margin
    assert (margin(apply(None, towards), y) < 0).all()
    assert (margin(apply(None, towards), y) <= margin(apply(None, away), y) + 1e-6).all()
    assert (margin(apply(None, away), y) > 0).any()


@pytest.mark.parametrize("given", [{}, {"targets": 2}, {"draws": 3}])
def test_the_stated_cost_of_pgd_is_its_cost(given):
    counts = {"forward": 0, "gradient": 0}

    def tell(what):
        jax.debug.callback(lambda: counts.__setitem__(what, counts[what] + 1))

    @jax.custom_vjp
    def counted(x):
        tell("forward")
        return x

    counted.defvjp(lambda x: (tell("gradient") or x, None), lambda _, g: (g,))
    pgd(
        lambda params, x, keys=None: _net(params, counted(x)), NET, X, Y, _keys(),
        eps=0.1, steps=4, restarts=2, **given,
    )  # fmt: skip
    jax.effects_barrier()
    assert counts == pgd_cost(steps=4, restarts=2, **given)._asdict()


@NORMS
def test_an_example_does_not_depend_on_its_batch_or_the_devices(norm):
    y = RNG.integers(0, 3, N).astype(np.int32)
    rows = Rows(X, y, np.arange(N, dtype=np.uint32))
    shared = Shared(NET, jax.random.key(3), 0.2, np.ones(D, np.float32), 0.0, 1.0, 0.1)
    attack = pgd_rows(_net, norm, Loss(), 5, 2)
    assert jax.device_count() == 2
    on_two = map_examples(attack, shared, rows, batch=64)
    in_eights = map_examples(attack, shared, rows, batch=8)
    on_one = jax.jit(attack)(shared, rows)
    order = RNG.permutation(N)
    shuffled = map_examples(attack, shared, jax.tree.map(lambda a: a[order], rows), batch=64)
    np.testing.assert_array_equal(on_two, map_examples(attack, shared, rows, batch=64))
    for other in (in_eights, on_one, shuffled[np.argsort(order)]):
        np.testing.assert_allclose(on_two, other, atol=1e-5)


def test_one_compilation_serves_every_eps_and_model_of_a_shape():
    traces = []

    def apply(params, x):
        traces.append(1)
        return _net(params, x)

    for eps in (0.1, 0.2, 0.3):
        params = jax.tree.map(lambda a, k=eps: a * k, NET)
        fgsm(apply, params, X, Y, eps=eps, norm="l2")
        pgd(apply, params, X, Y, _keys(), eps=eps, norm="l2", steps=3, step_size=eps)
        if eps == 0.1:
            first = len(traces)
    assert len(traces) == first


@NORMS
def test_more_steps_and_restarts_never_do_worse(norm):
    def margin(moved):
        return np.asarray(Loss().margin(_net(NET, moved), jnp.asarray(Y)))

    one = margin(pgd(_net, NET, X, Y, _keys(), eps=0.2, norm=norm, steps=5))
    many = margin(pgd(_net, NET, X, Y, _keys(), eps=0.2, norm=norm, steps=5, restarts=4))
    assert (many <= one).all() and (one <= margin(X)).all() and (many < one - 1e-4).any()


def test_a_threshold_turns_the_attack_and_its_success():
    w, x = np.array([4.0], np.float32), np.array([[0.5]], np.float32)  # log-odds 2, probability 0.88
    found = [
        pgd(_linear, w, x, np.array([1]), _keys(1), eps=0.2, loss=Loss("margin", threshold=t), steps=10)
        for t in (0.5, 0.85)
    ]
    for moved in found:
        np.testing.assert_allclose(moved, [[0.3]], atol=1e-6)
    decided = [Loss(threshold=t).margin(_linear(w, found[0]), jnp.array([1])) < 0 for t in (0.5, 0.85)]
    assert not decided[0][0] and decided[1][0]


def test_gradients_that_vanish_or_are_not_finite_are_seen_and_survived():
    def flat(params, x):
        return jnp.round(_net(params, x))

    def broken(params, x):
        return _net(params, x) + jnp.where(x[:, :1] > 0, jnp.sqrt(x[:, :1] * 0) * x[:, 1:2], 0.0)

    y = np.zeros(N, np.int32)
    assert (np.asarray(gradient_size(flat, NET, X, y)) == 0).all()
    assert (np.asarray(gradient_size(_net, NET, X, y)) > 0).all()
    assert np.isnan(np.asarray(gradient_size(broken, NET, X, y))).all()
    assert np.isfinite(np.asarray(pgd(broken, NET, X, y, _keys(), eps=0.1, steps=3))).all()


@NORMS
def test_small_steps_keep_their_promise_at_the_kinks_of_a_table_but_not_of_a_staircase(norm):
    def bent(params, x):  # round numbers lie on the kink, where the gradient is that of one side
        odds = jnp.sum(3 * jnp.maximum(x - 0.5, 0) - jnp.maximum(0.5 - x, 0) / 3, axis=1)
        return jnp.stack([odds, 0.3 + 0 * odds], axis=1)

    def steps(params, x):
        rounded = x + jax.lax.stop_gradient(jnp.round(x * 4) / 4 - x)
        return bent(params, rounded)

    x, y = np.full((N, D), 0.5, np.float32), np.zeros(N, np.int32)
    ratios = {}
    for name, model in (("bent", bent), ("steps", steps)):
        found = fall(model, None, x, y, _keys(), eps=0.05, norm=norm, low=0.0, high=1.0)
        ratios[name] = np.median(np.asarray(found.come / found.promised), axis=0)
    assert (np.abs(ratios["bent"] - 1) < 0.4).all()
    assert not ((ratios["steps"] > 0.5) & (ratios["steps"] < 2)).all()
