"""Calibration: whether a stated probability of 0.8 comes true eight times in ten, overall and per group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import calibration
from audit.registry import Context, Measure, Options, check
from audit.subject import JUDGED, Subject


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
    claims = _claims(subject)
    measurements = [*_overall(claims, subject, options, ctx), *_per_group(claims, subject, options)]
    return Findings(
        measurements=tuple(measurements),
        tables=(_diagram(claims, options.bins),),
        not_measured=_not_measured(subject, claims),
    )


def _claims(subject: Subject) -> _Claims:
    """Read confidence and correctness from the test probabilities."""
    probabilities, test = subject.probabilities(), subject.data.test
    if probabilities.shape[1] == 2:
        name = subject.data.classes[1] if len(subject.data.classes) == 2 else "class 1"
        return _Claims(probabilities[:, 1], test.y == 1, f"the probability of {name}", test.cluster)
    right = probabilities.argmax(axis=1) == test.y
    return _Claims(probabilities.max(axis=1), right, "the confidence in the predicted class", test.cluster)


def _overall(
    claims: _Claims, subject: Subject, options: ReliabilityOptions, ctx: Context
) -> list[Measurement]:
    """Measure all test rows."""
    probabilities, y = subject.probabilities(JUDGED), subject.data.test.y
    top = 1.0 if probabilities.shape[1] == 2 else 2.0
    squared = calibration.squared_error(probabilities, y)
    brier = stats.mean(squared, cluster=claims.cluster, low=0.0, high=top)
    return [
        Measurement(
            name="calibration_error",
            label=f"Calibration error of {claims.words}",
            estimate=_error(claims, options),
            better="lower",
        ),
        _gap(claims, {}, ""),
        Measurement(name="brier", label="Brier score", estimate=brier, better="lower"),
        Measurement(
            name="ece_15",
            label=f"ECE (15 equal-width bins) of {claims.words}",
            estimate=stats.descriptive(
                calibration.ece(claims.confidence, claims.correct), len(y), "ECE, 15 equal-width bins"
            ),
            better="lower",
        ),
        Measurement(
            name="perfect_calibration_p",
            label="p-value of perfect calibration",
            estimate=_consistency(claims, options, ctx),
        ),
    ]


def _per_group(claims: _Claims, subject: Subject, options: ReliabilityOptions) -> list[Measurement]:
    """Measure every group of every attribute; one with too few rows says so."""
    found = []
    for attribute, membership in subject.data.test.groups.items():
        for group in np.unique(membership):
            part = claims.of(membership == group)
            where: dict[str, str | float | int] = {"attribute": str(attribute), "group": str(group)}
            label = f"Calibration error, {attribute} = {group}"
            few = f"{len(part.correct)} rows, fewer than group_rows={options.group_rows}"
            enough = len(part.correct) >= options.group_rows
            error = _error(part, options) if enough else stats.not_estimable(few, n=len(part.correct))
            found.append(
                Measurement(
                    name="calibration_error", label=label, estimate=error, better="lower", where=where
                )
            )
            found.append(_gap(part, where, f", {attribute} = {group}"))
    return found


def _error(claims: _Claims, options: ReliabilityOptions) -> Estimate:
    """Bound the calibration error; clustered rows have no honest bound here."""
    if claims.cluster is not None:
        return stats.not_estimable(
            "rows are clustered, and the bound assumes independent rows", n=len(claims.correct)
        )
    return stats.calibration_error(claims.confidence, claims.correct, bins=options.bins)


def _gap(claims: _Claims, where: dict[str, str | float | int], suffix: str) -> Measurement:
    """Measure mean confidence minus the share that came true."""
    difference = claims.confidence - claims.correct
    estimate = stats.mean(difference, cluster=claims.cluster, low=-1.0, high=1.0)
    return Measurement(
        name="confidence_gap", label=f"Confidence minus outcome{suffix}", estimate=estimate, where=where
    )


def _consistency(claims: _Claims, options: ReliabilityOptions, ctx: Context) -> Estimate:
    """Test perfect calibration, which draws rows independently."""
    n, method = len(claims.correct), f"consistency resampling, {options.replicates} draws"
    if claims.cluster is not None:
        return stats.not_estimable("rows are clustered, and the test assumes independent rows", n=n)
    replicates = min(options.replicates, 199) if ctx.quick else options.replicates
    p = calibration.consistency_test(
        claims.confidence, claims.correct, bins=options.bins, replicates=replicates, seed=ctx.seed
    )
    return stats.descriptive(p, n, method)


def _diagram(claims: _Claims, bins: int) -> Table:
    """Tabulate the reliability diagram over equal-mass bins, an interval on every accuracy."""
    found = calibration.reliability(
        claims.confidence, claims.correct, calibration.equal_mass(claims.confidence, bins)
    )
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


def _not_measured(subject: Subject, claims: _Claims) -> tuple[str, ...]:
    """Say what these numbers leave open."""
    said = []
    if claims.words.startswith("the confidence"):
        said.append("Calibration of the classes other than the most probable one was not measured.")
    if subject.model.outputs == "logits" and calibration.probabilities_as_logits(subject.outputs[JUDGED]):
        said.append(
            "Calibration of the model's own probabilities was not measured: its outputs, declared as logits, "
            "look like probabilities and were squashed a second time; set the model's outputs to "
            "'probabilities'."
        )
    return tuple(said)
