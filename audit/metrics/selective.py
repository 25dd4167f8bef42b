"""Selective prediction: risk and coverage as rows of low confidence are turned away (NumPy)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Area:
    """An area under a risk-coverage curve, and influence[n] of every row on it (mean 0), in the rows' order."""

    value: float
    influence: np.ndarray


def risk_coverage(confidence: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return risk[n] of the k = 1..n most confident rows and the generalised risk[n], errors accepted over n.

    Rows of equal confidence come in all orders at once: the errors among them are spread evenly over them.
    Raises ValueError without rows.
    """
    _, accepted = _accepted(confidence, wrong)
    k = np.arange(1, len(accepted) + 1)
    return accepted / k, accepted / len(accepted)


def aurc(confidence: np.ndarray, wrong: np.ndarray) -> Area:
    """Return the area under the risk-coverage curve, the mean over k of the error rate of the k most confident.

    Geifman, Uziel and El-Yaniv 2019. Its influence is that of the mean of wrong * (-log coverage).
    """
    order, accepted = _accepted(confidence, wrong)
    n = len(order)
    k = np.arange(1, n + 1)
    value = float(np.mean(accepted / k))
    weight = np.cumsum((1 / k)[::-1])[::-1]  # of an error at place k: the sum of 1 / j from k on
    own = np.diff(np.r_[0.0, accepted])
    displaced = np.cumsum((own / k)[::-1])[::-1]
    starts = _starts(np.asarray(confidence, np.float64)[order])
    weight, displaced = _levelled(weight, starts), _levelled(displaced, starts)
    return _area(value, np.asarray(wrong, float)[order] * weight - displaced, order)


def augrc(confidence: np.ndarray, wrong: np.ndarray) -> Area:
    """Return the area under the generalised risk-coverage curve: the mean of errors accepted over all rows.

    Traub et al. 2024: the chance that a row is wrong and another's threshold accepts it,
    (1 - AUROC of the confidence) * accuracy * error + error^2 / 2.
    """
    order, _ = _accepted(confidence, wrong)
    e, n = np.asarray(wrong, np.float64)[order], len(order)
    starts = _starts(np.asarray(confidence, np.float64)[order])
    place = _levelled(np.arange(n) + 0.5, starts) / n
    accepts = 1 - place  # share of thresholds that accept the row
    before = _levelled(np.cumsum(e) - e / 2, starts) / n  # share of rows, wrong, that its threshold accepts
    return _area(float(np.mean(e * accepts)), e * accepts + before, order)


def _accepted(confidence: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of falling confidence and the errors[n] among the first k, ties sharing theirs evenly."""
    c, e = np.asarray(confidence, np.float64), np.asarray(wrong, np.float64)
    if len(c) == 0 or c.shape != e.shape:
        raise ValueError(f"confidence{c.shape} and wrong{e.shape}: expected the same rows, one at least")
    order = np.lexsort((e, -c))
    return order, np.cumsum(_levelled(e[order], _starts(c[order])))


def _starts(ordered: np.ndarray) -> np.ndarray:
    """Return where runs of equal values start."""
    return np.flatnonzero(np.r_[True, np.diff(ordered) != 0])


def _levelled(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return values[n] averaged within the runs that start there."""
    rows = np.diff(np.r_[starts, len(values)])
    return np.repeat(np.add.reduceat(values, starts) / rows, rows)


def _area(value: float, raw: np.ndarray, order: np.ndarray) -> Area:
    """Return the area with its influence, centred and put back into the rows' order."""
    influence = np.empty(len(raw))
    influence[order] = raw - raw.mean()
    return Area(value, influence)
