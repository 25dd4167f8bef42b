"""One-vs-rest rates of every class, as masks over the cells (true class, predicted class)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

ClassRateName = Literal[
    "true_positive_rate", "false_positive_rate", "positive_predictive_value", "selection_rate"
]
Mask = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ClassRate:
    """A rate sum(hits & among) / sum(among) of is-the-class[n] and predicted-as-it[n], and its words."""

    label: str
    better: Literal["higher", "lower", "neither"]
    says: str
    hits: Mask
    among: Mask


CLASS_RATES: dict[ClassRateName, ClassRate] = {
    "true_positive_rate": ClassRate(
        "True positive rate",
        "higher",
        "Share predicted as the class among the group's rows that are of it (recall).",
        hits=lambda true, predicted: predicted,
        among=lambda true, predicted: true,
    ),
    "false_positive_rate": ClassRate(
        "False positive rate",
        "lower",
        "Share predicted as the class among the group's rows that are not of it.",
        hits=lambda true, predicted: predicted,
        among=lambda true, predicted: ~true,
    ),
    "positive_predictive_value": ClassRate(
        "Positive predictive value",
        "higher",
        "Share that is of the class among the group's rows that are predicted as it (precision).",
        hits=lambda true, predicted: true,
        among=lambda true, predicted: predicted,
    ),
    "selection_rate": ClassRate(
        "Selection rate",
        "neither",
        "Share of the group's rows that is predicted as the class.",
        hits=lambda true, predicted: predicted,
        among=lambda true, predicted: np.ones_like(true),
    ),
}
