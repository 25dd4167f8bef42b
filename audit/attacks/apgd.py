"""Auto-PGD: projected gradient ascent that chooses its own step sizes, whole or in chunks."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks import pace
from audit.attacks.balls import Ball, Norm, ball
from audit.attacks.losses import Loss
from audit.attacks.pace import Halving, Pace, Sparsity
from audit.attacks.slope import CLEAN, Apply, Cost, Slope, aim, choose, fold, look, slope

_INF = float("inf")
MOMENTUM = 0.75  # the share of a step that is new; the rest repeats the step before
_STATIC = ("apply", "loss", "draws")


class Found(NamedTuple):
    """The point u[n, ...] of smallest margin[n] met in all runs, and the classes[n, k] to aim at (or None)."""

    u: Array
    margin: Array
    towards: Array | None


class State(NamedTuple):
    """Where one run of each example stands: every array has leading axis n, so that rows may be taken out.

    before: the point before u. here: the slope at u. best: the point of highest loss of this run, there:
    the slope at it. done: steps taken in this run, -1 before the model is asked at its start. run: its
    number, for random draws. target: the class aimed at, or None.
    """

    u: Array
    before: Array
    here: Slope
    best: Array
    there: Slope
    pace: Pace
    done: Array
    run: Array
    target: Array | None
    found: Found


@partial(jax.jit, static_argnames=(*_STATIC, "norm", "targets"))
def apgd(
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
    restarts: ArrayLike = 1,
    targets: int = 0,
    draws: int = 0,
) -> Array:
    """Return, for each x[n, ...], the worst point met by Auto-PGD from random starts on the sphere.

    Croce and Hein 2020, algorithm 1; for L1 Croce and Hein 2021. Step, projection and space are those of
    `Ball`. The worst point is the one of smallest margin over all steps, restarts and x itself. loss
    cross-entropy is APGD-CE, dlr APGD-DLR; targets = 9 with dlr is APGD-T: every restart is run towards
    each of the so many most likely wrong classes at x. keys[n] are JAX keys, one an example: the result
    does not depend on the other examples. draws > 0: apply(params, x, keys[n]) is randomised, and
    gradients, losses and margins are means over so many draws. One compilation serves every eps, steps
    and restarts.
    """
    b = ball(x, eps, norm, scale, low, high)
    how: dict[str, Any] = {"loss": loss, "draws": draws}

    def run(i: Array, found: Found) -> Found:
        state = start(b, keys, found, i)
        return advance(apply, params, b, y, keys, state, steps + 1, steps, **how).found

    found = clean(apply, params, b, y, keys, targets=targets, **how)
    return b.place(jax.lax.fori_loop(0, restarts * runs(found), run, found).u)


@partial(jax.jit, static_argnames=(*_STATIC, "targets"))
def clean(
    apply: Apply,
    params: Any,
    b: Ball,
    y: Array,
    keys: Array,
    *,
    loss: Loss,
    targets: int = 0,
    draws: int = 0,
) -> Found:
    """Return what is known before any run: x itself, its margin, the classes to aim at (0 targets: none)."""
    zero = jnp.zeros_like(b.x)
    margin, outputs = look(apply, params, b, zero, y, fold(keys, CLEAN), loss=loss, draws=draws)
    return Found(zero, margin, loss.targets(outputs, y, targets) if targets else None)


def runs(found: Found) -> int:
    """Return how many runs make one restart: one, or one for each class aimed at."""
    return 1 if found.towards is None else found.towards.shape[1]


@jax.jit
def start(b: Ball, keys: Array, found: Found, run: ArrayLike) -> State:
    """Return the state of run number `run` (one for all, or one an example) at a random point of the sphere.

    The model has not been asked there yet. With classes to aim at, consecutive runs take them in turn.
    """
    number = jnp.broadcast_to(jnp.asarray(run, jnp.int32), found.margin.shape)
    target = aim(found.towards, number)
    return begin(b, b.surface(fold(keys, number)), found, number, target)


def begin(b: Ball, u: Array, found: Found, run: Array, target: Array | None) -> State:
    """Return the state of a run[n] at u[n, ...] towards target[n] (None: away), the model not asked yet."""
    unknown = jnp.full_like(found.margin, -jnp.inf)
    here = Slope(jnp.zeros_like(u), unknown, -unknown)
    done = jnp.full(unknown.shape, -1, jnp.int32)
    return State(u, u, here, u, here, pace.first(b, unknown), done, run, target, found)


@partial(jax.jit, static_argnames=_STATIC)
def advance(
    apply: Apply,
    params: Any,
    b: Ball,
    y: Array,
    keys: Array,
    state: State,
    steps: ArrayLike,
    total: ArrayLike,
    *,
    loss: Loss,
    draws: int = 0,
) -> State:
    """Return the state after `steps` more steps of a run of `total`; an example stops when that is reached.

    The first step of a run is to ask the model at its start, so a whole run takes total + 1. The
    checkpoints depend on `total` and the example's own count alone: chunks of any size, and batches of any
    rows, make the same run.
    """
    own = fold(keys, state.run)

    def step(_: int, s: State) -> State:
        u, drawn = _move(b, s), fold(own, s.done + 3)  # 1 drew the start
        here = slope(apply, params, b, u, y, drawn, loss=loss, target=s.target, draws=draws)
        return choose(s.done < total, _arrive(s, u, here, total), s)

    return jax.lax.fori_loop(0, steps, step, state)


def apgd_cost(*, steps: int, restarts: int = 1, targets: int = 0, draws: int = 0) -> Cost:
    """Return the evaluations of apgd an example, where it has at least `targets` wrong classes."""
    each = max(draws, 1)
    return Cost(forward=each, gradient=restarts * max(targets, 1) * (steps + 1) * each)


def _move(b: Ball, s: State) -> Array:
    """Return the next point: the start, a projected step, from the second one on (but in L1) with momentum."""
    length = s.pace.step.reshape(b.eps.shape) * b.eps
    if isinstance(s.pace, Sparsity):
        return choose(s.done < 0, s.u, b.climb(s.u, s.here.g, length, s.pace.entries.reshape(b.eps.shape)))
    z = choose(s.done < 0, s.u, b.climb(s.u, s.here.g, length))
    mixed = b.project(s.u + MOMENTUM * (z - s.u) + (1 - MOMENTUM) * (s.u - s.before))
    return choose(s.done > 0, mixed, z)


def _arrive(s: State, u: Array, here: Slope, total: ArrayLike) -> State:
    """Return the state at a new point: remember it if it is the best or the worst, and judge the pace."""
    fresh, done = s.done < 0, s.done + 1
    higher = here.raised > s.there.raised
    best, there = choose(higher, (u, here), (s.best, s.there))
    paced = s.pace._replace(level=jnp.where(fresh, here.raised, s.pace.level))
    if isinstance(paced, Halving):
        paced = paced._replace(rises=paced.rises + (~fresh & (here.raised > s.here.raised)))
    paced, back = pace.judge(paced, done, total, best, there.raised)
    found = _worse(s.found, u, here.margin)
    u, here = choose(back, (best, there), (u, here))
    return State(u, s.u, here, best, there, paced, done, s.run, s.target, found)


def _worse(found: Found, u: Array, margin: Array) -> Found:
    """Return what is found when u[n, ...] with margin[n] is seen."""
    worst, least = choose(margin < found.margin, (u, margin), (found.u, found.margin))
    return Found(worst, least, found.towards)
