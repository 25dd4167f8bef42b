"""The rows that a parity constraint compares: of which classes, in which groups; refused where there are none."""

from __future__ import annotations

import numpy as np

from audit.errors import ConfigError
from audit.remedies.options import ParityPenalty, Reduction
from audit.subject import Dataset, Split

_GIVEN = {
    "demographic_parity": ("any",),
    "error_rate_parity": ("any",),
    "true_positive_rate_parity": ("favourable",),
    "false_positive_rate_parity": ("other",),
    "equalized_odds": ("favourable", "other"),
}


def refuse_task(data: Dataset, attribute: str, given: str) -> None:
    """Raise ConfigError unless the task has two classes, one of them favourable, and the attribute is sensitive."""
    if data.task != "binary" or data.favourable is None:
        favourable = None if data.favourable is None else data.classes[data.favourable]
        given = f"{given} for a {data.task} task, favourable={favourable}"
        raise ConfigError(given, "two classes, one declared favourable", "leave it out")
    if attribute not in data.test.groups:
        known = ", ".join(data.test.groups) or "none is declared"
        raise ConfigError(f"{given}: attribute={attribute!r}", f"a sensitive attribute ({known})", "mend it")


def refuse(data: Dataset, how: ParityPenalty | Reduction, given: str) -> None:
    """Raise ConfigError where the training rows have nothing to compare, before any work."""
    refuse_task(data, how.attribute, given)
    train = data.splits.get("train")
    if train is None or not len(train) or how.attribute not in train.groups:
        expected = "training rows with it"
        raise ConfigError(
            f"{given}: attribute={how.attribute!r} unknown in train", expected, "add its groups"
        )
    groups = groups_of(train, how.attribute)
    if len(np.unique(groups)) < 2:
        given = f"{given}: {how.attribute} is {groups[0]!s} in every training row"
        raise ConfigError(given, "two groups to compare", "leave it out")
    events = events_of(train, how.constraint, data.favourable)
    for name, event in zip(_GIVEN[how.constraint], events.T, strict=True):
        empty = [g for g in np.unique(groups) if not event[groups == g].any()]
        if empty:
            given = f"{given}: {how.attribute}={empty[0]!s} has no training row of the {name} class"
            raise ConfigError(
                given, f"some, for {how.constraint}", "join groups, or choose another constraint"
            )


def groups_of(split: Split, attribute: str) -> np.ndarray:
    """Return the group[n] of a split's rows as text."""
    return np.asarray(split.groups[attribute], str)


def events_of(split: Split, constraint: str, favourable: int | None) -> np.ndarray:
    """Return event[n, e]: whether a row is among those of each class that a constraint compares groups within."""
    good = np.asarray(split.y) == favourable
    masks = {"any": np.ones(len(split), bool), "favourable": good, "other": ~good}
    return np.stack([masks[name] for name in _GIVEN[constraint]], axis=1)
