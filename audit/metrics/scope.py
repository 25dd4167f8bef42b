"""How much a model claims to know an input: scores that should be low for inputs of none of its classes (NumPy)."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp


def scores(outputs: np.ndarray, probabilities: np.ndarray, *, logits: bool) -> dict[str, np.ndarray]:
    """Return each score[n] by name, the higher the surer, of outputs[n, k] and probabilities[n, classes].

    probability: the largest (Hendrycks and Gimpel 2017). Of logits of two columns or more also logit: the largest
    (Hendrycks et al. 2022), and energy: log sum exp of the logits, minus the energy of Liu et al. (2020). In single
    precision, as outputs are, so that equal inputs tie.
    """
    found = {"probability": probabilities.max(axis=1)}
    if logits and outputs.shape[1] > 1:
        z = np.asarray(outputs, np.float64)
        found |= {"logit": z.max(axis=1), "energy": logsumexp(z, axis=1)}
    return {name: one.astype(np.float32) for name, one in found.items()}


def threshold(inside: np.ndarray, share: float) -> float:
    """Return the largest threshold at or above which at least this share of the inside scores lies."""
    ordered = np.sort(inside)[::-1]
    return float(ordered[min(int(np.ceil(share * len(ordered) - 1e-9)), len(ordered)) - 1])
