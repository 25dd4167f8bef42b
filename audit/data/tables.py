"""Tables with declared roles -> Dataset: read, check, split, encode, in this order and top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from audit.data import columns, derived, folds, frames, labels, repeats, splits, times
from audit.data.derived import Derived
from audit.data.roles import Roles, SplitPlan
from audit.data.rows import Rows, collect
from audit.errors import DataError
from audit.subject import Dataset, Provenance, Split, Task

CLASSES = ("binary", "multiclass")


def load(
    name: str,
    task: Task,
    path: str | Path,
    test: str | Path | None,
    roles: Roles,
    plan: SplitPlan,
    *,
    derive: Mapping[str, Derived] | None = None,
    obtain: str = "",
    licence: str = "",
    sha256: str | None = None,
    apart: Sequence[str] = (),
) -> Dataset:
    """Return the dataset in one CSV, TSV or Parquet file, or in two where test has its own.

    `obtain` says where a missing file comes from; `sha256` is the expected `files.digest` of the files. apart: columns
    that are a model's scores, by which rows are not known again.
    """
    found = frames.load(path, test, obtain, sha256)
    return from_frame(
        name,
        task,
        found.frame,
        found.test_frame,
        roles,
        plan,
        derive=derive,
        source=found.source,
        licence=licence,
        sha256=found.sha256,
        apart=apart,
    )


def from_frame(
    name: str,
    task: Task,
    frame: pd.DataFrame,
    test_frame: pd.DataFrame | None,
    roles: Roles,
    plan: SplitPlan,
    *,
    derive: Mapping[str, Derived] | None = None,
    source: str = "",
    licence: str = "",
    sha256: str = "",
    notes: tuple[str, ...] = (),
    apart: Sequence[str] = (),
) -> Dataset:
    """Return the dataset in a pandas table, or in two where test has its own; raises DataError."""
    lines = splits.lines(frame, test_frame, apart=apart)
    frame, test_frame, made_of = derived.add(frame, test_frame, derive or {}, roles)
    rows = collect(frame, test_frame, roles, plan, task, lines)
    used = derived.sources(derive or {})
    rows = replace(rows, unused=tuple(column for column in rows.unused if column not in used))
    label = labels.encode(rows.text, roles, task)
    categorical = {column: rows.text[column] for column in roles.categorical}
    if plan.by == "folds":
        part = _folds(rows, test_frame, label.y, roles, plan, task)
        inputs = folds.encode(rows.numeric, categorical, roles, part)
        every = _every(rows, inputs.x, label.y, roles)
        none = every.take(np.zeros(0, int))
        made = {"train": every, "validation": none, "calibration": none, "test": every}
        repeated, more = folds.repeated(every.x, label.y, part), folds.notes(part)
    else:
        part = _divide(rows, label.y, roles, plan, task)
        _refuse_unfit(part, label.y, roles, task)
        trains = bool((part == "train").any())
        reference, rows_of = (part == "train", "train") if trains else (part == "test", "judged")
        inputs = columns.encode(rows.numeric, categorical, roles, reference, rows_of)
        if test_frame is not None and trains:
            columns.refuse_unseen(categorical, inputs.features, part == "test")
        every = _every(rows, inputs.x, label.y, roles)
        made = {one: every.take(np.flatnonzero(part == one)) for one in reversed(splits.NAMES)}
        repeated, more = repeats.counted(made), splits.notes(part, plan)
        if rows.unlabelled is not None:
            made["unlabelled"] = _unlabelled(rows.unlabelled, inputs, label.y, roles)
    return Dataset(
        name=name,
        task=task,
        modality="table",
        splits=made,
        target=roles.target,
        classes=label.classes,
        favourable=label.favourable,
        features=inputs.features,
        low=inputs.low,
        high=inputs.high,
        scale=inputs.scale,
        provenance=Provenance(
            source=source,
            licence=licence,
            sha256=sha256,
            dropped=rows.dropped,
            **repeated,
            notes=(
                *notes,
                *made_of,
                *label.notes,
                *more,
                *inputs.notes,
                *_notes(
                    rows, roles, part if part.ndim == 1 else np.full(len(every), "test"), made["test"], task
                ),
            ),
            salt=rows.salt,
        ),
        folds=part if plan.by == "folds" else None,
    )


def _folds(
    rows: Rows, test_frame: pd.DataFrame | None, y: np.ndarray, roles: Roles, plan: SplitPlan, task: Task
) -> np.ndarray:
    """Return part[folds, n], what each row is to each network; DataError where that cannot be had."""
    if test_frame is not None:
        raise DataError(
            "split by: folds with a test file", "one file", "leave test out, or split by fraction"
        )
    units = rows.text[roles.cluster] if roles.cluster else rows.raw
    part = folds.draw(units, splits.strata(y, task), plan)
    folds.refuse(part, y, roles, task)
    return part


def _divide(rows: Rows, y: np.ndarray, roles: Roles, plan: SplitPlan, task: Task) -> np.ndarray:
    """Return the split's name[n] of each row: stated by a file or column, else drawn."""
    part, free = rows.stated.copy(), rows.stated == ""
    cluster = rows.text[roles.cluster] if roles.cluster else None
    units = cluster if plan.by == "cluster" and cluster is not None else rows.raw
    if plan.by == "time":
        return times.divide(rows, roles, plan)
    if free.any():
        part[free] = splits.draw(units[free], splits.strata(y[free], task), plan, test=bool(free.all()))
    if plan.by == "cluster" and (torn := splits.straddling(part, units)):
        raise DataError(
            f"{torn} clusters of {roles.cluster!r} are in the test file and in the other",
            "each cluster in one split",
            "give one file and let it be split by cluster",
        )
    return part


def _refuse_unfit(part: np.ndarray, y: np.ndarray, roles: Roles, task: Task) -> None:
    """Raise DataError where test is empty, nothing is left to fit on, or labels do not vary."""
    n = len(part)
    if not (part == "test").any():
        raise DataError(f"the test split of {n} rows is empty", "rows to judge", "raise the test fraction")
    if task in CLASSES:
        labels.refuse_one_class(y, f"target {roles.target!r}")
        if (part == "train").any():
            labels.refuse_one_class(y[part == "train"], "the train split")


def _every(rows: Rows, x: np.ndarray, y: np.ndarray, roles: Roles) -> Split:
    """Return all rows as one split."""
    text = rows.text
    return Split(
        x=x,
        y=y,
        id=splits.hash_ids(rows.raw, rows.salt),
        groups={column: columns.groups(text[column], column, roles) for column in roles.sensitive},
        cluster=splits.hash_ids(text[roles.cluster], rows.salt) if roles.cluster else None,
        weight=columns.weights(text[roles.weight], roles.weight) if roles.weight else None,
        time=columns.times(text[roles.time], roles.time) if roles.time else None,
        legitimate={column: columns.groups(text[column], column, roles) for column in roles.legitimate},
        line=rows.lines,
    )


def _unlabelled(rows: Rows, inputs: columns.Inputs, y: np.ndarray, roles: Roles) -> Split:
    """Return the rows without a target as a split of their own, with -1 in its place: to be decided, not judged."""
    categorical = {column: rows.text[column] for column in roles.categorical}
    x = columns.coded(rows.numeric, categorical, inputs.features, len(rows.raw))
    return _every(rows, x, np.full((len(x), *y.shape[1:]), -1, y.dtype), roles)


def _notes(rows: Rows, roles: Roles, part: np.ndarray, test: Split, task: Task) -> list[str]:
    """Return remarks that a reader of the numbers should know."""
    notes = []
    if rows.unused:
        notes.append(f"columns without a role, not used: {', '.join(rows.unused)}")
    if roles.cluster and (torn := splits.straddling(part, rows.text[roles.cluster])):
        notes.append(f"{torn} clusters of {roles.cluster} have rows in more than one split")
    if task in CLASSES and len(np.unique(test.y)) == 1:
        notes.append("the test split holds one class only")
    for attribute, values in test.groups.items():
        names, counts = np.unique(values, return_counts=True)
        if (counts == 1).any():
            notes.append(f"{attribute}: groups with a single test row: {', '.join(names[counts == 1])}")
    if roles.time:
        notes += times.notes(columns.times(rows.text[roles.time], roles.time), part)
    return notes
