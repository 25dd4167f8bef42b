"""Decisions by thresholds of each group that satisfy a parity constraint (Hardt, Price & Srebro 2016)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.errors import ConfigError, ModelError
from audit.remedies.options import Parity
from audit.remedies.parity_rows import refuse_task
from audit.subject import Dataset, Model, decide, observe, probabilities

FITTED = "calibration"
Chance = Callable[[np.ndarray], np.ndarray]  # scores[n] -> chance[n] of the favourable outcome


@dataclass(frozen=True, eq=False)
class _Rule:
    """A model's decisions on a dataset by the chances that were fitted for each group."""

    model: Model
    data: Dataset
    how: Parity
    fitted: Mapping[str, Chance]

    def groups(self, name: str) -> np.ndarray:
        """Return the group[n] of a split's rows."""
        return np.asarray(self.data.splits[name].groups[self.how.attribute], str)

    def chances(self, name: str, outputs: np.ndarray) -> np.ndarray:
        """Return the chance[n] of the favourable outcome; of a group not met in fitting, the model's own decision."""
        groups, score = self.groups(name), _score(self.model, self.data, outputs)
        chance = (decide(outputs, self.model) == self.data.favourable).astype(float)
        for group, of in self.fitted.items():
            chance[groups == group] = of(score[groups == group])
        return chance

    def decided(self, name: str, outputs: np.ndarray, seed: int) -> np.ndarray:
        """Return the class[n] decided for each row."""
        good = self.data.favourable
        assert good is not None
        drawn = np.array([_uniform(f"{seed}/{row}") for row in self.data.splits[name].id.tolist()])
        return np.where(drawn < self.chances(name, outputs), good, 1 - good).astype(np.int32)

    def says(self, outputs: np.ndarray) -> str:
        """Return what was fitted, and how many test rows were decided by a draw or by the model's own rule."""
        chance, rows = self.chances("test", outputs), len(outputs)
        drawn = int(((chance > 0) & (chance < 1)).sum())
        unknown = int((~np.isin(self.groups("test"), list(self.fitted))).sum())
        return (
            f"Decided by thresholds of each group for {self.how}, fitted on {len(self.data.splits[FITTED]):,} {FITTED} "
            "rows with fairlearn's ThresholdOptimizer: to decide, the attribute must be known. "
            f"{drawn:,} of {rows:,} test rows were decided by a draw"
            + (f", {unknown:,} of groups not met in fitting by the model's own rule." if unknown else ".")
        )


def refuse(data: Dataset, how: Parity, given: str) -> None:
    """Raise ConfigError where no such thresholds can be fitted."""
    refuse_task(data, how.attribute, given)
    if not len(data.splits.get(FITTED, ())):
        raise ConfigError(f"{given} without {FITTED} rows", "some to fit on", "split them off")


def with_parity(model: Model, data: Dataset, how: Parity, seed: int) -> Model:
    """Return the model with decisions of the test, validation and calibration rows by thresholds of each group.

    fairlearn's ThresholdOptimizer finds them on the calibration rows: of all randomised thresholds that satisfy the
    constraint there, the most accurate. A randomised decision is drawn by row id and seed, always the same.
    A group that the calibration rows lack is decided as before. Raises ConfigError, and ModelError where
    a group of the calibration rows has one class alone.
    """
    refuse(data, how, "decision.parity")
    splits = [name for name in ("test", "validation", FITTED) if len(data.splits.get(name, ()))]
    every = {name: _outputs(model, data, name) for name in splits}
    outputs = {name: out for name, out in every.items() if out is not None}
    if FITTED not in outputs:
        raise ModelError(f"decision.parity of scores without {FITTED} rows", "scores of them too", "add them")
    rule = _Rule(model, data, how, _fitted(model, data, how, outputs[FITTED]))
    decisions = {name: rule.decided(name, out, seed) for name, out in outputs.items()}
    return replace(model, decisions=decisions, notes=(*model.notes, rule.says(outputs["test"])))


def _outputs(model: Model, data: Dataset, name: str) -> np.ndarray | None:
    """Return the outputs on a split; None where a file of scores lacks it."""
    if model.apply is None:
        return model.scores.get(name)
    return observe(model, replace(data, splits={FITTED: data.splits[name]})).outputs[FITTED]


def _score(model: Model, data: Dataset, outputs: np.ndarray) -> np.ndarray:
    """Return the probability[n] of the favourable outcome."""
    assert data.favourable is not None
    return probabilities(outputs, model.outputs)[:, data.favourable]


def _fitted(model: Model, data: Dataset, how: Parity, outputs: np.ndarray) -> Mapping[str, Chance]:
    """Return each group's chance of the favourable outcome, as a function of the score."""
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator

    class Scores(BaseEstimator):
        """Hands on the scores that it is given."""

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, X: Any, y: Any = None) -> Any:
            return self

        def predict(self, X: Any) -> np.ndarray:
            return np.asarray(X)[:, 0]

    split, scores = data.splits[FITTED], _score(model, data, outputs)[:, None]
    groups = np.asarray(split.groups[how.attribute], str)
    found = ThresholdOptimizer(
        estimator=Scores(),
        constraints=how.constraint,
        objective=how.objective,
        prefit=True,
        predict_method="predict",
    )
    try:
        found.fit(scores, (split.y == data.favourable).astype(int), sensitive_features=groups)
    except ValueError as error:
        given, expected = (
            f"decision.parity by {how.attribute}: {error}",
            f"both classes in each group of the {FITTED} rows",
        )
        raise ModelError(given, expected, "give them more rows, or join groups") from error
    rules = found.interpolated_thresholder_.interpolation_dict
    return {str(group): _chance(rule) for group, rule in rules.items()}


def _chance(rule: Mapping[str, Any]) -> Chance:
    """Return fairlearn's interpolation between two thresholds and a constant as a function of scores[n]."""

    def chance(score: np.ndarray) -> np.ndarray:
        first, second = (np.asarray(rule[f"operation{i}"](score), float) for i in (0, 1))
        mixed = rule["p0"] * first + rule["p1"] * second
        ignored = float(rule.get("p_ignore", 0.0))
        return ignored * float(rule.get("prediction_constant", 0.0)) + (1 - ignored) * mixed

    return chance


def _uniform(text: str) -> float:
    """Return a number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
