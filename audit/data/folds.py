"""Folds: every row is judged once, by a network that was trained without its fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from audit.data import columns, labels
from audit.data.columns import Inputs
from audit.data.repeats import Counts
from audit.data.roles import Roles, SplitPlan
from audit.data.splits import places
from audit.errors import DataError
from audit.subject import Task

CLASSES = ("binary", "multiclass")


def draw(units: np.ndarray, stratum: np.ndarray, plan: SplitPlan) -> np.ndarray:
    """Return part[folds, n]: what each row is to the network of a fold, 'train', 'validation' or 'test'.

    Each row is in one fold, the test rows of its network; rows of one unit (a row or a cluster) stay together, and
    every stratum is spread evenly. Of a network's other rows the fraction `plan.validation` stops its training; all
    networks get as many train rows as units allow, which lets them share compiled code. Never depends on the order
    of rows. DataError where a fold is left without rows.
    """
    assert plan.folds is not None
    edges = np.arange(1, plan.folds) / plan.folds
    fold = np.searchsorted(edges.round(12), places(units, stratum, str(plan.seed)), side="right")
    sizes = np.bincount(fold, minlength=plan.folds)
    if not sizes.all():
        raise DataError(
            f"{plan.folds} folds of {len(fold)} rows: one is empty", "rows in each", "ask for fewer"
        )
    fitted = round((1 - plan.validation) * (len(fold) - int(sizes.max())))
    part = np.full((plan.folds, len(fold)), "train", "<U11")
    for k in range(plan.folds):
        free = np.flatnonzero(fold != k)
        held = _first(
            units[free], stratum[free], f"{plan.seed}:{k}", len(free) - fitted if plan.validation else 0
        )
        part[k, free[held]] = "validation"
        part[k, fold == k] = "test"
    return part


def _first(units: np.ndarray, stratum: np.ndarray, seed: str, rows: int) -> np.ndarray:
    """Return which rows[n] are of the first units that reach so many rows, a like share of every stratum."""
    names, unit = np.unique(units.astype(str), return_inverse=True)
    place = np.empty(len(names))
    place[unit] = places(units, stratum, seed)
    order = np.lexsort((np.arange(len(names)), place))
    size = np.bincount(unit)[order]
    taken = np.zeros(len(names), bool)
    taken[order] = np.cumsum(size) - size / 2 < rows
    return taken[unit]


def encode(
    numeric: Mapping[str, np.ndarray], categorical: Mapping[str, np.ndarray], roles: Roles, part: np.ndarray
) -> Inputs:
    """Return the inputs, a column more than the features: the row's fold, 0 to folds - 1, which nothing moves.

    Ranges and scales, the attacks' units, are those of all rows. A missing number becomes the median, and a category
    has a code of its own, as on the train rows of the network that judges the row; labels play no part in either.
    """
    fold = (part == "test").argmax(axis=0)
    filled, notes = _filled(numeric, part, fold)
    inputs = columns.encode(filled, categorical, roles, np.ones(len(fold), bool))
    x, unseen = inputs.x.copy(), 0
    for j, feature in enumerate(inputs.features):
        if feature.kind == "categorical":
            known = np.array([np.isin(x[:, j], x[fitted, j]) for fitted in part == "train"])
            gone = ~known[fold, np.arange(len(fold))]
            x[gone, j], unseen = 0.0, unseen + int(gone.sum())
    if unseen:
        notes.append(f"{unseen} cells hold a category that the train rows of their network do not: code 0")
    last = len(part) - 1
    return replace(
        inputs,
        x=np.concatenate([x, fold[:, None].astype(np.float32)], axis=1),
        low=np.append(inputs.low, np.float32(0)),
        high=np.append(inputs.high, np.float32(last)),
        scale=np.append(inputs.scale, np.float32(0)),
        notes=(*inputs.notes, *notes),
    )


def _filled(
    numeric: Mapping[str, np.ndarray], part: np.ndarray, fold: np.ndarray
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the columns with NaN replaced by the median of the rows that the row's network was trained on."""
    filled, notes = dict(numeric), []
    for name, column in numeric.items():
        gone = np.isnan(column)
        if not gone.any():
            continue
        known = [column[(one == "train") & ~gone] for one in part]
        if not all(map(len, known)):
            raise DataError(f"column {name!r} has no value in a network's train rows", "some", "drop it")
        filled[name] = np.where(gone, np.array([np.median(one) for one in known])[fold], column)
        notes.append(
            f"{name}: {int(gone.sum())} missing values became the median of the train rows of the network that judges "
            "the row; other networks were trained with that value too, so that a little of what they judge, never a "
            "label, is in it"
        )
    return filled, notes


def refuse(part: np.ndarray, y: np.ndarray, roles: Roles, task: Task) -> None:
    """Raise DataError where there is nothing to fit, or a network's train rows hold one class."""
    if not roles.features:
        raise DataError(
            "split by folds without features", "columns to fit a network on", "declare numeric ones"
        )
    for k, one in enumerate(part, start=1):
        if not (one == "train").any():
            raise DataError(f"fold {k} leaves no train rows", "rows to fit on", "lower validation")
        if task in CLASSES:
            labels.refuse_one_class(y[one == "train"], f"the train split of fold {k}")


def repeated(x: np.ndarray, y: np.ndarray, part: np.ndarray) -> Counts:
    """Return how many rows have the features and target of a row that trained or stopped the network judging them.

    And how many rows, all of which are judged, repeat another one.
    """
    content = np.concatenate([x[:, :-1], y.reshape(len(y), -1)], axis=1) + 0.0
    rows, count = [row.tobytes() for row in content], 0
    for one in part:
        known = {rows[i] for i in np.flatnonzero(one != "test")}
        count += sum(rows[i] in known for i in np.flatnonzero(one == "test"))
    return Counts(repeated_in_test=count, repeated_within_test=len(rows) - len(set(rows)))


def notes(part: np.ndarray) -> tuple[str, ...]:
    """Return how the folds were made up, for the record."""

    def span(name: str) -> str:
        counts = (part == name).sum(axis=1)
        low, high = int(counts.min()), int(counts.max())
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"

    return (
        f"each of the {part.shape[1]:,} rows is judged by one of {len(part)} networks that had not seen it: "
        f"{len(part)} folds of {span('test')} rows, each network trained on {span('train')} of the others and "
        f"stopped by {span('validation')}",
        "ranges and scales of the features are those of all rows; they set the attacks' units, no network's inputs",
    )
