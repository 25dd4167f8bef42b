"""What fairness checks share: the attributes asked for, their crossings, and each row's group in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from audit.errors import ConfigError
from audit.metrics.categories import JOIN
from audit.names import name_of
from audit.registry import nearest

CROSSED = "crossed_"  # measures of crossings have names of their own: a rule on sex and race is none on both
Crossings = Literal["pairs", "none"] | tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Grouping:
    """The rows cut into disjoint groups by attributes: names sorted, each row's code[n] among them."""

    axes: tuple[str, ...]
    names: tuple[str, ...]
    code: np.ndarray

    @property
    def attribute(self) -> str:
        """Return the attribute's name, or the crossing's."""
        return JOIN.join(self.axes)

    @property
    def rows(self) -> np.ndarray:
        """Return the rows[g] of each group."""
        return np.bincount(self.code, minlength=len(self.names))

    def named(self, measure: str) -> str:
        """Return a measure's name, marked where the groups are a crossing's."""
        return measure if len(self.axes) == 1 else CROSSED + measure


def attributes(check: str, asked: Iterable[str], known: Mapping[str, object]) -> tuple[str, ...]:
    """Return the attributes to compare: those asked for, else all; ConfigError for an unknown one."""
    for name in asked:
        if name not in known:
            raise ConfigError(f"{check}: attributes={name!r}", nearest(name, known), "mend the list")
    return tuple(dict.fromkeys(asked)) or tuple(known)


def crossings(check: str, names: tuple[str, ...], asked: Crossings) -> tuple[tuple[str, ...], ...]:
    """Return the attributes, each alone, then the crossings asked for; ConfigError for an unknown one."""
    alone = tuple((name,) for name in names)
    if isinstance(asked, str):
        return alone + (tuple(combinations(names, 2)) if asked == "pairs" else ())
    for axes in asked:
        given = f"{check}: intersections={list(axes)}"
        if len(set(axes)) < max(2, len(axes)):
            raise ConfigError(given, "two or more different attributes in each", "mend the list")
        for name in axes:
            if name not in names:
                raise ConfigError(given, f"for {name!r} {nearest(name, names)}", "mend the list")
    return alone + tuple(dict.fromkeys(asked))


def grouping(columns: Mapping[str, np.ndarray], axes: tuple[str, ...]) -> Grouping:
    """Return the groups that these columns' values make, in the order of the values; missing is a value."""
    found = [levels(columns[axis]) for axis in axes]
    met, code = np.unique(np.stack([codes for _, codes in found], axis=1), axis=0, return_inverse=True)
    names = [JOIN.join(of[c] for (of, _), c in zip(found, place, strict=True)) for place in met]
    return Grouping(axes, tuple(names), code.reshape(-1))


def levels(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return a column's values as text, sorted, and each row's place[n] among them."""
    codes, met = pd.factorize(np.asarray(values, object), use_na_sentinel=False)
    text = [name_of(value) for value in met]
    names = tuple(sorted(set(text)))
    return names, np.asarray([names.index(value) for value in text], int)[codes]
