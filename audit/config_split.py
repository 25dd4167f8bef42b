"""The parts of a data block that say which rows are judged: the split, and a test file alone."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from audit.evidence import Frozen

WHOLE = "null: as {} where a network is trained here, else by: none (a model that is ready judges every row)"
ALONE = "null: the rows of test alone, all judged by a model that is ready"


class SplitConfig(Frozen):
    """How rows are divided; fractions are of all rows (of the training file where test is a file)."""

    by: Literal["fraction", "column", "cluster", "time", "folds", "none"] = Field(
        default="fraction",
        description="time: train is earliest and test latest, whole clusters where there are any; folds: every row "
        "is judged, by a network trained without its fold; none: every row is judged, by a model that is ready",
    )
    column: str | None = Field(
        default=None, description="by column: holds train, validation, calibration or test"
    )
    validation: float = Field(default=0.1, ge=0, lt=1)
    calibration: float = Field(default=0.1, ge=0, lt=1)
    test: float = Field(default=0.2, ge=0, le=1)
    folds: int | None = Field(default=None, ge=2, le=20, description="by folds: how many, 5 unless said")
    judge: Literal["model", "training_procedure"] = Field(
        default="model",
        description="by folds: training_procedure says that the verdict is meant for the way of training, whose "
        "networks are judged, and not for one network to be released; without it folds cannot PASS",
    )

    @model_validator(mode="before")
    @classmethod
    def _folded(cls, given: Any) -> Any:
        """Return the block with what `by: folds` leaves no choice in."""
        if not isinstance(given, dict):
            return given
        if given.get("by") != "folds":
            if given.get("folds") is not None:
                raise ValueError("folds without by: folds")
            if given.get("judge", "model") != "model":
                raise ValueError("judge: training_procedure without by: folds")
            if given.get("by") == "none" and given.get("test", 1) != 1:
                raise ValueError("by: none with test: every row is judged; leave it out")
            return given
        if given.get("calibration", 0) != 0 or given.get("test", 1) != 1:
            raise ValueError(
                "by: folds with calibration or test rows apart: every row is judged; leave both out"
            )
        return {"folds": 5, **given, "calibration": 0.0, "test": 1.0}


def refuse_no_file(path: str | None, test: str | None, split: SplitConfig | None) -> None:
    """Raise ValueError where no file is named, or a test file alone is to be divided."""
    if path is None and test is None:
        raise ValueError("path, or test alone where a ready model judges all of its rows")
    if path is None and split is not None and split.by != "none":
        raise ValueError(f"split by {split.by} of test alone: all of its rows are judged; name the file path")
