"""What the model's outputs say to a behavioural test: whether a change is answered as it must not be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.behaviours.rows import Judged
from audit.behaviours.written import Changed, Direction, Invariance, Then
from audit.errors import ConfigError
from audit.registry import nearest
from audit.subject import Dataset

Outputs = tuple[np.ndarray, np.ndarray | None]  # the score[m] and the class decided[m], if any is


@dataclass(frozen=True, eq=False)
class Broken:
    """Indices of the rows[m] that a test is about, which of them break it, the largest wrong change, if of a score.

    parts: of a change of texts with several versions, each with its rows and how many of them break the test.
    doubt: why a search that found nothing more may have found too little.
    """

    rows: np.ndarray
    hits: np.ndarray
    worst: float | None = 0.0
    evaluations: int = 0
    gradients: int = 0
    parts: tuple[tuple[str, int, int], ...] = ()
    doubt: str = ""


def answered(test: Changed, before: Outputs, after: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the changes[m] are answered as they must not be, and by how much the score moves that way.

    A change after which an output is not finite is answered as it must not be, and its score has no number.
    """
    (old, was), (new, now) = before, after
    moved = new - old
    if isinstance(test, Direction):
        wrong = -moved if test.expect == "not_lower" else moved
        return ~(wrong <= test.tolerance), wrong
    assert isinstance(test, Invariance)
    wrong = np.abs(moved)
    return (~(wrong <= test.tolerance) if test.score or was is None or now is None else was != now), wrong


def most(wrong: np.ndarray) -> float:
    """Return the largest of wrong changes[m] that are finite, 0 where none is above it."""
    return float(wrong[np.isfinite(wrong)].max(initial=0.0))


def decisions(data: Dataset, then: Then) -> tuple[int, ...]:
    """Return the classes that are allowed; ConfigError for an unknown one, or in regression."""
    for name in then.decision:
        if name not in data.classes:
            raise ConfigError(
                f"behaviour.tests: decision={name!r}", nearest(name, data.classes), "name a class"
            )
    return tuple(data.classes.index(name) for name in then.decision)


def breaks(about: Judged, then: Then, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Return which of x[m, ...] break `then`, and by how much a bound on the score is missed at most.

    An output that is not finite breaks every `then`.
    """
    score, decided = about.outputs(x)
    if then.decision:
        allowed = decisions(about.subject.data, then)
        assert decided is not None
        return ~np.isin(decided, allowed), 0.0
    missed = np.zeros(len(x))
    if then.score_at_least is not None:
        missed = np.maximum(missed, then.score_at_least - score)
    if then.score_at_most is not None:
        missed = np.maximum(missed, score - then.score_at_most)
    return ~(missed <= 0), most(missed)
