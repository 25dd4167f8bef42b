"""Per-row outcomes of a run, a sidecar of its record: what lets two runs be compared row by row (no JAX)."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import ConfigError, DataError, StoreError
from audit.evidence import Record
from audit.metrics import calibration
from audit.store import sha256

if TYPE_CHECKING:  # the subject loads JAX, which reading must not
    from audit.subject import Subject

PATH = "outcomes/test.csv"
NUMBERS = {
    "cluster": np.int64,
    "fold": np.int64,
    "label": np.int64,
    "predicted": np.int64,
    "score": np.float64,
    "log_loss": np.float32,
    "squared_error": np.float32,
    "error": np.float32,
}
_COLUMN = {  # the column whose absolute value, to this power, has the measure as its mean
    "accuracy.overall.log_loss": ("log_loss", 1),
    "accuracy.overall.mean_absolute_error": ("error", 1),
    "accuracy.overall.mean_squared_error": ("error", 2),
    "calibration.reliability.brier": ("squared_error", 1),
}


@dataclass(frozen=True, eq=False)
class RowOutcomes:
    """What the model did on each test row, in the order of id[n]; `values` maps a column to its numbers[n].

    cluster: what rows share, numbered. fold: the number of the network that judges the row, where it is not the same
    for all. Classes: label and predicted (codes); where there are probabilities
    also log_loss (nats), squared_error (Brier's) and score, the probability of class 1 of two, else of the
    predicted class. Regression: error, prediction minus target.
    """

    id: np.ndarray
    values: Mapping[str, np.ndarray]


def of(subject: Subject) -> bytes:
    """Return the sidecar of a subject's test rows: a CSV of RowOutcomes, the same bytes in any order of rows.

    Ids are hashed again together with the list of all ids: equal lists match, and an id can be neither
    guessed alone nor linked to other test sets. Raises ConfigError for a task without row outcomes,
    DataError for ids that repeat.
    """
    data, test = subject.data, subject.data.test
    if data.task not in ("binary", "multiclass", "regression"):
        raise ConfigError(
            f"record: row_outcomes with task={data.task}",
            "binary, multiclass or regression",
            "set it to false",
        )
    ids = _hashed(test.id)
    order = np.argsort(ids)
    columns = {"id": ids[order]}
    if test.cluster is not None:
        columns["cluster"] = _numbered(np.asarray(test.cluster)[order])
    if data.fold is not None:
        columns["fold"] = data.fold[order]
    found = _errors(subject) if data.task == "regression" else _classes(subject)
    columns |= {name: values[order].astype(NUMBERS[name]) for name, values in found.items()}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(zip(*(values.astype(str).tolist() for values in columns.values()), strict=True))
    return text.getvalue().encode()


def read(run: Path, record: Record) -> RowOutcomes | None:
    """Return the row outcomes of a run folder, or None where its record has none, or is bare and stands alone.

    Raises StoreError where the file is absent, was changed, or is not what `of` writes.
    """
    if PATH not in record.digests:
        return None
    path = (run if run.is_dir() else run.parent) / PATH
    if record.unverified and not path.exists():
        return None
    data = path.read_bytes() if path.is_file() else b""
    if sha256(data) != record.digests[PATH]:
        raise StoreError(f"{path} is absent or was changed", f"sha256 {record.digests[PATH][:12]}...")
    return parse(data, str(path))


def parse(data: bytes, path: str = PATH) -> RowOutcomes:
    """Return the row outcomes of a sidecar's bytes; StoreError where they are not what `of` writes."""
    try:
        header, *rows = csv.reader(io.StringIO(data.decode()))
        columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        values = {name: np.array(columns[name]).astype(NUMBERS[name]) for name in header if name != "id"}
        ids = np.array(columns["id"])
    except (ValueError, KeyError) as error:
        raise StoreError(f"{path} holds no row outcomes ({error})", "the file as it was written") from None
    if len(np.unique(ids)) != len(ids) or (ids[1:] < ids[:-1]).any():
        raise StoreError(f"{path} has ids that repeat or are not sorted", "the file as it was written")
    return RowOutcomes(ids, values)


def same_rows(a: RowOutcomes | None, b: RowOutcomes | None) -> str:
    """Return why two runs' outcomes are not of the same rows with the same labels, or nothing."""
    if a is None or b is None:
        which = "neither run" if a is None and b is None else f"the {'first' if a is None else 'second'} run"
        verb = "keeps" if a is None and b is None else "does not keep"
        return f"{which} {verb} row outcomes (record: row_outcomes: true)"
    if not np.array_equal(a.id, b.id):
        return f"the runs judged different rows ({len(a.id):,} and {len(b.id):,})"
    labels = (a.values.get("label"), b.values.get("label"))
    if (labels[0] is None) != (labels[1] is None):
        return "one run is of classes, the other of numbers"
    if labels[0] is not None and (labels[0] != labels[1]).any():
        return f"{int(np.count_nonzero(labels[0] != labels[1])):,} rows have other labels"
    return ""


@dataclass(frozen=True, eq=False)
class Terms:
    """The rows[n] that a measure counts and their numbers[m], of which it is the mean; `rate`: all 0 or 1."""

    rows: np.ndarray
    numbers: np.ndarray
    rate: bool = False


def terms(
    outcomes: RowOutcomes, measure: str, where: Mapping[str, object], classes: tuple[str, ...]
) -> Terms | None:
    """Return the terms of CHECK.MEASURE at `where`, or None where row outcomes do not give it."""
    columns, every = outcomes.values, np.ones(len(outcomes.id), bool)
    if measure == "accuracy.overall.recall" and "label" in columns and where.get("class") in classes:
        own = columns["label"] == classes.index(str(where["class"]))
        return Terms(own, (columns["predicted"] == columns["label"])[own], rate=True)
    if where:
        return None
    if measure == "accuracy.overall.accuracy" and "label" in columns:
        return Terms(every, columns["predicted"] == columns["label"], rate=True)
    name, power = _COLUMN.get(measure, ("", 1))
    if name not in columns:
        return None
    numbers = np.abs(columns[name].astype(np.float64))
    return Terms(every, numbers**power)


def _classes(subject: Subject) -> dict[str, np.ndarray]:
    """Return what each row of a classifier came to."""
    y = np.asarray(subject.data.test.y)
    found = {"label": y, "predicted": subject.predictions()}
    if "probabilities" in subject.has:
        probabilities = subject.probabilities()
        found["score"] = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.max(axis=1)
        found["log_loss"] = calibration.log_loss(probabilities, y)
        found["squared_error"] = calibration.squared_error(np.clip(probabilities, 0.0, 1.0), y)
    return found


def _errors(subject: Subject) -> dict[str, np.ndarray]:
    """Return each row's prediction minus its target."""
    y = np.asarray(subject.data.test.y, np.float64)
    return {"error": np.asarray(subject.outputs["test"], np.float64)[:, 0] - y}


def _hashed(ids: np.ndarray) -> np.ndarray:
    """Return ids[n] hashed together with all of them; DataError where one repeats."""
    names = [str(one) for one in ids.tolist()]
    if len(set(names)) < len(names):
        raise DataError("record: row_outcomes with row ids that repeat", "one id per row", "set it to false")
    salt = hashlib.sha256("\0".join(sorted(names)).encode()).hexdigest()
    return np.array([hashlib.sha256(f"{salt}:{one}".encode()).hexdigest()[:16] for one in names], "<U16")


def _numbered(cluster: np.ndarray) -> np.ndarray:
    """Return each row's cluster as a number, from 0 in the order in which clusters first come."""
    _, first, member = np.unique(cluster.astype(str), return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[member]
