"""What a data set is described by, besides its rows: features, tokens, provenance, the catalogue of a ranking task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np


@dataclass(frozen=True, eq=False)
class Feature:
    """A column of a table, in its own unit; `scale` is its standard deviation on train, the attacks' unit.

    from_arrays and from_splits measure a scale of 1; another one is declared and stays.
    Without training rows it is that of the judged rows.
    """

    name: str
    kind: Literal["numeric", "categorical"] = "numeric"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    scale: float = 1.0
    mutable: bool = True
    categories: tuple[str, ...] = ()


FOLD = Feature(
    "fold", "categorical", scale=0.0, mutable=False
)  # which network judges a row: no feature of it


@dataclass(frozen=True, eq=False)
class Tokens:
    """How texts become ids: encode(texts) -> int32 [n, length], 0 is padding, 1 unknown; ids are below `vocabulary`.

    saved: the fitted tokenizer as JSON, which the run folder keeps. says: how it was fitted, for the record.
    """

    encode: Callable[[Sequence[str]], np.ndarray]
    vocabulary: int
    saved: bytes = field(default=b"", repr=False)
    says: str = ""


@dataclass(frozen=True, eq=False)
class Provenance:
    """Where the data came from and what was done to them.

    `salt` is what row ids are hashed with; it stays out of the record, so that ids there can't be guessed.
    repeated_in_test: test rows whose features and label a row of another split has too; repeated_within_test: those
    beyond the first copy within test. None: not counted.
    """

    source: str = ""
    licence: str = ""
    sha256: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    repeated_in_test: int | None = None
    repeated_within_test: int | None = None
    notes: tuple[str, ...] = ()
    salt: str = field(default="", repr=False)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items that a ranking task ranks: item i is output column i, and code i + 1 in histories, where 0 pads.

    counts: how often training histories hold each item[items]. groups: attribute -> the names of its groups and
    member[items, names], each item's parts of them, which add up to 1.
    """

    counts: np.ndarray
    groups: Mapping[str, tuple[tuple[str, ...], np.ndarray]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the number of items."""
        return len(self.counts)
