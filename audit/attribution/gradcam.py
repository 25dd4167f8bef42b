"""Grad-CAM: where in an image a convolutional network's last maps speak for an output (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import collect, in_batches, items_per_batch


@dataclass(frozen=True, eq=False)
class Heat:
    """Heat maps[n, h, w, outputs] >= 0 at the size of the activations, and the margins[n, outputs] explained.

    A map says where, on an arbitrary scale: its values do not add up to the output.
    """

    maps: np.ndarray
    outputs: np.ndarray
    evaluations: int


def grad_cam(
    features: Callable[[Any, Any], Any],
    head: Callable[[Any, Any], Any],
    params: Any,
    x: Any,
    *,
    margin: Callable[[Any], Any],
    column: np.ndarray | None = None,
    batch: int = 256,
    over: Callable[..., Any] | None = None,
) -> Heat:
    """Return Grad-CAM maps[n, h, w, outputs] of margin(head(params, features(params, x))) for images x[n, ...].

    max(0, sum over c of a_c A_c) with the activations A = features(params, x)[n, h, w, c] and a_c the mean over
    places of the margin's gradient in A_c (Selvaraju et al. 2017, eqs. 1 and 2). column[n] names the one output a
    row that is explained (default: all). Raises ValueError for no rows, or activations that are no maps.
    """
    x = np.asarray(x)
    if len(x) == 0 or (column is not None and len(column) != len(x)):
        raise ValueError(f"x{x.shape}: expected rows, and in column one output for each of them")
    rows = (x,) if column is None else (x, np.asarray(column))
    size = items_per_batch(batch, 1, len(x))
    maps, outputs = collect(over or in_batches, _maps(features, head, margin), params, rows, size)
    return Heat(maps, outputs, len(x))


def upsampled(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return maps[n, h, w, outputs] at an image's size [n, height, width, outputs], bilinearly."""
    shape = (len(maps), height, width, maps.shape[-1])
    return np.asarray(jax.image.resize(jnp.asarray(maps, jnp.float32), shape, "bilinear"), np.float64)


@lru_cache(maxsize=32)
def _maps(
    features: Callable[..., Any], head: Callable[..., Any], margin: Callable[..., Any]
) -> Callable[..., Any]:
    """Return f(params, (x,) or (x, column)) -> maps[n, h, w, outputs], margins[n, outputs]."""

    def f(params: Any, rows: Any) -> tuple[Any, Any]:
        x, *column = rows
        activations = features(params, x)
        if activations.ndim != 4:
            raise ValueError(f"activations{activations.shape}: expected maps [n, height, width, channels]")
        out, pull = jax.vjp(lambda a: margin(head(params, a)), activations)
        if column:
            chosen = jax.nn.one_hot(column[0], out.shape[1], dtype=out.dtype)
            out, seeds = jnp.take_along_axis(out, column[0][:, None], axis=1), chosen[None]
        else:
            seeds = jnp.repeat(jnp.eye(out.shape[1], dtype=out.dtype)[:, None], len(x), axis=1)

        def of_output(seed: Any) -> Any:
            weight = pull(seed)[0].mean(axis=(1, 2), keepdims=True)
            return jax.nn.relu((weight * activations).sum(axis=3))

        return jnp.moveaxis(jax.lax.map(of_output, seeds), 0, -1), out

    return f
