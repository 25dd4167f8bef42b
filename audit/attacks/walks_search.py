"""FAB and Square as walks: single steps of rows, which stop as soon as they have fallen within eps."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from audit.attacks import fab, square
from audit.attacks.balls import Norm
from audit.attacks.lanes import Walk
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, ball_of, keys_of
from audit.attacks.nearest import Best, Goal, Nearest
from audit.attacks.slope import Apply
from audit.attacks.walks import enough, where_any

_KEPT = 32  # walks remembered; each keeps its model's apply alive


class Boundary(NamedTuple):
    """FAB's point u[n, ...], the best so far, its run[n], the steps taken in it, and the radius[n] that fells."""

    u: Array
    best: Best
    run: Array
    done: Array
    eps: Array


class Blind(NamedTuple):
    """Square's state, and the margin[n] below which a row has fallen."""

    found: square.Found
    enough: Array


@lru_cache(maxsize=_KEPT)
def fab_walk(apply: Apply, norm: Norm, loss: Loss, steps: int, restarts: int, targets: int) -> Walk:
    """Return FAB's walk, to the Nearest; a row stops once it is decided wrongly within shared.eps."""

    def goal(s: Shared, rows: Rows) -> Goal:
        return Goal(apply, s.params, ball_of(s, rows, norm), rows.y, loss)

    def begin(s: Shared, rows: Rows) -> Boundary:
        g, none = goal(s, rows), jnp.zeros_like(rows.y, jnp.int32)
        best = g.begin(targets)
        return Boundary(best.u, best, none, none, g.ball.eps.reshape(-1))

    def step(s: Shared, rows: Rows, f: Boundary) -> Boundary:
        g, keys = goal(s, rows), keys_of(s, rows)

        def again(f: Boundary) -> Boundary:
            u = fab.start(g, keys, f.run + 1, f.best, restarts)
            return f._replace(u=u, run=f.run + 1, done=jnp.zeros_like(f.done))

        f = where_any(f.done >= steps, again, f)
        u, best = fab.fab_step(g, f.u, f.best, fab.plane_at(g, f.best, f.run, restarts, targets))
        return f._replace(u=u, best=best, done=f.done + 1)

    def over(_: Shared, f: Boundary) -> Array:
        runs = restarts * f.best.towards.shape[1]
        return ((f.done >= steps) & (f.run + 1 >= runs)) | (f.best.size <= f.eps)

    def finish(s: Shared, rows: Rows, f: Boundary) -> Nearest:
        return goal(s, rows).finish(f.best, fab.ROUNDS)

    return Walk(begin, step, over, finish)


@lru_cache(maxsize=_KEPT)
def square_walk(apply: Apply, norm: Norm, loss: Loss, queries: int) -> Walk:
    """Return the walk of the Square attack, to what it finds; a row stops at its first wrong decision."""

    def begin(s: Shared, rows: Rows) -> Blind:
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        found = square.start(apply, s.params, b, rows.y, keys, loss)
        return Blind(found, enough(found.margin))

    def step(s: Shared, rows: Rows, at: Blind) -> Blind:
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        p = square.share(at.found.queries - 1, queries)
        found = square.propose_one(apply, s.params, b, rows.y, keys, loss, at.found, p)
        return at._replace(found=found)

    def over(_: Shared, at: Blind) -> Array:
        return (at.found.queries >= queries) | (at.found.margin < at.enough)

    def finish(s: Shared, rows: Rows, at: Blind) -> square.Searched:
        found = at.found
        return square.Searched(ball_of(s, rows, norm).place(found.u), found.margin, found.queries)

    return Walk(begin, step, over, finish)
