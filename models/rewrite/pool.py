"""Max- and sum-pooling with gradients fast on a CPU: one axis after another, each by shifted slices.

Where inputs tie, the first maximum of the window in row-major order gets the whole gradient, as from
XLA's own (`select_and_scatter`): pooled from the last axis to the first, the winner of each axis is the first
along it, so the winner of the window has the smallest row, and in this row the smallest column.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from models.rewrite.axis import Axis, interleaved

LONGEST_MAX = 32  # taps along one axis; each is an operation to compile
LONGEST_SUM = 4  # XLA's own sum over a longer window, usually all there is, has a gradient as fast


def max_rule(operands: Sequence[Any], params: Mapping[str, Any]) -> Callable[..., jax.Array] | None:
    """Return what takes the place of a `reduce_window_max`, or None to leave it alone."""
    (x,) = operands
    taken = x.dtype.name in ("float32", "bfloat16", "float16") and _plain(x, params, LONGEST_MAX)
    return _replacement(maximum, lax.max, -np.inf, params) if taken else None


def sum_rule(operands: Sequence[Any], params: Mapping[str, Any]) -> Callable[..., jax.Array] | None:
    """Return what takes the place of a `reduce_window_sum`, or None to leave it alone."""
    (x,) = operands
    taken = x.dtype.name == "float32" and _plain(x, params, LONGEST_SUM)
    return _replacement(total, lax.add, 0.0, params) if taken else None


def _plain(x: Any, params: Mapping[str, Any], longest: int) -> bool:
    """Return whether the windows are short, of an input that is neither empty nor dilated."""
    dilated = any(step != 1 for step in params["base_dilation"])
    return not dilated and 0 not in x.shape and 1 < max(params["window_dimensions"]) <= longest


def _replacement(pool: Any, monoid: Any, start: float, params: Mapping[str, Any]) -> Callable[..., jax.Array]:
    """Return the pooling by axes; without overlaps XLA's own is as fast, and taken where no gradient is."""
    by_axes = functools.partial(_pooled, pool, params)
    window, strides = params["window_dimensions"], params["window_strides"]
    if any(taps > stride for taps, stride in zip(window, strides, strict=True)):
        return by_axes

    def whole(x: jax.Array) -> jax.Array:
        return lax.reduce_window(
            x,
            np.asarray(start, x.dtype),
            monoid,
            window,
            strides,
            params["padding"],
            window_dilation=params["window_dilation"],
        )

    pooled = jax.custom_vjp(whole)
    pooled.defvjp(lambda x: jax.vjp(by_axes, x), lambda pull, g: pull(g))
    return pooled


def _pooled(pool: Any, params: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """Return x pooled along every axis, the last first."""
    for place in reversed(range(x.ndim)):
        window, stride = params["window_dimensions"][place], params["window_strides"][place]
        dilation, (low, high) = params["window_dilation"][place], params["padding"][place]
        size = x.shape[place]
        outputs = (size + low + high - (window - 1) * dilation - 1) // stride + 1
        if (window, stride, low, high) != (1, 1, 0, 0):
            x = pool(place, Axis(size, outputs, window, stride, dilation, low), x)
    return x


def _maximum(place: int, axis: Axis, x: jax.Array) -> jax.Array:
    """Return the maximum of each window along the axis at `place`; the padding is -inf."""
    return functools.reduce(jnp.maximum, _taps(place, axis, x, -np.inf))


def _maximum_forward(place: int, axis: Axis, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Keep which tap of each window is its first maximum."""
    y = _maximum(place, axis, x)
    winner = jnp.full(y.shape, axis.window - 1, jnp.int8)
    for tap, values in reversed(list(enumerate(_taps(place, axis, x, -np.inf)))[:-1]):
        winner = jnp.where(values == y, jnp.int8(tap), winner)
    return y, winner


def _maximum_backward(place: int, axis: Axis, winner: jax.Array, g: jax.Array) -> tuple[jax.Array]:
    """Return g at the winners' places, summed over windows."""
    return (_returned(place, axis, g, winner),)


maximum = jax.custom_vjp(_maximum, nondiff_argnums=(0, 1))
maximum.defvjp(_maximum_forward, _maximum_backward)


def _total(place: int, axis: Axis, x: jax.Array) -> jax.Array:
    """Return the sum of each window along the axis at `place`."""
    return functools.reduce(jnp.add, _taps(place, axis, x, 0.0))


def _total_forward(place: int, axis: Axis, x: jax.Array) -> tuple[jax.Array, None]:
    """Keep nothing."""
    return _total(place, axis, x), None


def _total_backward(place: int, axis: Axis, _: None, g: jax.Array) -> tuple[jax.Array]:
    """Return the sum of g over the windows that hold each input."""
    return (_returned(place, axis, g, None),)


total = jax.custom_vjp(_total, nondiff_argnums=(0, 1))
total.defvjp(_total_forward, _total_backward)


def _taps(place: int, axis: Axis, x: jax.Array, outside: float) -> list[jax.Array]:
    """Return for each tap of the window the input (or `outside`) that each output reads through it."""
    padded = _padded(x, place, axis.low, axis.reach - axis.size - axis.low, outside)
    span = (axis.outputs - 1) * axis.stride + 1
    starts = (tap * axis.dilation for tap in range(axis.window))
    return [lax.slice_in_dim(padded, start, start + span, axis.stride, place) for start in starts]


def _returned(place: int, axis: Axis, g: jax.Array, winner: jax.Array | None) -> jax.Array:
    """Return for each input the sum of g over the windows that read it, or that it won."""
    low, high = axis.shifts()
    after = axis.steps - axis.outputs - low
    g = _padded(g, place, high, after, 0)
    winner = None if winner is None else _padded(winner, place, high, after, -1)

    def part(phases: tuple[int, ...]) -> jax.Array:
        whole = jnp.zeros((*g.shape[:place], axis.steps, *g.shape[place + 1 :]), g.dtype)
        for tap, shift in axis.readers(phases[0]):
            start = high - shift
            share = lax.slice_in_dim(g, start, start + axis.steps, axis=place)
            if winner is not None:
                won = lax.slice_in_dim(winner, start, start + axis.steps, axis=place) == tap
                share = jnp.where(won, share, jnp.zeros((), g.dtype))
            whole += share
        return whole

    return interleaved(part, (axis,), place)


def _padded(x: jax.Array, place: int, low: int, high: int, value: float) -> jax.Array:
    """Return x with `value` before and after it along one axis; negative widths cut off."""
    room = [(0, 0, 0)] * x.ndim
    room[place] = (low, high, 0)
    return lax.pad(x, jnp.asarray(value, x.dtype), room)
