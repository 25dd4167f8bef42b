"""A file of scores in a model's place: outputs of rows, aligned with a dataset's splits by id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from audit.data import files, frames, splits
from audit.data.roles import require
from audit.errors import DataError
from audit.meaning import Outputs
from audit.names import MISSING
from audit.subject import JUDGED, Dataset

YES_NO = {"false": "0", "true": "1"}


def load(
    path: str | Path,
    data: Dataset,
    *,
    outputs: Outputs | None = "probabilities",
    id: str = "id",
    columns: Sequence[str] = (),
    span: tuple[float, float] | None = None,
) -> dict[str, np.ndarray]:
    """Return outputs[n, k] (float64) of every split whose rows the file covers; test must be one.

    A CSV, TSV or Parquet file: the column `id` holds the rows' own ids; without it the file's rows are those
    of the data's test file, or of its only file, in order. Score columns: `columns`, else those named as the
    classes, else the only one (class 1's). NPZ: `scores` [n] or [n, k] in class order, and perhaps `id`.
    span: the score's own lowest and highest value, drawn linearly to 0 and 1. outputs that are decisions: one column
    of the classes' names, or of their numbers (0 and 1, true and false), or a column of 0 and 1 for each class.
    """
    found = files.find(path)
    if found.suffix.lower() == ".npz":
        ids, scores = _npz(found, data, id, columns)
    else:
        ids, scores = _table(found, data, id, columns, outputs)
    if span is not None:
        scores = _drawn(scores, span, found)
    _refuse_values(scores, data, outputs, found)
    row = _rows_of(ids, len(scores), data, found)
    made = {}
    for name, split in data.splits.items():
        at = [row.get(one) for one in split.id.tolist()]
        known = [i for i in at if i is not None]
        if at and len(known) == len(at):
            made[name] = scores[known]
        elif name == JUDGED:
            raise DataError(
                f"path={str(path)!r} lacks {len(at) - len(known)} of {len(at)} test rows",
                "a score for every test row",
                "key the file by the data's own ids, or give the rows of the whole data file in order",
            )
    _refuse_strangers(row, data, found)
    return made


def _table(
    path: Path, data: Dataset, id: str, columns: Sequence[str], outputs: Outputs | None
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return ids[n] (None without a column of that name) and scores[n, k] of a CSV or Parquet file."""
    frame = frames.read(path)
    id = id if id in frame.columns else "id"  # the data's own name of the column, or the usual one
    for column in columns:
        require(column, frame.columns, "score column")
    _refuse_unread_ids(frame, data, id, [*columns, *data.classes], path)
    named = [column for column in frame.columns if column != id]
    chosen = list(columns) or (list(data.classes) if set(data.classes) <= set(named) else named)
    if not columns and len(chosen) > 1 and chosen != list(data.classes):
        raise DataError(
            f"path={str(path)!r} has score columns {chosen[:6]}",
            "one (class 1's), or one named as each class",
            f"there are the classes {', '.join(data.classes)}",
        )
    text = frames.as_text(frame, [*chosen, *([id] if id in frame.columns else [])], ())
    for column in chosen:
        gone = int((text[column] == MISSING).sum())
        if gone:
            raise DataError(f"score column {column!r} lacks a value in {gone} rows", "a score in every row")
    if len(chosen) == 1:
        text[chosen[0]] = _numbered(text[chosen[0]], data, outputs, chosen[0])
    scores = np.stack([frames.numbers(text[column], column) for column in chosen], axis=1)
    return text.get(id), scores


def _refuse_unread_ids(frame: pd.DataFrame, data: Dataset, id: str, read: Sequence[str], path: Path) -> None:
    """Raise DataError where rows would be taken in order though a column of the file, left unread, names each row."""
    if id in frame.columns or path.name in data.provenance.source.split(", "):
        return
    for column in frame.columns:
        named = re.search(r"(^|[^a-z])(id|key|uuid|number|no|row)$", str(column).lower())
        if column not in read and named and frame[column].is_unique:
            raise DataError(
                f"path={str(path)!r}: rows would be taken in order, yet column {column!r} names each of them",
                "the ids of the data's rows in a column of that name",
                "declare columns.id in the data, or drop the column where the order is right",
            )


def _numbered(cells: np.ndarray, data: Dataset, outputs: Outputs | None, column: str) -> np.ndarray:
    """Return a column's cells with class names as the classes' numbers where it holds decisions, else as they are.

    Raises DataError for words that were not declared to be decisions, and for numbers that are neither.
    """
    place = {name: str(code) for code, name in enumerate(data.classes)}
    met, plain = set(cells.tolist()), np.array([YES_NO.get(c.lower(), c) for c in cells.tolist()], object)
    words = met <= set(place) and not all(_is_number(name) for name in place)
    if outputs != "decisions":
        if words or met <= {"True", "False", "true", "false"}:
            raise DataError(
                f"score column {column!r} holds {cells[0]!r}, a decision and no score",
                "outputs: decisions",
                "declare it",
            )
        return cells
    if met <= set(place):
        return np.array([place[c] for c in cells.tolist()], object)
    if all(_is_number(name) for name in place) and list(place) != list(place.values()):
        raise DataError(
            f"score column {column!r} holds decisions such as {sorted(met - set(place))[0]!r}",
            f"the classes as the data name them: {', '.join(place)}",
            "write their names",
        )
    return plain


def _is_number(text: str) -> bool:
    """Return whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _npz(path: Path, data: Dataset, id: str, columns: Sequence[str]) -> tuple[np.ndarray | None, np.ndarray]:
    """Return ids[n] (None where there are none) and scores[n, k] of an NPZ file."""
    arrays = files.read_npz(path)
    require("scores", arrays, "array")
    scores = np.asarray(arrays["scores"], np.float64)
    scores = scores[:, None] if scores.ndim == 1 else scores
    ids = arrays[id].astype(str) if id in arrays else None
    if columns or scores.ndim != 2 or (ids is not None and len(ids) != len(scores)):
        raise DataError(
            f"path={str(path)!r}: scores {scores.shape}, columns={tuple(columns)}",
            "scores [n] or [n, k], an id a row, and no columns",
        )
    return ids, scores


def _drawn(scores: np.ndarray, span: tuple[float, float], path: Path) -> np.ndarray:
    """Return scores drawn from a span of their own to 0 and 1; DataError where one lies outside it."""
    low, high = span
    if not (np.isfinite(scores).all() and scores.min() >= low and scores.max() <= high):
        raise DataError(
            f"path={str(path)!r} holds scores from {scores.min():g} to {scores.max():g}",
            f"from {low:g} to {high:g}, as the span says",
        )
    return (scores - low) / (high - low)


def _rows_of(ids: np.ndarray | None, n: int, data: Dataset, path: Path) -> Mapping[str, int]:
    """Return the file's row of each hashed id."""
    salt = data.provenance.salt
    if ids is not None:
        splits.refuse_repeats(ids, path.name)
        return {one: i for i, one in enumerate(splits.hash_ids(ids, salt).tolist())}
    known = set(data.test.id.tolist())
    for origin in ("test", "data"):
        hashed = splits.hash_ids(splits.row_numbers(origin, n), salt).tolist()
        if known & set(hashed):
            return {one: i for i, one in enumerate(hashed)}
    raise DataError(
        f"path={str(path)!r} has no ids", "the column id, since the data's rows have ids of their own"
    )


def _refuse_values(scores: np.ndarray, data: Dataset, outputs: Outputs | None, path: Path) -> None:
    """Raise DataError where scores don't fit the task or are no probabilities though said to be."""
    k, classes = scores.shape[1], len(data.classes)
    several = (1, classes) if outputs in (None, "decisions") else (classes,)
    allowed = {"binary": (1, 2), "multiclass": several, "multilabel": (classes,)}.get(data.task, (1,))
    if k not in allowed:
        raise DataError(f"path={str(path)!r} has {k} scores a row", f"{' or '.join(map(str, allowed))}")
    if not np.isfinite(scores).all():
        raise DataError(f"path={str(path)!r} holds NaN or infinite scores", "finite numbers")
    if outputs != "probabilities":
        return
    exclusive = k > 1 and data.task in ("binary", "multiclass")
    if scores.min() < 0 or scores.max() > 1 or (exclusive and np.abs(scores.sum(axis=1) - 1).max() > 1e-3):
        raise DataError(
            f"path={str(path)!r} holds scores from {scores.min():g} to {scores.max():g}",
            "probabilities: from 0 to 1" + (", adding up to 1" if exclusive else ""),
            "set outputs: logits"
            if scores.min() < 0
            else "give their own scale, as span: [0, 100]"
            if not exclusive
            else "divide each row by its sum",
        )


def _refuse_strangers(row: Mapping[str, int], data: Dataset, path: Path) -> None:
    """Raise DataError where the file holds more unknown rows than the data dropped."""
    known = {one for split in data.splits.values() for one in split.id.tolist()}
    strangers = sum(one not in known for one in row)
    if strangers > sum(data.provenance.dropped.values()):
        raise DataError(
            f"path={str(path)!r} holds {strangers} rows that the data lack", "the data's rows only"
        )
