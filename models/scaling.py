"""Scaling of logits so that their probabilities come true: temperature and vector scaling (NumPy, SciPy)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

Method = Literal["temperature", "vector"]
FARTHEST = 100.0  # slopes and intercepts end here: rows that are all decided right have no finite best ones


@dataclass(frozen=True, eq=False)
class Scaling:
    """slope[k] and intercept[k] of the outputs: logit -> slope * logit + intercept."""

    method: Method
    slope: np.ndarray
    intercept: np.ndarray

    def __str__(self) -> str:
        if self.method == "temperature":
            return f"T = {1 / self.slope[0]:.4g}"
        pairs = zip(self.slope, self.intercept, strict=True)
        return ", ".join(f"{a:.4g} z {'-' if b < 0 else '+'} {abs(b):.4g}" for a, b in pairs)


def fit_scaling(logits: np.ndarray, y: np.ndarray, method: Method) -> Scaling:
    """Return the scaling of logits[n, k] (k = 1: log-odds of class 1) with the least log loss for classes y[n].

    'temperature': one slope 1/T (Guo et al. 2017, On calibration of modern neural networks). 'vector': a slope
    above 0 and an intercept an output (ibid.; of one output Platt scaling, 1999). Raises ValueError without
    rows, or where a logit is not finite.
    """
    z = np.asarray(logits, np.float64)
    if not len(z) or not np.isfinite(z).all():
        raise ValueError(f"logits of shape {z.shape}; expected at least one row, all finite; mend the model")
    k = z.shape[1]
    one = method == "temperature"

    def parts(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (np.repeat(theta, k), np.zeros(k)) if one else (theta[:k], theta[k:])

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slope, intercept = parts(theta)
        value, pull = _log_loss(slope * z + intercept, y)
        steep = (pull * z).sum(axis=0)
        return value, steep.sum(keepdims=True) if one else np.append(steep, pull.sum(axis=0))

    start = np.ones(1) if one else np.append(np.ones(k), np.zeros(k))
    bounds = [(1 / FARTHEST, FARTHEST)] * (1 if one else k) + [(-FARTHEST, FARTHEST)] * (0 if one else k)
    options = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000}
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options)
    return Scaling(method, *parts(found.x))


def _log_loss(z: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean log loss of logits z[n, k] and its gradient[n, k]."""
    n, k = z.shape
    if k == 1:
        right = 2.0 * y[:, None] - 1
        return float(np.logaddexp(0, -right * z).mean()), -right * expit(-right * z) / n
    true = np.eye(k)[y]
    return -float((true * log_softmax(z, axis=1)).sum()) / n, (softmax(z, axis=1) - true) / n
