"""What calibration checks put on trial: stated probabilities, what came true, and a doubt that bars PASS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit import stats
from audit.errors import DataError
from audit.evidence import Estimate, Measurement
from audit.metrics import sanity
from audit.metrics.categories import JOIN
from audit.subject import JUDGED, Subject

ROUNDING = 1e-5  # how far single precision may push a probability beyond 0 or 1
TWICE = (
    "the outputs, declared as logits, look like probabilities that were squashed a second time; set the "
    "model's outputs to 'probabilities'"
)


@dataclass(frozen=True, eq=False)
class Claims:
    """What the model claims and what came true: confidence[n] and correct[n], in words, people[n] and fold[n]."""

    confidence: np.ndarray
    correct: np.ndarray
    words: str
    cluster: np.ndarray | None
    fold: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> Claims:
        """Return the claims about these rows."""
        shared = {"cluster": self.cluster, "fold": self.fold}
        picked = {name: None if a is None else a[rows] for name, a in shared.items()}
        return replace(self, confidence=self.confidence[rows], correct=self.correct[rows], **picked)

    @property
    def dependent(self) -> bool:
        """Return whether some rows share a cluster, so that a test for independent rows says nothing."""
        return self.cluster is not None and len(np.unique(self.cluster)) < len(self.correct)


def stated(subject: Subject, split: str = JUDGED) -> np.ndarray:
    """Return a split's probabilities[n, classes], freed of rounding; DataError where they are none."""
    probabilities = subject.probabilities(split)
    inside = np.clip(probabilities, 0.0, 1.0)
    if not np.allclose(inside, probabilities, rtol=0, atol=ROUNDING):
        span = f"{probabilities.min():.3g} to {probabilities.max():.3g}"
        raise DataError(f"probabilities of {span}", "0 to 1", "set the model's outputs to 'logits'")
    return inside


def claims(subject: Subject, probabilities: np.ndarray) -> Claims:
    """Return what the test rows' probabilities claim: of class 1 of two, else of the most probable class."""
    test, fold = subject.data.test, subject.data.fold
    if probabilities.shape[1] == 2:
        name = subject.data.classes[1] if len(subject.data.classes) == 2 else "class 1"
        return Claims(probabilities[:, 1], test.y == 1, f"the probability of {name}", test.cluster, fold)
    right = probabilities.argmax(axis=1) == test.y
    return Claims(
        probabilities.max(axis=1), right, "the confidence in the predicted class", test.cluster, fold
    )


def doubt(subject: Subject) -> str:
    """Return why the probabilities may not be the model's own (a softmax of a softmax), or nothing."""
    twice = subject.model.outputs == "logits" and sanity.looks_like_probabilities(subject.outputs[JUDGED])
    return TWICE if twice else ""


def doubted(measurements: Iterable[Measurement], why: str) -> tuple[Measurement, ...]:
    """Return the measurements, their bounded estimates marked with the doubt, which bars a PASS."""
    if not why:
        return tuple(measurements)
    return tuple(m.model_copy(update={"estimate": _marked(m.estimate, why)}) for m in measurements)


def _marked(estimate: Estimate, why: str) -> Estimate:
    """Return the estimate with the doubt, where there is a number that could pass."""
    bounded = estimate.kind == "bounded" and estimate.value is not None
    return estimate.model_copy(update={"doubt": why}) if bounded else estimate


def error(found: Claims, bins: int, fewest: int = 0) -> Estimate:
    """Bound the claims' calibration error over equal-mass bins, or say that there are fewer rows than `fewest`."""
    rows = len(found.correct)
    if rows < fewest:
        return stats.not_estimable(f"{rows} rows, fewer than group_rows={fewest}", n=rows)
    given = {"bins": bins, "cluster": found.cluster, "fold": found.fold}
    return stats.calibration_error(found.confidence, found.correct, **given)


def gap(found: Claims) -> Estimate:
    """Bound mean confidence minus the share that came true."""
    return stats.mean(found.confidence - found.correct, cluster=found.cluster, low=-1.0, high=1.0)


def membership(groups: Sequence[np.ndarray]) -> np.ndarray:
    """Return the group[n] of every row in the crossing of these attributes' groups[n], as text."""
    parts = [np.unique(np.asarray(group).astype(str), return_inverse=True) for group in groups]
    place = np.zeros(len(parts[0][1]), int)
    for names, code in parts:
        place = place * len(names) + code
    met, code = np.unique(place, return_inverse=True)
    names = []
    for one in met.tolist():
        words = []
        for labels, _ in reversed(parts):
            one, at = divmod(one, len(labels))
            words.append(str(labels[at]))
        names.append(JOIN.join(reversed(words)))
    return np.asarray(names)[code]
