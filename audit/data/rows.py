"""Rows of one or two tables that can be used, and what was dropped and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.data import frames, splits
from audit.data.roles import Roles, SplitPlan, require
from audit.errors import DataError
from audit.names import MISSING
from audit.subject import Task


@dataclass(frozen=True, eq=False)
class Rows:
    """text[column], numeric[feature], raw ids, the stated split ('' where none is), and what was dropped.

    salt: what ids are hashed with. unused: columns of the table that have no role. unlabelled: rows that would be
    judged, or drawn from, had they a target; whole but for that.
    """

    text: dict[str, np.ndarray]
    numeric: dict[str, np.ndarray]
    raw: np.ndarray
    stated: np.ndarray
    lines: np.ndarray
    dropped: Mapping[str, int]
    salt: str
    unused: tuple[str, ...]
    unlabelled: Rows | None = None


def collect(
    frame: pd.DataFrame,
    test_frame: pd.DataFrame | None,
    roles: Roles,
    plan: SplitPlan,
    task: Task,
    lines: np.ndarray,
) -> Rows:
    """Return the usable rows of the tables; DataError for absent columns, repeated ids and bad numbers.

    lines: the rows' digests as the files write them.
    """
    tables = {"data": frame} if test_frame is None else {"data": frame, "test": test_frame}
    _refuse_absent(tables, roles, plan, task)
    wanted = roles.columns(task)
    for origin, table in tables.items():
        frames.refuse_alike(table, _named(roles, task), "" if origin == "data" else " of the test file")
    texts = [
        frames.as_text(table, wanted, roles.missing)
        | frames.as_text(table, roles.free, roles.missing, raw=True)
        for table in tables.values()
    ]
    text = {column: np.concatenate([one[column] for one in texts]) for column in wanted}
    for column in (roles.id, roles.cluster, roles.weight, roles.time):
        gone = int((text[column] == MISSING).sum()) if column else 0
        if gone:
            raise DataError(f"column {column!r} lacks a value in {gone} rows", "one in every row")
    raw = text[roles.id] if roles.id else _numbered(tables)
    splits.refuse_repeats(raw, f"id column {roles.id!r}")
    numeric = {column: frames.numbers(text[column], column) for column in roles.numeric}
    keep, dropped = _keep(text, numeric, roles, task)
    stated, salt = _stated(tables, plan), splits.salt_of(_content(tables))
    unused = tuple(str(c) for c in frame if c not in (*wanted, *roles.drop, plan.column))

    def of(which: np.ndarray, unlabelled: Rows | None) -> Rows:
        some = {column: values[which] for column, values in text.items()}
        numbers = {column: values[which] for column, values in numeric.items()}
        return Rows(some, numbers, raw[which], stated[which], lines[which], dropped, salt, unused, unlabelled)

    judged = "test" if "test" in stated else ""
    lost = _unlabelled(text, numeric, roles, task) & (stated == judged)
    return of(keep, of(lost, None) if lost.any() else None)


def _named(roles: Roles, task: Task) -> list[str]:
    """Return the columns whose values are names of categories and groups, and no numbers."""
    labels = roles.targets(task) if task in ("binary", "multiclass") else ()
    columns = dict.fromkeys((*labels, *roles.categorical, *roles.sensitive, *roles.legitimate))
    return [column for column in columns if column not in (*roles.numeric, *roles.bands)]


def _refuse_absent(tables: Mapping[str, pd.DataFrame], roles: Roles, plan: SplitPlan, task: Task) -> None:
    """Raise DataError where a column is in no table, or where the split's column has another role."""
    wanted = roles.columns(task)
    if plan.column in (*wanted, *roles.drop):
        raise DataError(f"split column={plan.column!r} has another role", "a column for the split alone")
    if plan.by == "cluster" and roles.cluster is None:
        raise DataError("split by: cluster without a cluster column", "columns: cluster", "name the column")
    if plan.by == "time" and roles.time is None:
        raise DataError("split by: time without a time column", "columns: time", "name the column")
    for origin, table in tables.items():
        stated = (plan.column,) if plan.column and origin == "data" else ()
        for column in (*wanted, *roles.drop, *stated):
            require(column, table.columns, "column" if origin == "data" else "column of the test file")


def _numbered(tables: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """Return raw ids for tables without an id column."""
    return np.concatenate([splits.row_numbers(origin, len(table)) for origin, table in tables.items()])


def _stated(tables: Mapping[str, pd.DataFrame], plan: SplitPlan) -> np.ndarray:
    """Return the split that the plan's column or the test file states for each row, '' where none does."""
    stated = np.full(len(tables["data"]), "", "<U11")
    if plan.column:
        words = frames.as_text(tables["data"], [plan.column], ())[plan.column]
        stated = splits.named(words, plan.column, test="test" not in tables)
    return np.concatenate([stated, *(np.full(len(tables[o]), "test", "<U11") for o in tables if o == "test")])


def _unlabelled(
    text: Mapping[str, np.ndarray], numeric: Mapping[str, np.ndarray], roles: Roles, task: Task
) -> np.ndarray:
    """Return which rows lack a target and nothing else."""
    lacks = np.any([text[column] == MISSING for column in roles.targets(task)], axis=0)
    return lacks & ~np.any([np.zeros(len(lacks), bool), *(np.isnan(v) for v in numeric.values())], axis=0)


def _keep(
    text: Mapping[str, np.ndarray], numeric: Mapping[str, np.ndarray], roles: Roles, task: Task
) -> tuple[np.ndarray, dict[str, int]]:
    """Return which rows are kept, and how many were dropped for which reason."""
    unlabelled = np.any([text[column] == MISSING for column in roles.targets(task)], axis=0)
    gaps = {column: np.isnan(values) & ~unlabelled for column, values in numeric.items()}
    counts = {column: int(gap.sum()) for column, gap in gaps.items() if gap.any()}
    if counts and roles.missing_numeric == "refuse":
        raise DataError(
            f"missing values in numeric columns: {', '.join(f'{c} ({n})' for c, n in counts.items())}",
            "none",
            "choose missing_numeric: drop (the rows) or median (of train)",
        )
    gap = np.zeros_like(unlabelled)
    if roles.missing_numeric == "drop":
        gap = np.any([gap, *gaps.values()], axis=0)
    dropped = {"missing target": int(unlabelled.sum()), "missing numeric feature": int(gap.sum())}
    keep = ~unlabelled & ~gap
    if not keep.any():
        raise DataError("no row is left: every row lacks its target or a number", "complete rows")
    return keep, {reason: count for reason, count in dropped.items() if count}


def _content(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Return the rows' content sorted, so whatever their order, and whatever the columns' roles."""
    lines = []
    for table in tables.values():
        cells = [map(str, table[column].tolist()) for column in table]
        lines += map("\x1f".join, zip(*cells, strict=True))
    return "\n".join(sorted(lines)).encode()
