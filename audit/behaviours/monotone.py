"""Who breaks a monotone test: rows whose score falls between some two values, searched for, and the search probed."""

from __future__ import annotations

import numpy as np

from audit.behaviours.answers import Broken
from audit.behaviours.draws import spread
from audit.behaviours.path import Fall, Path, Spent, larger
from audit.behaviours.rows import Judged, applies, place_of
from audit.behaviours.written import Monotone

SHARED = 16  # pairs of values that broke a row, tried on every row that stands
PROBED = 200  # standing rows that the probe tries
FINER, LEAST = 8, 264  # times as many values as the search, and the fewest
ZOOM = np.linspace(-1, 1, 9)  # of a gap of the probe's values, about the pair of the largest fall
BLIND = "the gradient is not finite for {} of the rows, so that no search follows it there"
FOUND = "a probe of {} rows that the search had left, at {} values of each, found {} more that break it"


def by_value(
    about: Judged,
    test: Monotone,
    x: np.ndarray,
    ids: np.ndarray,
    ends: tuple[float, float],
    whole: bool,
    seed: int,
) -> Broken:
    """Return the rows whose score goes the wrong way between any two values of the feature, all else as it is.

    Each row has values of its own, drawn over the range by its id and the seed; the gradient says where between them
    the score is steepest the wrong way; what broke one row is tried on the others. A probe with a finer grid then
    tries rows that stand: what it finds counts, and is a doubt of all that it did not try. The model's own scores
    confirm every fall. whole: the feature has whole values only, and is tried at no others.
    """
    features = about.subject.data.features
    at = place_of(features, test.name, test.feature, numeric=True)
    rows = np.flatnonzero(applies(features, test.name, test.when, x))
    if ends[0] >= ends[1] or not len(rows):
        return Broken(rows[:0], np.zeros(0, bool))
    sign = 1.0 if test.expect == "rising" else -1.0
    path = Path(about, x[rows], ids[rows], at, ends, whole, sign, Spent())
    stream, every = f"{seed}/{test.name}", np.arange(len(rows))
    slopes = "gradient" in about.subject.has and not path.every
    found = path.falls(every, path.values(every, test.points, f"{stream}/search"), slopes=slopes)
    found = _elsewhere(path, found, test.tolerance)
    before = int((found.size > test.tolerance).sum())
    tried = 0
    if not path.every:
        found, tried = _probed(path, test, found, stream, slopes=slopes)
    hits = found.size > test.tolerance
    more, blind = int(hits.sum()) - before, int((found.blind & ~hits).sum())
    said = [FOUND.format(tried, max(FINER * test.points, LEAST), more)] if more else []
    said += [BLIND.format(blind)] if blind else []
    worst = float(found.size[np.isfinite(found.size)].max(initial=0.0))
    return Broken(rows, hits, worst, path.spent.forward, path.spent.gradient, doubt="; ".join(said))


def _elsewhere(path: Path, found: Fall, tolerance: float) -> Fall:
    """Return the falls, with those of rows that stand between values that broke others."""
    stands, fell = np.flatnonzero(found.size <= tolerance), np.flatnonzero(found.size > tolerance)
    if not len(stands) or not len(fell):
        return found
    fell = fell[np.argsort(found.start[fell], kind="stable")]
    picked = fell[np.linspace(0, len(fell) - 1, min(SHARED, len(fell))).astype(int)]
    values = np.sort(np.concatenate([found.start[picked], found.stop[picked]]))
    more = path.falls(stands, np.tile(values.astype(path.x.dtype), (len(stands), 1)))
    return _with(found, stands, more)


def _probed(path: Path, test: Monotone, found: Fall, stream: str, *, slopes: bool) -> tuple[Fall, int]:
    """Return the falls with what the probe found, on its rows and then on all, and how many rows it tried."""
    stands = np.flatnonzero(found.size <= test.tolerance)
    if not len(stands):
        return found, 0
    _, decided = path.about.outputs(path.x[stands])
    strata = np.zeros(len(stands), int) if decided is None else decided
    at = stands[spread(path.ids[stands], strata, PROBED, f"{stream}/rows")]
    values = path.values(at, max(FINER * test.points, LEAST), f"{stream}/probe")
    fine = path.falls(at, values, slopes=slopes)
    gap = (path.ends[1] - path.ends[0]) / values.shape[1]
    about = np.concatenate([fine.start[:, None] + ZOOM * gap, fine.stop[:, None] + ZOOM * gap], axis=1)
    about = np.clip(np.round(about) if path.whole else about, *path.ends)
    fine = larger(fine, path.falls(at, np.sort(about.astype(path.x.dtype), axis=1)))
    more = _with(found, at, fine)
    return (_elsewhere(path, more, test.tolerance) if (fine.size > test.tolerance).any() else more), len(at)


def _with(found: Fall, at: np.ndarray, more: Fall) -> Fall:
    """Return the falls, of rows `at` the larger of two."""
    joined = larger(Fall(*(part[at] for part in found)), more)
    whole = [np.array(part) for part in found]
    for part, new in zip(whole, joined, strict=True):
        part[at] = new
    return Fall(*whole)
