"""A small residual network for images [n, height, width, channels] (He, Zhang, Ren and Sun 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from flax import nnx

from models.network import check_rate, check_units, problem

KERNEL = (3, 3)


@dataclass(frozen=True)
class ResNetOptions:
    """Options of `resnet`: each stage's width, the blocks of a stage, the groups of a norm, the last dropout rate.

    Every stage after the first halves height and width.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: int = 2
    groups: int = 8
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_units("widths", self.widths, None)
        check_units("blocks", (self.blocks,), 1)
        check_units("groups", (self.groups,), 1)
        check_rate("dropout", self.dropout)
        if not self.widths or any(width % self.groups for width in self.widths):
            raise problem(
                f"widths={self.widths}", f"multiples of groups={self.groups}", "for example (16, 32, 64)"
            )


class Block(nnx.Module):
    """Two convolutions with group norms before them, added to what they are given (pre-activation)."""

    def __init__(self, width: int, out: int, stride: int, groups: int, *, rngs: nnx.Rngs) -> None:
        strides = (stride, stride)
        self.norm1 = nnx.GroupNorm(width, num_groups=min(groups, width), rngs=rngs)
        self.conv1 = nnx.Conv(width, out, KERNEL, strides=strides, use_bias=False, rngs=rngs)
        self.norm2 = nnx.GroupNorm(out, num_groups=groups, rngs=rngs)
        self.conv2 = nnx.Conv(out, out, KERNEL, use_bias=False, rngs=rngs)
        same = (width, stride) == (out, 1)
        self.short = (
            None if same else nnx.Conv(width, out, (1, 1), strides=strides, use_bias=False, rngs=rngs)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return activations[n, h, w, out]."""
        y = nnx.relu(self.norm1(x))
        kept = x if self.short is None else self.short(y)
        return kept + self.conv2(nnx.relu(self.norm2(self.conv1(y))))


class ResNet(nnx.Module):
    """Conv, stages of residual blocks, group norm, mean over the image, dense.

    Group norms (Wu and He 2018) look at one example alone, so that examples stay independent in training too.
    """

    def __init__(self, channels: int, outputs: int, options: ResNetOptions, *, rngs: nnx.Rngs) -> None:
        width = options.widths[0]
        self.conv = nnx.Conv(channels, width, KERNEL, use_bias=False, rngs=rngs)
        blocks = []
        for stage, out in enumerate(options.widths):
            for i in range(options.blocks):
                stride = 2 if stage and not i else 1
                blocks.append(Block(width, out, stride, options.groups, rngs=rngs))
                width = out
        self.blocks = nnx.List(blocks)
        self.norm = nnx.GroupNorm(width, num_groups=options.groups, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.dense = nnx.Linear(width, outputs, rngs=rngs)

    def features(self, x: jax.Array) -> jax.Array:
        """Return the last block's activations[n, h, w, c]."""
        x = self.conv(x)
        for block in self.blocks:
            x = block(x)
        return nnx.relu(self.norm(x))

    def head(self, activations: jax.Array) -> jax.Array:
        """Return outputs[n, k] of the last block's activations."""
        return self.dense(self.dropout(activations.mean(axis=(1, 2))))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs[n, k]."""
        return self.head(self.features(x))
