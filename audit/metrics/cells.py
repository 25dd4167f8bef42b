"""Rows counted per joint cell (attributes x true class x predicted class): all that any group rate needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DENSE = 1 << 22  # cells that a dense count may hold (32 MB); more are found by sorting


@dataclass(frozen=True, eq=False)
class Cells:
    """The joint cells that have rows, sorted: codes[m, axes], count[m], and each row's cell[n]."""

    axes: tuple[str, ...]
    codes: np.ndarray
    count: np.ndarray
    cell: np.ndarray

    def column(self, axis: str) -> np.ndarray:
        """Return the code[m] of one axis."""
        return self.codes[:, self.axes.index(axis)]

    def cross(self, axes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the groups[g, axes] that have rows (codes, sorted) and each cell's group[m]."""
        columns = self.codes[:, [self.axes.index(axis) for axis in axes]]
        groups, group = np.unique(columns, axis=0, return_inverse=True)
        return groups, group.reshape(-1)


def count_cells(columns: Mapping[str, np.ndarray]) -> Cells:
    """Return the joint cells of columns {axis: code[n]} from 0; ValueError without a row."""
    codes = [np.asarray(column, np.int64) for column in columns.values()]
    if not codes or not len(codes[0]):
        raise ValueError("columns={}; expected at least one column with at least one row; give some rows")
    if any(column.min() < 0 for column in codes):
        raise ValueError("a code is negative; expected codes from 0; give missing values a code of their own")
    joint, size = np.zeros(len(codes[0]), np.int64), 1
    for column in codes:
        levels = int(column.max()) + 1
        if size * levels > DENSE:  # keep only the cells met so far, so that the code cannot overflow
            met, joint = np.unique(joint, return_inverse=True)
            size = len(met)
        joint, size = joint * levels + column, size * levels
    first, cell, count = _distinct(joint, size)
    return Cells(tuple(columns), np.stack([column[first] for column in codes], axis=1), count, cell)


def group_counts(group: np.ndarray, count: np.ndarray, groups: int) -> np.ndarray:
    """Return the rows[groups] of each group, given each cell's group[m] and count[m]."""
    return np.bincount(group, weights=count, minlength=groups).astype(np.int64)


def _distinct(joint: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a row[m] of each distinct code, sorted, each row's place[n] among them, and counts[m]."""
    if size > DENSE:
        _, first, cell, count = np.unique(joint, return_index=True, return_inverse=True, return_counts=True)
        return first, cell, count
    count = np.bincount(joint, minlength=size)
    row = np.empty(size, np.int64)
    row[joint] = np.arange(len(joint))
    met = count > 0
    return row[met], (np.cumsum(met) - 1)[joint], count[met]
