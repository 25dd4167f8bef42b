"""Who a remedy moves: decisions that turned favourable or unfavourable, in every group, as a table of counts."""

from __future__ import annotations

import numpy as np

from audit.evidence import Column, Scalar, Table
from audit.subject import Subject

COLUMNS = (
    Column(name="attribute", label="Attribute", kind="text"),
    Column(name="group", label="Group", kind="text"),
    Column(name="rows", label="Rows", kind="count"),
    Column(name="lost", label="Favourable before, not after", kind="count"),
    Column(name="gained", label="Favourable after, not before", kind="count"),
    Column(name="lost rightly", label="Lost: truly not favourable", kind="count"),
    Column(name="gained rightly", label="Gained: truly favourable", kind="count"),
)


def moved_decisions(before: Subject, after: Subject) -> tuple[Table, ...]:
    """Return the table of changed decisions on the test rows; none where no class is favourable."""
    good, test = before.data.favourable, before.data.test
    if good is None or before.data.task not in ("binary", "multiclass"):
        return ()
    had, has, true = before.predictions() == good, after.predictions() == good, test.y == good
    rows: list[tuple[Scalar, ...]] = [("all", "all", *_counts(had, has, true))]
    for attribute, membership in test.groups.items():
        for group in np.unique(np.asarray(membership, str)):
            at = np.asarray(membership, str) == group
            rows.append((attribute, str(group), *_counts(had[at], has[at], true[at])))
    table = Table(
        name="moved",
        title="Who is moved",
        columns=COLUMNS,
        rows=tuple(rows),
        note="Test rows whose decision the remedy changes, favourable before or after; counts, no intervals.",
    )
    return (table,)


def _counts(had: np.ndarray, has: np.ndarray, true: np.ndarray) -> tuple[int, ...]:
    """Return the rows, who lost and gained, and how many of those rightly."""
    lost, gained = had & ~has, has & ~had
    return len(had), int(lost.sum()), int(gained.sum()), int((lost & ~true).sum()), int((gained & true).sum())
