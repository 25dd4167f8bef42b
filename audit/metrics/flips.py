"""Rows whose attribute is set to another value: which values there are, and the rows that get them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from audit.metrics.categories import MISSING


@dataclass(frozen=True, eq=False)
class Settings:
    """The values an attribute's column may be set to: by group, and each row's own group code[n], -1 unknown."""

    values: Mapping[str, float]
    own: np.ndarray

    def each(self) -> Iterator[tuple[str, float, np.ndarray]]:
        """Yield every group's name, its value and the rows[m] of other groups that may get it."""
        for code, (name, value) in enumerate(self.values.items()):
            yield name, value, np.flatnonzero((self.own >= 0) & (self.own != code))


def of_categories(column: np.ndarray, categories: tuple[str, ...]) -> Settings:
    """Return the settings of a categorical column[n] whose code is 1 + the category's index.

    A missing category is no value to set, and a row that has it, or one not seen in train (0), no row to flip.
    """
    codes = {name: i + 1 for i, name in enumerate(categories) if name != MISSING}
    own = np.full(len(column), -1)
    for place, code in enumerate(codes.values()):
        own[column == code] = place
    return Settings({name: float(code) for name, code in codes.items()}, own)


def of_bands(
    groups: np.ndarray, known: np.ndarray, known_column: np.ndarray, low: float | None, high: float | None
) -> Settings:
    """Return the settings of a numeric column whose bands are groups[n]: each band's median.

    The medians are of known_column[m] with known[m] as their bands (the training rows), so that each is a value
    that people of the band have, also where it is open at one end; they stay within low and high.
    """
    met = sorted(set(known.tolist()) - {MISSING})
    least, most = (-np.inf if low is None else low), (np.inf if high is None else high)
    values = {name: float(np.clip(np.median(known_column[known == name]), least, most)) for name in met}
    own = np.full(len(groups), -1)
    for place, name in enumerate(values):
        own[groups == name] = place
    return Settings(values, own)
