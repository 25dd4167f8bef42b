"""Digests of test rows by what they hold, whatever split, seed or order they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from audit.subject import Dataset, Split


def of(data: Dataset) -> np.ndarray:
    """Return the digests[m] (uint64, distinct) of the test rows that hold what no other holds, else of all.

    Rows that occur again say little of where they come from: other rows of few and coarse features may equal them.
    """
    every = np.array([_of(row) for row in contents(data.test, data)], np.uint64)
    found, counts = np.unique(every, return_counts=True)
    return found[counts == 1] if (counts == 1).any() else found


def contents(split: Split, data: Dataset, *, groups: bool = True) -> list[bytes]:
    """Return each row's content[n]: its features (categories by name, not by code), its target and its groups."""
    if split.text is not None:
        columns = [np.asarray(split.text, str)]
    elif isinstance(split.x, Mapping):
        columns = [np.asarray(split.x[name]) for name in sorted(split.x)]
    elif data.features:
        columns = [_values(split, data, i) for i in range(len(data.features))]
    else:
        columns = [np.asarray(split.x)]
    columns.append(np.asarray(split.y))
    if groups:
        columns += [np.asarray(split.groups[name], str) for name in sorted(split.groups)]
    return joined(columns, len(split))


def joined(columns: list[np.ndarray], n: int) -> list[bytes]:
    """Return the bytes[n] of each row of several columns [n, ...]; -0 counts as 0."""
    parts = [_rows(column, n) for column in columns]
    if not parts:
        return [b""] * n
    whole = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return [row.tobytes() for row in whole]


def _values(split: Split, data: Dataset, i: int) -> np.ndarray:
    """Return a feature's values[n], a category by its name."""
    feature, column = data.features[i], np.asarray(split.x)[:, i]
    if feature.kind != "categorical" or not feature.categories:
        return column
    names = np.array(["", *feature.categories])
    return names[np.clip(column.astype(int), 0, len(names) - 1)]


def _rows(column: np.ndarray, n: int) -> np.ndarray:
    """Return a column as bytes[n, m]; texts as their digests."""
    if column.dtype.kind in "OUS":
        names, which = np.unique(column.astype(str), return_inverse=True)
        table = np.array([_of(name.encode()) for name in names], np.uint64)
        column = table[which.reshape(-1)] if len(names) else np.zeros(n, np.uint64)
    elif column.dtype.kind == "f":
        column = column + 0.0
    return (
        np.ascontiguousarray(column.reshape(n, -1)).view(np.uint8).reshape(n, -1)
        if n
        else np.zeros((0, 1), np.uint8)
    )


def _of(row: bytes) -> int:
    """Return 8 bytes of a row's digest as a number."""
    return int.from_bytes(hashlib.blake2b(row, digest_size=8).digest(), "big")
