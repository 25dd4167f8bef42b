"""Who plays: maps from an example's inputs to players."""

from __future__ import annotations

import numpy as np


def columns(features: int) -> np.ndarray:
    """Return groups[features] in which every column is its own player."""
    return np.arange(features)


def patches(height: int, width: int, side: int) -> np.ndarray:
    """Return groups[height, width] of side x side rectangles, row by row; sizes differ by a pixel at most.

    Raises ValueError when the image has fewer pixels a side than patches.
    """
    if not 1 <= side <= min(height, width):
        raise ValueError(f"side={side}: expected 1 to {min(height, width)} patches a side of the image")
    rows, cols = np.arange(height) * side // height, np.arange(width) * side // width
    return rows[:, None] * side + cols
