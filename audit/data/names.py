"""Columns of values that name categories or groups, of any kind -> their names as text[n]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import DataError
from audit.names import MISSING, name_of
from audit.subject import Dataset, Split


def of(values: Any, what: str = "") -> np.ndarray:
    """Return the name[n] of each value of a list, an array or a pandas column.

    what: what the column is called; where it is given, two texts of one name are refused.
    """
    cells = column(values)
    if cells.dtype == object:
        kinds = {(type(cell), cell): None for cell in cells.tolist()}
        names = {key: name_of(key[1]) for key in kinds}
        made = [names[type(cell), cell] for cell in cells.tolist()]
        distinct: Iterable[Any] = [cell for _, cell in kinds]
    else:
        distinct, code = np.unique(cells, return_inverse=True)
        named_ = np.array([name_of(value) for value in distinct], dtype=str)
        made = named_[code] if len(named_) else []
    if what:
        refuse_alike(distinct, what)
    return np.array(made, dtype=str) if len(made) else np.zeros(0, "<U1")


def column(values: Any) -> np.ndarray:
    """Return values of any kind as an array: what is no plain array keeps its own values, None and NaN too."""
    if isinstance(values, np.ndarray) and values.dtype.kind not in "SmM":
        return values
    if hasattr(values, "dtype"):
        return pd.Series(values).astype(object).to_numpy()
    made = np.empty(len(values), object)
    made[:] = list(values)
    return made


def named(groups: Mapping[str, Any], n: int, where: str) -> dict[str, np.ndarray]:
    """Return the names[n] of each attribute; DataError where it has another length or several values a row."""
    found = {}
    for attribute, values in groups.items():
        shape = np.shape(values)
        if len(shape) != 1 or shape[0] != n:
            raise DataError(f"{where}[{attribute!r}] has shape {shape}", f"{n} rows, one value each")
        found[str(attribute)] = of(values, f"{where}[{attribute!r}]")
    return found


def with_names(data: Dataset) -> Dataset:
    """Return a dataset made by hand with its groups and factors named as those of files are."""
    return replace(data, splits={name: _named(split) for name, split in data.splits.items()})


def _named(split: Split) -> Split:
    """Return the split with its groups and factors as names."""
    n = len(split)
    legitimate = named(split.legitimate, n, "legitimate")
    return replace(split, groups=named(split.groups, n, "groups"), legitimate=legitimate)


def refuse_alike(texts: Iterable[Any], what: str) -> None:
    """Raise DataError where a column writes one name in two ways, '1' and '1.0', which may be meant apart.

    Numbers are written as their name is.
    """
    first: dict[str, str] = {}
    for text in texts:
        if name_of(text) == MISSING:
            continue
        plain = text.strip() if isinstance(text, str) else name_of(text)
        seen = first.setdefault(name_of(text), plain)
        if (
            seen != plain and seen.isascii() and plain.isascii()
        ):  # other texts differ in their Unicode form alone
            raise DataError(
                f"{what} holds {seen!r} and {plain!r}, which read alike",
                "one way to write a value",
                "write it one way, or tell the two apart (in a table by derive: map)",
            )
