"""Auto-PGD against a naive loop over one example, written from the papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.apgd import advance, clean, start
from audit.attacks.balls import ball
from audit.attacks.losses import Loss
from audit.attacks.pace import CHECKPOINTS, Halving, judge

N, D = 32, 12
RNG = np.random.default_rng(8)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
Y = RNG.integers(0, 5, N).astype(np.int32)
NET = {
    "a": RNG.normal(0, 3, (D, 10)),
    "b": RNG.normal(0, 1, (10, 5)),
}


def _net(params, x):
    """Return logits[n, 5]."""
    return jnp.tanh(x @ params["a"]) @ params["b"]


def _keys(n=N, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def _value_and_slope(x, y, target, name):
    """Return loss, gradient and margin of one example on the net, in float64."""
    a, b = NET["a"].astype(float), NET["b"].astype(float)
    h = np.tanh(x @ a)
    z = h @ b
    best = np.max(np.delete(z, y))
    order = np.argsort(z)[::-1]
    e = np.eye(5)
    if name == "cross-entropy":
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        value, dz = -np.log(p[y]), p - e[y]
    else:
        top, spread = z[target] - z[y], z[order[0]] - (z[order[2]] + z[order[3]]) / 2
        dtop, dspread = e[target] - e[y], e[order[0]] - (e[order[2]] + e[order[3]]) / 2
        value, dz = top / spread, (dtop * spread - top * dspread) / spread**2
    return value, a @ ((1 - h**2) * (b @ dz)), z[y] - best


def _nearest(v, eps, lower, upper, norm):
    """Return the nearest point of ball and box, by bisection."""
    if norm == "linf":
        return np.clip(np.clip(v, lower, upper), -eps, eps)

    def at(t):
        if norm == "l2":
            return np.clip(v * (1 - t), lower, upper)
        return np.sign(v) * np.clip(np.abs(v) - t, 0, np.where(v > 0, upper, -lower))

    order = 2 if norm == "l2" else 1
    if np.linalg.norm(at(0), order) <= eps:
        return at(0)
    least, most = 0.0, 1.0 if norm == "l2" else np.abs(v).max()
    for _ in range(100):
        t = (least + most) / 2
        least, most = (t, most) if np.linalg.norm(at(t), order) > eps else (least, t)
    return at(most)


def _step(g, u, lower, upper, norm, entries, length):
    """Return the step along g, without what the box forbids."""
    g = np.where(((u >= upper - 1e-12) & (g > 0)) | ((u <= lower + 1e-12) & (g < 0)), 0, g)
    if norm == "linf":
        return length * np.sign(g)
    if norm == "l2":
        return length * g / np.linalg.norm(g)
    step, left = np.zeros(D), length
    for i in np.argsort(-np.abs(g)):
        room = upper[i] - u[i] if g[i] > 0 else u[i] - lower[i]
        step[i] = np.sign(g[i]) * min(left, length / entries, room)
        left -= abs(step[i])
    return step


def _naive_apgd(x, y, u, eps, norm, steps, name, target):
    """Return the last point of one run of algorithm 1, its least margin, how often it went back; one example.

    For L1 that of Croce and Hein 2021 with the departures that `pace` states.
    """
    lower, upper = -x, 1 - x
    checkpoints, gap = [0, 22], 22
    while checkpoints[-1] < 100:
        gap = max(gap - 3, 6)
        checkpoints.append(checkpoints[-1] + gap)
    ends = sorted({int(np.ceil(round(p * steps / 100, 9))) for p in checkpoints if p <= 100})
    f, g, margin = _value_and_slope(x + u, y, target, name)
    history, before = [f], u
    best, f_best, g_best = u, f, g
    least, returned = margin, 0
    step = 1.0 if norm == "l1" else 2.0
    entries, support = D // 5, D
    halved_before, f_checked, last = False, f, 0
    for k in range(steps):
        z = _nearest(u + _step(g, u, lower, upper, norm, entries, step * eps), eps, lower, upper, norm)
        if k > 0 and norm != "l1":
            z = _nearest(u + 0.75 * (z - u) + 0.25 * (u - before), eps, lower, upper, norm)
        before, u = u, z
        f, g, margin = _value_and_slope(x + u, y, target, name)
        history.append(f)
        if margin < least:
            least = margin
        if f > f_best:
            best, f_best, g_best = u, f, g
        done, back = k + 1, False
        if norm != "l1" and done in ends and done > last:
            rises = sum(history[i + 1] > history[i] for i in range(last, done))
            back = rises < 0.75 * (done - last) or (not halved_before and f_best == f_checked)
            step = step / 2 if back else step
            halved_before, f_checked, last = back, f_best, done
        if norm == "l1" and done % max(int(0.04 * steps), 1) == 0:
            now, late = np.count_nonzero(best), done > steps / 2
            back = now / support < 0.95
            if back:
                step = step if late else 1.0
            else:
                step = step / 1.5 if late else max(step / 1.5, 0.1)
            entries = max(1, int(now / 1.5 + 1e-9) if back or f_best > f_checked else entries // 2)
            support, f_checked = now, f_best
        if back:
            returned += int(np.abs(u - best).max() > 1e-3)
            u, f, g = best, f_best, g_best
            history[-1] = f
    return u, least, returned


@pytest.mark.parametrize(
    ("norm", "name", "targets"),
    [("linf", "cross-entropy", 0), ("linf", "dlr", 2), ("l2", "dlr", 2), ("l1", "cross-entropy", 0)],
)
def test_apgd_equals_the_published_algorithm_done_naively(norm, name, targets):
    """The same trajectory on a curved loss, in float64 on both sides: step sizes, momentum, returns, best points."""
    eps, steps, n, loss = {"linf": 0.3, "l2": 0.5, "l1": 1.5}[norm], 60, 24, Loss(name)
    with jax.enable_x64(True):
        x, y, keys = jnp.asarray(X[:n], float), jnp.asarray(Y[:n]), _keys(n)
        b = ball(x, eps, norm, 1.0, 0.0, 1.0)
        found = clean(_net, NET, b, y, keys, loss=loss, targets=targets)
        run = 1 if targets else 0
        state = start(b, keys, found, run)
        u = np.asarray(state.u)
        state = advance(_net, NET, b, y, keys, state, steps + 1, steps, loss=loss)
        z, state = np.asarray(_net(NET, x)), jax.tree.map(np.asarray, state)
    close, returns = 0, 0
    for i in range(n):
        target = None
        if targets:
            target = [c for c in np.argsort(z[i])[::-1] if c != y[i]][run]
            assert target == state.target[i]
        last, least, returned = _naive_apgd(X[i].astype(float), Y[i], u[i], eps, norm, steps, name, target)
        least = min(least, _value_and_slope(X[i].astype(float), Y[i], target, name)[2])
        close += abs(float(state.found.margin[i]) - least) < 1e-5 and np.abs(state.u[i] - last).max() < 1e-5
        returns += returned
    assert close >= n - 1  # two entries that tie to the last bit may be told apart differently
    assert returns > n  # so that going back to the best point was put to the test


def test_checkpoints_are_those_of_the_paper():
    np.testing.assert_array_equal(CHECKPOINTS, [22, 41, 57, 70, 80, 87, 93, 99])


@pytest.mark.parametrize(
    ("done", "rises", "better", "kept", "halved"),
    [
        (22, 16, True, True, True),  # condition 1: 16 < 0.75 * 22
        (22, 17, True, True, False),
        (22, 17, False, True, True),  # condition 2: step kept, best unchanged
        (22, 17, False, False, False),
        (57, 12, True, True, False),  # 12 = 0.75 * (57 - 41) is not below it
        (57, 11, True, True, True),
        (58, 0, False, True, False),  # no checkpoint
    ],
)
def test_a_step_is_halved_under_either_condition_at_checkpoints_alone(done, rises, better, kept, halved):
    raised = jnp.array([2.0])
    before = Halving(jnp.array([2.0]), jnp.array([rises]), raised - better, jnp.array([kept]))
    after, back = judge(before, jnp.array([done]), 100, jnp.zeros((1, 3)), raised)
    assert bool(back[0]) == halved and float(after.step[0]) == (1.0 if halved else 2.0)
    if done == 58:
        assert jax.tree.all(jax.tree.map(np.array_equal, after, before))
    else:
        assert (int(after.rises[0]), float(after.level[0]), bool(after.kept[0])) == (0, 2.0, not halved)
