"""Row ids that reveal nothing, and splits that depend on ids and a seed, never on the order of rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from audit.data.roles import SplitPlan, require
from audit.errors import DataError
from audit.subject import Task

NAMES = ("test", "calibration", "validation", "train")
ALL = "all {n:,} rows are judged: the model must not have been fitted on any of them"
NO_TRAIN = (
    "there are no training rows: what is usually taken of them (features' ranges, medians and standard deviations, "
    "rows that explanations compare with) is of the judged rows"
)


def salt_of(content: bytes) -> str:
    """Return a salt that only a holder of the same content can compute; the record's digest is no help."""
    return hashlib.sha256(b"jax-audit row ids" + content).hexdigest()


def hash_ids(raw: Iterable[str], salt: str) -> np.ndarray:
    """Return the first 16 hex digits of SHA-256(salt:id) of each raw id[n]."""
    ids = [hashlib.sha256(f"{salt}:{one}".encode()).hexdigest()[:16] for one in raw]
    return np.array(ids, "<U16")


def lines(*tables: pd.DataFrame | None, apart: Iterable[str] = ()) -> np.ndarray:
    """Return the digests[n] (uint64) of the rows of tables one after the other, of their cells as text.

    apart: columns that are not the rows' own, such as a model's scores.
    """
    found = []
    for table in tables:
        if table is not None:
            cells = [
                map(str, table[column].tolist())
                for column in sorted(table, key=str)
                if column not in set(apart)
            ]
            found += map("\x1f".join, zip(*cells, strict=True))
    return np.array([int(hashlib.sha256(one.encode()).hexdigest()[:16], 16) for one in found], np.uint64)


def row_numbers(origin: str, n: int) -> np.ndarray:
    """Return raw ids[n] for rows without an id: where they came from and their number, from 0."""
    return np.array([f"{origin}:{i}" for i in range(n)], object)


def refuse_repeats(raw: np.ndarray, what: str) -> None:
    """Raise DataError where an id occurs more than once."""
    repeats = len(raw) - len(set(raw.tolist()))
    if repeats:
        raise DataError(f"{what} holds {repeats} repeated ids", "one row per id", "use cluster for repeats")


def strata(y: np.ndarray, task: Task) -> np.ndarray:
    """Return the stratum[n] of each label: its class, its fifth of a number, one for all if multilabel."""
    if task in ("binary", "multiclass"):
        return y.astype(np.int64)
    if task == "multilabel" or not len(y):
        return np.zeros(len(y), np.int64)
    return np.searchsorted(np.quantile(y, [0.2, 0.4, 0.6, 0.8]), y)


def draw(units: np.ndarray, stratum: np.ndarray, plan: SplitPlan, *, test: bool) -> np.ndarray:
    """Return the split's name[n] of each row; rows of one unit (a row or a cluster) stay together.

    Within a stratum units are put in the order of SHA-256(seed:unit) and cut at the plan's fractions of
    rows, so that each split's share is exact to one unit, and a single unit goes to train. A cluster's
    stratum is the highest of its rows' (binary: whether it has a positive). Without `test` no row is test. By
    'none' every row is test, or none.
    """
    if plan.by == "none" and test:
        return np.full(len(units), "test", "<U11")
    edges = np.cumsum([plan.test if test else 0.0, plan.calibration, plan.validation])
    place = places(units, stratum, str(plan.seed))
    return np.array(NAMES, "<U11")[np.searchsorted(edges.round(12), place, side="right")]


def places(units: np.ndarray, stratum: np.ndarray, seed: str) -> np.ndarray:
    """Return where in its stratum each row[n] comes, from 0 to below 1, in the order of SHA-256(seed:unit).

    Rows of one unit are in one place. A unit's stratum is the highest of its rows'.
    """
    names, unit = np.unique(units.astype(str), return_inverse=True)
    size = np.bincount(unit, minlength=len(names))
    level = np.zeros(len(names), np.int64)
    np.maximum.at(level, unit, stratum)
    key = [int(hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()[:15], 16) for name in names]
    order = np.lexsort((np.array(key, np.int64), level))
    before = np.cumsum(size[order]) - size[order]
    _, first, which = np.unique(level[order], return_index=True, return_inverse=True)
    total = np.bincount(which, weights=size[order])
    middle = np.empty(len(names))
    middle[order] = (before - before[first][which] + size[order] / 2) / total[which]
    return middle[unit]


def by_time(units: np.ndarray, time: np.ndarray, plan: SplitPlan, *, test: bool) -> np.ndarray:
    """Return the split's name[n] of each row in the order of time: train, validation, calibration, test.

    Rows of one unit (a time, or a cluster) stay together, and no row of a split lies before one of an earlier
    split. Shares are of rows, exact to one unit. Without `test` no row is test. DataError where a cluster's
    times reach into another split.
    """
    names, unit = np.unique(units.astype(str), return_inverse=True)
    first = np.full(len(names), time.max())
    np.minimum.at(first, unit, time)
    order = np.lexsort((names, first))
    size = np.bincount(unit, minlength=len(names))[order]
    middle = (np.cumsum(size) - size / 2) / size.sum()
    held = plan.test if test else 0.0
    edges = np.cumsum([1 - held - plan.calibration - plan.validation, plan.validation, plan.calibration])
    names_of = np.empty(len(names), "<U11")
    names_of[order] = np.array(NAMES[::-1])[np.searchsorted(edges.round(12), middle, side="right")]
    part = names_of[unit]
    refuse_overlap(part, time)
    return part


def refuse_overlap(part: np.ndarray, time: np.ndarray) -> None:
    """Raise DataError where a row lies before, or at the time of, one of an earlier split."""
    latest = None
    for name in NAMES[::-1]:
        of = time[part == name]
        if not len(of):
            continue
        if latest is not None and of.min() <= latest[1]:
            raise DataError(
                f"split by time: {name} starts at {of.min()}, {latest[0]} ends at {latest[1]}",
                "every split later than the ones before it",
                "a cluster or test file reaches back in time: choose shorter clusters, or later test rows",
            )
        latest = (name, of.max())


def named(values: np.ndarray, column: str, *, test: bool) -> np.ndarray:
    """Return the split's name[n] as a column states it; DataError where it states another word."""
    allowed = NAMES if test else NAMES[1:]
    for value in dict.fromkeys(values.tolist()):
        require(value, allowed, f"split column {column}: value")
    return values.astype("<U11")


def notes(part: np.ndarray, plan: SplitPlan) -> tuple[str, ...]:
    """Return what a reader should know where no row is left to train on: part[n] is each row's split."""
    if (part == "train").any():
        return ()
    return (ALL.format(n=len(part)), NO_TRAIN) if plan.by == "none" else (NO_TRAIN,)


def straddling(part: np.ndarray, cluster: np.ndarray) -> int:
    """Return how many clusters have rows in more than one split."""
    pairs = set(zip(cluster.tolist(), part.tolist(), strict=True))
    return sum(count > 1 for count in Counter(one for one, _ in pairs).values())
