"""The minimum-norm attack against closed forms, an exact solver and a naive loop, and what its curve promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, minimum_rows
from audit.attacks.minimum import GAMMA, LAST, STEP, minimum, minimum_cost
from audit.devices import map_examples
from audit.metrics.robustness import inside

N, D, K = 12, 10, 3
RNG = np.random.default_rng(21)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
SCALE = np.where(np.arange(D) % 5 == 4, 0, np.exp(RNG.normal(0, 0.4, D))).astype(np.float32)
ONES = np.ones(D, np.float32)
NET = {
    "a": RNG.normal(0, 1, (D, 8)).astype(np.float32),
    "b": RNG.normal(0, 1, (8, K)).astype(np.float32),
    "bend": np.float32(1),
}
LINE = NET | {"bend": np.float32(0)}
ORDER = {"linf": np.inf, "l2": 2, "l1": 1}
DUAL = {"linf": 1, "l2": 2, "l1": np.inf}
NORMS = pytest.mark.parametrize("norm", list(ORDER))


def _net(params, x):
    """Return logits[n, 3], linear in x where bend is 0."""
    h = x @ params["a"]
    return (h + params["bend"] * (jnp.tanh(h) - h)) @ params["b"]


def _classes(params, x=X):
    return np.asarray(_net(params, x)).argmax(1).astype(np.int32)


def _most_within(w, eps, lower, upper, norm):
    """Return the largest <w, d> over ||d|| <= eps and the box."""
    if norm == "linf":
        return w @ np.clip(eps * np.sign(w), lower, upper)
    if norm == "l1":
        solved = linprog(
            -np.r_[w, -w], np.ones((1, 2 * len(w))), [eps], bounds=[(0, b) for b in np.r_[upper, -lower]]
        )
        return -solved.fun
    low, high = 0.0, 1e6
    for _ in range(100):
        t = (low + high) / 2
        low, high = (t, high) if np.linalg.norm(np.clip(t * w, lower, upper)) <= eps else (low, t)
    return w @ np.clip(low * w, lower, upper)


def _least(w, gap, lower, upper, norm):
    """Return the least size of a d in the box with <w, d> >= gap, by bisection; infinite where there is none."""
    low, high = 0.0, 100.0
    if _most_within(w, high, lower, upper, norm) < gap:
        return np.inf
    for _ in range(30):
        eps = (low + high) / 2
        low, high = (eps, high) if _most_within(w, eps, lower, upper, norm) < gap else (low, eps)
    return high


@NORMS
def test_a_linear_model_falls_at_its_least_size(norm):
    y, z = _classes(LINE), np.asarray(_net(LINE, X), float)
    w = NET["a"].astype(float) @ NET["b"]
    free = minimum(_net, LINE, X, y, norm=norm, scale=SCALE, low=-np.inf, high=np.inf, steps=100, targets=9)
    boxed = minimum(_net, LINE, X, y, norm=norm, scale=SCALE, low=0.0, high=1.0, steps=100, targets=9)
    unit = np.where(SCALE == 0, 1, SCALE)
    for i in range(N):
        planes = [(SCALE * (w[:, k] - w[:, y[i]]), z[i, y[i]] - z[i, k]) for k in range(K) if k != y[i]]
        closed = min(gap / np.linalg.norm(a, DUAL[norm]) for a, gap in planes)
        assert closed * (1 - 1e-4) <= free.size[i] <= 1.01 * closed
        lower, upper = (np.where(SCALE == 0, 0.0, (edge - X[i]) / unit) for edge in (0.0, 1.0))
        exact = min(_least(a, gap, lower, upper, norm) for a, gap in planes)
        assert boxed.found[i] == np.isfinite(exact)
        assert not boxed.found[i] or exact * (1 - 1e-4) <= boxed.size[i] <= 1.01 * exact
    at = np.asarray(boxed.found)
    assert 2 <= at.sum() and (_classes(LINE, np.asarray(boxed.x))[at] != y[at]).all()
    space = {"norm": norm, "scale": SCALE, "low": np.float32(0), "high": np.float32(1)}
    for i in np.flatnonzero(at):
        assert inside(X[i : i + 1], np.asarray(boxed.x)[i : i + 1], eps=float(boxed.size[i]), **space).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_search_equals_a_naive_loop(norm):
    y, steps = _classes(NET), 9
    found = minimum(_net, NET, X, y, norm=norm, scale=SCALE, low=0.0, high=1.0, steps=steps)
    for i in range(N):
        size = _naive(X[i].astype(float), y[i], norm, steps)
        # The naive loop leaves out the last search along the segment, which can only shrink what was found.
        assert found.found[i] == np.isfinite(size)
        if np.isfinite(size):
            np.testing.assert_allclose(found.size[i], size, rtol=5e-3)


def _naive(x, y, norm, steps):
    """Return the smallest size met for one example, bisected towards x, in float64."""
    a, b, scale = NET["a"].astype(float), NET["b"].astype(float), SCALE.astype(float)
    unit = np.where(scale == 0, 1, scale)
    lower, upper = (np.where(scale == 0, 0.0, (edge - x) / unit) for edge in (0.0, 1.0))
    furthest = np.linalg.norm(np.maximum(-lower, upper), ORDER[norm])

    def margin(u):
        z = np.tanh((x + scale * u) @ a) @ b
        other = max((k for k in range(K) if k != y), key=lambda k: z[k])
        return z[y] - z[other], other

    u, eps, met, best, least = np.zeros(D), np.inf, False, None, np.inf
    for k in range(steps + 1):
        m, other = margin(u)
        if m < 0 and np.linalg.norm(u, ORDER[norm]) < least:
            best, least = u, np.linalg.norm(u, ORDER[norm])
        if k == steps:
            break
        cosine = (1 + np.cos(np.pi * k / steps)) / 2
        gamma = GAMMA[1] + (GAMMA[0] - GAMMA[1]) * cosine
        h = np.tanh((x + scale * u) @ a)
        g = scale * (a @ ((1 - h**2) * (b[:, y] - b[:, other])))
        if m < 0:
            met, eps = True, min(eps * (1 - gamma), least)
        elif met:
            eps = eps * (1 + gamma)
        else:
            eps = (np.linalg.norm(u, ORDER[norm]) + m / np.linalg.norm(g, DUAL[norm])) * (1 + gamma)
        eps = min(eps, furthest)
        step = (
            STEP[norm]
            * (LAST + (1 - LAST) * cosine)
            * eps
            * (np.sqrt((scale > 0).sum()) if norm == "linf" else 1)
        )
        g[((u >= upper - 1e-7) & (g < 0)) | ((u <= lower + 1e-7) & (g > 0))] = 0
        v = u - step * g / np.linalg.norm(g)
        u = np.clip(np.clip(v, lower, upper), -eps, eps) if norm == "linf" else _nearest(v, eps, lower, upper)
    if best is None:
        return np.inf
    near, far = 0.0, 1.0
    for _ in range(12):
        t = (near + far) / 2
        near, far = (near, t) if margin(t * best)[0] < 0 else (t, far)
    return far * least


def _nearest(v, eps, lower, upper):
    """Return the point of L2 ball and box nearest to v."""
    low, high = 0.0, 1.0
    if np.linalg.norm(np.clip(v, lower, upper)) <= eps:
        return np.clip(v, lower, upper)
    for _ in range(100):
        t = (low + high) / 2
        low, high = (t, high) if np.linalg.norm(np.clip(t * v, lower, upper)) <= eps else (low, t)
    return np.clip(low * v, lower, upper)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_of_the_inputs_changes_nothing(unit):
    y, given = _classes(NET), {"norm": "l2", "low": 0.0, "high": 1.0, "steps": 60}
    here = minimum(_net, NET, X, y, scale=SCALE, **given)
    there = minimum(
        _net,
        NET | {"a": NET["a"] / np.float32(unit)},
        X * np.float32(unit),
        y,
        scale=SCALE,
        **given | {"high": unit},
    )
    at = np.asarray(here.found & there.found)
    assert at.sum() >= N - 1
    np.testing.assert_allclose(there.size[at] / unit, here.size[at], rtol=0.02)


def test_a_larger_model_of_many_inputs_falls_within_a_percent():
    w = RNG.normal(size=(784, 1)).astype(np.float32)
    x = RNG.uniform(size=(3, 784)).astype(np.float32)
    logit = np.asarray(x @ w)[:, 0]
    found = minimum(lambda w, x: x @ w, w, x, (logit > 0).astype(np.int32), norm="linf", steps=200)
    closed = np.abs(logit) / np.abs(w).sum()
    assert (found.size <= 1.01 * closed).all() and (found.size >= closed * (1 - 1e-3)).all()


def test_an_example_does_not_depend_on_its_batch():
    rows = Rows(X, _classes(NET), np.arange(N, dtype=np.uint32))
    shared = Shared(NET, jax.random.key(3), np.float32(0), SCALE, np.float32(0), np.float32(1))
    attack = minimum_rows(_net, "linf", Loss(), 40, 0)
    whole, parts = (map_examples(attack, shared, rows, batch=batch) for batch in (16, 4))
    np.testing.assert_array_equal(whole.found, parts.found)
    np.testing.assert_allclose(whole.size, parts.size, rtol=1e-3)


def test_a_constant_model_keeps_its_inputs_and_a_wrong_decision_is_its_own_example():
    given = {"norm": "linf", "scale": SCALE, "low": 0.0, "high": 1.0, "steps": 3}
    flat = minimum(_net, NET | {"b": 0 * NET["b"]}, X, np.zeros(N, np.int32), **given)
    assert not flat.found.any() and np.isinf(flat.size).all()
    np.testing.assert_array_equal(flat.x, X)
    wrong = minimum(_net, NET, X, (_classes(NET) + 1) % K, **given)
    assert wrong.found.all() and (np.asarray(wrong.size) == 0).all()
    np.testing.assert_array_equal(wrong.x, X)


def test_one_logit_with_a_threshold_and_the_stated_cost():
    calls, w = {"forward": 0}, np.array([4.0, 0.0], np.float32)

    def apply(w, x):
        jax.debug.callback(lambda: calls.update(forward=calls["forward"] + 1))
        return x @ w[:, None]

    x, y = np.array([[0.5, 0.5], [0.1, 0.5]], np.float32), np.array([1, 0], np.int32)
    found = minimum(apply, w, x, y, loss=Loss(threshold=0.8), steps=30)
    np.testing.assert_allclose(found.size, [0.5 - np.log(4) / 4, np.log(4) / 4 - 0.1], rtol=5e-3)
    jax.effects_barrier()
    cost = minimum_cost(classes=2, steps=30)
    assert calls["forward"] == cost.forward + cost.gradient
