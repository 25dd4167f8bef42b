"""One feature of rows moved over its range, all else as it is: the largest fall of the score between two values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from audit.behaviours import search
from audit.behaviours.draws import uniform
from audit.behaviours.rows import Judged

BLOCK = 2**22  # numbers of changed rows made at a time
WHOLE = 129  # whole numbers in a range at most that are all tried
NEAR = (0.25, 0.05)  # of the mean gap between values: how far a pair lies apart where the slope is steepest


class Fall(NamedTuple):
    """Each row's largest fall[m] from one value of the feature to a larger one, and both values.

    size is infinite where an output was not finite. blind[m]: a gradient was asked for and was not finite.
    """

    size: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    blind: np.ndarray


@dataclass
class Spent:
    """Evaluations of the model, and of its gradient."""

    forward: int = 0
    gradient: int = 0


@dataclass(frozen=True, eq=False)
class Path:
    """A feature of rows x[n, d] of these ids: its column, the ends of its range, whether its values are whole.

    sign: 1 where the score may only rise, -1 where it may only fall; a fall is one of sign times the score.
    """

    about: Judged
    x: np.ndarray
    ids: np.ndarray
    at: int
    ends: tuple[float, float]
    whole: bool
    sign: float
    spent: Spent

    @property
    def every(self) -> bool:
        """Return whether the range holds so few whole numbers that all are tried."""
        return self.whole and self.ends[1] - self.ends[0] + 1 <= WHOLE

    def values(self, rows: np.ndarray, points: int, stream: str) -> np.ndarray:
        """Return values[m, k] to try, ascending: a point drawn in each of `points` equal parts of the range, both its
        ends, and the row's own; every whole number where those are few."""
        low, high = self.ends
        if self.every:
            grid = np.tile(np.arange(low, high + 1), (len(rows), 1))
        else:
            drawn = uniform(self.ids[rows], stream, points)
            grid = low + (np.arange(points) + drawn) / points * (high - low)
            grid = np.concatenate([np.full((len(rows), 1), low), grid, np.full((len(rows), 1), high)], axis=1)
        grid = np.concatenate([np.round(grid) if self.whole else grid, self.x[rows, self.at, None]], axis=1)
        return np.sort(grid.astype(self.x.dtype), axis=1)

    def falls(self, rows: np.ndarray, values: np.ndarray, *, slopes: bool = False) -> Fall:
        """Return the largest fall over values[m, k], and, if asked, of pairs about where the slope falls most."""
        size = max(1, BLOCK // (values.shape[1] * self.x.shape[1]))
        parts = list(self._in_blocks(rows, values, size, slopes=slopes))
        if not parts:
            none = np.zeros(0)
            return Fall(none, none, none, np.zeros(0, bool))
        return Fall(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _in_blocks(self, rows: np.ndarray, values: np.ndarray, size: int, *, slopes: bool) -> Iterator[Fall]:
        """Yield the falls of some rows at a time."""
        for first in range(0, len(rows), size):
            own, at = rows[first : first + size], values[first : first + size]
            many = self.moved(own, at)
            found = largest(at, self.scores(many).reshape(at.shape))
            yield larger(found, self._steepest(own, at, many)) if slopes else found

    def moved(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the rows with the feature at values[m, k], k copies of each."""
        many = np.repeat(self.x[rows], values.shape[1], axis=0)
        many[:, self.at] = values.reshape(-1)
        return many

    def scores(self, many: np.ndarray) -> np.ndarray:
        """Return sign times the score of inputs[m, d], NaN where an output is not finite."""
        self.spent.forward += len(many)
        return self.sign * self.about.outputs(many)[0]

    def _steepest(self, rows: np.ndarray, values: np.ndarray, many: np.ndarray) -> Fall:
        """Return the largest fall between pairs of values about where each row's slope falls most."""
        classes = None if self.about.scored is None else (self.about.scored,)
        self.spent.gradient += len(many)
        slope = search.slopes(self.about.subject.model, many, classes)
        own = self.sign * slope[:, self.at].reshape(values.shape)
        centre = np.take_along_axis(
            values, np.where(np.isfinite(own), own, np.inf).argmin(axis=1)[:, None], axis=1
        )
        gap = (self.ends[1] - self.ends[0]) / values.shape[1]
        apart = np.array([side * near * gap / 2 for near in NEAR for side in (-1, 1)])
        if self.whole:
            apart = np.sign(apart) * np.maximum(np.round(np.abs(apart)), 1)
        pairs = np.sort(np.clip(centre + np.append(apart, 0.0), *self.ends).astype(values.dtype), axis=1)
        return largest(pairs, self.scores(self.moved(rows, pairs)).reshape(pairs.shape))._replace(
            blind=~np.isfinite(own).all(axis=1)
        )


def largest(values: np.ndarray, score: np.ndarray) -> Fall:
    """Return the largest fall of score[m, k] from one of the ascending values[m, k] to any later one."""
    known = np.where(np.isfinite(score), score, 0.0)
    top = np.maximum.accumulate(known, axis=1)
    fall = top - known
    stop = fall.argmax(axis=1)[:, None]
    place = np.maximum.accumulate(np.where(known >= top, np.arange(score.shape[1]), 0), axis=1)
    start = np.take_along_axis(place, stop, axis=1)
    broken = ~np.isfinite(score)
    stop = np.where(broken.any(axis=1, keepdims=True), broken.argmax(axis=1)[:, None], stop)
    size = np.where(broken.any(axis=1), np.inf, fall.max(axis=1))
    start, stop = (np.take_along_axis(values, at, axis=1)[:, 0] for at in (start, stop))
    return Fall(size, start, stop, np.zeros(len(score), bool))


def larger(one: Fall, other: Fall) -> Fall:
    """Return each row's larger fall of two."""
    more = other.size > one.size
    size, start, stop = (np.where(more, b, a) for a, b in zip(one[:3], other[:3], strict=True))
    return Fall(size, start, stop, one.blind | other.blind)
