"""Who plays: maps from an example's inputs to players."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def columns(features: int, beside: int = 0) -> np.ndarray:
    """Return groups[features + beside] in which every feature is its own player and columns beside them nobody's."""
    return np.append(np.arange(features), np.full(beside, -1))


def patches(height: int, width: int, side: int) -> np.ndarray:
    """Return groups[height, width] of side x side rectangles, row by row; sizes differ by a pixel at most.

    Raises ValueError when the image has fewer pixels a side than patches.
    """
    if not 1 <= side <= min(height, width):
        raise ValueError(f"side={side}: expected 1 to {min(height, width)} patches a side of the image")
    rows, cols = np.arange(height) * side // height, np.arange(width) * side // width
    return rows[:, None] * side + cols


def one_hot(widths: Sequence[int]) -> np.ndarray:
    """Return groups[sum of widths] in which each feature owns so many columns: 1, or its one-hot categories.

    Raises ValueError for a feature without columns.
    """
    if len(widths) == 0 or min(widths) < 1:
        raise ValueError(f"widths={tuple(widths)}: expected at least one column for every feature")
    return np.repeat(np.arange(len(widths)), widths)


def segments(length: int, count: int) -> np.ndarray:
    """Return groups[length] of contiguous runs of time steps or tokens; lengths differ by one at most.

    Raises ValueError when there are fewer steps than runs.
    """
    if not 1 <= count <= length:
        raise ValueError(f"count={count}: expected 1 to {length} runs of the steps")
    return np.arange(length) * count // length


def totals(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return totals[n, players, outputs]: values[n, *example, outputs] summed over what each player owns.

    groups maps the leading axes of an example to players, as for `shapley`. Raises ValueError where it does not.
    """
    groups = np.asarray(groups)
    if groups.shape != values.shape[1 : 1 + groups.ndim] or values.ndim < groups.ndim + 2:
        raise ValueError(f"groups{groups.shape}: expected the leading axes of an example{values.shape[1:-1]}")
    each = values.reshape(len(values), groups.size, -1, values.shape[-1]).sum(axis=2)
    member = (groups.ravel() == np.arange(groups.max() + 1)[:, None]).astype(np.float64)
    return np.einsum("pi,nim->npm", member, each, optimize=True)
