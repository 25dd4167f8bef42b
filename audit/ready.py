"""A model that is ready, not trained here: it judges every row, and what it cannot be asked without training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.config import EmbeddedData, ImageData, Loaded, TableData, TextData
from audit.errors import ConfigError
from audit.subject import Dataset

if TYPE_CHECKING:
    from audit.data.roles import SplitPlan

SPLIT = "data.split (in Python plan=audit.SplitPlan())"


def plan_of(
    loaded: Loaded, data: EmbeddedData | TableData | ImageData | TextData, *, ready: bool
) -> SplitPlan:
    """Return how rows are divided: as configured, else the usual fractions; of a ready model's rows every one is test.

    ready: whether a model is given in Python.
    """
    from audit.data.roles import SplitPlan

    seed, given = loaded.config.seed, loaded.config.model
    if data.split is not None:
        return SplitPlan(**data.split.model_dump(exclude={"judge"}), seed=seed)
    alone = not isinstance(data, EmbeddedData) and data.path is None
    if alone or ready or given is None or given.train is None:
        return SplitPlan(by="none", seed=seed)
    return SplitPlan(seed=seed)


def refuse_guesses(loaded: Loaded, data: Dataset, *, ready: bool) -> None:
    """Raise ConfigError where a network's inputs would be numbered after the judged rows, for want of training rows.

    Scores in a model's place have no inputs.
    """
    given = loaded.config.model
    if len(data.splits["train"]) or (not ready and given is not None and given.scores is not None):
        return
    if not ready and given is not None and given.train is not None:
        refuse_training(data)
    codes = [f.name for f in data.features if f.kind == "categorical"]
    if codes:
        raise ConfigError(
            f"categories of {codes[0]!r} without training rows, which number them",
            "the rows that the network was trained on",
            f"give them as path, or divide the rows by {SPLIT}",
        )
    if data.tokens is not None:
        raise ConfigError(
            "texts without training rows, whose vocabulary numbers the tokens",
            "the texts that the network was trained on",
            f"give them as path, or divide the rows by {SPLIT}",
        )


def refuse_training(data: Dataset) -> None:
    """Raise ConfigError where a network is to be trained and no row is left for it."""
    if not len(data.splits.get("train", ())):
        raise ConfigError("model.train: no training rows", "some to fit on", f"divide the rows by {SPLIT}")
