"""F1 of one class, with an exact interval, and the mean F1 of all classes, with a bootstrap's."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from audit.evidence import Estimate, Mapped, Rate
from audit.stats.bootstrap import DRAWS, Smooth, smooth
from audit.stats.estimates import bounded, not_estimable
from audit.stats.rates import EXACT, rate

F1 = "F1 as a function of the overlap, {how}"


def f1(predicted: ArrayLike, true: ArrayLike, *, cluster: ArrayLike | None = None) -> Estimate:
    """Return F1 of predicted[n] and true[n], yes or no: 2 hits / (rows predicted + rows true).

    F1 is 2 J / (1 + J) of the overlap J, the share of the rows that are true or predicted which are both;
    J is a rate, so its exact bounds are F1's. Without such rows there is no value, but a reason.
    """
    p, t = np.asarray(predicted).astype(bool), np.asarray(true).astype(bool)
    either = p | t
    found = rate((p & t)[either], cluster=None if cluster is None else np.asarray(cluster)[either])
    if not isinstance(found.statistic, Rate):
        none = "no row is of the class or predicted to be"
        return not_estimable(found.reason if either.any() else none, found.n, F1.format(how=EXACT))
    return bounded(Mapped(by="f1", of=found.statistic), found.n, F1.format(how=found.method))


def macro_f1(
    predicted: ArrayLike,
    true: ArrayLike,
    classes: int,
    *,
    cluster: ArrayLike | None = None,
    draws: int = DRAWS,
) -> Estimate:
    """Return the plain mean of the classes' F1 of predicted[n] and true[n], codes from 0, bootstrapped.

    A class that no row is of or predicted to be leaves no value, but a reason; so does a model with so few
    wrong rows (about five) that some replicates have none, since their spread is then unknown.
    """
    p, t = np.asarray(predicted), np.asarray(true)
    absent = np.flatnonzero(np.bincount(np.r_[p, t].astype(int), minlength=classes) == 0)
    if len(absent):
        return not_estimable(f"no row is of class number {absent[0]} or predicted to be", len(t))
    columns = f1_columns(p, t, classes)
    return smooth(columns, mean_f1(classes), cluster=cluster, low=0.0, high=1.0, draws=draws)


def f1_columns(predicted: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """Return columns[n, 2 classes] whose totals give every class's F1: its hits, then its rows both ways."""
    one = np.eye(classes)
    return np.concatenate([one[true] * (predicted == true)[:, None], one[true] + one[predicted]], axis=1)


def mean_f1(classes: int) -> Smooth:
    """Return the mean F1 as a function of the totals of `f1_columns`, with its gradient."""

    def function(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, both = totals[:, :classes], totals[:, classes:]
        with np.errstate(divide="ignore", invalid="ignore"):
            each = 2 * hits / both
            gradient = np.concatenate([2 / both, -each / both], axis=1) / classes
        return each.mean(axis=1), gradient

    return function
