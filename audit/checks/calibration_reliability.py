"""Calibration: whether a stated probability of 0.8 comes true eight times in ten, overall and per group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import calibration
from audit.registry import Context, Measure, Options, check
from audit.subject import JUDGED, Subject

ROUNDING = 1e-5  # how far single precision may push a probability beyond 0 or 1


class ReliabilityOptions(Options):
    """Options of calibration.reliability."""

    bins: int = Field(
        15, ge=2, le=100, description="equal-mass bins of the calibration error and the diagram"
    )
    group_rows: int = Field(100, ge=2, description="fewest rows of a group whose calibration is estimated")
    replicates: int = Field(999, ge=19, description="draws of the test of perfect calibration")


@dataclass(frozen=True, eq=False)
class _Claims:
    """What the model claims and what came true: confidence[n] and correct[n], in words, and people[n]."""

    confidence: np.ndarray
    correct: np.ndarray
    words: str
    cluster: np.ndarray | None

    def of(self, rows: np.ndarray) -> _Claims:
        """Return the claims about these rows."""
        cluster = None if self.cluster is None else self.cluster[rows]
        return _Claims(self.confidence[rows], self.correct[rows], self.words, cluster)


@check(
    "calibration.reliability",
    area="calibration",
    title="Calibration",
    needs=("classes", "probabilities"),
    measures=(
        Measure(
            "calibration_error",
            "lower",
            "Root of the debiased squared gap between confidence and outcome over equal-mass bins, in "
            "probability units; for two classes of the probability of class 1, for more of the top class.",
            "normal on the debiased square",
        ),
        Measure(
            "confidence_gap",
            "neither",
            "Mean confidence minus the share that came true: above 0 is overconfident.",
            "mean over rows",
        ),
        Measure(
            "group_calibration_error",
            "lower",
            "Calibration error of one group; with fewer rows than group_rows it is not estimated.",
            "as calibration_error",
        ),
        Measure(
            "group_confidence_gap",
            "neither",
            "Mean confidence minus the share that came true, in one group.",
            "mean over rows",
        ),
        Measure(
            "brier",
            "lower",
            "Mean squared error of the probabilities: 0 to 1 for two classes, 0 to 2 summed over more.",
            "mean over rows",
        ),
        Measure(
            "ece_15",
            "lower",
            "Expected calibration error over 15 equal-width bins, for comparison with papers.",
            "none: biased upwards even for a perfectly calibrated model, so never judged",
        ),
        Measure(
            "perfect_calibration_p",
            "neither",
            "P-value of perfect calibration: small means that the gaps are not chance.",
            "none: consistency resampling, informative",
        ),
    ),
)
def reliability(subject: Subject, options: ReliabilityOptions, ctx: Context) -> Findings:
    """Compare the stated probabilities with what came true, on the test rows and in every group.

    For two classes the event is class 1 and the confidence its probability; for more, the event is that the
    most probable class is right. The calibration error removes the bias that makes a fixed limit on ECE fail
    good models on small samples; ECE is shown beside it and not judged.
    """
    probabilities = _probabilities(subject)
    claims = _claims(subject, probabilities)
    squared = calibration.squared_error(probabilities, subject.data.test.y)
    highest = 1.0 if probabilities.shape[1] == 2 else 2.0
    brier = stats.mean(squared, cluster=claims.cluster, low=0.0, high=highest)
    return Findings(
        measurements=(
            *_overall(claims, options, ctx),
            Measurement(name="brier", label="Brier score", estimate=brier, better="lower"),
            *_per_group(claims, subject, options),
        ),
        tables=(_diagram(claims, options.bins),),
        not_measured=_not_measured(subject, probabilities),
    )


def _probabilities(subject: Subject) -> np.ndarray:
    """Return the test rows' probabilities[n, classes], freed of rounding; DataError where they are none."""
    probabilities = subject.probabilities(JUDGED)
    inside = np.clip(probabilities, 0.0, 1.0)
    if not np.allclose(inside, probabilities, rtol=0, atol=ROUNDING):
        span = f"{probabilities.min():.3g} to {probabilities.max():.3g}"
        raise DataError(f"probabilities of {span}", "0 to 1", "set the model's outputs to 'logits'")
    return inside


def _claims(subject: Subject, probabilities: np.ndarray) -> _Claims:
    """Read confidence and correctness from the test rows' probabilities."""
    test = subject.data.test
    if probabilities.shape[1] == 2:
        name = subject.data.classes[1] if len(subject.data.classes) == 2 else "class 1"
        return _Claims(probabilities[:, 1], test.y == 1, f"the probability of {name}", test.cluster)
    right = probabilities.argmax(axis=1) == test.y
    return _Claims(probabilities.max(axis=1), right, "the confidence in the predicted class", test.cluster)


def _overall(claims: _Claims, options: ReliabilityOptions, ctx: Context) -> list[Measurement]:
    """Measure the claims on all test rows."""
    return [
        Measurement(
            name="calibration_error",
            label=f"Calibration error of {claims.words}",
            estimate=_error(claims, options),
            better="lower",
        ),
        Measurement(
            name="confidence_gap", label="Mean confidence minus share that came true", estimate=_gap(claims)
        ),
        Measurement(
            name="ece_15",
            label=f"ECE (15 equal-width bins) of {claims.words}",
            estimate=stats.expected_calibration_error(claims.confidence, claims.correct, bins=15),
            better="lower",
        ),
        Measurement(
            name="perfect_calibration_p",
            label="p-value of perfect calibration",
            estimate=_consistency(claims, options, ctx),
        ),
    ]


def _per_group(claims: _Claims, subject: Subject, options: ReliabilityOptions) -> Iterator[Measurement]:
    """Yield what holds in every group of every attribute; one with too few rows says so."""
    for attribute, membership in subject.data.test.groups.items():
        for group in np.unique(membership):
            part = claims.of(membership == group)
            where: dict[str, str | float | int] = {"attribute": attribute, "group": str(group)}
            yield Measurement(
                name="group_calibration_error",
                label=f"Calibration error, {attribute} = {group}",
                estimate=_of_group(part, options),
                better="lower",
                where=where,
            )
            yield Measurement(
                name="group_confidence_gap",
                label=f"Mean confidence minus share that came true, {attribute} = {group}",
                estimate=_gap(part),
                where=where,
            )


def _of_group(part: _Claims, options: ReliabilityOptions) -> Estimate:
    """Bound a group's calibration error, or say that it has too few rows."""
    rows = len(part.correct)
    if rows < options.group_rows:
        return stats.not_estimable(f"{rows} rows, fewer than group_rows={options.group_rows}", n=rows)
    return _error(part, options)


def _error(claims: _Claims, options: ReliabilityOptions) -> Estimate:
    """Bound the calibration error."""
    return stats.calibration_error(
        claims.confidence, claims.correct, bins=options.bins, cluster=claims.cluster
    )


def _gap(claims: _Claims) -> Estimate:
    """Bound mean confidence minus the share that came true."""
    return stats.mean(claims.confidence - claims.correct, cluster=claims.cluster, low=-1.0, high=1.0)


def _consistency(claims: _Claims, options: ReliabilityOptions, ctx: Context) -> Estimate:
    """Test perfect calibration by drawing rows independently."""
    rows = len(claims.correct)
    if claims.cluster is not None and len(np.unique(claims.cluster)) < rows:
        return stats.not_estimable("rows share clusters, and the test needs independent rows", n=rows)
    replicates = min(options.replicates, 199) if ctx.quick else options.replicates
    p = calibration.consistency_test(
        claims.confidence, claims.correct, bins=options.bins, replicates=replicates, seed=ctx.seed
    )
    return stats.descriptive(p, rows, f"consistency resampling, {replicates} draws")


def _diagram(claims: _Claims, bins: int) -> Table:
    """Tabulate the reliability diagram over equal-mass bins, an interval on every accuracy."""
    found = calibration.reliability(claims.confidence, claims.correct, bins)
    rows: list[tuple[Scalar, ...]] = []
    for k in range(len(found.n)):
        part = claims.of(found.index == k)
        rate = stats.rate(part.correct, cluster=part.cluster)
        edges = (float(found.lower[k]), float(found.upper[k]), float(found.confidence[k]))
        rows.append((*edges, rate.value, rate.low, rate.high, int(found.n[k])))
    columns = (
        Column(name="lower", label="from"),
        Column(name="upper", label="to"),
        Column(name="confidence", label="mean confidence", kind="rate"),
        Column(name="accuracy", label="came true", kind="rate"),
        Column(name="low", label="low", kind="rate"),
        Column(name="high", label="high", kind="rate"),
        Column(name="n", label="rows", kind="count"),
    )
    return Table(
        name="reliability",
        title=f"Reliability of {claims.words}",
        kind="reliability",
        columns=columns,
        rows=tuple(rows),
        note=f"{len(rows)} bins of equal size (ties stay together); a 95 % interval for each share on its own.",
    )


def _not_measured(subject: Subject, probabilities: np.ndarray) -> tuple[str, ...]:
    """Say what these numbers leave open."""
    said = []
    if probabilities.shape[1] > 2:
        said.append("Calibration of the classes other than the most probable one was not measured.")
    if subject.model.outputs == "logits" and calibration.probabilities_as_logits(subject.outputs[JUDGED]):
        said.append(
            "Calibration of the model's own probabilities was not measured: its outputs, declared as logits, "
            "look like probabilities and were squashed a second time; set the model's outputs to "
            "'probabilities'."
        )
    return tuple(said)
