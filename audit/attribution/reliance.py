"""How much of all attribution one player carries, with the delta-method error of a ratio of means (NumPy)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Share:
    """A ratio sum part / sum whole of 0 to 1, its standard error, and the independent units behind it.

    effective is (sum whole)^2 / sum whole^2 over the units: how many units of equal weight that amounts to.
    """

    value: float
    error: float
    units: int
    effective: float

    @property
    def logit(self) -> tuple[float, float]:
        """Return the share and its standard error on the logit scale; ValueError at 0 and 1."""
        odds = self.value * (1 - self.value)
        if odds <= 0:
            raise ValueError(f"share={self.value}: expected one strictly between 0 and 1")
        return math.log(self.value / (1 - self.value)), self.error / odds


def share(part: np.ndarray, whole: np.ndarray, cluster: np.ndarray | None = None) -> Share | None:
    """Return sum part[n] / sum whole[n], each part of 0 to its whole; None where every whole is 0.

    The error is that of a ratio estimator (Cochran 1977, section 6.4): the root of G / (G - 1) times the sum
    of squared residuals part - ratio * whole, over sum whole, with rows of one cluster summed first.
    """
    unit = np.arange(len(part)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    parts, wholes = np.bincount(unit, part), np.bincount(unit, whole)
    units, total = len(wholes), float(wholes.sum())
    if total == 0:
        return None
    ratio = float(parts.sum()) / total
    squares = float(np.square(parts - ratio * wholes).sum())
    error = math.sqrt(units / (units - 1) * squares) / total if units > 1 else math.inf
    return Share(ratio, error, units, total**2 / float(np.square(wholes).sum()))
