"""Rows that occur more than once: test rows with a copy outside test, and copies within test."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TypedDict

import numpy as np

from audit.subject import JUDGED, Split


class Counts(TypedDict):
    """Test rows with a copy in another split, and those beyond the first copy within test; None: not counted."""

    repeated_in_test: int | None
    repeated_within_test: int | None


NOT_COUNTED = Counts(repeated_in_test=None, repeated_within_test=None)


def counted(made: Mapping[str, Split]) -> Counts:
    """Return how many test rows share features and label with a row of another split, and with one before in test.

    Nothing is counted of rows without features; without rows besides test, nothing outside it.
    """
    test = rows(made[JUDGED])
    if not test:
        return NOT_COUNTED
    others = [rows(split) for name, split in made.items() if name != JUDGED and len(split)]
    return of([row for other in others for row in other], test)


def of(others: Sequence[Hashable], test: Sequence[Hashable]) -> Counts:
    """Return the counts of rows given as what equal ones share; without others, those within test alone."""
    known = set(others)
    return Counts(
        repeated_in_test=sum(row in known for row in test) if known else None,
        repeated_within_test=len(test) - len(set(test)),
    )


def rows(split: Split) -> list[bytes]:
    """Return a digest of each row's features and label; none where there are no features."""
    x = split.x
    arrays = [x[key] for key in sorted(x)] if isinstance(x, Mapping) else [x]
    if not any(np.size(array) for array in arrays):
        return []
    plain = [
        np.asarray(array) + 0 if array.dtype.kind == "f" else np.asarray(array)
        for array in (*arrays, split.y)
    ]
    return [
        hashlib.sha256(b"".join(cell.tobytes() for cell in row)).digest() for row in zip(*plain, strict=True)
    ]
