"""Auto-PGD from above: in a larger ball first, which shrinks to the one allowed; towards many classes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.apgd import Found, advance, begin, clean, runs
from audit.attacks.balls import Ball, Norm, ball
from audit.attacks.losses import Loss
from audit.attacks.slope import Apply, Cost, fold

_INF = float("inf")


@partial(jax.jit, static_argnames=("apply", "norm", "loss", "targets", "draws"))
def anneal(
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
    loss: Loss = Loss("margin"),  # noqa: B008  (frozen)
    steps: ArrayLike = 100,
    restarts: ArrayLike = 1,
    targets: int = 9,
    factor: ArrayLike = 4.0,
    stages: ArrayLike = 3,
    draws: int = 0,
) -> Array:
    """Return, for each x[n, ...], the worst point within eps met by Auto-PGD whose radius shrinks to eps.

    The radius falls from factor * eps to eps in equal ratios over the stages; each is a run of Auto-PGD
    that starts from the best point of the one before, projected onto the smaller ball (Croce and Hein 2021
    do so for L1, with radii 3, 2 and 1). Of 3 stages the last takes 4 of 10 steps. Only points of the
    last stage count: what was found further away is no finding. Each restart is run towards each of the
    `targets` most likely wrong classes at x (0: away from y). The rest is as in `apgd`.
    """
    b = ball(x, eps, norm, scale, low, high)
    how: dict[str, Any] = {"loss": loss, "draws": draws}

    def run(i: Array, found: Found) -> Found:
        target = None if found.towards is None else jnp.take(found.towards, i % runs(found), axis=1)

        def stage(j: Array, so_far: tuple[Array, Found]) -> tuple[Array, Found]:
            best, found = so_far
            wide, most = wider(b, factor, j, stages), part(steps, j, stages)
            number = jnp.full(y.shape, i * stages + j, jnp.int32)
            s = begin(wide, wide.project(best), found, number, target)
            s = advance(apply, params, wide, y, keys, s, most + 1, most, **how)
            counts = j == stages - 1
            return s.best, jax.tree.map(lambda new, old: jnp.where(counts, new, old), s.found, found)

        first = wider(b, factor, 0, stages).surface(fold(keys, i))
        return jax.lax.fori_loop(0, stages, stage, (first, found))[1]

    found = clean(apply, params, b, y, keys, targets=targets, **how)
    return b.place(jax.lax.fori_loop(0, restarts * runs(found), run, found).u)


def anneal_cost(*, steps: int, restarts: int = 1, targets: int = 9, stages: int = 3, draws: int = 0) -> Cost:
    """Return the evaluations of anneal an example, where it has at least `targets` wrong classes."""
    each = max(draws, 1)
    return Cost(forward=each, gradient=restarts * max(targets, 1) * (steps + stages) * each)


def wider(b: Ball, factor: ArrayLike, stage: ArrayLike, stages: ArrayLike) -> Ball:
    """Return the ball of a stage (one, or one an example): factor ** 1 times eps in the first, ** 0 in the last."""
    last = jnp.asarray(stages, b.x.dtype) - 1
    power = ((last - jnp.asarray(stage)) / jnp.maximum(last, 1)).reshape(-1, *[1] * (b.x.ndim - 1))
    return replace(b, eps=b.eps * jnp.asarray(factor, b.x.dtype) ** power)


def part(steps: ArrayLike, stage: ArrayLike, stages: ArrayLike) -> Array:
    """Return the steps of a stage: 3 parts each, and for the last 4 parts and what is left over."""
    each = 3 * jnp.asarray(steps, jnp.int32) // (3 * jnp.asarray(stages, jnp.int32) + 1)
    last = jnp.asarray(stages, jnp.int32) - 1
    return jnp.where(stage == last, steps - last * each, each)
