"""Two small convolutional networks for images [n, height, width, channels]."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from flax import nnx

from models.network import check_rate, check_units

INIT = nnx.initializers.lecun_uniform()
KERNEL = (3, 3)
POOL = ((2, 2), (2, 2))  # window and strides


@dataclass(frozen=True)
class CNNOptions:
    """Options of `cnn`: the features of both convolutions, the hidden units, the dropout rate before them."""

    features: tuple[int, int] = (32, 64)
    hidden: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_units("features", self.features, 2)
        check_units("hidden", (self.hidden,), 1)
        check_rate("dropout", self.dropout)


@dataclass(frozen=True)
class ClassicCNNOptions:
    """Options of `classic_cnn`: none; it is the textbook's network."""


class CNN(nnx.Module):
    """Conv-pool-Conv-pool-Dense-Dense, the small network of the robustness literature."""

    def __init__(
        self, shape: tuple[int, int, int], outputs: int, options: CNNOptions, *, rngs: nnx.Rngs
    ) -> None:
        height, width, channels = shape
        first, second = options.features
        self.conv1 = nnx.Conv(channels, first, KERNEL, kernel_init=INIT, rngs=rngs)
        self.conv2 = nnx.Conv(first, second, KERNEL, kernel_init=INIT, rngs=rngs)
        self.dense1 = nnx.Linear(
            height // 4 * (width // 4) * second, options.hidden, kernel_init=INIT, rngs=rngs
        )
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.dense2 = nnx.Linear(options.hidden, outputs, kernel_init=INIT, rngs=rngs)

    def features(self, x: jax.Array) -> jax.Array:
        """Return the last convolution's activations[n, h, w, c]."""
        x = nnx.max_pool(nnx.relu(self.conv1(x)), *POOL)
        return nnx.relu(self.conv2(x))

    def head(self, activations: jax.Array) -> jax.Array:
        """Return outputs[n, k] of the last convolution's activations."""
        x = nnx.max_pool(activations, *POOL)
        x = nnx.relu(self.dense1(x.reshape(len(x), -1)))
        return self.dense2(self.dropout(x))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs[n, k]."""
        return self.head(self.features(x))


class ClassicCNN(nnx.Module):
    """Conv 32 3x3 (not padded), ReLU, max-pool 2x2, flatten, dense: the classic first network for digits."""

    def __init__(self, shape: tuple[int, int, int], outputs: int, *, rngs: nnx.Rngs) -> None:
        height, width, channels = shape
        self.conv = nnx.Conv(channels, 32, KERNEL, padding="VALID", kernel_init=INIT, rngs=rngs)
        self.dense = nnx.Linear(
            (height - 2) // 2 * ((width - 2) // 2) * 32, outputs, kernel_init=INIT, rngs=rngs
        )

    def features(self, x: jax.Array) -> jax.Array:
        """Return the convolution's activations[n, h, w, c]."""
        return nnx.relu(self.conv(x))

    def head(self, activations: jax.Array) -> jax.Array:
        """Return outputs[n, k] of the convolution's activations."""
        x = nnx.max_pool(activations, *POOL)
        return self.dense(x.reshape(len(x), -1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs[n, k]."""
        return self.head(self.features(x))
