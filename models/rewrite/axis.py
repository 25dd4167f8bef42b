"""One spatial axis of a windowed map, and which outputs read an input: the index arithmetic of its transpose.

Output p reads input p * stride + tap * dilation - low through each tap of its window. So the inputs of one
phase (the remainder by the stride) are read through every stride-th tap only, each time by an output at a
fixed shift: the transpose of a strided map is one map of stride 1 for each phase, the results interleaved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Axis(NamedTuple):
    """The sizes of input, output and window, the stride, the window's dilation and the low padding."""

    size: int
    outputs: int
    window: int
    stride: int
    dilation: int
    low: int

    @property
    def steps(self) -> int:
        """Return how many inputs the longest phase has."""
        return -(-self.size // self.stride)

    @property
    def reach(self) -> int:
        """Return how many inputs, counted from the first one read, all windows together cover."""
        return (self.outputs - 1) * self.stride + (self.window - 1) * self.dilation + 1

    def readers(self, phase: int) -> list[tuple[int, int]]:
        """Return (tap, shift) of each tap: input t * stride + phase is read through it by output t - shift."""
        offsets = ((tap, tap * self.dilation - phase - self.low) for tap in range(self.window))
        return [(tap, offset // self.stride) for tap, offset in offsets if offset % self.stride == 0]

    def shifts(self) -> tuple[int, int]:
        """Return the smallest and the largest shift over all phases."""
        shifts = [shift for phase in range(self.stride) for _, shift in self.readers(phase)]
        return min(shifts), max(shifts)


def interleaved(part: Callable[[tuple[int, ...]], jax.Array], axes: Sequence[Axis], first: int) -> jax.Array:
    """Return the array whose entries of each phase are part(phases)[..., steps of the axes, ...].

    The axes are `first`, `first` + 1 and so on; whatever the last phases have beyond the sizes is cut off.
    """

    def along(chosen: tuple[int, ...]) -> jax.Array:
        place = len(chosen)
        if place == len(axes):
            return part(chosen)
        stride, axis = axes[place].stride, first + place
        parts = [along((*chosen, phase)) for phase in range(stride)]
        if stride == 1:
            return parts[0]
        stacked = jnp.stack(parts, axis + 1)
        shape = (*stacked.shape[:axis], -1, *stacked.shape[axis + 2 :])
        return lax.slice_in_dim(stacked.reshape(shape), 0, axes[place].size, axis=axis)

    return along(())
