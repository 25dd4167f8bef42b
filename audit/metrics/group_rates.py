"""The rates compared between groups, and their summaries; definitions as in fairlearn's user guide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Better = Literal["higher", "lower", "neither"]
RateName = Literal[
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "positive_predictive_value",
    "false_omission_rate",
    "accuracy",
]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Per row or cell: is the favourable class the true one, the predicted one; are the two the same."""

    wanted: np.ndarray
    selected: np.ndarray
    correct: np.ndarray


def outcome(true: np.ndarray, predicted: np.ndarray, favourable: int) -> Outcome:
    """Return the outcome of class codes, the favourable class against all the others."""
    return Outcome(true == favourable, predicted == favourable, true == predicted)


KIND_NAMES = (
    ("favourable", "favourable"),
    ("favourable", "other"),
    ("other", "favourable"),
    ("other", "the same other"),
    ("other", "another other"),
)
KINDS = Outcome(  # every kind of row that a rate below tells apart, by its true and its predicted class
    wanted=np.array([True, True, False, False, False]),
    selected=np.array([True, False, True, False, False]),
    correct=np.array([True, False, False, True, False]),
)


def kind(o: Outcome) -> np.ndarray:
    """Return each row's or cell's place in KINDS."""
    return np.select([o.wanted & o.selected, o.wanted, o.selected, o.correct], [0, 1, 2, 3], 4)


@dataclass(frozen=True)
class GroupRate:
    """A rate sum(hits & among) / sum(among), with its label, what is better and one sentence."""

    label: str
    better: Better
    says: str
    hits: Callable[[Outcome], np.ndarray]
    among: Callable[[Outcome], np.ndarray]


def _everyone(o: Outcome) -> np.ndarray:
    """Return a mask that holds everywhere."""
    return np.ones_like(o.correct)


RATES: dict[RateName, GroupRate] = {
    "selection_rate": GroupRate(
        "Selection rate",
        "neither",
        "Share of the group's rows to which the model gives the favourable outcome.",
        hits=lambda o: o.selected,
        among=_everyone,
    ),
    "true_positive_rate": GroupRate(
        "True positive rate",
        "higher",
        "Share given the favourable outcome among the group's rows that truly have it.",
        hits=lambda o: o.selected,
        among=lambda o: o.wanted,
    ),
    "false_positive_rate": GroupRate(
        "False positive rate",
        "lower",
        "Share given the favourable outcome among the group's rows that truly do not have it.",
        hits=lambda o: o.selected,
        among=lambda o: ~o.wanted,
    ),
    "positive_predictive_value": GroupRate(
        "Positive predictive value",
        "higher",
        "Share that truly has the favourable outcome among the group's rows that are given it.",
        hits=lambda o: o.wanted,
        among=lambda o: o.selected,
    ),
    "false_omission_rate": GroupRate(
        "False omission rate",
        "lower",
        "Share that truly has the favourable outcome among the group's rows that are not given it.",
        hits=lambda o: o.wanted,
        among=lambda o: ~o.selected,
    ),
    "accuracy": GroupRate(
        "Accuracy",
        "higher",
        "Share of the group's rows whose predicted class is the true one.",
        hits=lambda o: o.correct,
        among=_everyone,
    ),
}


@dataclass(frozen=True)
class Gap:
    """A summary of one rate over the groups, with its label, what is better and one sentence."""

    rate: RateName
    of: Literal["difference", "ratio", "minimum"]
    label: str
    better: Better
    says: str


def _difference(rate: RateName, also: str) -> Gap:
    """Return the gap that is the largest minus the smallest rate."""
    label = RATES[rate].label
    says = f"Largest minus smallest {label.lower()} of the groups{also}."
    return Gap(rate, "difference", f"{label} difference", "lower", says)


GAPS: dict[str, Gap] = {
    "selection_rate_difference": _difference("selection_rate", " (demographic parity difference)"),
    "impact_ratio": Gap(
        "selection_rate",
        "ratio",
        "Impact ratio",
        "higher",
        "Smallest over largest selection rate of the groups (demographic parity ratio).",
    ),
    "true_positive_rate_difference": _difference("true_positive_rate", " (equal opportunity difference)"),
    "false_positive_rate_difference": _difference("false_positive_rate", " (predictive equality)"),
    "positive_predictive_value_difference": _difference("positive_predictive_value", " (predictive parity)"),
    "false_omission_rate_difference": _difference("false_omission_rate", ""),
    "accuracy_difference": _difference("accuracy", ""),
    "accuracy_minimum": Gap(
        "accuracy",
        "minimum",
        "Lowest accuracy of a group",
        "higher",
        "Accuracy of the group that the model serves worst.",
    ),
}
