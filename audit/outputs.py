"""The border of a model's outputs: those that are finite, and those that are not, counted for the check that asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np


@dataclass
class Tally:
    """How many inputs a check asked the model about, and for how many of them it gave no finite output."""

    asked: int = 0
    broken: int = 0


_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def counted() -> Iterator[Tally]:
    """Count, within this context, every output that passes the border; yield the tally."""
    tally = Tally()
    token = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(token)


def passed(outputs: np.ndarray) -> np.ndarray:
    """Return outputs[n, ...] as they are, counted: a row with a NaN or an infinite number is broken."""
    tally = _tally.get()
    if tally is not None:
        tally.asked += len(outputs)
        tally.broken += int(np.count_nonzero(~finite(outputs)))
    return outputs


def finite(outputs: np.ndarray) -> np.ndarray:
    """Return which[n] of outputs[n, ...] hold finite numbers only."""
    return np.asarray(np.isfinite(outputs).all(axis=tuple(range(1, np.ndim(outputs)))))
