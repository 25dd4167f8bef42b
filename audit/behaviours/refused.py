"""Behavioural tests that the data cannot answer, refused in one line before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.behaviours.answers import decisions
from audit.behaviours.examples import made
from audit.behaviours.rows import applies, changed, place_of, placed, scored
from audit.behaviours.written import Changed, Direction, Invariance, Logic, Minimum, Monotone, Then, Written
from audit.errors import ConfigError
from audit.subject import Dataset


def class_of(test: Written, of: str | None, data: Dataset) -> int | None:
    """Return the class whose probability is the test's score, None where it needs none; ConfigError as `scored`."""
    return scored(data, test.score_of or of, needed=needs_score(test))


def refuse(tests: Sequence[Written], of: str | None, data: Dataset) -> None:
    """Raise ConfigError unless names are distinct and every feature, category and class that a test names is there."""
    names = [test.name for test in tests]
    if twice := next((name for name in names if names.count(name) > 1), None):
        given = f"behaviour.tests: two tests named {twice!r}"
        raise ConfigError(given, "a name of its own for each", "rename one")
    for test in tests:
        _modality(test, data)
        class_of(test, of, data)
        _words(test, data)


def _modality(test: Written, data: Dataset) -> None:
    """Raise ConfigError for a test of texts on a table, or the other way about."""
    texts = isinstance(test, Changed | Minimum) and test.of_text
    if texts and (data.tokens is None or data.test.text is None):
        given = f"test {test.name!r}: it changes or writes texts, and the data have none"
        raise ConfigError(given, "a test of features", "use set or add, or examples of set")
    if not texts and not data.features:
        given = f"test {test.name!r}: it is of features, and the data have none"
        raise ConfigError(
            given, "texts: replace, before, after, or examples of text", "mend or drop the test"
        )
    if isinstance(test, Minimum) and data.folds is not None:
        given = f"test {test.name!r}: written rows with data.split.by=folds, and no network's fold holds them"
        raise ConfigError(given, "one network that judges all", "drop the test, or split by fraction")


def _words(test: Written, data: Dataset) -> None:
    """Raise ConfigError for a feature, category or class that the data do not have."""
    x = np.asarray(data.test.x)[:1]
    if isinstance(test, Minimum):
        for example in test.examples:
            _then(test, example.then, data)
        if not test.of_text:
            made(data, test, ())
        return
    applies(data.features, test.name, test.when, x)
    if isinstance(test, Changed):
        changed(data.features, test, x)
    elif isinstance(test, Monotone):
        place_of(data.features, test.name, test.feature, numeric=True)
    else:
        placed(data.features, test.name, test.when, x)
        _then(test, test.then, data)


def _then(test: Written, then: Then, data: Dataset) -> None:
    """Raise ConfigError for a decision where nothing is decided, or an unknown class."""
    if then.decision and data.task == "regression":
        given = f"test {test.name!r}: decision={list(then.decision)} of a predicted number"
        raise ConfigError(given, "score_at_least or score_at_most", "mend the test")
    decisions(data, then)


def needs_score(test: Written) -> bool:
    """Return whether the test is about a score, not the decision alone."""
    if isinstance(test, Logic):
        return not test.then.decision
    if isinstance(test, Minimum):
        return any(not example.then.decision for example in test.examples)
    return isinstance(test, Direction | Monotone) or (isinstance(test, Invariance) and test.score)
