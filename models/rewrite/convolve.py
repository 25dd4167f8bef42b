"""Convolutions with gradients fast on a CPU: everything becomes plain convolutions and matrix products.

XLA's CPU backend is fast at one convolution only: channels last in the input, [window, in, out] in the
kernel, no groups and no dilated input. The gradients it derives by itself are of other forms and take up to
50 times longer inside a loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from models.rewrite.axis import Axis, interleaved

DTYPES = ("float32", "bfloat16", "float16")
FEW_CHANNELS = 8  # a convolution to fewer channels than this leaves most of a vector register empty
MANY_TAPS = 25
BLOCK_CHANNELS = 32  # small groups are joined until a group has about this many input channels


class Geometry(NamedTuple):
    """A convolution's strides, (low, high) paddings and window dilations by spatial axis, and its precision."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    precision: Any = None


def rule(operands: Sequence[Any], params: Mapping[str, Any]) -> Callable[..., jax.Array] | None:
    """Return what takes the place of a `conv_general_dilated` of these operands, or None to leave it alone."""
    x, kernel = operands
    understood = (
        x.ndim in (3, 4)
        and x.dtype.name in DTYPES
        and kernel.dtype == x.dtype
        and params["preferred_element_type"] in (None, x.dtype)
        and params["batch_group_count"] == 1
        and all(step == 1 for step in params["lhs_dilation"])
        and params.get("out_sharding") is None
        and 0 not in (*x.shape, *kernel.shape)
    )
    return partial(_in_any_layout, params) if understood else None


def _in_any_layout(params: Mapping[str, Any], x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the convolution, computed in float32 with the channels last, in the layout and dtype asked for."""
    (batch, channel, *places), (out, into, *window), result = params["dimension_numbers"]
    geometry = Geometry(
        tuple(params["window_strides"]),
        tuple((low, high) for low, high in params["padding"]),
        tuple(params["rhs_dilation"]),
        params["precision"],
    )
    y = _grouped(
        geometry,
        params["feature_group_count"],
        lax.transpose(x, (batch, *places, channel)).astype(jnp.float32),
        lax.transpose(kernel, (*window, into, out)).astype(jnp.float32),
    )
    order = (result[0], *result[2:], result[1])
    return lax.transpose(y, tuple(np.argsort(order))).astype(x.dtype)


def _grouped(geometry: Geometry, groups: int, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the convolution of each group of channels with its own part of the kernel."""
    each, features = kernel.shape[-2], kernel.shape[-1] // groups
    if groups == 1:
        return convolve(geometry, x, kernel)
    if each == features == 1:
        return _depthwise(geometry, x, kernel)
    joined = max(
        n for n in range(1, groups + 1) if groups % n == 0 and (n == 1 or n * each <= BLOCK_CHANNELS)
    )
    blocks = _block_diagonal(kernel, groups // joined, joined)
    inputs = jnp.split(x, groups // joined, -1)
    return jnp.concatenate([convolve(geometry, i, k) for i, k in zip(inputs, blocks, strict=True)], -1)


def _block_diagonal(kernel: jax.Array, blocks: int, joined: int) -> list[jax.Array]:
    """Return for each block the kernel of its joined groups, 0 between channels of different groups."""
    *window, each, out = kernel.shape
    features = out // blocks // joined
    apart = kernel.reshape(*window, 1, each, blocks, joined, features)
    same = jnp.eye(joined, dtype=bool).reshape(joined, 1, 1, joined, 1)
    same = jnp.expand_dims(same, tuple(range(len(window))))
    whole = jnp.where(
        same, apart, jnp.zeros((), kernel.dtype)
    )  # [window, joined, each, blocks, joined, features]
    shape = (*window, joined * each, joined * features)
    return [whole[..., block, :, :].reshape(shape) for block in range(blocks)]


def _depthwise(geometry: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the convolution of each channel with its own window: a sum of shifted multiples."""
    axes = _axes(geometry, x.shape, kernel.shape)
    shape = (x.shape[0], *(axis.outputs for axis in axes), x.shape[-1])
    total = jnp.zeros(shape, x.dtype)
    for tap in np.ndindex(*kernel.shape[:-2]):
        weights = jnp.expand_dims(kernel[tap][0], tuple(range(x.ndim - 1)))
        total += _seen(x, tap, axes) * weights
    return total


def _convolve(geometry: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the cross-correlation [n, *outputs, o] of x[n, *sizes, i] with kernel[*window, i, o].

    Reverse mode of any order; both gradients are plain convolutions or matrix products.
    """
    last = x.ndim - 1
    places = tuple(range(1, last))
    layout = lax.ConvDimensionNumbers(
        (0, last, *places), (last, last - 1, *range(last - 1)), (0, last, *places)
    )
    # XLA's CPU backend can read outside its input where a padding is negative, so such an axis is cut here
    cut = [min(pair) < 0 for pair in geometry.padding]
    if any(cut):
        room = [
            (*pair, 0) if negative else (0, 0, 0)
            for pair, negative in zip(geometry.padding, cut, strict=True)
        ]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *room, (0, 0, 0)])
    return lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        [(0, 0) if negative else pair for pair, negative in zip(geometry.padding, cut, strict=True)],
        rhs_dilation=geometry.dilation,
        dimension_numbers=layout,
        precision=geometry.precision,
    )


def _forward(
    geometry: Geometry, x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Keep both factors of the bilinear map."""
    return _convolve(geometry, x, kernel), (x, kernel)


def _backward(
    geometry: Geometry, factors: tuple[jax.Array, jax.Array], g: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the gradients with respect to input and kernel."""
    x, kernel = factors
    axes = _axes(geometry, x.shape, kernel.shape)
    return _input_gradient(geometry, axes, kernel, g), _kernel_gradient(geometry, axes, x, g)


convolve = jax.custom_vjp(_convolve, nondiff_argnums=(0,))
convolve.defvjp(_forward, _backward)


def _axes(geometry: Geometry, x: tuple[int, ...], kernel: tuple[int, ...]) -> list[Axis]:
    """Return the spatial axes of the convolution of an input of shape x."""
    found = []
    for size, window, stride, (low, high), dilation in zip(
        x[1:-1], kernel[:-2], geometry.strides, geometry.padding, geometry.dilation, strict=True
    ):
        outputs = (size + low + high - (window - 1) * dilation - 1) // stride + 1
        found.append(Axis(size, outputs, window, stride, dilation, low))
    return found


def _input_gradient(geometry: Geometry, axes: list[Axis], kernel: jax.Array, g: jax.Array) -> jax.Array:
    """Return the gradient [n, *sizes, i] by the form that is fastest for these channels and strides."""
    strided, dilated = (any(getattr(axis, name) > 1 for axis in axes) for name in ("stride", "dilation"))
    few = kernel.shape[-2] < FEW_CHANNELS
    if few and strided and not dilated:
        return _phases_as_channels(geometry, axes, kernel, g)
    if few and not strided and math.prod(axis.window for axis in axes) <= MANY_TAPS:
        return _shifted_products(geometry, axes, kernel, g)
    return interleaved(partial(_phase, geometry, axes, kernel, g), axes, 1)


def _phase(
    geometry: Geometry, axes: list[Axis], kernel: jax.Array, g: jax.Array, phases: tuple[int, ...]
) -> jax.Array:
    """Return the gradient of the inputs of one phase: a convolution of g with the taps that read them."""
    padding, dilation = [], []
    for place, (axis, phase) in enumerate(zip(axes, phases, strict=True)):
        readers = axis.readers(phase)
        if not readers:
            return jnp.zeros((g.shape[0], *(a.steps for a in axes), kernel.shape[-2]), g.dtype)
        (first, low), (last, high) = readers[0], readers[-1]
        every = readers[1][0] - first if len(readers) > 1 else 1
        dilation.append(readers[1][1] - low if len(readers) > 1 else 1)
        padding.append((high, axis.steps - axis.outputs - low))
        kernel = lax.slice_in_dim(kernel, first, last + 1, every, place)
    flipped = lax.rev(kernel, tuple(range(len(axes)))).swapaxes(-1, -2)
    plain = Geometry((1,) * len(axes), tuple(padding), tuple(dilation), geometry.precision)
    return convolve(plain, g, flipped)


def _phases_as_channels(geometry: Geometry, axes: list[Axis], kernel: jax.Array, g: jax.Array) -> jax.Array:
    """Return the gradient by one convolution to every phase's channels at once, then depth to space."""
    count, (channels, features) = len(axes), kernel.shape[-2:]
    bounds = [axis.shifts() for axis in axes]
    room = [
        (-(low * axis.stride + axis.low), (high + 1) * axis.stride + axis.low - axis.window, 0)
        for axis, (low, high) in zip(axes, bounds, strict=True)
    ]
    kernel = lax.pad(kernel, jnp.zeros((), kernel.dtype), [*room, (0, 0, 0), (0, 0, 0)])
    split = [n for axis, (low, high) in zip(axes, bounds, strict=True) for n in (high - low + 1, axis.stride)]
    kernel = lax.rev(kernel.reshape(*split, channels, features), tuple(range(0, 2 * count, 2)))
    order = (*range(0, 2 * count, 2), 2 * count + 1, *range(1, 2 * count, 2), 2 * count)
    kernel = kernel.transpose(order).reshape(*split[::2], features, math.prod(split[1::2]) * channels)
    padding = tuple((high, a.steps - a.outputs - low) for a, (low, high) in zip(axes, bounds, strict=True))
    plain = Geometry((1,) * count, padding, (1,) * count, geometry.precision)
    parts = convolve(plain, g, kernel)  # [n, *steps, phases x channels]
    parts = parts.reshape(len(g), *(a.steps for a in axes), *split[1::2], channels)
    order = (0, *(place for i in range(count) for place in (1 + i, 1 + count + i)), 2 * count + 1)
    whole = parts.transpose(order).reshape(len(g), *(a.steps * a.stride for a in axes), channels)
    return lax.slice(whole, (0,) * whole.ndim, (len(g), *(a.size for a in axes), channels))


def _shifted_products(geometry: Geometry, axes: list[Axis], kernel: jax.Array, g: jax.Array) -> jax.Array:
    """Return the gradient at stride 1 by one matrix product to every tap's channels, shifted and summed."""
    *window, channels, features = kernel.shape
    flat = jnp.moveaxis(kernel, -1, 0).reshape(features, -1)
    product = jnp.matmul(g.reshape(-1, features), flat, precision=geometry.precision)
    product = product.reshape(*g.shape[:-1], *window, channels)
    total = jnp.zeros((len(g), *(axis.size for axis in axes), channels), g.dtype)
    everywhere = (slice(None),) * (g.ndim - 1)
    for tap in np.ndindex(*window):
        room = [(0, 0, 0)]
        for axis, place in zip(axes, tap, strict=True):
            low = place * axis.dilation - axis.low
            room.append((low, axis.size - axis.outputs - low, 0))
        total += lax.pad(product[(*everywhere, *tap)], jnp.zeros((), g.dtype), [*room, (0, 0, 0)])
    return total


def _kernel_gradient(geometry: Geometry, axes: list[Axis], x: jax.Array, g: jax.Array) -> jax.Array:
    """Return the gradient [*window, i, o]: for each tap the product of the inputs it reads with g."""
    window = [axis.window for axis in axes]
    channels, features = x.shape[-1], g.shape[-1]
    many = channels < FEW_CHANNELS or math.prod(window) > MANY_TAPS
    together = window[-1] if many else 1  # taps whose inputs stand side by side in one product
    taps = list(np.ndindex(*window))
    rows = []
    for start in range(0, len(taps), together):
        seen = [_seen(x, tap, axes) for tap in taps[start : start + together]]
        places = tuple(range(g.ndim - 1))
        rows.append(
            jnp.tensordot(jnp.concatenate(seen, -1), g, (places, places), precision=geometry.precision)
        )
    return jnp.concatenate(rows).reshape(*window, channels, features)


def _seen(x: jax.Array, tap: tuple[int, ...], axes: list[Axis]) -> jax.Array:
    """Return the inputs [n, *outputs, i] that each output reads through one tap, 0 in the padding."""
    room = [(0, 0, 0)]
    for axis, place in zip(axes, tap, strict=True):
        low = axis.low - place * axis.dilation
        room.append((low, (axis.outputs - 1) * axis.stride + 1 - axis.size - low, 0))
    shifted = lax.pad(x, jnp.zeros((), x.dtype), [*room, (0, 0, 0)])
    return lax.slice(shifted, (0,) * x.ndim, shifted.shape, (1, *(axis.stride for axis in axes), 1))
