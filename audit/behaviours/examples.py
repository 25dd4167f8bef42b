"""Written examples: the texts or rows that a test of minimum functionality makes of them, and which fail."""

from __future__ import annotations

import math
import random
import zlib
from dataclasses import dataclass

import numpy as np

from audit.behaviours.answers import breaks
from audit.behaviours.rows import Judged, code_of, known, place_of
from audit.behaviours.written import SLOT, Example, Minimum
from audit.subject import Dataset


@dataclass(frozen=True, eq=False)
class Tried:
    """What was tried: each one's example of[m], texts (empty for rows), whether it failed, the class decided[m].

    drawn: they are a sample of what the examples make, not all of it.
    """

    of: np.ndarray
    texts: tuple[str, ...]
    failed: np.ndarray
    decided: np.ndarray | None
    drawn: bool
    worst: float | None


def by_example(about: Judged, test: Minimum, seed: int) -> Tried:
    """Return what the model makes of every example, or of filled texts drawn by the seed and the test's name."""
    of, texts, drawn = filled(test, zlib.crc32(f"{seed}/{test.name}".encode()))
    x = made(about.subject.data, test, texts)
    failed, worst = np.zeros(len(of), bool), 0.0
    for i, example in enumerate(test.examples):
        own = of == i
        if own.any():
            failed[own], far = breaks(about, example.then, x[own])
            worst = max(worst, far)
    decided = about.outputs(x)[1]
    bounded = any(not e.then.decision for e in test.examples)
    return Tried(of, texts, failed, decided, drawn, worst if bounded else None)


def filled(test: Minimum, seed: int) -> tuple[np.ndarray, tuple[str, ...], bool]:
    """Return each text's example of[m], the texts[m] with their slots filled, and whether they were drawn.

    Rows of a table have no texts: there is one for each example.
    """
    sizes = [math.prod(len(test.slots[name]) for name in e.slots) for e in test.examples]
    drawn = sum(sizes) > test.draws
    if drawn:
        dice = random.Random(seed)
        picked = [dice.randrange(len(sizes)) for _ in range(test.draws)]
        places = [(i, dice.randrange(sizes[i])) for i in picked]
    else:
        places = [(i, j) for i, size in enumerate(sizes) for j in range(size)]
    texts = tuple(_fill(test, test.examples[i], j) for i, j in places) if test.of_text else ()
    return np.array([i for i, _ in places]), texts, drawn


def _fill(test: Minimum, example: Example, number: int) -> str:
    """Return the filling of a text with this number, 0 to one less than how many there are."""
    words = {}
    for name in example.slots:
        number, at = divmod(number, len(test.slots[name]))
        words[name] = test.slots[name][at]
    return SLOT.sub(lambda m: words[m.group(1)], example.text)


def made(data: Dataset, test: Minimum, texts: tuple[str, ...]) -> np.ndarray:
    """Return the inputs[m, ...] of the texts, or of the examples' rows; ConfigError for what the data have not."""
    if test.of_text:
        assert data.tokens is not None
        return data.tokens.encode(texts)
    rows = np.repeat(typical(data)[None], len(test.examples), axis=0)
    for row, example in zip(rows, test.examples, strict=True):
        for name, value in {**test.base, **example.set}.items():
            at = place_of(data.features, test.name, name)
            row[at] = code_of(data.features[at], test.name, value)
    return rows


def typical(data: Dataset) -> np.ndarray:
    """Return the row[d] of each number's lower median and each category's commonest value in the training rows."""
    x = known(data)
    row = np.quantile(x, 0.5, axis=0, method="inverted_cdf").astype(x.dtype)
    for at, feature in enumerate(data.features):
        if feature.kind == "categorical":
            values, counts = np.unique(x[:, at], return_counts=True)
            row[at] = values[counts.argmax()]
    return row
