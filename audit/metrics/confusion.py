"""Confusion counts of true and predicted classes."""

from __future__ import annotations

import numpy as np


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts[true class, predicted class] (int64) of class codes true[n] and predicted[n].

    Raises ValueError where a code lies outside 0 .. classes - 1.
    """
    true, predicted = np.asarray(true, np.int64), np.asarray(predicted, np.int64)
    for name, codes in (("true", true), ("predicted", predicted)):
        if codes.size and (codes.min() < 0 or codes.max() >= classes):
            given = f"{name}={codes.min()}..{codes.max()}"
            raise ValueError(f"{given}; expected class codes 0..{classes - 1}; recode the classes")
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)
