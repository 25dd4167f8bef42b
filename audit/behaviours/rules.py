"""Who breaks a rule of a table: rows as they are, and rows moved to where the rule holds, searched and then probed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.behaviours import search
from audit.behaviours.answers import Broken, breaks, decisions
from audit.behaviours.draws import spread, uniform
from audit.behaviours.rows import Judged, applies, placed, within
from audit.behaviours.written import Logic, Then
from audit.subject import Feature

DRAWS = 8  # points where the rule holds that the search tries of each row, beside the nearest
PROBED, FINER = 200, 64  # rows that stand that the probe tries, and points of each
BLIND = "the gradient is not finite for {} of the rows, so that no search follows it there"
FOUND = "a probe of {} rows that the search had left, at {} more points of each, found {} more that break it"


def on_data(about: Judged, test: Logic, x: np.ndarray) -> Broken:
    """Return the rows for which `when` holds, and which of them break `then`."""
    rows = np.flatnonzero(applies(about.subject.data.features, test.name, test.when, x))
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    return Broken(rows, *breaks(about, test.then, x[rows]), len(rows))


@dataclass
class _Search:
    """A rule's search: the rows where the rule holds, the columns' reach and ends, and what was found so far."""

    about: Judged
    test: Logic
    start: np.ndarray
    ids: np.ndarray
    stream: str
    hits: np.ndarray
    blind: np.ndarray
    worst: float = 0.0
    forward: int = 0
    gradient: int = 0

    def look(self, at: np.ndarray, x: np.ndarray) -> None:
        """Ask the model about x[m, d], each a version of row at[m], where `when` holds of it."""
        held = applies(self.about.subject.data.features, self.test.name, self.test.when, x)
        if held.any():
            broken, far = breaks(self.about, self.test.then, x[held])
            self.hits[at[held][broken]] = True
            self.worst, self.forward = max(self.worst, far), self.forward + int(held.sum())

    def climb(self, at: np.ndarray, x: np.ndarray) -> None:
        """Follow the gradient against the rule from x[m, d], versions of rows at[m], within reach of them."""
        data, whole = self.about.subject.data, self.about.whole()
        if not self.test.reach or "gradient" not in self.about.subject.has or not len(at):
            return
        reach = np.asarray([_reach(f, self.test) for f in data.columns], np.float32)
        low, high = _ends(data.columns)
        home = self.start[at]
        ends = np.maximum(low, home - reach), np.minimum(high, home + reach)
        ends = np.where(reach > 0, ends[0], x), np.where(reach > 0, ends[1], x)
        for sign, classes in _against(self.about, self.test.then):
            ended, blind = search.worst(self.about.subject.model, x, classes, sign, reach, ends)
            self.blind[at] |= blind
            self.look(at, np.where(whole, x + np.trunc(ended - x), ended))
            self.gradient += len(at) * search.STEPS

    def drawn(self, at: np.ndarray, count: int, stream: str) -> tuple[np.ndarray, np.ndarray]:
        """Return rows at[m] `count` times each, as drawn where `when` holds and within reach, and which they are."""
        data = self.about.subject.data
        reach = np.asarray([_reach(f, self.test) for f in data.columns])
        low, high = _ends(data.columns)
        of, x = np.repeat(at, count), np.repeat(self.start[at], count, axis=0)
        for j, feature in enumerate(data.features):
            part = uniform(self.ids[at], f"{self.stream}/{stream}/{feature.name}", count).reshape(-1)
            if feature.name in self.test.when:
                x[:, j] = within(feature, self.test, self.about.known[:, j], part)
            elif reach[j] > 0:
                side = np.clip(1.5 * (2 * part - 1), -1, 1)  # a third of them at an end of the reach
                x[:, j] = np.clip(x[:, j] + side * reach[j], low[j], high[j])
        whole = self.about.whole()
        moved = x != np.repeat(self.start[at], count, axis=0)
        return of, np.where(whole & moved, np.round(x), x).astype(self.start.dtype)


def by_search(about: Judged, test: Logic, x: np.ndarray, ids: np.ndarray, seed: int) -> Broken:
    """Return every row moved to where `when` holds, and then against the rule; whether the model breaks it there.

    Tried are the nearest values for which `when` holds and others drawn where it does, by id and seed, and from the
    nearest on the gradient's way. A probe then tries many more on rows that stand: what it finds counts, and is a
    doubt of all that it did not try. Features of whole values are moved to whole values; a row that none of them
    brings there is left out.
    """
    data = about.subject.data
    start, whole = placed(data.features, test.name, test.when, x), about.whole()
    start = np.where(whole, np.where(start > x, np.ceil(start), np.floor(start)), start)
    rows = np.flatnonzero(applies(data.features, test.name, test.when, start))
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    none = np.zeros(len(rows), bool)
    s = _Search(about, test, start[rows], ids[rows], f"{seed}/{test.name}", none.copy(), none.copy())
    every = np.arange(len(rows))
    s.look(every, s.start)
    s.climb(every, s.start)
    s.look(*s.drawn(every, DRAWS, "search"))
    before, stands = int(s.hits.sum()), np.flatnonzero(~s.hits)
    tried = _probe(s, stands) if len(stands) else 0
    said = [FOUND.format(tried, FINER, int(s.hits.sum()) - before)] if s.hits.sum() > before else []
    left = int((s.blind & ~s.hits).sum())
    said += [BLIND.format(left)] if left else []
    return Broken(rows, s.hits, s.worst, s.forward, s.gradient, doubt="; ".join(said))


def _probe(s: _Search, stands: np.ndarray) -> int:
    """Try many points of some rows that stand, and the gradient's way from two of them; return how many rows."""
    _, decided = s.about.outputs(s.start[stands])
    strata = np.zeros(len(stands), int) if decided is None else decided
    at = stands[spread(s.ids[stands], strata, PROBED, f"{s.stream}/rows")]
    s.look(*s.drawn(at, FINER, "probe"))
    s.climb(*s.drawn(at, 2, "ways"))
    return len(at)


def _ends(features: tuple[Feature, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest allowed value of each feature."""
    low = [-np.inf if f.low is None else f.low for f in features]
    return np.asarray(low), np.asarray([np.inf if f.high is None else f.high for f in features])


def _reach(feature: Feature, test: Logic) -> float:
    """Return how far the search may move a feature, in its own unit."""
    moves = feature.kind == "numeric" and feature.mutable and feature.name not in test.when
    return test.reach * feature.scale if moves else 0.0


def _against(about: Judged, then: Then) -> list[tuple[float, tuple[int, ...] | None]]:
    """Return what to raise (a sign) or lower against the rule: the score, or the decisions that it asks for."""
    if then.decision:
        return [(-1.0, decisions(about.subject.data, then))]
    classes = None if about.scored is None else (about.scored,)
    signs = [(-1.0, then.score_at_least), (1.0, then.score_at_most)]
    return [(sign, classes) for sign, bound in signs if bound is not None]
