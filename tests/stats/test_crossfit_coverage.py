"""How often intervals from folds hold what they are said to be for: the mean over the networks of their true figures.

`pytest -m slow -s tests/stats/test_crossfit_coverage.py` prints the table of docs/statistics.md.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from audit import stats
from audit.data.folds import draw
from audit.data.roles import SplitPlan

FOLDS, PEOPLE = 5, 20_000
Score = Callable[[np.ndarray], np.ndarray]
STABLE = [
    ("logistic regression", 442, 10, 1.5),
    ("logistic regression, shrunk", 442, 10, 1.5),
    ("logistic regression", 200, 30, 1.5),
    ("logistic regression", 2000, 10, 1.0),
    ("network of 8 hidden units", 442, 10, 1.5),
]
UNSTABLE = [
    ("best single feature", 442, 30, 0.3),
    ("logistic regression", 442, 10, 0.0),
]


def _drawn(rng, n, d, signal):
    """Return x[n, d], the chance of class 1, the class, and one of two groups."""
    x = rng.normal(size=(n, d))
    chance = expit(signal * (x[:, 0] + 0.7 * x[:, 1] - 0.5 * x[:, 2] * x[:, 3]))
    return x, chance, (rng.random(n) < chance).astype(int), (x[:, 0] + rng.normal(size=n) > 0).astype(int)


def _logistic(x, y, ridge) -> Score:
    x = np.c_[np.ones(len(x)), x]
    b, penalty = np.zeros(x.shape[1]), np.diag([1e-6, *[ridge] * (x.shape[1] - 1)])
    for _ in range(12):
        p = expit(x @ b)
        b += np.linalg.solve(x.T @ ((p * (1 - p) + 1e-9)[:, None] * x) + penalty, x.T @ (y - p) - penalty @ b)
    return lambda z: expit(b[0] + z @ b[1:])


def _network(x, y, rng) -> Score:
    """Return a tanh network after 150 steps of gradient descent with momentum and weight decay."""
    w = [rng.normal(size=(x.shape[1], 8)) / 3, np.zeros(8), rng.normal(size=8) / 3, np.zeros(1)]
    push = [np.zeros_like(a) for a in w]
    for _ in range(150):
        h = np.tanh(x @ w[0] + w[1])
        slope = (expit(h @ w[2] + w[3]) - y) / len(y)
        back = np.outer(slope, w[2]) * (1 - h**2)
        for a, m, g in zip(
            w, push, (x.T @ back, back.sum(0), h.T @ slope, slope.sum(keepdims=True)), strict=True
        ):
            m *= 0.9
            m -= 0.3 * (g + 0.003 * a)
            a += m
    return lambda z: expit(np.tanh(z @ w[0] + w[1]) @ w[2] + w[3])


def _single(x, y) -> Score:
    likeness = [np.corrcoef(column, y)[0, 1] for column in x.T]
    best = int(np.argmax(np.abs(likeness)))
    return lambda z: expit(np.sign(likeness[best]) * z[:, best])


def _fitted(learner, x, y, rng) -> Score:
    if learner.startswith("logistic"):
        return _logistic(x, y, 30.0 if "shrunk" in learner else 1.0)
    return _network(x, y, rng) if "network" in learner else _single(x, y)


def _true(score, chance, y, group):
    """Return the accuracy, AUC, squared calibration error and each group's rate of class 1, over all people."""
    order = np.argsort(score)
    parts, positive = np.array_split(order, 60), y[order] == 1
    above = np.cumsum(~positive)[positive].sum() / (positive.sum() * (~positive).sum())  # scores do not tie
    gap = sum(len(part) * (score[part].mean() - chance[part].mean()) ** 2 for part in parts) / len(score)
    rates = [(score[group == g] >= 0.5).mean() for g in (0, 1)]
    return np.array([((score >= 0.5) == y).mean(), above, gap, *rates])


def _holds(learner, n, d, signal, runs):
    """Return how often each interval holds the mean over the networks, and what pooled rows would have done."""
    rng, held = np.random.default_rng(0), []
    people = _drawn(rng, PEOPLE, d, signal)
    for run in range(runs):
        x, _, y, group = _drawn(rng, n, d, signal)
        plan = SplitPlan(by="folds", folds=FOLDS, validation=0, calibration=0, test=1, seed=run)
        part = draw(np.arange(n).astype(str), y, plan)
        fold, score, true = (part == "test").argmax(axis=0), np.empty(n), []
        for k in range(FOLDS):
            f = _fitted(learner, x[fold != k], y[fold != k], rng)
            score[fold == k] = f(x[fold == k])
            true.append(_true(f(people[0]), *people[1:]))
        accuracy, auc, gap, *rates = np.mean(true, axis=0)
        decided = score >= 0.5
        k, m = (tuple(float(a[group == g].sum()) for g in (0, 1)) for a in (decided, np.ones(n)))
        found = [
            (stats.rate(decided == y), accuracy),
            (stats.auc(score, y, fold=fold), auc),
            (stats.calibration_error(score, y, fold=fold), np.sqrt(gap)),
            (stats.groups(("0", "1"), k, m, m, of="ratio"), min(rates) / max(rates)),
            (stats.auc(score, y), auc),
            (stats.calibration_error(score, y), np.sqrt(gap)),
        ]
        held.append([e.low <= value <= e.high for e, value in found])
    return np.mean(held, axis=0)


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "n", "d", "signal"), STABLE + UNSTABLE)
def test_intervals_hold_the_mean_of_the_networks(learner, n, d, signal):
    runs = 100 if n > 1000 else 200
    held = _holds(learner, n, d, signal, runs)
    shown = " | ".join(f"{100 * share:.1f}" for share in held)
    print(f"\n| {learner} | {n} | {d} | {signal:g} | {shown} |")
    noise = 3 * np.sqrt(0.95 * 0.05 / runs)
    assert (held[:4] >= (0.95 - noise if (learner, n, d, signal) in STABLE else 0.8)).all()
