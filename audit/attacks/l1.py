"""Geometry of the L1 ball cut by a box, for each example: nearest point, best point, largest entries."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

HALVINGS = 26  # of [0, largest entry]: below the spacing of float32 at the largest entry


def nearest(v: Array, eps: Array, lower: Array, upper: Array) -> Array:
    """Return the point u[n, ...] of ||u||_1 <= eps, lower <= u <= upper nearest to v (lower <= 0 <= upper).

    u = sign(v) min(max(|v| - t, 0), bound) with the least t >= 0 that fits (Croce and Hein 2021, "Mind the
    box", proposition 2.1). t is halved in and then solved for exactly between its two neighbours.
    """
    weight, bound = jnp.abs(v), jnp.where(v > 0, upper, -lower)

    def shrunk(t: Array) -> Array:
        return jnp.clip(weight - t, 0.0, bound)

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        over = total(shrunk(middle)) > eps
        return jnp.where(over, middle, low), jnp.where(over, high, middle)

    most = jnp.max(weight, axis=tuple(range(1, v.ndim)), keepdims=True)
    low, high = jax.lax.fori_loop(0, HALVINGS, halve, (jnp.zeros_like(most), most))
    over, under = total(shrunk(low)), total(shrunk(high))
    part = jnp.clip((over - eps) / jnp.maximum(over - under, _least(v)), 0.0, 1.0)
    u = shrunk(low + part * (high - low))
    u = u * jnp.minimum(1.0, eps / jnp.maximum(total(u), _least(v)))  # sums round
    inside = jnp.minimum(weight, bound)
    return jnp.sign(v) * jnp.where(total(inside) <= eps, inside, u)


def best(g: Array, eps: Array, lower: Array, upper: Array) -> Array:
    """Return the u[n, ...] of ||u||_1 <= eps, lower <= u <= upper with the largest <g, u>.

    Entries are filled up to their bound in the order of |g| until eps is spent (Croce and Hein 2021,
    proposition 3.1); those that tie for the last place share what is left.
    """
    slope = jnp.abs(g)
    bound = jnp.minimum(jnp.where(g > 0, upper, -lower), eps) * (slope > 0)
    return jnp.sign(g) * top(slope, bound, eps)


def top(slope: Array, bound: Array, amount: Array) -> Array:
    """Return `bound` of the entries of largest slope[n, ...] >= 0 up to a sum of amount[n, 1, ...], else 0."""
    last = _threshold(slope, bound, amount)
    full, tied = jnp.where(slope > last, bound, 0.0), jnp.where(slope == last, bound, 0.0)
    left = jnp.maximum(amount - total(full), 0.0)
    share = left / jnp.maximum(jnp.maximum(total(tied), left), _least(slope))
    return full + share * tied


def _threshold(size: Array, weight: Array, amount: Array) -> Array:
    """Return the largest t such that the weights of entries of size >= t reach the amount, 0 if none.

    The order of floats that are not negative is that of their bits, so that t is built bit by bit: on a
    CPU many times faster than a sort.
    """
    width = 8 * size.dtype.itemsize
    whole = jnp.dtype(f"int{width}")
    bits = jax.lax.bitcast_convert_type(size, whole)

    def raise_bit(i: Array, t: Array) -> Array:
        higher = t | (jnp.ones((), whole) << (width - 2 - i).astype(whole))
        return jnp.where(total(jnp.where(bits >= higher, weight, 0.0)) >= amount, higher, t)

    none = jnp.zeros((size.shape[0], *[1] * (size.ndim - 1)), whole)
    t = jax.lax.fori_loop(0, width - 1, raise_bit, none)
    return jax.lax.bitcast_convert_type(t, size.dtype)


def total(a: Array) -> Array:
    """Return the sum over each example, keeping the axes."""
    return jnp.sum(a, axis=tuple(range(1, a.ndim)), keepdims=True, promote_integers=False)


def _least(a: Array) -> float:
    """Return the least positive normal number of the type of a."""
    return float(jnp.finfo(a.dtype).tiny)
