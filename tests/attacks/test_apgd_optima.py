"""Auto-PGD against closed-form optima of linear models, and against PGD on trained networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.apgd import apgd
from audit.attacks.gradient import pgd
from audit.attacks.losses import Loss

N, D = 32, 12
RNG = np.random.default_rng(8)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
Y = RNG.integers(0, 6, N).astype(np.int32)
W = (RNG.normal(size=(D, 3)) * np.exp(RNG.normal(size=(D, 1)))).astype(np.float32)
SPACE = {"low": 0.0, "high": 1.0}


def _keys(n=N, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def _best_gain(g, eps, lower, upper, norm):
    """Return max <g, u> over ball and box."""
    if norm == "linf":
        return g @ np.clip(eps * np.sign(g), lower, upper)
    if norm == "l1":
        left, gain = eps, 0.0
        for i in np.argsort(-np.abs(g)):
            most = min(left, upper[i] if g[i] > 0 else -lower[i])
            left, gain = left - most, gain + most * abs(g[i])
        return gain
    least, most = 0.0, 1e6
    for _ in range(200):
        t = (least + most) / 2
        least, most = (t, most) if np.linalg.norm(np.clip(t * g, lower, upper)) <= eps else (least, t)
    return g @ np.clip(least * g, lower, upper)


def _linear(params, x):
    """Return logits[n, 3]."""
    return x @ params


@pytest.mark.parametrize(("norm", "loss"), [("linf", "dlr"), ("l2", "margin"), ("l1", "margin")])
@pytest.mark.parametrize("eps", [0.05, 0.6])
def test_linear_models_fall_by_their_closed_form_optimum(norm, loss, eps):
    """Three classes: the least margin is the least over the wrong classes of z(y) - z(k) - best gain."""
    y = Y % 3
    moved = apgd(_linear, W, X, y, _keys(), eps=eps, norm=norm, loss=Loss(loss), targets=2, **SPACE)
    reached = np.asarray(Loss().margin(jnp.asarray(np.asarray(moved) @ W), jnp.asarray(y)))
    w, z = W.astype(float), X.astype(float) @ W
    for i in range(N):
        gains = [
            _best_gain(w[:, k] - w[:, y[i]], eps, -X[i].astype(float), 1 - X[i].astype(float), norm)
            for k in range(3)
        ]
        least = min(z[i, y[i]] - z[i, k] - gains[k] for k in range(3) if k != y[i])
        start_margin = min(z[i, y[i]] - z[i, k] for k in range(3) if k != y[i])
        assert least - 1e-4 <= reached[i] <= least + 0.01 * (start_margin - least) + 1e-5


@pytest.mark.parametrize(
    ("norm", "outputs"),
    [("linf", "one logit"), ("l2", "threshold"), ("l1", "two logits"), ("linf", "one probability")],
)
def test_two_classes_fall_by_their_closed_form_optimum(norm, outputs):
    w, y, eps = W[:, 0], Y % 2, 0.3

    def apply(p, x):
        z = (x @ p)[:, None]
        if outputs == "two logits":
            return jnp.concatenate([-z / 2, z / 2], axis=1)
        return jax.nn.sigmoid(z) if outputs == "one probability" else z

    loss = Loss(
        "dlr", "probabilities" if "prob" in outputs else "logits", 0.3 if outputs == "threshold" else None
    )
    assert loss.resolved(2).name == "margin"
    moved = apgd(apply, w, X, y, _keys(), eps=eps, norm=norm, loss=loss, targets=9, **SPACE)
    sign = np.where(y == 1, -1.0, 1.0)
    gain = sign * ((np.asarray(moved, np.float64) - X) @ w)
    for i in range(N):
        best = _best_gain(sign[i] * w.astype(float), eps, -X[i].astype(float), 1 - X[i].astype(float), norm)
        assert 0.99 * best <= gain[i] <= best * (1 + 1e-4)


def _net(params, x):
    """Return logits[n, 4]."""
    return jnp.maximum(x @ params["a"] + params["c"], 0) @ params["b"]


@jax.jit
def _trained(key, x, y):
    """Return a small network after 400 steps of gradient descent on its cross-entropy."""
    k, h = jax.random.split(key), 24
    params = {
        "a": 0.5 * jax.random.normal(k[0], (D, h)),
        "c": jnp.zeros((1, h)),
        "b": 0.3 * jax.random.normal(k[1], (h, 4)),
    }

    def loss(params):
        return -jnp.mean(jax.nn.log_softmax(_net(params, x)) * 4 * jax.nn.one_hot(y, 4))

    def step(_, params):
        return jax.tree.map(lambda a, g: a - 0.3 * g, params, jax.grad(loss)(params))

    return jax.lax.fori_loop(0, 400, step, params)


@pytest.mark.parametrize(
    ("norm", "eps"),
    [
        ("linf", 0.06),
        pytest.param("l2", 0.2, marks=pytest.mark.slow),
        pytest.param("l1", 0.5, marks=pytest.mark.slow),
    ],
)
def test_over_twenty_networks_apgd_is_no_weaker_than_pgd(norm, eps):
    """More rows fall in all, and the mean margin is lower, with targets and without."""
    fooled, margin = np.zeros(3), np.zeros(3)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        centres = rng.uniform(0.25, 0.75, (4, D))
        y = rng.integers(0, 4, 64).astype(np.int32)
        x = np.clip(centres[y] + 0.15 * rng.normal(size=(64, D)), 0, 1).astype(np.float32)
        params = _trained(jax.random.key(seed), x, y)
        given = (_net, params, x, y, _keys(64, seed))
        found = (
            pgd(*given, eps=eps, norm=norm, steps=40, **SPACE),
            apgd(*given, eps=eps, norm=norm, steps=40, **SPACE),
            apgd(*given, eps=eps, norm=norm, steps=40, loss=Loss("dlr"), targets=3, **SPACE),
        )
        for i, moved in enumerate(found):
            m = np.asarray(Loss().margin(_net(params, moved), y))
            fooled[i] += (m < 0).sum()
            margin[i] += m.mean()
    assert 200 < fooled[0] < 1000
    assert fooled[1] >= fooled[0] - 2 and fooled[2] >= fooled[1]
    assert margin[1] < margin[0]
