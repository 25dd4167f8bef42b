"""The set an attack may search: a norm ball in scaled units, cut by the inputs' box, around each example."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks import l1
from audit.attacks.l1 import total

Norm = Literal["linf", "l2", "l1"]
TINY = 1e-30  # below any norm that float32 can tell from zero after scaling by the largest entry
ROUNDS = 16  # most rounds of water-filling; each is feasible, more only come closer to eps
DENSE = 100  # an L1 step moves one movable entry in so many, at least one (Tramer and Boneh 2019: 1 %)
_DRAW = {"linf": partial(jax.random.uniform, minval=-1.0), "l2": jax.random.normal, "l1": jax.random.laplace}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ball:
    """The points x + scale * u with ||u|| <= eps that lie in the box, for each example x[n, ...].

    u has the shape of x; `lower` and `upper` are the box in units of u, so lower <= 0 <= upper. A scale
    of 0 freezes a feature. An example outside the box widens it to itself: it may stay or move inwards.
    A ball may be given to a jitted function: its norm is static.
    """

    norm: Norm = field(metadata={"static": True})
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
        if self.norm == "l1":
            return l1.nearest(v, self.eps, self.lower, self.upper)
        return jnp.where(size(inside, "l2") <= self.eps, inside, self._fill(v))

    def maximiser(self, g: Array) -> Array:
        """Return the u in ball and box with the largest inner product with g, example by example."""
        if self.norm == "linf":
            return jnp.clip(self.eps * jnp.sign(g), self.lower, self.upper)
        if self.norm == "l1":
            return l1.best(g, self.eps, self.lower, self.upper)
        return self._fill(g)

    def movable(self) -> Array:
        """Return how many entries of each example may move at all, as whole numbers [n, 1, ...]."""
        return total((self.upper > self.lower).astype(jnp.int32))

    def direction(self, g: Array, u: Array) -> Array:
        """Return the unit step of steepest ascent at u along g, leaving out moves that the box forbids."""
        g = jnp.where(((u >= self.upper) & (g > 0)) | ((u <= self.lower) & (g < 0)), 0.0, g)
        if self.norm == "linf":
            return jnp.sign(g)
        if self.norm == "l1":
            return jnp.sign(g) * l1.top(jnp.abs(g), jnp.ones_like(g), jnp.ones_like(self.eps))
        g = _rescale(g)
        return g / jnp.maximum(size(g, "l2"), TINY)

    def climb(self, u: Array, g: Array, length: Array, entries: Array | None = None) -> Array:
        """Return where a step of this length[n, 1, ...] from u along g ends, projected onto ball and box.

        For L1 the steepest step moves a single entry; to get on, no entry takes more than 1 / entries of
        the length (Croce and Hein 2021), by default one in DENSE of the movable ones. Where the box leaves an
        entry less room than that, the entry of next largest slope takes the rest.
        """
        if self.norm != "l1":
            return self.project(u + length * self.direction(g, u))
        few = jnp.maximum(1, -(-self.movable() // DENSE) if entries is None else entries)
        most = length / few.astype(length.dtype)
        room = (jnp.maximum(self.lower - u, -most), jnp.minimum(self.upper - u, most))
        return self.project(u + l1.best(g, length, *room))

    def uniform(self, keys: Array) -> Array:
        """Return one draw a key[n], uniform in the ball and then projected onto the box."""
        shape, dtype = self.x.shape[1:], self.x.dtype
        if self.norm == "linf":
            v = jax.vmap(lambda key: jax.random.uniform(key, shape, dtype, -1.0, 1.0))(keys)
            return self.project(self.eps * v)
        v = self._draw(keys)
        radius = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 1), (), dtype))(keys)
        radius = radius.reshape(self.eps.shape) ** (1 / self.x[0].size)
        return self.project(self.eps * radius * v / size(v, self.norm))

    def inner(self, keys: Array) -> Array:
        """Return one draw a key[n] to start from: for L-infinity uniform in the ball, else at a uniform distance.

        A point uniform in an L2 ball of many dimensions lies next to its surface, at a right angle to what the
        attack looks for; starts at all distances end in more wrong decisions.
        """
        if self.norm == "linf":
            return self.uniform(keys)
        far = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 1), (), self.x.dtype))(keys)
        return self.project(far.reshape(self.eps.shape) * self.surface(keys))

    def surface(self, keys: Array) -> Array:
        """Return one draw a key[n], uniform on the sphere of radius eps and then projected onto the box."""
        v = self._draw(keys)
        return self.project(self.eps * v / size(v, self.norm))

    def _draw(self, keys: Array) -> Array:
        """Return one draw a key[n], of which the direction is uniform in the norm."""
        return jax.vmap(lambda key: _DRAW[self.norm](key, self.x.shape[1:], self.x.dtype))(keys)

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
            room = self.eps**2 - total(jnp.where(full, bound, 0.0) ** 2)
            free = total(jnp.where(full, 0.0, weight) ** 2)
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
    norm other than 'linf', 'l2' and 'l1'.
    """
    if norm not in ("linf", "l2", "l1"):
        raise ValueError(f"norm={norm!r}; expected 'linf', 'l2' or 'l1'")
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
    if norm == "linf":
        return jnp.max(jnp.abs(u), axis=tuple(range(1, u.ndim)), keepdims=True)
    if norm == "l1":
        return total(jnp.abs(u))
    return jnp.sqrt(total(u**2))


def _rescale(v: Array) -> Array:
    """Divide each example by its largest absolute entry, so that squares neither vanish nor overflow."""
    return v / jnp.maximum(size(v, "linf"), TINY)
