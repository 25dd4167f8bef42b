"""Calibration summaries of confidence[n] against correct[n] (NumPy): bins, scores, a test; no intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 4096  # rows whose logits are softened at a time, in one buffer that stays in the cache


@dataclass(frozen=True, eq=False)
class Bins:
    """Non-empty bins: edges, mean confidence, accuracy and rows of each; index[n] is every row's bin."""

    lower: np.ndarray
    upper: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    n: np.ndarray
    index: np.ndarray


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int) -> Bins:
    """Return at most `bins` bins of equal size of confidence[n], with the accuracy of correct[n] in each.

    The inner edges are order statistics, each the first value of the bin above; equal confidences share a
    bin, whatever the order of rows, and 0.0 and 1.0 belong to the ends. Raises ValueError when there are no
    rows or a confidence lies outside 0 to 1.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    n = len(confidence)
    if n == 0 or not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(f"confidence[{n}]: expected at least one row, and values of 0 to 1")
    inner = np.unique(np.sort(confidence)[np.arange(1, bins) * n // bins])
    filled, index = np.unique(np.searchsorted(inner, confidence, side="right"), return_inverse=True)
    edges, rows = np.concatenate([[0.0], inner, [1.0]]), np.bincount(index)
    mean, accuracy = np.bincount(index, confidence) / rows, np.bincount(index, correct) / rows
    return Bins(edges[filled], edges[filled + 1], mean, accuracy, rows, index)


def top_label(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the softmax probability[n] of the largest of logits[n, classes], and its class[n].

    In the logits' own floating precision; the other classes' probabilities are never kept. Of equal logits
    the first class counts, as argmax has it.
    """
    n, classes = logits.shape
    confidence, label = np.empty(n, logits.dtype), np.zeros(n, np.int32)
    buffer, most = np.empty((classes, BLOCK), logits.dtype), np.empty(BLOCK, logits.dtype)
    for start in range(0, n, BLOCK):
        rows = min(BLOCK, n - start)
        block, highest, first = buffer[:, :rows], most[:rows], label[start : start + rows]
        np.copyto(block, logits[start : start + rows].T)
        np.max(block, axis=0, out=highest)
        for c in range(classes - 1, -1, -1):
            np.copyto(first, c, where=block[c] == highest)
        np.subtract(block, highest, out=block)
        np.exp(block, out=block)
        np.divide(1, np.sum(block, axis=0, out=highest), out=confidence[start : start + rows])
    return confidence, label


def squared_error(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the Brier score of each row[n] of probabilities[n, classes] for its class y[n] (Brier 1950).

    Two classes: (p_1 - y)^2, of 0 to 1. More: the sum over classes of (p_c - [y = c])^2, of 0 to 2.
    """
    error = np.square(probabilities - np.eye(probabilities.shape[1])[y])
    return error[:, 1] if probabilities.shape[1] == 2 else error.sum(axis=1)


def log_loss(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the negative log-likelihood[n] of each row's class y[n]; probability 0 is read as 2.2e-16."""
    of_class = np.take_along_axis(np.asarray(probabilities, np.float64), y[:, None].astype(int), axis=1)[:, 0]
    return -np.log(np.maximum(of_class, np.finfo(np.float64).eps))


def consistency_test(
    confidence: np.ndarray, correct: np.ndarray, *, bins: int = 15, replicates: int = 999, seed: int = 0
) -> float:
    """Return the p-value of perfect calibration: how often outcomes drawn from confidence gap as much.

    Consistency resampling (Bröcker & Smith 2007): correct ~ Bernoulli(confidence) in every replicate, and
    p = (1 + #{drawn >= observed}) / (1 + replicates) of the calibration error over equal-mass bins.
    Rows are sorted first, so that their order does not matter.
    """
    order = np.lexsort((correct, confidence))
    confidence, correct = np.asarray(confidence, np.float64)[order], np.asarray(correct, np.float64)[order]
    found, rng = reliability(confidence, correct, bins), np.random.default_rng(seed)
    starts = np.searchsorted(found.index, np.arange(len(found.n)))

    def gap(outcome: np.ndarray) -> float:
        return float(np.abs(np.add.reduceat(outcome - confidence, starts)).sum())

    observed = gap(correct) - 1e-9
    extreme = sum(gap(rng.random(len(confidence)) < confidence) >= observed for _ in range(replicates))
    return (1 + extreme) / (1 + replicates)
