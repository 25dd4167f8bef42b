"""An attribute's categories and each row's place among them; a row of no known category is in none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from audit.names import MISSING, name_of

JOIN = " x "


@dataclass(frozen=True, eq=False)
class Categories:
    """An attribute's categories: their names, and each row's code[n] among them, -1 where it is unknown."""

    attribute: str
    names: tuple[str, ...]
    code: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Return the rows[g] of each category."""
        return np.bincount(self.code[self.code >= 0], minlength=len(self.names))

    @property
    def share(self) -> np.ndarray:
        """Return each category's share[g] of the rows that are in any."""
        return self.rows / max(int(self.rows.sum()), 1)

    @property
    def unknown(self) -> int:
        """Return how many rows fall in no category."""
        return int((self.code < 0).sum())


def categories(attribute: str, values: np.ndarray, unknown: Collection[str] = ()) -> Categories:
    """Return the categories of values[n], sorted; missing values and labels in `unknown` are none."""
    text, unknown = np.asarray([name_of(v) for v in values], str), set(map(name_of, unknown))
    met, place = np.unique(text, return_inverse=True)
    names = tuple(str(name) for name in met if name != MISSING and name not in unknown)
    code = np.asarray([names.index(name) if name in names else -1 for name in met], int)
    return Categories(attribute, names, code[place])


def crossed(first: Categories, second: Categories) -> Categories:
    """Return the combinations that have rows; a row unknown in either is unknown."""
    known = (first.code >= 0) & (second.code >= 0)
    width = max(len(second.names), 1)
    met, place = np.unique(first.code[known] * width + second.code[known], return_inverse=True)
    names = tuple(JOIN.join((first.names[j // width], second.names[j % width])) for j in met)
    code = np.full(len(known), -1)
    code[known] = place
    return Categories(JOIN.join((first.attribute, second.attribute)), names, code)
