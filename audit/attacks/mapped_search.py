"""FAB, Square and the minimum-norm attack as f(shared, rows), to be mapped over batches, whole or in chunks."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jax import Array
from jax.typing import ArrayLike

from audit.attacks import square as squares
from audit.attacks.balls import Norm
from audit.attacks.fab import ROUNDS, fab, fab_run
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, ball_of, keys_of, space_of
from audit.attacks.minimum import minimum
from audit.attacks.nearest import Best, Goal, Nearest
from audit.attacks.slope import Apply
from audit.attacks.square import Found, Searched, square

_KEPT = 32  # functions remembered; each keeps its model's apply alive


class Chunk(NamedTuple):
    """What every batch of a chunk is given: the Shared, and which part: runs (FAB) or queries (Square)."""

    shared: Shared
    begin: ArrayLike
    end: ArrayLike
    queries: ArrayLike = 0


class Standing(NamedTuple):
    """Rows still attacked and where their search stands; any of them may be left out of the next chunk."""

    rows: Rows
    state: Any


class Chunked(NamedTuple):
    """An attack in three parts, each to be mapped over batches, so that fooled rows may be left out in between.

    start(shared, rows) -> state, advance(chunk, standing) -> state, finish(shared, standing) -> result.
    """

    start: Callable[[Shared, Rows], Any]
    advance: Callable[[Chunk, Standing], Any]
    finish: Callable[[Shared, Standing], Any]


@lru_cache(maxsize=_KEPT)
def fab_rows(
    apply: Apply, norm: Norm, loss: Loss, steps: int, restarts: int, targets: int
) -> Callable[[Shared, Rows], Nearest]:
    """Return f(shared, rows) -> the Nearest that FAB finds; shared.eps bounds random restarts alone."""

    def attack(s: Shared, rows: Rows) -> Nearest:
        how: dict[str, Any] = {"loss": loss, "steps": steps, "restarts": restarts, "targets": targets}
        return fab(apply, s.params, rows.x, rows.y, keys_of(s, rows), norm=norm, **space_of(s), **how)

    return attack


@lru_cache(maxsize=_KEPT)
def fab_parts(apply: Apply, norm: Norm, loss: Loss, steps: int, restarts: int, targets: int) -> Chunked:
    """Return FAB in chunks of runs begin to end (of `fab_runs`); state.size[n] <= eps: the row has fallen."""

    def start(s: Shared, rows: Rows) -> Best:
        return _goal(apply, norm, loss, s, rows).begin(targets)

    def advance(c: Chunk, standing: Standing) -> Best:
        s, (rows, best) = c.shared, standing
        g, keys = _goal(apply, norm, loss, s, rows), keys_of(s, rows)

        def run(i: Array, best: Best) -> Best:
            return fab_run(g, keys, i, best, steps, restarts, targets)

        return jax.lax.fori_loop(c.begin, c.end, run, best)

    def finish(s: Shared, standing: Standing) -> Nearest:
        return _goal(apply, norm, loss, s, standing.rows).finish(standing.state, ROUNDS)

    return Chunked(start, advance, finish)


@lru_cache(maxsize=_KEPT)
def minimum_rows(
    apply: Apply, norm: Norm, loss: Loss, steps: int, targets: int
) -> Callable[[Shared, Rows], Nearest]:
    """Return f(shared, rows) -> the Nearest that the minimum-norm attack finds; shared.eps plays no part."""

    def attack(s: Shared, rows: Rows) -> Nearest:
        how: dict[str, Any] = {"loss": loss, "steps": steps, "targets": targets}
        return minimum(
            apply, s.params, rows.x, rows.y, norm=norm, scale=s.scale, low=s.low, high=s.high, **how
        )

    return attack


@lru_cache(maxsize=_KEPT)
def square_rows(apply: Apply, norm: Norm, loss: Loss, queries: int) -> Callable[[Shared, Rows], Searched]:
    """Return f(shared, rows) -> what the Square attack finds, and the queries it took."""

    def attack(s: Shared, rows: Rows) -> Searched:
        how: dict[str, Any] = {"loss": loss, "queries": queries}
        return square(apply, s.params, rows.x, rows.y, keys_of(s, rows), norm=norm, **space_of(s), **how)

    return attack


@lru_cache(maxsize=_KEPT)
def square_parts(apply: Apply, norm: Norm, loss: Loss) -> Chunked:
    """Return Square in chunks of queries begin to end, from 1 on; state.margin[n] < 0: the row has fallen."""

    def start(s: Shared, rows: Rows) -> Found:
        return squares.start(apply, s.params, ball_of(s, rows, norm), rows.y, keys_of(s, rows), loss)

    def advance(c: Chunk, standing: Standing) -> Found:
        s, (rows, found) = c.shared, standing
        b, keys = ball_of(s, rows, norm), keys_of(s, rows)
        return squares.advance(apply, s.params, b, rows.y, keys, loss, found, c.begin, c.end, c.queries)

    def finish(s: Shared, standing: Standing) -> Searched:
        found: Found = standing.state
        return Searched(ball_of(s, standing.rows, norm).place(found.u), found.margin, found.queries)

    return Chunked(start, advance, finish)


def _goal(apply: Apply, norm: Norm, loss: Loss, s: Shared, rows: Rows) -> Goal:
    """Return what a search for the smallest perturbation asks."""
    return Goal(apply, s.params, ball_of(s, rows, norm), rows.y, loss)
