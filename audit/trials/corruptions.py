"""Common corruptions of images x[n, h, w, c], at five severities each (Hendrycks and Dietterich 2019).

The constants are those that the authors made CIFAR-10-C with, whose images have 32 pixels a side; lengths grow with the
shorter side of other images. Corruptions that need other pictures (frost), or are not simple functions of the pixels
(JPEG), are left out. A row's random numbers follow from the seed, the corruption and its id alone, so that a worse
severity is the same draw made worse.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from audit.devices import map_examples
from audit.metrics.robustness import numbers
from audit.subject import Split
from audit.trials.pictures import within

SIDE = 32.0  # of the images that the constants were chosen for
REACH = 4.0  # standard deviations of a blur
TAPS = 16  # places along a streak
ANGLE = jnp.pi / 4  # most that a streak leans up or down
BATCH = 512
SIZES: dict[str, tuple[float, ...]] = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation
    "shot_noise": (500.0, 250.0, 100.0, 75.0, 50.0),  # photons of a white pixel
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),  # share of values set to 0 or 1
    "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1.0),  # standard deviation, pixels of 32
    "motion_blur": (1.0, 1.5, 2.0, 2.25, 2.5),  # standard deviation, pixels of 32; theirs has 2 at severity 4
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),  # share of the pixels of a side that are left
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),  # added to the brightest channel
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # share of the distance to the mean that is left
}
FAMILIES = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("gaussian_blur", "motion_blur", "pixelate"),
    "light": ("brightness", "contrast"),
}


class _Rows(NamedTuple):
    """Images in [0, 1] and the number of each row's id."""

    x: Any
    number: Any


class _Shared(NamedTuple):
    """A corruption's key, its size, and what it multiplies rows and columns of pixels by."""

    key: Array
    size: Any
    down: Any
    across: Any


def corrupted(
    name: str, severity: int, rows: Split, low: ArrayLike, high: ArrayLike, seed: int
) -> np.ndarray:
    """Return images[n, h, w, c] (float32) in [low, high], corrupted at a severity from 1 to 5.

    low and high broadcast to one image; what is done is done to the values drawn to [0, 1].
    """
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    x = within(np.asarray(rows.x, np.float32), low, high)
    height, width = x.shape[1:3]
    size, side, number = SIZES[name][severity - 1], min(height, width), numbers(rows.id)
    if name == "shot_noise":
        out = shot(x, size, number, seed)
    else:
        maps = [linear(name, size, n, side) for n in (height, width)]
        far = size * side / SIDE if name == "motion_blur" else size
        key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
        out = map_examples(_OF[name], _Shared(key, np.float32(far), *maps), _Rows(x, number), batch=BATCH)
    return np.clip(low + out * (high - low), low, high).astype(np.float32)


def shot(x: np.ndarray, photons: float, number: np.ndarray, seed: int) -> np.ndarray:
    """Return images whose values are counts, Poisson numbers of as many photons as a value stands for.

    Drawn by NumPy: on CPUs in a tenth of the time that JAX takes.
    """
    expected = np.maximum(x, 0) * photons
    counted = [
        np.random.default_rng((seed, int(i))).poisson(e) for i, e in zip(number, expected, strict=True)
    ]
    return np.clip(np.asarray(counted, np.float32) / np.float32(photons), 0, 1)


def linear(name: str, size: float, n: int, side: int) -> np.ndarray:
    """Return the matrix[n, n] that a blur or coarser pixels multiply n pixels by; edges are repeated."""
    at = np.arange(n)
    if name == "pixelate":
        m = max(1, int(n * size))
        edges = np.linspace(0, n, m + 1)
        shared = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
        coarse = np.maximum(shared, 0) * m / n  # the mean of what each coarse pixel covers
        return coarse[np.minimum((at + 0.5) * m // n, m - 1).astype(int)].astype(np.float32)
    if name != "gaussian_blur":
        return np.eye(n, dtype=np.float32)
    sigma = size * side / SIDE
    reach = int(np.ceil(REACH * sigma))
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    made = np.zeros((n, n))
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        np.add.at(made, (at, np.clip(at + step, 0, n - 1)), weight)
    return made.astype(np.float32)


# ---------------------------------------------------------------- each corruption: (shared, rows) -> x[n, h, w, c]


def _drawn(draw: Callable[[Array], Array], shared: _Shared, rows: _Rows) -> Array:
    """Return what each row draws with a key of its own."""
    return jax.vmap(lambda number: draw(jax.random.fold_in(shared.key, number)))(rows.number)


def _gaussian_noise(shared: _Shared, rows: _Rows) -> Array:
    """Add normal noise to every value."""
    z = _drawn(lambda key: jax.random.normal(key, rows.x.shape[1:]), shared, rows)
    return jnp.clip(rows.x + shared.size * z, 0, 1)


def _impulse_noise(shared: _Shared, rows: _Rows) -> Array:
    """Set values to 0 or to 1, as often the one as the other."""
    u = _drawn(lambda key: jax.random.uniform(key, rows.x.shape[1:]), shared, rows)
    half = shared.size / 2
    return jnp.where(u < half, 0.0, jnp.where(u >= 1 - half, 1.0, rows.x))


def _mapped(shared: _Shared, rows: _Rows) -> Array:
    """Multiply rows and columns of pixels: a blur, or coarser pixels."""
    return jnp.clip(
        jnp.einsum("ih,nhwc,jw->nijc", shared.down, rows.x, shared.across, precision="highest"), 0, 1
    )


def _motion_blur(shared: _Shared, rows: _Rows) -> Array:
    """Smear each image along a straight line of its own, whose weights fall as half a normal curve."""
    u = _drawn(lambda key: jax.random.uniform(key, ()), shared, rows)
    angle, steps = ANGLE * (2 * u - 1), jnp.linspace(0.0, REACH, TAPS)
    weights = jnp.exp(-0.5 * steps**2)
    height, width = rows.x.shape[1:3]

    def one(smeared: Array, step: Array) -> tuple[Array, None]:
        down = _further(height, step * shared.size * jnp.sin(angle))
        across = _further(width, step * shared.size * jnp.cos(angle))
        moved = jnp.einsum("nih,nhwc,njw->nijc", down, rows.x, across, precision="highest")
        return smeared + jnp.exp(-0.5 * step**2) * moved, None

    smeared, _ = jax.lax.scan(one, jnp.zeros_like(rows.x), steps)
    return jnp.clip(smeared / weights.sum(), 0, 1)


def _further(n: int, by: Array) -> Array:
    """Return the matrices[rows, n, n] that read pixels by[rows] further, linearly between two; edges are repeated."""
    at = jnp.arange(n, dtype=jnp.float32)
    places = jnp.clip(at[None] + by[:, None], 0, n - 1)
    return jnp.maximum(1 - jnp.abs(places[:, :, None] - at[None, None]), 0)


def _brightness(shared: _Shared, rows: _Rows) -> Array:
    """Raise the brightest channel of every pixel, the others in proportion: hue and saturation stay."""
    value = rows.x.max(axis=3, keepdims=True)
    brighter = jnp.minimum(value + shared.size, 1.0)
    return jnp.where(value > 0, rows.x * brighter / jnp.where(value > 0, value, 1.0), brighter)


def _contrast(shared: _Shared, rows: _Rows) -> Array:
    """Draw every channel towards its mean over the image."""
    mean = rows.x.mean(axis=(1, 2), keepdims=True)
    return jnp.clip(mean + shared.size * (rows.x - mean), 0, 1)


_OF: dict[str, Callable[[Any, Any], Array]] = {
    "gaussian_noise": _gaussian_noise,
    "impulse_noise": _impulse_noise,
    "gaussian_blur": _mapped,
    "motion_blur": _motion_blur,
    "pixelate": _mapped,
    "brightness": _brightness,
    "contrast": _contrast,
}
