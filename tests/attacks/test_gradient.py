"""Gradient attacks against known optima, a naive NumPy loop, and the properties they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.attacks.balls import ball
from audit.attacks.gradient import fgsm, noise, pgd
from audit.attacks.losses import Loss
from audit.metrics.robustness import inside

N, D = 64, 12
RNG = np.random.default_rng(5)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
Y = RNG.integers(0, 2, N).astype(np.int32)
W = (RNG.normal(size=D) * np.exp(RNG.normal(size=D))).astype(np.float32)
SCALE = np.where(np.arange(D) % 4 == 3, 0, np.exp(RNG.normal(0, 0.5, D))).astype(np.float32)
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


def _best_gain(g, eps, lower, upper, norm):
    """Return max <g, u> over ||u|| <= eps, lower <= u <= upper, in closed form or by bisection."""
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


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("space", ["free", "box", "frozen", "box and frozen"])
@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize("eps", [0.05, 0.6])
def test_a_linear_model_falls_by_its_closed_form_optimum(norm, space, attack, eps):
    scale = SCALE if "frozen" in space else np.ones(D, np.float32)
    low, high = (0.0, 1.0) if "box" in space else (-np.inf, np.inf)
    given = {"eps": eps, "norm": norm, "scale": scale, "low": low, "high": high}
    if attack == "fgsm":
        moved = fgsm(_linear, W, X, Y, **given)
    else:
        moved = pgd(_linear, W, X, Y, _keys(), **given, steps=1000 if norm == "l1" else 60)
    sign = np.where(Y == 1, -1.0, 1.0)
    gain = sign * ((np.asarray(moved, np.float64) - X) @ W)
    unit = np.where(scale == 0, 1, scale)
    for i in range(N):
        lower, upper = (np.where(scale == 0, 0.0, (edge - X[i]) / unit) for edge in (low, high))
        best = _best_gain(sign[i] * W * scale.astype(float), eps, lower, upper, norm)
        assert 0.99 * best <= gain[i] <= best * (1 + 1e-4)


@NORMS
@pytest.mark.parametrize("name", ["cross-entropy", "margin"])
def test_pgd_equals_a_naive_loop(norm, name):
    eps, steps, n = 0.3, 7, 16
    x, y, keys = X[:n], RNG.integers(0, 3, n).astype(np.int32), _keys(n)
    moved = pgd(
        _net, NET, x, y, keys, eps=eps, norm=norm, scale=SCALE, low=0.0, high=1.0,
        loss=Loss(name), steps=steps, restarts=2, step_size=0.4,
    )  # fmt: skip
    b = ball(jnp.asarray(x), eps, norm, SCALE, 0.0, 1.0)
    starts = [b.inner(jax.vmap(lambda k, r=r: jax.random.fold_in(k, r))(keys)) for r in (0, 1)]
    for i in range(n):
        naive = _naive_pgd(x[i], y[i], [np.asarray(s[i], np.float64) for s in starts], norm, name, eps, steps)
        np.testing.assert_allclose(moved[i], naive, atol=2e-4)


def _naive_pgd(x, y, starts, norm, name, eps, steps):
    """Return the worst point of one example, one step and one row at a time, in float64."""
    a, b, scale = NET["a"].astype(float), NET["b"].astype(float), SCALE.astype(float)
    unit = np.where(scale == 0, 1, scale)
    lower, upper = (np.where(scale == 0, 0.0, (edge - x) / unit) for edge in (0.0, 1.0))
    worst, least = np.zeros(D), np.inf
    for start in [None, *starts]:
        u = np.zeros(D) if start is None else start
        for step in range(1 if start is None else steps + 1):
            h = np.tanh((x + scale * u) @ a)
            z = h @ b
            other = max((k for k in range(3) if k != y), key=lambda k: z[k])
            if z[y] - z[other] < least:
                worst, least = u.copy(), z[y] - z[other]
            if step == steps or start is None:
                break
            dz = (
                np.exp(z - z.max()) / np.exp(z - z.max()).sum()
                if name == "cross-entropy"
                else np.eye(3)[other]
            )
            g = scale * (a @ ((1 - h**2) * (b @ (dz - np.eye(3)[y]))))
            g[((u >= upper - 1e-7) & (g > 0)) | ((u <= lower + 1e-7) & (g < 0))] = 0
            v = u + 0.4 * eps * (np.sign(g) if norm == "linf" else g / np.linalg.norm(g))
            u = _naive_projection(v, eps, lower, upper, norm)
    return np.where(scale == 0, x, x + scale * worst)


def _naive_projection(v, eps, lower, upper, norm):
    """Return the nearest point of ball and box."""
    if norm == "linf":
        return np.clip(np.clip(v, lower, upper), -eps, eps)
    if np.linalg.norm(np.clip(v, lower, upper)) <= eps:
        return np.clip(v, lower, upper)
    least, most = 0.0, 1.0
    for _ in range(100):
        t = (least + most) / 2
        least, most = (t, most) if np.linalg.norm(np.clip(t * v, lower, upper)) <= eps else (least, t)
    return np.clip(least * v, lower, upper)


@settings(max_examples=25)
@given(
    norm=st.sampled_from(["linf", "l2"]),
    eps=st.floats(0.001, 5),
    centre=st.sampled_from([0.0, 1.0, -50.0, 4000.0]),
    width=st.sampled_from([0.01, 1.0, 100.0]),
    seed=st.integers(0, 9),
)
def test_every_returned_example_lies_in_ball_and_box(norm, eps, centre, width, seed):
    rng = np.random.default_rng(seed)
    x = (centre + width * rng.uniform(-1.2, 1.2, (N, D))).astype(np.float32)  # some rows outside the box
    low, high = np.full(D, centre - width, np.float32), np.full(D, centre + width, np.float32)
    space = {"eps": eps, "norm": norm, "scale": np.float32(width) * SCALE, "low": low, "high": high}
    y = rng.integers(0, 3, N).astype(np.int32)
    for moved in (
        fgsm(_net, NET, x, y, **space),
        pgd(_net, NET, x, y, _keys(seed=seed), **space, steps=5, restarts=2),
        noise(x, _keys(seed=seed), **space),
    ):
        assert inside(x, np.asarray(moved), **space).all()
