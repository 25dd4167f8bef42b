"""Who breaks a behavioural test of a table: rows it is about, and which of them the model's own outputs convict."""

from __future__ import annotations

import numpy as np

from audit.behaviours import search
from audit.behaviours.answers import Broken, answered, breaks, decisions
from audit.behaviours.rows import Judged, applies, changed, place_of, placed
from audit.behaviours.written import Changed, Logic, Monotone, Then
from audit.subject import Feature

BLOCK = 2**22  # numbers of changed rows made at a time
NEAR = (0.25, 0.05)  # of a step of the grid: how far a confirming pair lies apart


def by_change(about: Judged, test: Changed, x: np.ndarray) -> Broken:
    """Return the rows that the change moves and whose decision, or score, answers as it must not."""
    features = about.subject.data.features
    after = changed(features, test, x)
    rows = np.flatnonzero(applies(features, test.name, test.when, x) & (after != x).any(axis=1))
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    hits, wrong = answered(test, about.outputs(x[rows]), about.outputs(after[rows]))
    return Broken(rows, hits, max(float(wrong.max()), 0.0) if about.has_score else None, 2 * len(rows))


def by_value(about: Judged, test: Monotone, x: np.ndarray, ends: tuple[float, float], whole: bool) -> Broken:
    """Return the rows whose score goes the wrong way somewhere on the feature's range, all else as it is.

    Neighbours on a grid are compared. Between them the gradient says where the score is steepest the wrong way;
    a pair of values there counts once the model's own scores confirm it. whole: the feature has whole values only,
    and is tried at no others.
    """
    features = about.subject.data.features
    at = place_of(features, test.name, test.feature, numeric=True)
    rows = np.flatnonzero(applies(features, test.name, test.when, x))
    grid = np.linspace(*ends, test.points)
    grid = np.unique(np.round(grid)) if whole else grid
    if len(grid) < 2 or not len(rows):
        return Broken(rows[:0], np.zeros(0, bool))
    sign = 1.0 if test.expect == "rising" else -1.0
    hits, worst, ran, sloped = np.zeros(len(rows), bool), 0.0, 0, 0
    step = max(1, BLOCK // (len(grid) * x.shape[1]))
    gap = max(1.0, np.round(np.diff(grid).min())) if whole else float(grid[1] - grid[0])
    searched = "gradient" in about.subject.has and (not whole or gap > 1)
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        many = np.repeat(x[rows[part]], len(grid), axis=0)
        many[:, at] = np.tile(grid, part.stop - part.start)
        score = sign * about.outputs(many)[0].reshape(-1, len(grid))
        wrong = -np.diff(score, axis=1).min(axis=1)
        ran += len(many)
        if searched:
            found, more = _between(about, many, at, sign, grid, (gap, whole))
            wrong, ran, sloped = np.maximum(wrong, found), ran + more, sloped + len(many)
        hits[part], worst = wrong > test.tolerance, max(worst, float(wrong.max()))
    return Broken(rows, hits, worst, ran, sloped)


def _between(
    about: Judged, many: np.ndarray, at: int, sign: float, grid: np.ndarray, spaced: tuple[float, bool]
) -> tuple[np.ndarray, int]:
    """Return each row's largest confirmed step the wrong way about where its slope is worst, and rows evaluated.

    spaced: how far the grid's values lie apart, and whether the feature has whole values only.
    """
    gap, whole = spaced
    classes = None if about.scored is None else (about.scored,)
    slope = sign * search.slopes(about.subject.model, many, classes)[:, at].reshape(-1, len(grid))
    steepest = np.arange(len(slope)) * len(grid) + slope.argmin(axis=1)
    found, ran = np.full(len(slope), -np.inf), 0
    for near in NEAR:
        ends, apart = [], np.ceil(near * gap) if whole else near * gap
        for side in (-np.floor(apart / 2), np.ceil(apart / 2)) if whole else (-apart / 2, apart / 2):
            row = np.array(many[steepest])
            row[:, at] = np.clip(row[:, at] + side, grid[0], grid[-1])
            ends.append(sign * about.outputs(row)[0])
            ran += len(row)
        found = np.maximum(found, ends[0] - ends[1])
    return found, ran


def on_data(about: Judged, test: Logic, x: np.ndarray) -> Broken:
    """Return the rows for which `when` holds, and which of them break `then`."""
    rows = np.flatnonzero(applies(about.subject.data.features, test.name, test.when, x))
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    return Broken(rows, *breaks(about, test.then, x[rows]), len(rows))


def by_search(about: Judged, test: Logic, x: np.ndarray) -> Broken:
    """Return every row moved to where `when` holds, and then against the rule; whether the model breaks it there.

    Features of whole values are moved to whole values; a row that none of them brings there is left out.
    """
    data = about.subject.data
    start, whole = placed(data.features, test.name, test.when, x), about.whole()
    start = np.where(whole, np.where(start > x, np.ceil(start), np.floor(start)), start)
    rows = np.flatnonzero(applies(data.features, test.name, test.when, start))
    start = start[rows]
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    hits, worst = breaks(about, test.then, start)
    if not test.reach or "gradient" not in about.subject.has:
        return Broken(rows, hits, worst, len(rows))
    reach = np.asarray([_reach(f, test) for f in data.columns], np.float32)
    ways = _against(about, test.then)
    for sign, classes in ways:
        ended = search.worst(about.subject.model, start, classes, sign, reach, _ends(data.columns))
        ended = np.where(whole, start + np.trunc(ended - start), ended)
        more, far = breaks(about, test.then, ended)
        hits, worst = hits | more, max(worst, far)
    moved = len(ways) * len(rows)
    return Broken(rows, hits, worst, len(rows) + moved, moved * search.STEPS)


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
