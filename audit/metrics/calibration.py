"""Calibration summaries of confidence[n] against correct[n] (NumPy): bins, scores, a test; no intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Bins:
    """Non-empty bins: edges, mean confidence, accuracy and rows of each; index[n] is every row's bin."""

    lower: np.ndarray
    upper: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    n: np.ndarray
    index: np.ndarray


def equal_width(bins: int) -> np.ndarray:
    """Return the edges[bins + 1] that cut 0 to 1 into equal widths (Naeini et al. 2015; Guo et al. 2017)."""
    return np.linspace(0.0, 1.0, bins + 1)


def equal_mass(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the edges of at most `bins` bins of equal size; equal confidences share a bin in any order.

    The edges between 0 and 1 are order statistics; those that coincide through ties are merged. When many
    confidences are exactly 0 the first two edges are 0, and they have a bin of their own.
    """
    inner = np.quantile(confidence, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.concatenate([[0.0], np.unique(np.append(inner, 1.0))])


def reliability(confidence: np.ndarray, correct: np.ndarray, edges: np.ndarray) -> Bins:
    """Return the bins (lower, upper] between edges, the first closed at both ends, so 0.0 and 1.0 belong.

    Raises ValueError when there are no rows or a confidence lies outside 0 to 1.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if len(confidence) == 0 or not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(f"confidence[{len(confidence)}]: expected at least one row and values of 0 to 1")
    cell = _cell(confidence, edges)
    filled, index = np.unique(cell, return_inverse=True)
    n = np.bincount(index)
    return Bins(
        edges[filled],
        edges[filled + 1],
        np.bincount(index, confidence) / n,
        np.bincount(index, correct) / n,
        n,
        index,
    )


def calibration_gap(bins: Bins) -> float:
    """Return the expected calibration error: sum n_k / n |accuracy_k - confidence_k| over the bins."""
    return float((bins.n * np.abs(bins.accuracy - bins.confidence)).sum() / bins.n.sum())


def ece(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins, as papers print it (Guo et al. 2017)."""
    return calibration_gap(reliability(confidence, correct, equal_width(bins)))


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
    order = np.argsort(confidence, kind="stable")
    sorted_confidence = np.asarray(confidence, np.float64)[order]
    edges = equal_mass(sorted_confidence, bins)
    found = reliability(sorted_confidence, np.asarray(correct)[order], edges)
    sums, rng = found.confidence * found.n, np.random.default_rng(seed)
    observed, extreme = np.abs(found.accuracy * found.n - sums).sum(), 0
    starts = np.concatenate([[0], np.cumsum(found.n)[:-1]])
    for _ in range(replicates):
        drawn = rng.random(len(sorted_confidence)) < sorted_confidence
        gap = np.abs(np.add.reduceat(drawn.astype(np.float64), starts) - sums).sum()
        extreme += gap >= observed - 1e-9
    return (1 + int(extreme)) / (1 + replicates)


def probabilities_as_logits(outputs: np.ndarray) -> bool:
    """Return whether outputs[n, k] declared as logits are probabilities, about to be squashed a second time.

    True when every output lies in 0 to 1 and, with several columns, every row sums to 1. Confidence would
    then never pass e / (e + k - 1) (0.73 for one column, which is sigmoid(1)).
    """
    out = np.asarray(outputs, np.float64)
    inside = bool(((out >= 0) & (out <= 1)).all())
    return inside and (out.shape[1] == 1 or bool(np.allclose(out.sum(axis=1), 1, atol=1e-3)))


def _cell(confidence: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin of each confidence: (edges[i], edges[i + 1]], the first closed at 0."""
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)
