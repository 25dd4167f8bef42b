"""What the Square attack proposes for one example: squares of an image, random subsets of other inputs.

Neighbours mean something in an image u[height, width, channels] alone. In a table or a series each movable entry is
chosen by itself, with the probability that a pixel would have, and has a sign of its own.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from audit.attacks.balls import TINY, Norm

TILES = 5  # a side, in the start for L2
SPENT = 1e-5  # share of eps squared below which what is left of it is rounding
CANCELLED = 1e-3  # length below which the sum of two unit bumps is taken for 0
Axes = tuple[int, ...]


def first(norm: Norm, key: Array, movable: Array) -> Array:
    """Return the start[...] at radius 1: for images vertical stripes (linf) or a grid of bumps (l2), else signs."""
    shape = movable.shape
    if norm == "linf":
        return _signs(key, (1, *shape[1:]) if len(shape) == 3 else shape) * jnp.ones(shape)
    v = movable * (_grid(key, shape) if len(shape) == 3 else _signs(key, shape))
    return v / jnp.maximum(_length(v), TINY)


def propose(norm: Norm, key: Array, u: Array, share: Array, eps: Array, movable: Array) -> Array:
    """Return a displacement[...] of size at most eps that differs from u in about this share of the entries.

    linf: the chosen entries go to -eps or eps, a square with one sign a channel (algorithm 2 of the paper). l2: a
    second square or subset gives its mass to the first, where a bump is added (algorithm 3).
    """
    at, other, sign, turn = jax.random.split(key, 4)
    if u.ndim != 3:
        chosen, signs, bump = _subset(at, movable, share), _signs(sign, u.shape), jnp.ones_like(u)
        emptied, axes = _subset(other, movable, share), tuple(range(u.ndim))
    else:
        side, signs, axes = _side(share, u.shape, norm), _signs(sign, (1, 1, u.shape[2])), (0, 1)
        i, j = _window(at, side, u.shape)
        chosen = _within(i, j, side)
        i, j = jnp.broadcast_arrays(i, j)
        turned = jax.random.bernoulli(turn)
        bump = _bump(jnp.where(turned, j, i), jnp.where(turned, i, j), side)
        emptied = _within(*_window(other, side, u.shape), side)
    if norm == "linf":
        return jnp.where(chosen, eps * signs, u)
    return _moved(u, chosen, emptied, movable * signs * jnp.where(chosen, bump, 0.0), eps, axes)


def _moved(u: Array, chosen: Array, emptied: Array, bump: Array, eps: Array, axes: Axes) -> Array:
    """Return u with the mass of `emptied`, of `chosen` and what is left of eps put on `chosen`, scaled to eps."""
    channels = u.size // np.prod([u.shape[axis] for axis in axes])
    old = jnp.where(chosen, u, 0.0)
    added = bump / jnp.maximum(_length(bump, axes), TINY)
    mixed = added + old / jnp.maximum(_length(old, axes), TINY)
    new = jnp.where(_length(mixed, axes) < CANCELLED, added, mixed)  # what rounding leaves has no direction
    held = _length(jnp.where(chosen | emptied, u, 0.0), axes)
    unused = eps**2 - _length(u) ** 2
    unused = jnp.where(unused > SPENT * eps**2, unused, 0.0) / channels
    new = new / jnp.maximum(_length(new, axes), TINY) * jnp.sqrt(unused + held**2)
    v = jnp.where(chosen, new, jnp.where(emptied, 0.0, u))
    return eps * v / jnp.maximum(_length(v), TINY)


def _subset(key: Array, movable: Array, share: Array) -> Array:
    """Return which entries are chosen: each movable one with probability `share`, and at least one."""
    draws = jnp.where(movable > 0, jax.random.uniform(key, movable.shape), 2.0)
    return draws <= jnp.minimum(jnp.maximum(share, jnp.min(draws)), 1.0)


def _side(share: Array, shape: tuple[int, ...], norm: Norm) -> Array:
    """Return the side of a square of this share of the pixels, for l2 odd and at least 3, within the image."""
    most = min(shape[:2])
    side = jnp.round(jnp.sqrt(share * shape[0] * shape[1])).astype(int)
    if norm == "linf":
        return jnp.clip(side, 1, most)
    side = jnp.maximum(side, 3)
    return jnp.minimum(side + 1 - side % 2, most - 1 + most % 2)


def _window(key: Array, side: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return each pixel's row and column[height, width, 1] counted from a random square's corner."""
    top, left = jnp.floor(jax.random.uniform(key, (2,)) * (jnp.array(shape[:2]) - side + 1)).astype(int)
    return jnp.arange(shape[0])[:, None, None] - top, jnp.arange(shape[1])[None, :, None] - left


def _within(i: Array, j: Array, side: Array) -> Array:
    """Return which pixels lie in the square."""
    return (i >= 0) & (i < side) & (j >= 0) & (j < side)


def _bump(i: Array, j: Array, side: Array) -> Array:
    """Return the bump at row i and column j of a square: two pyramids of unit length, one above 0, one below.

    A pyramid adds squares of side 1, 3, 5, ... about its centre with weights 1, 1/4, 1/9, ... (the paper's eta).
    """
    above = i < side // 2
    height = jnp.where(above, side // 2, side - side // 2)
    ring = jnp.maximum(jnp.abs(i - jnp.where(above, 0, side // 2) - height // 2), jnp.abs(j - side // 2))
    rings = jnp.maximum(height, side) // 2 + 1
    weights = jnp.cumsum(1.0 / np.arange(1, max(i.size, j.size) + 2) ** 2)
    top = jnp.take(weights, rings - 1, mode="clip")
    pyramid = top - jnp.where(ring > 0, jnp.take(weights, ring - 1, mode="clip"), 0.0)
    pyramid = jnp.where(_within(i, j, side), pyramid, 0.0)
    halves = (jnp.where(part, pyramid, 0.0) for part in (above, ~above))
    plus, minus = (half / jnp.maximum(_length(half), TINY) for half in halves)
    return plus - minus


def _grid(key: Array, shape: tuple[int, ...]) -> Array:
    """Return an image covered by bumps of random orientation, and of random sign a channel."""
    side = max(min(shape[:2]) // TILES, 1)
    rows, columns = shape[0] // side, shape[1] // side
    sign, turn = jax.random.split(key)
    i, j = jnp.arange(side)[:, None], jnp.arange(side)[None]
    tile = _bump(i, j, jnp.asarray(side))
    turned = jax.random.bernoulli(turn, shape=(rows, columns, 1, 1))
    tiles = jnp.where(turned, tile.T[None, None], tile[None, None])[..., None]
    tiles = tiles * _signs(sign, (rows, columns, 1, 1, shape[2]))
    image = tiles.swapaxes(1, 2).reshape(rows * side, columns * side, shape[2])
    spare = [(extent - filled) for extent, filled in zip(shape[:2], image.shape[:2], strict=True)]
    return jnp.pad(image, [*((s // 2, s - s // 2) for s in spare), (0, 0)])


def _signs(key: Array, shape: tuple[int, ...]) -> Array:
    """Return random signs."""
    return jax.random.rademacher(key, shape, jnp.float32)


def _length(v: Array, axes: Axes | None = None) -> Array:
    """Return the L2 norm over these axes, keeping them."""
    return jnp.sqrt(jnp.sum(v**2, axis=axes, keepdims=True))
