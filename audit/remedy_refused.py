"""Which remedies are refused before any work: what they need is not there, or is done already."""

from __future__ import annotations

from audit import parity, training
from audit.config import Loaded
from audit.crossfit import FOLDS
from audit.errors import ConfigError
from audit.remedies import Remedy, find
from audit.remedies.options import WAYS, Parity, ParityPenalty, Reduction
from audit.subject import Dataset

_TRAINS = {"adversarial_training": "adversarial", "constraint": "parity", "reductions": "reductions"}


def refuse(loaded: Loaded, data: Dataset, *, trained_here: bool) -> None:
    """Raise ConfigError, before any work, for a remedy that cannot be tried as configured."""
    for name, options in loaded.remedies:
        if data.folds is not None:
            raise ConfigError(f"remedies: {name} with {FOLDS}", "validation rows apart", "split by fraction")
        remedy = find(name)
        absent = [check for check in remedy.checks if check not in loaded.options]
        if absent:
            raise ConfigError(
                f"remedies: {name} without the check {absent[0]}", "what it chooses by", "add it"
            )
        for field, there in _already(loaded, name).items():
            if there is not None:
                raise ConfigError(f"remedies: {name} with {field}", "one of the two", f"leave {field} out")
        if remedy.trains and not trained_here:
            raise ConfigError(f"remedies: {name} of a model not trained here", "model.train", "add it")
        _without_rows(remedy, data)
        for candidate in getattr(options, "candidates", ()):
            _candidate(candidate, loaded, data, f"remedies: {name}")


def _already(loaded: Loaded, remedy: str) -> dict[str, object]:
    """Return the fields whose work a remedy would do a second time, with what they hold."""
    model = loaded.config.model
    if remedy in _TRAINS:
        others = [way for way in WAYS.values() if way != _TRAINS[remedy]]
        already = {f"model.train.{way}": getattr(model and model.train, way, None) for way in others}
        return {**already, "model.train.mixup": getattr(model and model.train, "mixup", None) or None}
    thresholds = {"decision.parity": loaded.config.decision.parity}
    scaling = {"model.scaling": model and model.scaling}
    return {"scaling": {**scaling, **thresholds}, "thresholds": thresholds}.get(remedy, {})


def _without_rows(remedy: Remedy, data: Dataset) -> None:
    """Raise ConfigError where a split that a remedy needs has no rows."""
    uses = {"validation": "some to choose by", **dict.fromkeys(remedy.splits, "some to fit on")}
    for split, use in uses.items():
        if not len(data.splits.get(split, ())):
            raise ConfigError(f"remedies: {remedy.name} without {split} rows", use, "split them off")


def _candidate(candidate: object, loaded: Loaded, data: Dataset, where: str) -> None:
    """Raise ConfigError for a candidate that the data's groups do not allow."""
    if isinstance(candidate, Parity):
        parity.refuse(data, candidate, where)
    elif isinstance(candidate, ParityPenalty | Reduction) and loaded.config.model is not None:
        training.refuse_way(candidate, loaded.config.model, data, where)
