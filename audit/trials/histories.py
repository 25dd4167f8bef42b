"""What checks of recommenders share: the lists shown for histories as they are and as changed, and each change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from audit.metrics import ranking
from audit.outputs import finite
from audit.subject import JUDGED, Catalogue, Model, Split, Subject, run_model

LAST = np.iinfo(np.int32).max  # the rank of an item that is never shown


@dataclass(frozen=True, eq=False)
class Listed:
    """Scores[n, items], held-out ranks[n, m] and the columns shown, top[n, k], of some rows and histories."""

    scores: np.ndarray
    rank: np.ndarray
    top: np.ndarray


def catalogue_of(subject: Subject) -> Catalogue:
    """Return the catalogue; a check that calls this needs one."""
    catalogue = subject.data.catalogue
    assert catalogue is not None
    return catalogue


def judged(subject: Subject, k: int) -> Listed:
    """Return the lists of the judged rows."""
    test, scores = subject.data.test, np.asarray(subject.outputs[JUDGED])
    found = ranking.ranked(scores, test.x["seen"], test.y, k)
    return Listed(scores, found.rank, found.top)


def listed(model: Model, rows: Split, history: np.ndarray, k: int) -> Listed:
    """Return the lists that the model shows for other histories[n, window] of these rows.

    The candidates stay those of the unchanged row: an item taken out of the history was still seen. A row with a score
    that is not finite is shown nothing, and its held-out items rank last.
    """
    scores = run_model(model, {**rows.x, "history": history.astype(np.int32)})
    whole = finite(scores)[:, None]
    found = ranking.ranked(np.where(whole, scores, 0.0), rows.x["seen"], rows.y, k)
    scores = np.where(whole, scores, np.nan)
    return Listed(scores, np.where(whole, found.rank, LAST), np.where(whole, found.top, -1))


def lengths(history: np.ndarray) -> np.ndarray:
    """Return how many items[n] each history holds."""
    return (history > 0).sum(axis=1)


def without(history: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Return histories[n, window] without the steps of gone[n, window], the pads in front as ever."""
    left = np.where(gone, 0, history)
    return np.take_along_axis(left, np.argsort(left > 0, axis=1, kind="stable"), axis=1)


def drawn(split: Split, number: int, seed: int) -> np.ndarray:
    """Return `number` steps of each history[n, window] drawn at random by seed and row id; all of a short one."""
    history = split.x["history"]
    order = np.stack([generator(seed, one).random(history.shape[1]) for one in split.id])
    order = np.where(history > 0, order, 2.0)
    place = np.argsort(np.argsort(order, axis=1, kind="stable"), axis=1, kind="stable")
    return (place < number) & (history > 0)


def replaced(split: Split, steps: np.ndarray, items: int, seed: int) -> np.ndarray:
    """Return histories with an unseen item, not held out, drawn evenly, at each of steps[n, window]."""
    history = split.x["history"].copy()
    for i, one in enumerate(split.id):
        known = np.concatenate([split.x["seen"][i], split.y[i], history[i]])
        free = np.setdiff1d(np.arange(1, items + 1), known)
        number = min(int(steps[i].sum()), len(free))
        at = np.flatnonzero(steps[i])[:number]
        history[i, at] = generator(seed + 1, one).choice(free, number, replace=False)
    return history


def generator(seed: int, row: str) -> np.random.Generator:
    """Return the random numbers of one row, the same whatever rows stand beside it."""
    digest = hashlib.sha256(f"{seed}:{row}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the share[n] of a's columns [n, k] that b shows too; -1 is no column."""
    same = (a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]
    return same.any(axis=2).sum(axis=1) / np.maximum((a >= 0).sum(axis=1), 1)
