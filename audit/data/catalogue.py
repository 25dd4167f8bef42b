"""What is ranked: the items, how often training met them, and the groups they belong to."""

from __future__ import annotations

import numpy as np

from audit.data import delimited, frames, splits
from audit.data.interaction_roles import ItemRoles
from audit.data.roles import require
from audit.errors import DataError
from audit.names import MISSING
from audit.subject import Catalogue


def of(items: tuple[str, ...], counts: np.ndarray, roles: ItemRoles | None) -> tuple[Catalogue, list[str]]:
    """Return the catalogue of these items, with the groups of the items file, and remarks.

    An item of several flags is an equal part of each; one that the file does not know is '(missing)'.
    """
    if roles is None:
        return Catalogue(counts), []
    frame = delimited.read(roles.file)
    flagged = [column for group in roles.flags.values() for column in group]
    for column in (roles.id, *roles.columns, *flagged):
        require(column, frame.columns, "column of the items file")
    text = frames.as_text(frame, [roles.id, *roles.columns, *flagged], ())
    splits.refuse_repeats(text[roles.id], f"items: id column {roles.id!r}")
    place = {one: i for i, one in enumerate(text[roles.id].tolist())}
    at = np.array([place.get(item, -1) for item in items])
    groups = {column: _of_column(np.where(at < 0, MISSING, text[column][at])) for column in roles.columns}
    for attribute, columns in roles.flags.items():
        flags = np.stack([_flag(text[column], column) for column in columns], axis=1)
        groups[attribute] = _of_flags(columns, np.where(at[:, None] < 0, 0.0, flags[at]))
    notes = []
    if (at < 0).any():
        notes.append(f"{int((at < 0).sum())} items are not in the items file: their groups are missing")
    extra = len(place) - int((at >= 0).sum())
    if extra:
        notes.append(f"{extra} items of the items file were never met: they are not ranked")
    return Catalogue(counts, groups), notes


def _of_column(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names met, sorted, and each item's one membership."""
    names, code = np.unique(values.astype(str), return_inverse=True)
    return tuple(map(str, names)), np.eye(len(names))[code]


def _flag(text: np.ndarray, column: str) -> np.ndarray:
    """Return a 0/1 column as numbers; DataError where it holds something else."""
    wrong = [value for value in dict.fromkeys(text.tolist()) if value not in ("0", "1")]
    if wrong:
        raise DataError(f"items: flag column {column!r} holds {wrong[0]!r}", "0 and 1")
    return (text == "1").astype(np.float64)


def _of_flags(columns: tuple[str, ...], flags: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the flags that some item has, and each item's equal parts of its own; none is '(missing)'."""
    whole = np.concatenate([flags, (flags.sum(axis=1, keepdims=True) == 0).astype(np.float64)], axis=1)
    met = whole.sum(axis=0) > 0
    names = tuple(name for name, there in zip((*columns, MISSING), met, strict=True) if there)
    return names, whole[:, met] / whole.sum(axis=1, keepdims=True)
