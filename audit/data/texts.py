"""Texts with class labels, in a CSV or Parquet table -> Dataset of token ids: read, check, split, encode."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from audit.data import columns, frames, labels, repeats, splits, vocabulary
from audit.data.roles import Roles, SplitPlan
from audit.data.rows import Rows, collect
from audit.data.vocabulary import VocabularyPlan
from audit.errors import DataError
from audit.names import MISSING
from audit.subject import Dataset, Provenance, Split, Task, Tokens

BYTE_ORDER_MARK = "\ufeff"
EMPTY = "empty text"


def load(
    name: str,
    task: Task,
    path: str | Path,
    test: str | Path | None,
    text: str,
    roles: Roles,
    plan: SplitPlan,
    tokens: VocabularyPlan,
    *,
    obtain: str = "",
    licence: str = "",
    sha256: str | None = None,
) -> Dataset:
    """Return the dataset of the column `text` in one CSV, TSV or Parquet file (gzip or not), or with a test file.

    `obtain` says where a missing file comes from; `sha256` is the expected `files.digest` of the files.
    """
    found = frames.load(path, test, obtain, sha256)
    data = from_frame(name, task, found.frame, found.test_frame, text, roles, plan, tokens)
    known = {"source": found.source, "licence": licence, "sha256": found.sha256}
    return replace(data, provenance=replace(data.provenance, **known))


def from_frame(
    name: str,
    task: Task,
    frame: pd.DataFrame,
    test_frame: pd.DataFrame | None,
    text: str,
    roles: Roles,
    plan: SplitPlan,
    tokens: VocabularyPlan,
) -> Dataset:
    """Return the dataset of texts in a pandas table, or in two where test has its own; raises DataError.

    Texts are NFC; one that occurs again (but for case and blanks) lies on one side of a drawn split.
    """
    lines = splits.lines(frame, test_frame)
    rows = collect(frame, test_frame, replace(roles, free=(text,)), plan, task, lines)
    rows, texts = _written(rows, text)
    same = np.array([plain(one) for one in texts], object)
    label = labels.encode(rows.text, roles, task)
    part = _divide(rows, same, label.y, plan, roles)
    _refuse_unfit(part, label, roles)
    trains = bool((part == "train").any())
    fitted = vocabulary.fit(
        texts[part == ("train" if trains else "test")].tolist(), tokens, "training" if trains else "judged"
    )
    every = _every(rows, texts, fitted, label.y, roles)
    made = {one: every.take(np.flatnonzero(part == one)) for one in reversed(splits.NAMES)}
    return Dataset(
        name=name,
        task=task,
        modality="text",
        splits=made,
        target=roles.target,
        classes=label.classes,
        favourable=label.favourable,
        tokens=fitted,
        provenance=Provenance(
            dropped=rows.dropped,
            **_repeated(same, label.y, part),
            notes=(
                *label.notes,
                *splits.notes(part, plan),
                fitted.says,
                *_notes(made["test"], same, label.y, tokens),
            ),
            salt=rows.salt,
        ),
    )


def _written(rows: Rows, column: str) -> tuple[Rows, np.ndarray]:
    """Return the rows whose text holds something besides blanks, and their texts[n] in NFC."""
    texts = np.array([clean(one) for one in rows.text[column].tolist()], object)
    keep = np.array([bool(one) and one != MISSING for one in texts.tolist()])
    if not keep.any():
        raise DataError(f"column {column!r} holds no text", "at least one text that is not blank")
    gone = {EMPTY: int((~keep).sum())} if not keep.all() else {}
    cells = {name: values[keep] for name, values in rows.text.items()}
    kept = replace(
        rows,
        text=cells,
        raw=rows.raw[keep],
        stated=rows.stated[keep],
        lines=rows.lines[keep],
        dropped={**rows.dropped, **gone},
    )
    return kept, texts[keep]


def clean(text: str) -> str:
    """Return the text in NFC, without byte-order marks and outer blanks."""
    return unicodedata.normalize("NFC", text.replace(BYTE_ORDER_MARK, "")).strip()


def plain(text: str) -> str:
    """Return what equal texts share, whatever their case and blanks."""
    return " ".join(text.casefold().split())


def _divide(rows: Rows, same: np.ndarray, y: np.ndarray, plan: SplitPlan, roles: Roles) -> np.ndarray:
    """Return the split's name[n] of each row: stated by a file or column, else drawn, equal texts together."""
    part, free = rows.stated.copy(), rows.stated == ""
    units = _joined(same, rows.text[roles.cluster]) if roles.cluster and plan.by == "cluster" else same
    if free.any():
        part[free] = splits.draw(units[free], y[free].astype(np.int64), plan, test=bool(free.all()))
    return part


def _joined(same: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return a name[n] that rows share which are linked by equal texts or by a cluster, through others too."""
    parent: dict[str, str] = {}

    def root(one: str) -> str:
        while parent.setdefault(one, one) != one:
            one = parent[one]
        return one

    for text, group in zip(same.tolist(), cluster.tolist(), strict=True):
        a, b = sorted((root(f"text:{text}"), root(f"cluster:{group}")))
        parent[b] = a
    return np.array([root(f"text:{text}") for text in same.tolist()], object)


def _refuse_unfit(part: np.ndarray, label: labels.Labels, roles: Roles) -> None:
    """Raise DataError where a split is empty, labels do not vary, or one of them is only in the test rows."""
    if not (part == "test").any():
        raise DataError(f"the test split of {len(part)} rows is empty", "rows to judge", "change split")
    train = label.y[part == "train"]
    labels.refuse_one_class(
        train if len(train) else label.y, "the train split" if len(train) else "the test split"
    )
    if not len(train):
        return
    lost = sorted(set(label.y[part == "test"].tolist()) - set(train.tolist()))
    if lost and not roles.classes:
        rows = int((label.y[part == "test"] == lost[0]).sum())
        raise DataError(
            f"target {roles.target!r}: {label.classes[lost[0]]!r} in {rows} test rows and in no training row",
            "labels that the model can learn",
            "mend the labels, or list them all under classes",
        )


def _every(rows: Rows, texts: np.ndarray, tokens: Tokens, y: np.ndarray, roles: Roles) -> Split:
    """Return all rows as one split."""
    return Split(
        x=tokens.encode(texts.tolist()),
        y=y,
        id=splits.hash_ids(rows.raw, rows.salt),
        groups={column: columns.groups(rows.text[column], column, roles) for column in roles.sensitive},
        cluster=splits.hash_ids(rows.text[roles.cluster], rows.salt) if roles.cluster else None,
        text=texts,
        line=rows.lines,
    )


def _repeated(same: np.ndarray, y: np.ndarray, part: np.ndarray) -> repeats.Counts:
    """Return how many test texts another split holds too, whatever their label, and those again within test."""
    test = part == "test"
    outside = repeats.of(same[~test].tolist(), same[test].tolist())
    within = repeats.of((), list(zip(same[test].tolist(), y[test].tolist(), strict=True)))
    return repeats.Counts(
        repeated_in_test=outside["repeated_in_test"], repeated_within_test=within["repeated_within_test"]
    )


def _notes(test: Split, same: np.ndarray, y: np.ndarray, plan: VocabularyPlan) -> list[str]:
    """Return remarks that a reader of the numbers should know."""
    notes = []
    by_text: Mapping[str, set[int]] = defaultdict(set)
    for text, one in zip(same.tolist(), y.tolist(), strict=True):
        by_text[text].add(one)
    torn = sum(len(found) > 1 for found in by_text.values())
    if torn:
        notes.append(f"{torn} texts occur with more than one label")
    full = int((test.x != 0).all(axis=1).sum())
    if full:
        notes.append(f"{full} test texts fill all {plan.length} tokens: what follows in them is not read")
    unknown = int((test.x == 1).any(axis=1).sum())
    if unknown:
        notes.append(f"{unknown} test texts hold a token that the vocabulary lacks")
    return notes
