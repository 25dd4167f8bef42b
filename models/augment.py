"""Training images changed at random, each by itself: shifted, flipped, brighter or darker, a square cut out."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.network import problem
from models.recipe import Augment

DRAWS = 7  # numbers drawn for each image


def refuse(x: Any) -> None:
    """Raise ValueError unless x are images [n, height, width, channels] in [0, 1]."""
    if isinstance(x, dict):
        raise problem("augment of several arrays", "images [n, height, width, channels]", "leave augment out")
    x = np.asarray(x)
    if x.ndim != 4 or not np.issubdtype(x.dtype, np.floating):
        given = f"augment of x of shape {x.shape} and type {x.dtype}"
        raise problem(given, "real images [n, height, width, channels]", "leave augment out")
    if x.min() < 0 or x.max() > 1:
        given = f"augment of pixels from {x.min():g} to {x.max():g}"
        raise problem(given, "pixels in [0, 1]", "scale the images in the data")


def augmented(how: Augment, x: jax.Array, key: jax.Array) -> jax.Array:
    """Return images[n, h, w, c], each changed by draws of its own."""
    return jax.vmap(partial(_one, how))(x, jax.random.uniform(key, (len(x), DRAWS)))


def _one(how: Augment, image: jax.Array, u: jax.Array) -> jax.Array:
    """Return an image[h, w, c] changed, by numbers u in [0, 1)."""
    if how.shift:
        image = shifted(image, _whole(u[:2], 2 * how.shift + 1) - how.shift)
    if how.flip:
        image = jnp.where(u[2] < 0.5, image[:, ::-1], image)
    if how.brightness or how.contrast:
        image = relit(image, how.brightness * (2 * u[3] - 1), 1 + how.contrast * (2 * u[4] - 1))
    if how.cutout:
        image = cut_out(image, _whole(u[5:7], jnp.asarray(image.shape[:2])), how.cutout)
    return image


def _whole(u: jax.Array, below: int | jax.Array) -> jax.Array:
    """Return whole numbers from 0, all below `below` equally likely."""
    return jnp.floor(u * below).astype(jnp.int32)


def shifted(image: jax.Array, by: jax.Array) -> jax.Array:
    """Return an image[h, w, c] moved down by[0] and right by[1] pixels, its edges repeated."""
    rows, columns = (jnp.clip(jnp.arange(image.shape[i]) - by[i], 0, image.shape[i] - 1) for i in (0, 1))
    return image[rows[:, None], columns[None]]


def relit(image: jax.Array, added: jax.Array, grown: jax.Array) -> jax.Array:
    """Return an image[h, w, c] with its distances to its mean times `grown`, and `added` to it, within [0, 1]."""
    mean = image.mean()
    return jnp.clip(mean + grown * (image - mean) + added, 0.0, 1.0)


def cut_out(image: jax.Array, centre: jax.Array, side: int) -> jax.Array:
    """Return an image[h, w, c] with its mean colour in the square of a side about a pixel, as far as it lies inside."""
    near = [
        (i >= c - side // 2) & (i < c - side // 2 + side)
        for i, c in zip(map(jnp.arange, image.shape[:2]), centre, strict=True)
    ]
    inside = (near[0][:, None] & near[1][None])[:, :, None]
    return jnp.where(inside, image.mean(axis=(0, 1), keepdims=True), image)
