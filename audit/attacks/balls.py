"""The set an attack may search: a norm ball in scaled units, cut by the inputs' box, around each example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Norm = Literal["linf", "l2"]
TINY = 1e-30  # below any norm that float32 can tell from zero after scaling by the largest entry
ROUNDS = 16  # most rounds of water-filling; each is feasible, more only come closer to eps


@dataclass(frozen=True)
class Ball:
    """The points x + scale * u with ||u|| <= eps that lie in the box, for each example x[n, ...].

    u has the shape of x; `lower` and `upper` are the box in units of u, so lower <= 0 <= upper. A scale
    of 0 freezes a feature. An example outside the box widens it to itself: it may stay or move inwards.
    """

    norm: Norm
    x: Array
    eps: Array
    scale: Array
    low: Array
    high: Array
    lower: Array
    upper: Array

    def place(self, u: Array) -> Array:
        """Return the inputs[n, ...] at displacement u, inside the box; frozen features are bit-equal to x."""
        moved = jnp.clip(self.x + self.scale * u, self.low, self.high)
        return jnp.where(self.scale == 0, self.x, moved)

    def project(self, v: Array) -> Array:
        """Return the point of ball and box nearest to v, example by example, in scaled Euclidean distance."""
        inside = jnp.clip(v, self.lower, self.upper)
        if self.norm == "linf":
            return jnp.clip(inside, -self.eps, self.eps)
        return jnp.where(size(inside, "l2") <= self.eps, inside, self._fill(v))

    def maximiser(self, g: Array) -> Array:
        """Return the u in ball and box with the largest inner product with g, example by example."""
        if self.norm == "linf":
            return jnp.clip(self.eps * jnp.sign(g), self.lower, self.upper)
        return self._fill(g)

    def direction(self, g: Array, u: Array) -> Array:
        """Return the unit step of steepest ascent at u along g, leaving out moves that the box forbids."""
        g = jnp.where(((u >= self.upper) & (g > 0)) | ((u <= self.lower) & (g < 0)), 0.0, g)
        if self.norm == "linf":
            return jnp.sign(g)
        g = _rescale(g)
        return g / jnp.maximum(size(g, "l2"), TINY)

    def uniform(self, keys: Array) -> Array:
        """Return one draw a key[n], uniform in the ball and then projected onto the box."""
        shape, dtype = self.x.shape[1:], self.x.dtype
        if self.norm == "linf":
            v = jax.vmap(lambda key: jax.random.uniform(key, shape, dtype, -1.0, 1.0))(keys)
            return self.project(self.eps * v)
        v = jax.vmap(lambda key: jax.random.normal(key, shape, dtype))(keys)
        radius = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 1), (), dtype))(keys)
        radius = radius.reshape(self.eps.shape) ** (1 / self.x[0].size)
        return self.project(self.eps * radius * v / size(v, "l2"))

    def _fill(self, v: Array) -> Array:
        """Return clip(t v, lower, upper) with the largest t that keeps the L2 norm within eps.

        Both L2 problems have this solution (their Karush-Kuhn-Tucker conditions): the nearest point to a
        v outside, and the maximiser of <v, u>. Water-filling: saturated entries keep their bound, the
        rest share what is left of eps; the saturated set only grows, and once it stays t does: further
        rounds for the sake of other examples change nothing.
        """
        weight, bound = jnp.abs(_rescale(v)), jnp.where(v > 0, self.upper, -self.lower)

        def pour(state: tuple[int, Array, Array]) -> tuple[int, Array, Array]:
            i, t, _ = state
            full = t * weight >= bound
            room = self.eps**2 - _total(jnp.where(full, bound, 0.0) ** 2)
            free = _total(jnp.where(full, 0.0, weight) ** 2)
            risen = jnp.sqrt(jnp.maximum(room, 0.0) / jnp.maximum(free, TINY)) * (free > 0)
            return i + 1, jnp.maximum(t, risen), t

        def rising(state: tuple[int, Array, Array]) -> Array:
            i, t, before = state
            return (i < ROUNDS) & jnp.any(t > before)

        t = self.eps / jnp.maximum(size(weight, "l2"), TINY)
        t = jax.lax.while_loop(rising, pour, (0, t, jnp.full_like(t, -1.0)))[1]
        return jnp.sign(v) * jnp.minimum(t * weight, bound)


def ball(
    x: Array,
    eps: ArrayLike,
    norm: Norm,
    scale: ArrayLike = 1.0,
    low: ArrayLike = -jnp.inf,
    high: ArrayLike = jnp.inf,
) -> Ball:
    """Return the Ball of radius eps (one number, or one an example) around x[n, ...].

    scale, low and high broadcast to one example; low and high may be infinite. Raises ValueError on a
    norm other than 'linf' and 'l2'.
    """
    if norm not in ("linf", "l2"):
        raise ValueError(f"norm={norm!r}; expected 'linf' or 'l2'")
    radius = jnp.broadcast_to(jnp.asarray(eps, x.dtype), x.shape[:1]).reshape(-1, *[1] * (x.ndim - 1))
    one = x.shape[1:]
    scale, low, high = (jnp.broadcast_to(jnp.asarray(a, x.dtype), one)[None] for a in (scale, low, high))
    low, high = jnp.minimum(low, x), jnp.maximum(high, x)
    unit = jnp.where(scale == 0, 1.0, scale)
    lower = jnp.where(scale == 0, 0.0, (low - x) / unit)
    upper = jnp.where(scale == 0, 0.0, (high - x) / unit)
    return Ball(norm, x, radius, scale, low, high, lower, upper)


def size(u: Array, norm: Norm) -> Array:
    """Return the norm of u[n, ...] example by example, as [n, 1, ...]."""
    axes = tuple(range(1, u.ndim))
    if norm == "linf":
        return jnp.max(jnp.abs(u), axis=axes, keepdims=True)
    return jnp.sqrt(_total(u**2))


def _total(a: Array) -> Array:
    """Sum over each example, keeping the axes."""
    return jnp.sum(a, axis=tuple(range(1, a.ndim)), keepdims=True)


def _rescale(v: Array) -> Array:
    """Divide each example by its largest absolute entry, so that squares neither vanish nor overflow."""
    return v / jnp.maximum(size(v, "linf"), TINY)
