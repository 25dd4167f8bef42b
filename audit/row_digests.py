"""Digests of test rows, whatever split, seed or order they came in, and of what a model gives there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from audit.ledger import Known
from audit.subject import JUDGED, Dataset, Split, Subject

MOST_ALIKE = (
    0.5  # of the rows: so many distinct contents, fewer of which do not tell one set of rows from another
)


def of(data: Dataset) -> Known:
    """Return the digests of the test rows, those alone that no other row has."""
    every = np.array([_of(row) for row in contents(data.test, data, groups=False)], np.uint64)
    lines = np.zeros(0, np.uint64) if data.test.line is None else data.test.line
    return Known(_telling(lines), _telling(every))


def _telling(digests: np.ndarray) -> np.ndarray:
    """Return the digests of rows that no other row has, none where most rows have company."""
    found, counts = np.unique(digests, return_counts=True)
    own = found[counts == 1]
    return own if len(own) >= MOST_ALIKE * len(digests) else np.zeros(0, np.uint64)


def of_judged(data: Dataset, subject: Subject) -> str:
    """Return the digest of what a model gives on the test rows: its outputs, rounded, and how they decide.

    Whatever the order of rows, what the outputs are declared to be, and the last digits of another machine: a model
    that is handed over otherwise is the same model.
    """
    outputs = np.asarray(subject.outputs[JUDGED], np.float64)
    spread = np.where((deviation := outputs.std(axis=0)) > 0, deviation, 1.0)
    rounded = np.round(outputs / spread, 2) + 0.0
    rows = contents(data.test, data)
    parts = [row + one.tobytes() for row, one in zip(rows, rounded, strict=True)]
    decided = subject.model.decisions.get(JUDGED)
    if decided is not None:
        parts = [part + one.tobytes() for part, one in zip(parts, np.asarray(decided, np.int64), strict=True)]
    scale = [f"{one:.1e}" for one in spread.tolist()]  # a model whose outputs are scaled is another one
    whole = hashlib.sha256(f"{subject.model.decision.threshold} {scale}".encode())
    for part in sorted(parts):
        whole.update(part)
    return whole.hexdigest()


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
