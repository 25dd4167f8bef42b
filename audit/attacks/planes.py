"""The nearest point of a hyperplane inside a box, exactly: the step that FAB takes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from audit.attacks.balls import TINY, Norm


def onto_plane(w: Array, gap: Array, lower: Array, upper: Array, norm: Norm) -> Array:
    """Return the d[n, ...] of least norm with <w, d> = gap[n] and lower <= d <= upper, example by example.

    lower <= 0 <= upper broadcast to w[n, ...] and may be infinite. Where the box does not reach the plane, d is
    the corner that comes nearest to it (Croce and Hein 2020, section 3.1). Entries with w = 0 stay 0.
    """
    flat = w.reshape(len(w), -1)
    low, high = (jnp.broadcast_to(a, w.shape).reshape(flat.shape) for a in (lower, upper))
    largest = jnp.max(jnp.abs(flat), axis=1, keepdims=True)
    weight = jnp.abs(flat) / jnp.maximum(largest, TINY)
    sign = jnp.sign(flat) * jnp.where(gap < 0, -1.0, 1.0)[:, None]
    room = jnp.where(weight == 0, 0.0, jnp.where(sign > 0, high, -low))
    need = jnp.where(largest > 0, jnp.abs(gap)[:, None] / jnp.maximum(largest, TINY), 0.0)
    fill = _heaviest_first if norm == "l1" else _evenly
    return (sign * fill(weight, weight if norm == "l2" else jnp.ones_like(weight), room, need)).reshape(
        w.shape
    )


def _evenly(weight: Array, growth: Array, room: Array, need: Array) -> Array:
    """Return min(t growth, room) for the least t whose inner product with weight is need, or room.

    The inner product rises in t and bends down wherever an entry fills its room, so Newton's method from 0
    never overshoots and ends exactly, at the latest once every entry has filled. Rounds that others need
    change nothing.
    """

    def pour(state: tuple[Array, Array]) -> tuple[Array, Array]:
        t, _ = state
        full = t * growth >= room
        left = need - _total(jnp.where(full, weight * room, 0.0))
        rate = _total(jnp.where(full, 0.0, weight * growth))
        return jnp.where(rate > 0, jnp.maximum(t, left / jnp.where(rate > 0, rate, 1.0)), t), t

    def rising(state: tuple[Array, Array]) -> Array:
        return jnp.any(state[0] > state[1])

    zero = jnp.zeros_like(need)
    t, _ = jax.lax.while_loop(rising, pour, pour((zero, zero)))
    return jnp.minimum(t * growth, room)


def _heaviest_first(weight: Array, growth: Array, room: Array, need: Array) -> Array:
    """Return the least sum of entries within room whose inner product with weight is need, or room."""
    del growth
    order = jnp.argsort(-weight, axis=1)
    weight, room = (jnp.take_along_axis(a, order, axis=1) for a in (weight, room))
    worth = weight * room
    before = jnp.concatenate([jnp.zeros_like(need), jnp.cumsum(worth[:, :-1], axis=1)], axis=1)
    filled = jnp.clip((need - before) / jnp.maximum(weight, TINY), 0.0, room)
    return jnp.take_along_axis(filled, jnp.argsort(order, axis=1), axis=1)


def _total(a: Array) -> Array:
    """Sum over each example, keeping the axis."""
    return jnp.sum(a, axis=1, keepdims=True)
