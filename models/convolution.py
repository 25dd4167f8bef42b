"""The 3x3 convolution and the 2x2 max-pool of the built-in image networks, with gradients fast on a CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")
SIZE = 3
FEW_CHANNELS = 8  # below this a product of shifted patches beats a convolution whose kernel is the gradient


class Conv(nnx.Module):
    """A 3x3 convolution of stride 1: x[n, h, w, c] to [n, h, w, features], or h-2, w-2 when not padded."""

    def __init__(self, channels: int, features: int, *, padded: bool, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.lecun_uniform()
        self.kernel = nnx.Param(init(rngs.params(), (SIZE, SIZE, channels, features), jnp.float32))
        self.bias = nnx.Param(jnp.zeros((features,), jnp.float32))
        self.pad = SIZE // 2 if padded else 0

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the convolution plus the bias."""
        x = jnp.pad(x, ((0, 0), (self.pad, self.pad), (self.pad, self.pad), (0, 0)))
        return convolve(x, self.kernel[...]) + self.bias[...][None, None, None]


@jax.custom_vjp
def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the valid cross-correlation [n, h-s+1, w-s+1, o] of x[n, h, w, i] with kernel[s, s, i, o].

    Both gradients are written as plain convolutions, which XLA's CPU backend runs fast inside a loop
    (its own take up to 50 times longer there). Reverse mode only, of any order.
    """
    return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=LAYOUT)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Keep both factors of the bilinear map."""
    return convolve(x, kernel), (x, kernel)


def _backward(factors: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the gradients with respect to input and kernel."""
    x, kernel = factors
    edge = kernel.shape[0] - 1
    padded = jnp.pad(g, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    to_x = convolve(padded, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    return to_x, _kernel_gradient(x, g, edge + 1)


def _kernel_gradient(x: jax.Array, g: jax.Array, size: int) -> jax.Array:
    """Return sum over examples and places of x shifted times g: [size, size, i, o]."""
    if x.shape[-1] > FEW_CHANNELS:
        return convolve(x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)).transpose(1, 2, 0, 3)
    height, width = g.shape[1:3]
    shifted = [x[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    product = jnp.einsum("nhwi,nhwo->io", jnp.concatenate(shifted, axis=-1), g)
    return product.reshape(size, size, x.shape[-1], g.shape[-1])


convolve.defvjp(_forward, _backward)


def max_pool(x: jax.Array) -> jax.Array:
    """Return the maximum of each 2x2 window [n, h//2, w//2, c]; an odd last row or column is dropped.

    Equal to a windowed reduction in value; where inputs tie, the gradient is split evenly among them
    (a windowed reduction gives it to the first). Behind a ReLU, ties at 0 have no gradient either way.
    """
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
