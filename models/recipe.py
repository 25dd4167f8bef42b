"""How a network is trained: a frozen recipe with defaults and ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from models.network import problem

Schedule = Literal["constant", "cosine"]
Optimizer = Literal["adam", "adamw", "sgd"]


@dataclass(frozen=True)
class Augment:
    """How training images [n, height, width, channels] in [0, 1] are changed, each by itself and anew at every step.

    shift: pixels at most, down or up and left or right, edges repeated. flip: left and right exchanged for half of
    them. brightness: most that is added to all pixels, or taken away. contrast: most that the distance of every pixel
    to the image's mean grows or shrinks, as a share of it. cutout: side in pixels of a square, its centre anywhere,
    that gets the image's mean colour (DeVries and Taylor 2017).
    """

    shift: int = 0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name in ("shift", "cutout"):
            _check(name, getattr(self, name), "a whole number of at least 0", _whole(getattr(self, name), 0))
        _check("flip", self.flip, "true or false", isinstance(self.flip, bool))
        for name in ("brightness", "contrast"):
            _check(name, getattr(self, name), "at least 0 and below 1", _number(getattr(self, name), 0, 1))
        changes = any((self.shift, self.flip, self.brightness, self.contrast, self.cutout))
        _check("augment", "nothing", "a shift, flip, brightness, contrast or cutout", changes)

    def __str__(self) -> str:
        amounts = {name: getattr(self, name) for name in ("shift", "brightness", "contrast", "cutout")}
        told = [f"{name} {amount:g}" for name, amount in amounts.items() if amount]
        return ", ".join([*told, "flip"] if self.flip else told)


@dataclass(frozen=True)
class Recipe:
    """A training recipe.

    epochs: passes over the rows at most. batch: rows a step. learning_rate: its peak. weight_decay:
    decoupled for adamw, an L2 penalty's gradient for adam and sgd (momentum 0.9). patience: epochs without
    a validation loss lower by min_delta before stopping, None to run them all. schedule: constant, or
    cosine to 0 over all epochs. warmup: epochs of linear rise. label_smoothing: share of the target spread
    evenly over the classes. class_weights: weight rows so that every class counts the same. mixup: alpha of
    the Beta(alpha, alpha) that a batch's share is drawn from, 0 for none (Zhang et al. 2018). augment: how
    training images are changed.
    """

    epochs: int = 30
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    patience: int | None = 8
    min_delta: float = 0.0
    schedule: Schedule = "cosine"
    warmup: float = 0.0
    label_smoothing: float = 0.0
    class_weights: bool = False
    optimizer: Optimizer = "adamw"
    mixup: float = 0.0
    augment: Augment | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            _check(name, getattr(self, name), "a whole number of at least 1", _whole(getattr(self, name), 1))
        patient = self.patience is None or _whole(self.patience, 1)
        _check("patience", self.patience, "a whole number of at least 1, or null to run every epoch", patient)
        _check("seed", self.seed, "a whole number of at least 0", _whole(self.seed, 0))
        _check(
            "learning_rate",
            self.learning_rate,
            "a number above 0",
            _number(self.learning_rate, 0, math.inf) and self.learning_rate > 0,
        )
        for name in ("weight_decay", "min_delta", "warmup", "mixup"):
            _check(
                name, getattr(self, name), "a number of at least 0", _number(getattr(self, name), 0, math.inf)
            )
        _check(
            "label_smoothing",
            self.label_smoothing,
            "at least 0 and below 1",
            _number(self.label_smoothing, 0, 1),
        )
        _check("class_weights", self.class_weights, "true or false", isinstance(self.class_weights, bool))
        given = self.augment
        _check("augment", given, "Augment or None", given is None or isinstance(given, Augment))
        for name, kind in (("schedule", Schedule), ("optimizer", Optimizer)):
            known = get_args(kind)
            _check(name, getattr(self, name), "one of " + ", ".join(known), getattr(self, name) in known)


def _check(name: str, value: object, expected: str, right: bool) -> None:
    """Raise ValueError in one line unless the value is right."""
    if not right:
        raise problem(f"{name}={value!r}", expected, "correct the training recipe")


def _whole(value: object, least: int) -> bool:
    """Return whether value is a whole number of at least `least`."""
    return type(value) is int and value >= least


def _number(value: object, least: float, below: float) -> bool:
    """Return whether value is a finite number in [least, below)."""
    return type(value) in (int, float) and least <= value < below  # type: ignore[operator]
