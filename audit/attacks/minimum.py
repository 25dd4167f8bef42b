"""The fast minimum-norm attack (FMN): the whole curve of robust accuracy from one search an example."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import TINY, Norm, ball, size
from audit.attacks.losses import Loss
from audit.attacks.nearest import DUAL, Best, Goal, Nearest
from audit.attacks.slope import Apply, Cost

GAMMA = (0.05, 0.001)  # by how much the radius breathes, first and last (Pintor et al. 2021)
# Length of the first step, in lengths of the radius's ball, and of the last. The paper's steps are absolute, 1 or 10
# for pixels; these serve inputs in any unit.
STEP: dict[Norm, float] = {"linf": 0.3, "l2": 0.3, "l1": 0.3}
LAST = 0.01  # last step, in first ones
ROUNDS = 12  # of the last search along the segment from x, two of them its ends
_INF = float("inf")


class _Search(NamedTuple):
    """Where the search stands, its radius[n], whether it met a wrong decision in this run, and the best."""

    u: Array
    radius: Array
    met: Array
    best: Best


def minimum_runs(classes: int, targets: int) -> int:
    """Return how many runs there are: one a target, no more than wrong classes, or one at all of them."""
    return max(1, min(targets, classes - 1))


@partial(jax.jit, static_argnames=("apply", "norm", "loss", "targets"))
def minimum(
    apply: Apply,
    params: Any,
    x: Array,
    y: Array,
    *,
    norm: Norm = "linf",
    scale: ArrayLike = 1.0,
    low: ArrayLike = -_INF,
    high: ArrayLike = _INF,
    loss: Loss = Loss(),  # noqa: B008  (frozen)
    steps: ArrayLike = 200,
    targets: int = 0,
) -> Nearest:
    """Return, for each x[n, ...], the nearest wrongly decided point met by gradient steps in a breathing ball.

    Pintor, Roli, Brendel and Biggio 2021, then a bisection towards x. The radius shrinks while the decision is wrong
    and grows while it is right. The accuracy at every eps is the share of rows whose size exceeds it. targets: 0
    lowers the margin over the best other class; else that over each of so many most likely ones, in turn.
    """
    g = Goal(apply, params, ball(x, _INF, norm, scale, low, high), y, loss)
    best = g.begin(targets)

    def run(i: Array, best: Best) -> Best:
        return minimum_run(g, i, best, steps, targets)

    return g.finish(jax.lax.fori_loop(0, best.towards.shape[1], run, best), ROUNDS)


def minimum_run(g: Goal, i: ArrayLike, best: Best, steps: ArrayLike, targets: int) -> Best:
    """Return the best[n] after run i of minimum_runs, on the target of rank i."""
    zero = jnp.zeros_like(best.u)
    target = jnp.take(best.towards, i, axis=1) if targets else None

    def step(k: Array, s: _Search) -> _Search:
        return _step(g, target, (1 + jnp.cos(jnp.pi * k / steps)) / 2, s)

    start = _Search(zero, jnp.full_like(best.size, jnp.inf), jnp.zeros_like(best.size, bool), best)
    s = jax.lax.fori_loop(0, steps, step, start)
    return g.keep(s.best, s.u, g.margin(g.scores(s.u)))


def minimum_cost(*, classes: int, steps: int = 200, targets: int = 0) -> Cost:
    """Return the evaluations of minimum an example."""
    runs = minimum_runs(classes, targets)
    return Cost(1 + runs + ROUNDS, runs * steps)


def _step(g: Goal, target: Array | None, cosine: Array, s: _Search) -> _Search:
    """Return the search after a step: look, breathe, go down the margin, return to the ball. cosine: from 1 to 0."""
    b = g.ball
    scores, pull = g.scores_and_pull(s.u)
    other = Loss().targets(scores, g.y, 1)[:, 0] if target is None else target
    lead, w = g.lead(scores, pull, other)
    margin = g.margin(scores)
    best, fell = g.keep(s.best, s.u, margin), margin < 0
    slope = jnp.maximum(size(w, DUAL[b.norm]).reshape(-1), TINY)
    ahead = jnp.nan_to_num(size(s.u, b.norm).reshape(-1) + jnp.abs(lead) / slope, nan=0.0)
    breath = GAMMA[1] + (GAMMA[0] - GAMMA[1]) * cosine
    grown = jnp.where(s.met | fell, s.radius, ahead) * (
        1 + breath
    )  # onto the boundary alone is not beyond it
    radius = jnp.where(fell, jnp.minimum(s.radius * (1 - breath), best.size), grown)
    radius = jnp.minimum(radius, size(jnp.maximum(-b.lower, b.upper), b.norm).reshape(-1))
    length = STEP[b.norm] * (LAST + (1 - LAST) * cosine) * g.each(radius)
    if b.norm == "linf":
        length = length * jnp.sqrt(b.movable())
    move = jnp.nan_to_num(length * replace(b, norm="l2").direction(-w, s.u))
    u = replace(b, eps=g.each(radius)).project(s.u + move)
    return _Search(u, radius, s.met | fell, best)
