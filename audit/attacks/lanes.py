"""Rows take turns in lanes: whoever has fallen, or spent its budget, leaves its lane to the next row in the queue."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from audit.attacks.mapped import Rows
from audit.attacks.slope import choose

ENTRIES = {"cpu": 2**15}  # input entries in the lanes together; on a CPU larger batches only leave its cache
ENTRIES_ELSEWHERE = 2**22
LANES = (16, 1024)  # at least and at most
WAITING = 8  # a lane in so many may stand still before the queue moves up


class Walk(NamedTuple):
    """An attack as single steps of rows, each at a count of its own; every array of a state has leading axis n.

    begin(shared, rows) -> state. step(shared, rows, state) -> state, one evaluation or two further.
    over(shared, state) -> bool[n]: the row has fallen or spent its budget. finish(shared, rows, state) -> result[n].
    """

    begin: Callable[[Any, Rows], Any]
    step: Callable[[Any, Rows, Any], Any]
    over: Callable[[Any, Any], Array]
    finish: Callable[[Any, Rows, Any], Any]


class Queue(NamedTuple):
    """Where every lane stands: the row's place[w] in the queue (its length: none), rows, state; results so far."""

    after: Array
    place: Array
    rows: Rows
    state: Any
    results: Any


Laned = Callable[[Any, Rows, Any], Any]


@lru_cache(maxsize=64)
def in_lanes(walk: Walk, width: int | None = None) -> Laned:
    """Return f(shared, rows, real[n]) -> the walk's results where real, which the first rows are; else zeros.

    Each row's result is that of the walk on it alone, whichever rows keep it company, so that `width`, the
    lanes side by side (default `lanes`), moves speed alone. Memory for states grows with the lanes, not the rows.
    """

    def f(s: Any, rows: Rows, real: Any) -> Any:
        n = len(rows.y)
        w = min(n, width or lanes(rows.x))
        end = jnp.sum(real, dtype=jnp.int32)

        def more(q: Queue) -> Array:
            return jnp.any(q.place < n) | (q.after < end)

        def free(q: Queue, state: Any) -> Array:
            return walk.over(s, state) | (q.place == n)

        def turn(q: Queue) -> Queue:
            q = move_up(free(q, q.state), q)

            def busy(state: Any) -> Array:
                few = jnp.sum(free(q, state)) * WAITING < w
                return (few | (q.after >= end)) & ~jnp.all(free(q, state))

            def step(state: Any) -> Any:
                return choose(free(q, state), state, walk.step(s, q.rows, state))

            return q._replace(state=jax.lax.while_loop(busy, step, q.state))

        def move_up(leaves: Array, q: Queue) -> Queue:
            done = jnp.where(leaves, q.place, n)  # the length of the queue: nowhere
            results = jax.tree.map(
                lambda all_, new: all_.at[done].set(new, mode="drop"),
                q.results,
                walk.finish(s, q.rows, q.state),
            )
            place = q.after + jnp.cumsum(leaves) - 1
            place = jnp.where(leaves, jnp.where(place < end, place, n), q.place)
            fresh = jax.tree.map(lambda a: jnp.take(a, jnp.minimum(place, n - 1), axis=0), rows)
            state = choose(leaves, walk.begin(s, fresh), q.state)
            return Queue(q.after + jnp.sum(leaves), place, fresh, state, results)

        first = jax.tree.map(lambda a: a[:w], rows)
        state = jax.eval_shape(walk.begin, s, first)
        like = jax.eval_shape(walk.finish, s, first, state)
        results = jax.tree.map(lambda a: jnp.zeros((n, *a.shape[1:]), a.dtype), like)
        nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), state)  # every lane is free at first
        queue = Queue(jnp.zeros((), jnp.int32), jnp.full(w, n), first, nothing, results)
        return jax.lax.while_loop(more, turn, queue).results

    return f


def lanes(x: Any) -> int:
    """Return how many lanes serve rows like x[n, ...]: a power of two, fewer the larger an input."""
    entries = ENTRIES.get(jax.default_backend(), ENTRIES_ELSEWHERE)
    wanted = max(1, entries // max(1, math.prod(x.shape[1:])))
    return min(max(1 << (wanted.bit_length() - 1), LANES[0]), LANES[1])
