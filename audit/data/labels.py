"""Label columns as numbers, with the classes' names and the favourable one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.data import frames
from audit.data.roles import Roles, require
from audit.errors import DataError
from audit.names import name_of
from audit.subject import Task


@dataclass(frozen=True, eq=False)
class Labels:
    """y as a split holds it, the classes' names in order, the favourable class's index, and remarks."""

    y: np.ndarray
    classes: tuple[str, ...] = ()
    favourable: int | None = None
    notes: tuple[str, ...] = ()


def encode(text: Mapping[str, np.ndarray], roles: Roles, task: Task) -> Labels:
    """Return the labels of text columns without missing cells; DataError where they don't fit the task."""
    columns = roles.targets(task)
    if task in ("regression", "ranking"):
        if roles.favourable or roles.positive or roles.classes:
            raise DataError(f"task={task} with classes, positive or favourable", "none: it has no classes")
        return Labels(frames.numbers(text[columns[0]], columns[0]))
    if task == "multilabel":
        y = np.stack([_zero_or_one(text[column], column) for column in columns], axis=1)
        return Labels(y, columns, favourable_index(roles.favourable, columns))
    values = text[columns[0]]
    legal = _legal(values, roles, columns[0])
    return _binary(values, legal, roles) if task == "binary" else _multiclass(values, legal, roles)


def favourable_index(name: str | None, classes: Sequence[str]) -> int | None:
    """Return the index of the class that is good for the person, None where none is declared."""
    if name is None:
        return None
    name = name_of(name)
    require(name, classes, "favourable")
    return list(classes).index(name)


def numbered(labels: Iterable[np.ndarray], classes: Sequence[str], what: str = "y") -> tuple[str, ...]:
    """Return the names of classes numbered from 0: those declared, else their numbers, each of which some row has.

    DataError where no class is declared and a number below the largest has no row: labels from 1, or 255 for none.
    """
    if classes:
        return tuple(map(name_of, classes))
    met = np.unique(np.concatenate([np.ravel(y) for y in labels]))
    if not len(met):
        return ()
    least, largest = int(met[0]), int(met[-1])
    if least < 0:
        raise DataError(f"{what}: from {least} to {largest}", "whole numbers from 0", "mend the labels")
    if len(met) <= largest:
        absent = next(i for i, one in enumerate(met.tolist()) if i != one)
        raise DataError(
            f"{what}: {least} to {largest}, so class {absent} has no row",
            f"0 to {len(met) - 1} or classes=[...]",
            "number the classes from 0, or name all of them",
        )
    return tuple(map(str, range(largest + 1)))


def without_rows(y: np.ndarray, classes: Sequence[str]) -> tuple[str, ...]:
    """Return a remark on declared classes that no row of y[n] has, if there are any."""
    met = set(np.unique(y).tolist())
    unseen = [name for i, name in enumerate(classes) if i not in met]
    return (f"declared classes without a row: {', '.join(map(repr, unseen))}",) if unseen else ()


def refuse_one_class(y: np.ndarray, where: str) -> None:
    """Raise DataError where class labels are all the same."""
    if len(y) and (y == y[0]).all():
        raise DataError(
            f"{where} holds one class only ({len(y)} rows)", "two or more", "check target and positive"
        )


def _legal(values: np.ndarray, roles: Roles, column: str) -> tuple[str, ...]:
    """Return the legal labels: those declared, else those found, sorted."""
    found = tuple(sorted(set(values.tolist())))
    for value in found:
        if roles.classes and value not in roles.classes:
            rows = int((values == value).sum())
            require(value, roles.classes, f"target {column!r}, {rows} rows: class")
    return roles.classes or found


def _binary(values: np.ndarray, legal: tuple[str, ...], roles: Roles) -> Labels:
    """Return 0/1 labels; three or more values may be split in two only where all are declared."""
    if roles.positive is None and len(roles.classes) != 2:
        shown = ", ".join(map(repr, legal[:6]))
        raise DataError(f"binary target without positive, values {shown}", "the value that is class 1")
    positive = roles.positive if roles.positive is not None else legal[1]
    require(positive, legal, "positive")
    rest = [value for value in legal if value != positive]
    if len(rest) > 1 and not roles.classes:
        raise DataError(
            f"binary target with {len(legal)} values: {', '.join(map(repr, legal[:6]))}",
            "2",
            "mend the labels, or list them all under classes to set positive against the rest",
        )
    if not rest:
        raise DataError(
            f"binary target with one value {positive!r}", "two classes", "check target and positive"
        )
    classes = (rest[0] if len(rest) == 1 else f"not {positive}", positive)
    notes = () if len(rest) == 1 else (f"class 'not {positive}' joins {', '.join(map(repr, rest))}",)
    y = (values == positive).astype(np.int32)
    return Labels(y, classes, favourable_index(roles.favourable, classes), notes)


def _multiclass(values: np.ndarray, legal: tuple[str, ...], roles: Roles) -> Labels:
    """Return the index of each row's class."""
    if roles.positive is not None:
        raise DataError(f"task=multiclass with positive={roles.positive!r}", "none, or task: binary")
    index = {value: i for i, value in enumerate(legal)}
    y = np.array([index[value] for value in values.tolist()], np.int32)
    return Labels(y, legal, favourable_index(roles.favourable, legal), without_rows(y, legal))


def _zero_or_one(values: np.ndarray, column: str) -> np.ndarray:
    """Return one multilabel column as 0 and 1."""
    wrong = sorted({*values.tolist()} - {"0", "1"})
    if wrong:
        raise DataError(f"multilabel target {column!r} holds {wrong[0]!r}", "0 and 1")
    return (values == "1").astype(np.int32)
