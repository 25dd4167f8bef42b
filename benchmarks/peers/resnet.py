"""A residual network as a Flax user writes it: 18 layers of width 16 for 32x32 images, nothing of ours in it."""

from __future__ import annotations

import jax
from flax import nnx

WIDTHS = (16, 32, 64, 128)  # two blocks of each, the later ones halving the sides


class Block(nnx.Module):
    """Two convolutions with batch norm, added to what came in (He et al. 2016, basic block)."""

    def __init__(self, before: int, width: int, stride: int, *, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(before, width, (3, 3), strides=stride, padding=1, use_bias=False, rngs=rngs)
        self.norm1 = nnx.BatchNorm(width, momentum=0.0, rngs=rngs)
        self.conv2 = nnx.Conv(width, width, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.norm2 = nnx.BatchNorm(width, momentum=0.0, rngs=rngs)
        self.changes = before != width
        if self.changes:
            self.short = nnx.Conv(before, width, (1, 1), strides=stride, padding=0, use_bias=False, rngs=rngs)
            self.norm = nnx.BatchNorm(width, momentum=0.0, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the block's output."""
        y = nnx.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return nnx.relu(y + (self.norm(self.short(x)) if self.changes else x))


class ResNet(nnx.Module):
    """Convolution, eight blocks, mean over the image, ten logits of images[n, 32, 32, 3]."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(3, WIDTHS[0], (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(WIDTHS[0], momentum=0.0, rngs=rngs)
        blocks, before = [], WIDTHS[0]
        for width in WIDTHS:
            blocks += [Block(before, width, 1 if width == before else 2, rngs=rngs),
                       Block(width, width, 1, rngs=rngs)]  # fmt: skip
            before = width
        self.blocks = nnx.List(blocks)
        self.dense = nnx.Linear(before, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return logits[n, 10]."""
        x = nnx.relu(self.norm(self.conv(x)))
        for block in self.blocks:
            x = block(x)
        return self.dense(x.mean((1, 2)))


def drawn(seed: int, images: jax.Array) -> ResNet:
    """Return the network with random weights, its batch norms fitted to the images (momentum 0: in one pass)."""
    net = ResNet(rngs=nnx.Rngs(seed))
    net.train()
    net(images)
    net.eval()
    return net
