"""The training block of a configuration's model: how optax trains, and on which changes of the rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from audit.evidence import Frozen
from audit.remedies.options import Adversarial, ParityPenalty, Reduction


class Augment(Frozen):
    """How training images are changed at random, anew at every step; validation and test images never are."""

    shift: int = Field(default=0, ge=0, description="pixels at most in either direction, edges repeated")
    flip: bool = Field(default=False, description="left and right exchanged for half of them")
    brightness: float = Field(
        default=0.0, ge=0, lt=1, description="most that is added to all pixels, or taken"
    )
    contrast: float = Field(
        default=0.0, ge=0, lt=1, description="most that distances to the image's mean grow or shrink, a share"
    )
    cutout: int = Field(
        default=0, ge=0, description="side in pixels of a square that gets the image's mean colour"
    )

    @model_validator(mode="after")
    def _changes(self) -> Augment:
        if not any((self.shift, self.flip, self.brightness, self.contrast, self.cutout)):
            raise ValueError(
                "augment that changes nothing; give a shift, flip, brightness, contrast or cutout"
            )
        return self


class TrainConfig(Frozen):
    """How optax trains; early stopping keeps the parameters of the best validation loss."""

    start: Literal["scratch", "weights"] = Field(
        default="scratch", description="weights: fine-tune those that the model's `weights` names"
    )
    epochs: int = Field(default=30, ge=1)
    batch: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    weight_decay: float = Field(default=0.01, ge=0)
    schedule: Literal["constant", "cosine"] = Field(
        default="cosine", description="cosine falls to 0 over all epochs"
    )
    warmup: float = Field(default=0.0, ge=0, description="epochs of linear rise")
    patience: int | None = Field(
        default=8, ge=1, description="epochs without a better validation loss; null: never"
    )
    min_delta: float = Field(default=0.0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: bool = False
    mixup: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="alpha of Beta(alpha, alpha), the share of a row in its mixture with another; 0: none",
    )
    augment: Augment | None = Field(default=None, description="change training images at random")
    adversarial: Adversarial | None = Field(default=None, description="train on rows moved against the model")
    parity: ParityPenalty | None = Field(default=None, description="a penalty on the gap between groups")
    reductions: Reduction | None = Field(
        default=None, description="train on weighted, relabelled rows for parity between groups"
    )

    @model_validator(mode="after")
    def _one_way(self) -> TrainConfig:
        given = [n for n in ("adversarial", "parity", "reductions") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: one of them")
        if given and self.mixup:
            raise ValueError(f"mixup and {given[0]}: one of them")
        return self
