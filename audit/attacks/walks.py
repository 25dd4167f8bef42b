"""PGD, Auto-PGD and its annealed form as walks: single steps of rows, which stop as soon as they have fallen."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks import anneal, apgd, gradient
from audit.attacks.balls import Ball, Norm
from audit.attacks.lanes import Walk
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, ball_of, keys_of
from audit.attacks.slope import Apply, aim, choose, fold

_KEPT = 32  # walks remembered; each keeps its model's apply alive
BEYOND = 1e-3  # of the margin at x: so far beyond the boundary a row has fallen, however it is scored again


class Climb(NamedTuple):
    """Auto-PGD's state, what counts as found (annealed: within eps alone), and the margin[n] to reach."""

    state: apgd.State
    kept: apgd.Found
    enough: Array


class Budget(NamedTuple):
    """Shared, with the steps and restarts of Auto-PGD traced; on: a row that has fallen goes on to the end."""

    shared: Shared
    steps: ArrayLike
    restarts: ArrayLike
    on: ArrayLike = False


class Ascent(NamedTuple):
    """PGD's search, its run[n] and the steps taken in it, the classes to aim at or None, the margin[n] to reach."""

    search: gradient.Search
    run: Array
    done: Array
    towards: Array | None
    enough: Array


@lru_cache(maxsize=_KEPT)
def apgd_walk(
    apply: Apply, norm: Norm, loss: Loss, steps: int, restarts: int, *, targets: int = 0, draws: int = 0
) -> Walk:
    """Return Auto-PGD's walk, to the inputs[n, ...] of smallest margin; a row stops once it has fallen."""
    return _auto(apply, norm, loss, lambda s: Budget(s, steps, restarts), targets, draws)


@lru_cache(maxsize=_KEPT)
def budgeted_walk(apply: Apply, norm: Norm, loss: Loss) -> Walk:
    """Return Auto-PGD's walk that is given a Budget where others are given Shared: one compilation serves all."""
    return _auto(apply, norm, loss, lambda budget: budget, 0, 0)


def _auto(
    apply: Apply, norm: Norm, loss: Loss, of: Callable[[Any], Budget], targets: int, draws: int
) -> Walk:
    """Return Auto-PGD's walk within the budget of what every batch is given."""
    how: dict[str, Any] = {"loss": loss, "draws": draws}

    def begin(given: Any, rows: Rows) -> Climb:
        s, _, _, on = of(given)
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        found = apgd.clean(apply, s.params, b, rows.y, keys, targets=targets, **how)
        return Climb(apgd.start(b, keys, found, 0), found, jnp.where(on, -jnp.inf, enough(found.margin)))

    def step(given: Any, rows: Rows, c: Climb) -> Climb:
        s, steps, _, _ = of(given)
        b, keys, now = ball_of(s, rows, norm), keys_of(s, rows), c.state
        ended = now.done >= steps
        again = where_any(ended, lambda now: apgd.start(b, keys, now.found, now.run + 1), now)
        now = apgd.advance(apply, s.params, b, rows.y, keys, again, 1, steps, **how)
        return c._replace(state=now, kept=now.found)

    def over(given: Any, c: Climb) -> Array:
        _, steps, restarts, _ = of(given)
        spent = (c.state.done >= steps) & (c.state.run + 1 >= restarts * apgd.runs(c.kept))
        return spent | (c.kept.margin < c.enough)

    return Walk(begin, step, over, lambda given, rows, c: _place(norm)(of(given).shared, rows, c))


@lru_cache(maxsize=_KEPT)
def anneal_walk(
    apply: Apply,
    norm: Norm,
    loss: Loss,
    steps: int,
    restarts: int,
    *,
    targets: int = 9,
    factor: float = 4.0,
    stages: int = 3,
) -> Walk:
    """Return the walk of Auto-PGD whose radius shrinks to eps, to the inputs[n, ...] of smallest margin within it."""

    def begin(s: Shared, rows: Rows) -> Climb:
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        found = apgd.clean(apply, s.params, b, rows.y, keys, targets=targets, loss=loss)
        first = jnp.zeros_like(rows.y, jnp.int32)
        return Climb(_stage(b, keys, found, first, found.u), found, enough(found.margin))

    def _stage(b: Ball, keys: Array, kept: apgd.Found, number: Array, best: Array) -> apgd.State:
        """Return the start of stage `number`[n], counted through all runs, from the best of the one before."""
        run, stage = number // stages, number % stages
        wide = anneal.wider(b, factor, stage, stages)
        drawn = wide.project(wide.surface(fold(keys, run)))
        u = choose(stage == 0, drawn, wide.project(best))
        return apgd.begin(wide, u, kept, number, aim(kept.towards, run))

    def step(s: Shared, rows: Rows, c: Climb) -> Climb:
        b, keys, now = ball_of(s, rows, norm), keys_of(s, rows), c.state
        ended = now.done >= anneal.part(steps, now.run % stages, stages)
        now = where_any(ended, lambda now: _stage(b, keys, c.kept, now.run + 1, now.best), now)
        stage = now.run % stages
        wide, most = anneal.wider(b, factor, stage, stages), anneal.part(steps, stage, stages)
        now = apgd.advance(apply, s.params, wide, rows.y, keys, now, 1, most, loss=loss)
        return c._replace(state=now, kept=choose(stage == stages - 1, now.found, c.kept))

    def over(_: Shared, c: Climb) -> Array:
        last = c.state.run + 1 >= restarts * apgd.runs(c.kept) * stages
        spent = last & (c.state.done >= anneal.part(steps, stages - 1, stages))
        return spent | (c.kept.margin < c.enough)

    return Walk(begin, step, over, _place(norm))


@lru_cache(maxsize=_KEPT)
def pgd_walk(
    apply: Apply,
    norm: Norm,
    loss: Loss,
    steps: int,
    restarts: int,
    *,
    momentum: float | None = None,
    targets: int = 0,
) -> Walk:
    """Return PGD's walk, to the inputs[n, ...] of smallest margin; shared.step_size is in eps."""

    def begin(s: Shared, rows: Rows) -> Ascent:
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        found = apgd.clean(apply, s.params, b, rows.y, keys, loss=loss, targets=targets)
        none = jnp.zeros_like(rows.y, jnp.int32)
        search = gradient.Search(b.inner(fold(keys, 0)), found.u, found.u, found.margin)
        return Ascent(search, none, none, found.towards, enough(found.margin))

    def restart(b: Ball, keys: Array, a: Ascent) -> Ascent:
        u = b.inner(fold(keys, a.run + 1))
        search = a.search._replace(u=u, velocity=jnp.zeros_like(u))
        return a._replace(search=search, run=a.run + 1, done=jnp.zeros_like(a.done))

    def step(s: Shared, rows: Rows, a: Ascent) -> Ascent:
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        a = where_any(a.done > steps, lambda a: restart(b, keys, a), a)
        length, target = b.eps * s.step_size, aim(a.towards, a.run)
        search = gradient.climb(apply, s.params, b, rows.y, a.search, length, loss, target, momentum)
        return a._replace(search=search, done=a.done + 1)

    def over(_: Shared, a: Ascent) -> Array:
        runs = restarts * (1 if a.towards is None else a.towards.shape[1])
        spent = (a.done > steps) & (a.run + 1 >= runs)  # one step more than steps: it looks at the last point
        return spent | (a.search.margin < a.enough)

    def finish(s: Shared, rows: Rows, a: Ascent) -> Array:
        return ball_of(s, rows, norm).place(a.search.worst)

    return Walk(begin, step, over, finish)


def enough(margin: Array) -> Array:
    """Return the margin[n] below which a row has fallen, given its margin[n] at x."""
    return -BEYOND * jnp.abs(margin)


def where_any(which: Array, change: Callable[[Any], Any], state: Any) -> Any:
    """Return change(state) for the rows where which[n], computed only if there is one."""
    return jax.lax.cond(jnp.any(which), lambda now: choose(which, change(now), now), lambda now: now, state)


def _place(norm: Norm) -> Any:
    """Return f(shared, rows, climb) -> the inputs[n, ...] of what counts as found."""

    def finish(s: Shared, rows: Rows, c: Climb) -> Array:
        return ball_of(s, rows, norm).place(c.kept.u)

    return finish
