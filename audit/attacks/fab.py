"""The fast adaptive boundary attack (FAB): the smallest perturbation, by steps onto linearised boundaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import TINY, Ball, Norm, ball, size
from audit.attacks.losses import Loss
from audit.attacks.nearest import DUAL, Best, Goal, Nearest
from audit.attacks.planes import onto_plane
from audit.attacks.slope import Apply, Cost, aim, fold

ALPHA_MAX, ETA, BETA = 0.1, 1.05, 0.9  # bias towards x, overshoot, backward step (Croce and Hein 2020)
ROUNDS = 5  # of the last search along the segment from x: its ends, then three
_INF = float("inf")
Plane = Callable[[Array], tuple[Array, Array]]


def fab_runs(classes: int, restarts: int, targets: int) -> int:
    """Return how many runs there are: one a target and restart, no more targets than wrong classes."""
    return restarts * max(1, min(targets, classes - 1))


@partial(jax.jit, static_argnames=("apply", "norm", "loss", "restarts", "targets"))
def fab(
    apply: Apply,
    params: Any,
    x: Array,
    y: Array,
    keys: Array,
    *,
    eps: ArrayLike,
    norm: Norm = "linf",
    scale: ArrayLike = 1.0,
    low: ArrayLike = -_INF,
    high: ArrayLike = _INF,
    loss: Loss = Loss(),  # noqa: B008  (frozen)
    steps: ArrayLike = 100,
    restarts: int = 1,
    targets: int = 9,
) -> Nearest:
    """Return, for each x[n, ...], the nearest wrongly decided point that FAB meets.

    Croce and Hein 2020. Each step goes onto the hyperplane where the linearised scores of class y and another are
    equal, within the box, and is drawn towards x. targets: that many most likely wrong classes, one after the
    other (FAB-T); 0: all at once, the nearest plane by the scores' Jacobian (FAB). Restarts after the first begin
    at random within half of min(eps, the size found so far); eps limits nothing else. keys[n]: one an example.
    """
    g = Goal(apply, params, ball(x, eps, norm, scale, low, high), y, loss)
    best = g.begin(targets)

    def run(i: Array, best: Best) -> Best:
        return fab_run(g, keys, i, best, steps, restarts, targets)

    return g.finish(jax.lax.fori_loop(0, restarts * best.towards.shape[1], run, best), ROUNDS)


def fab_run(
    g: Goal, keys: Array, i: ArrayLike, best: Best, steps: ArrayLike, restarts: int, targets: int
) -> Best:
    """Return the best[n] after run i of fab_runs, on the target of rank i // restarts."""
    run = jnp.broadcast_to(jnp.asarray(i, jnp.int32), best.size.shape)
    plane = plane_at(g, best, run, restarts, targets)

    def step(_: int, state: tuple[Array, Best]) -> tuple[Array, Best]:
        return fab_step(g, *state, plane)

    return jax.lax.fori_loop(0, steps, step, (start(g, keys, run, best, restarts), best))[1]


def plane_at(g: Goal, best: Best, run: Array, restarts: int, targets: int) -> Plane:
    """Return what linearises the boundary in run[n]: towards its target, or of all classes the nearest."""
    target = aim(best.towards if targets else None, run // restarts)
    return _nearest_plane(g) if target is None else _plane_of(g, target)


def start(g: Goal, keys: Array, run: Array, best: Best, restarts: int) -> Array:
    """Return the point u[n, ...] that run[n] begins at: x itself, or for a restart one drawn around it."""
    zero = jnp.zeros_like(best.u)
    if restarts == 1:
        return zero
    return jnp.where(g.each(run % restarts == 0), zero, _drawn(g, fold(keys, run), best))


def fab_step(g: Goal, u: Array, best: Best, plane: Plane) -> tuple[Array, Best]:
    """Return the next point u[n, ...], and the best so far."""
    moved = _across(g.ball, u, *plane(u))
    u = jnp.where(jnp.isfinite(moved), moved, BETA * u)  # no plane where the outputs are not finite
    margin = g.margin(g.scores(u))
    return jnp.where(g.each(margin < 0), BETA * u, u), g.keep(best, u, margin)


def fab_cost(*, classes: int, steps: int = 100, restarts: int = 1, targets: int = 9) -> Cost:
    """Return the evaluations of fab an example; without targets a step has a gradient for each class."""
    runs = fab_runs(classes, restarts, targets)
    return Cost(1 + runs * steps + ROUNDS, runs * steps * (1 if targets else classes))


def _drawn(g: Goal, keys: Array, best: Best) -> Array:
    """Return one draw a key[n], uniform within half of min(eps, the best size); x where neither is finite."""
    radius = jnp.minimum(g.each(best.size), g.ball.eps) / 2
    return replace(g.ball, eps=jnp.where(jnp.isfinite(radius), radius, 0.0)).uniform(keys)


def _across(b: Ball, u: Array, lead: Array, w: Array) -> Array:
    """Return the next point: beyond the plane lead + <w, d> = 0 by ETA, from u and, by a share alpha, from x."""
    both = jnp.stack([u, jnp.zeros_like(u)])
    gaps = jnp.stack([-lead, _inner(w, u) - lead])
    near, home = jax.vmap(lambda v, gap: onto_plane(w, gap, b.lower - v, b.upper - v, b.norm))(both, gaps)
    from_u, from_x = size(near, b.norm), size(home, b.norm)
    alpha = jnp.minimum(from_u / jnp.maximum(from_u + from_x, TINY), ALPHA_MAX)
    return jnp.clip((1 - alpha) * (u + ETA * near) + alpha * ETA * home, b.lower, b.upper)


def _plane_of(g: Goal, target: Array) -> Plane:
    """Return u -> (lead[n] of class y over the target[n], its gradient[n, ...])."""

    def plane(u: Array) -> tuple[Array, Array]:
        return g.lead(*g.scores_and_pull(u), target)

    return plane


def _nearest_plane(g: Goal) -> Plane:
    """Return u -> (lead[n] of class y over the class whose linearised boundary is nearest, its gradient[n, ...])."""

    def plane(u: Array) -> tuple[Array, Array]:
        scores, pull = g.scores_and_pull(u)
        classes = jnp.arange(scores.shape[1], dtype=g.y.dtype)
        leads, ws = jax.vmap(lambda k: g.lead(scores, pull, jnp.full_like(g.y, k)))(classes)
        slopes = jax.vmap(lambda w: size(w, DUAL[g.ball.norm]).reshape(-1))(ws)
        far = jnp.where(classes[:, None] == g.y[None], jnp.inf, jnp.abs(leads) / jnp.maximum(slopes, TINY))
        at, rows = jnp.argmin(far, axis=0), jnp.arange(len(u))
        return leads[at, rows], ws[at, rows]

    return plane


def _inner(w: Array, u: Array) -> Array:
    """Return the inner product[n] of each example."""
    return jnp.sum((w * u).reshape(len(u), -1), axis=1)
