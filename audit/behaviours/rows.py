"""Rows of a table as a behavioural test changes them, and the score and decision that it is about (NumPy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audit.behaviours.written import Changed, Logic, Value, Within
from audit.errors import ConfigError
from audit.names import name_of
from audit.registry import nearest
from audit.subject import UNDECIDED, Dataset, Feature, Subject, decide, probabilities, run_model


@dataclass(frozen=True, eq=False)
class Judged:
    """A subject, and the class whose probability is the score (None: regression, the output itself; or no score)."""

    subject: Subject
    scored: int | None

    def outputs(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the score[m] of inputs x[m, ...] (0 where there is none), and the class decided[m], if any is.

        Where an output is not finite the score is NaN, even where there is none, and nothing is decided (UNDECIDED).
        """
        out = run_model(self.subject.model, x)
        if self.subject.data.task == "regression":
            score = np.asarray(out, np.float64)[:, 0]
            return np.where(np.isfinite(score), score, np.nan), None
        decided = decide(out, self.subject.model)
        if self.scored is None:
            return np.where(decided == UNDECIDED, np.nan, 0.0), decided
        return probabilities(out, self.subject.model.outputs)[:, self.scored], decided

    @property
    def has_score(self) -> bool:
        """Return whether outputs have a score."""
        return self.scored is not None or self.subject.data.task == "regression"

    @property
    def known(self) -> np.ndarray:
        """Return the training rows[n, d], the judged ones where there are none."""
        return known(self.subject.data)

    def whole(self) -> np.ndarray:
        """Return which features[d] have whole values only."""
        return (self.known == np.round(self.known)).all(axis=0)


def known(data: Dataset) -> np.ndarray:
    """Return the training rows[n, d], the judged ones where there are none."""
    train = data.splits.get("train")
    return np.asarray((train if train is not None and len(train) else data.test).x)


def scored(data: Dataset, of: str | None, *, needed: bool) -> int | None:
    """Return which class is scored: the one asked for, else the favourable one, else class 1 of two.

    None in regression, and where there is none and none is needed; ConfigError for an unknown class, or none.
    """
    if data.task == "regression":
        return None
    if of is not None:
        if of not in data.classes:
            raise ConfigError(f"behaviour.tests: score_of={of!r}", nearest(of, data.classes), "name a class")
        return data.classes.index(of)
    if data.favourable is not None or data.task == "binary":
        return 1 if data.favourable is None else data.favourable
    if needed:
        given = f"behaviour.tests: a score of which of {len(data.classes)} classes"
        raise ConfigError(given, "a class", "add score_of: CLASS")
    return None


def place_of(features: tuple[Feature, ...], test: str, name: str, *, numeric: bool = False) -> int:
    """Return the column of a feature by name; ConfigError for an unknown one, or a category where a number is meant."""
    at = next((i for i, f in enumerate(features) if f.name == name), None)
    if at is None:
        raise ConfigError(
            f"test {test!r}: feature {name!r}", nearest(name, [f.name for f in features]), "mend the name"
        )
    if numeric and features[at].kind == "categorical":
        raise ConfigError(f"test {test!r}: {name!r} has categories", "a numeric feature", "use set, or among")
    return at


def code_of(feature: Feature, test: str, value: Value) -> float:
    """Return the number that stands for a value of a feature; ConfigError for an unknown category or no number."""
    if feature.kind == "categorical":
        name = name_of(value)
        if name not in feature.categories:
            known = nearest(name, feature.categories)
            raise ConfigError(
                f"test {test!r}: {feature.name}={value!r}", known, "name a category of the training rows"
            )
        return 1.0 + feature.categories.index(name)
    try:
        number = float(value)
    except ValueError:
        raise ConfigError(f"test {test!r}: {feature.name}={value!r}", "a number", "mend the value") from None
    low = -np.inf if feature.low is None else feature.low
    high = np.inf if feature.high is None else feature.high
    if not low <= number <= high:
        raise ConfigError(
            f"test {test!r}: {feature.name}={number:g}", f"{low:g} to {high:g}", "stay in its range"
        )
    return number


def applies(
    features: tuple[Feature, ...], test: str, when: Mapping[str, Within], x: np.ndarray
) -> np.ndarray:
    """Return which of x[n, d] the test is about."""
    held = np.ones(len(x), bool)
    for name, within in when.items():
        at = place_of(features, test, name, numeric=not within.among)
        if within.among:
            held &= np.isin(x[:, at], [code_of(features[at], test, value) for value in within.among])
        else:
            low = -np.inf if within.at_least is None else within.at_least
            high = np.inf if within.at_most is None else within.at_most
            held &= (x[:, at] >= low) & (x[:, at] <= high)
    return held


def changed(features: tuple[Feature, ...], test: Changed, x: np.ndarray) -> np.ndarray:
    """Return x[n, d] as the test changes it, what is added kept within each feature's range."""
    made = np.array(x)
    for name, value in test.set.items():
        at = place_of(features, test.name, name)
        made[:, at] = code_of(features[at], test.name, value)
    for name, by in test.add.items():
        at = place_of(features, test.name, name, numeric=True)
        made[:, at] = np.clip(x[:, at] + np.float32(by), features[at].low, features[at].high)
    return made


def placed(features: tuple[Feature, ...], test: str, when: Mapping[str, Within], x: np.ndarray) -> np.ndarray:
    """Return x[n, d] moved to the nearest values for which `when` holds; other categories become the first named."""
    made = np.array(x)
    for name, within in when.items():
        at = place_of(features, test, name, numeric=not within.among)
        if within.among:
            codes = [code_of(features[at], test, value) for value in within.among]
            made[:, at] = np.where(np.isin(x[:, at], codes), x[:, at], codes[0])
        else:
            made[:, at] = np.clip(x[:, at], *_ends(features[at], test, within))
    return made


def within(feature: Feature, test: Logic, known: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return values[m] for which `when` holds of the feature: at part[m] of its allowed range, or among categories.

    The range ends at the training values known[n] where neither the test nor the feature ends it, or at the test's own
    end where that lies beyond them.
    """
    allowed = test.when[feature.name]
    if allowed.among:
        codes = np.asarray([code_of(feature, test.name, value) for value in allowed.among])
        return codes[np.minimum((part * len(codes)).astype(int), len(codes) - 1)]
    low, high = _ends(feature, test.name, allowed)
    least = low if allowed.at_least is not None else max(low, min(float(known.min()), high))
    most = high if allowed.at_most is not None else min(high, max(float(known.max()), least))
    return least + part * (most - least)


def _ends(feature: Feature, test: str, within: Within) -> tuple[float, float]:
    """Return the least and largest value that a number may be moved to; ConfigError where none is in its range."""
    low, high = (
        -np.inf if feature.low is None else feature.low,
        np.inf if feature.high is None else feature.high,
    )
    least = low if within.at_least is None else max(low, within.at_least)
    most = high if within.at_most is None else min(high, within.at_most)
    if least > most:
        raise ConfigError(
            f"test {test!r}: {feature.name} of {least:g} to {most:g}",
            f"{low:g} to {high:g}",
            "stay in its range",
        )
    return least, most
