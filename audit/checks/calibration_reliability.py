"""Calibration: whether a stated probability of 0.8 comes true eight times in ten, overall and per group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import calibration
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import claims, labels
from audit.trials.claims import Claims


class ReliabilityOptions(Options):
    """Options of calibration.reliability."""

    bins: int = Field(
        15, ge=2, le=100, description="equal-mass bins of the calibration error and the diagram"
    )
    group_rows: int = Field(100, ge=2, description="fewest rows of a group whose calibration is estimated")
    replicates: int = Field(999, ge=19, description="draws of the test of perfect calibration")


@check(
    "calibration.reliability",
    area="calibration",
    title="Calibration",
    needs=("classes", "probabilities"),
    tasks=("binary", "multiclass", "multilabel"),
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
            ends=(-1, 1),
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
            ends=(-1, 1),
        ),
        Measure(
            "brier",
            "lower",
            "Mean squared error of the probabilities: 0 to 1 for two classes, 0 to 2 summed over more.",
            "mean over rows",
            ends=(0, 2),
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
    good models on small samples; ECE is shown beside it and not judged. Of several labels a row, each is measured
    by itself.
    """
    if subject.data.task == "multilabel":
        return labels.each(reliability, subject, options, ctx, tuple(range(len(subject.data.classes))))
    probabilities = claims.stated(subject)
    found = claims.claims(subject, probabilities)
    squared = calibration.squared_error(probabilities, subject.data.test.y)
    highest = 1.0 if probabilities.shape[1] == 2 else 2.0
    brier = stats.mean(squared, cluster=found.cluster, low=0.0, high=highest)
    measured = (
        *_overall(found, options, ctx),
        Measurement(name="brier", label="Brier score", estimate=brier, better="lower"),
        *_per_group(found, subject, options),
    )
    return Findings(
        measurements=claims.doubted(measured, claims.doubt(subject)),
        tables=(_diagram(found, options.bins),),
        not_measured=_not_measured(subject, probabilities),
    )


def _overall(found: Claims, options: ReliabilityOptions, ctx: Context) -> list[Measurement]:
    """Measure the claims on all test rows."""
    return [
        Measurement(
            name="calibration_error",
            label=f"Calibration error of {found.words}",
            estimate=claims.error(found, options.bins),
            better="lower",
        ),
        Measurement(
            name="confidence_gap",
            label="Mean confidence minus share that came true",
            estimate=claims.gap(found),
        ),
        Measurement(
            name="ece_15",
            label=f"ECE (15 equal-width bins) of {found.words}",
            estimate=stats.expected_calibration_error(found.confidence, found.correct, bins=15),
            better="lower",
        ),
        Measurement(
            name="perfect_calibration_p",
            label="p-value of perfect calibration",
            estimate=_consistency(found, options, ctx),
        ),
    ]


def _per_group(found: Claims, subject: Subject, options: ReliabilityOptions) -> Iterator[Measurement]:
    """Yield what holds in every group of every attribute; one with too few rows says so."""
    for attribute, membership in subject.data.test.groups.items():
        for group in np.unique(membership):
            part = found.of(membership == group)
            where: dict[str, str | float | int] = {"attribute": attribute, "group": str(group)}
            yield Measurement(
                name="group_calibration_error",
                label=f"Calibration error, {attribute} = {group}",
                estimate=claims.error(part, options.bins, options.group_rows),
                better="lower",
                where=where,
            )
            yield Measurement(
                name="group_confidence_gap",
                label=f"Mean confidence minus share that came true, {attribute} = {group}",
                estimate=claims.gap(part),
                where=where,
            )


def _consistency(found: Claims, options: ReliabilityOptions, ctx: Context) -> Estimate:
    """Test perfect calibration by drawing rows independently."""
    rows = len(found.correct)
    if found.dependent:
        return stats.not_estimable("rows share clusters, and the test needs independent rows", n=rows)
    replicates = min(options.replicates, 199) if ctx.quick else options.replicates
    p = calibration.consistency_test(
        found.confidence, found.correct, bins=options.bins, replicates=replicates, seed=ctx.seed
    )
    return stats.descriptive(p, rows, f"consistency resampling, {replicates} draws")


def _diagram(found: Claims, bins: int) -> Table:
    """Tabulate the reliability diagram over equal-mass bins, an interval on every accuracy."""
    made = calibration.reliability(found.confidence, found.correct, bins)
    rows: list[tuple[Scalar, ...]] = []
    for k in range(len(made.n)):
        part = found.of(made.index == k)
        rate = stats.rate(part.correct, cluster=part.cluster)
        edges = (float(made.lower[k]), float(made.upper[k]), float(made.confidence[k]))
        rows.append((*edges, rate.value, rate.low, rate.high, int(made.n[k])))
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
        title=f"Reliability of {found.words}",
        kind="reliability",
        columns=columns,
        rows=tuple(rows),
        note=f"{len(rows)} bins of equal size (ties stay together); a 95 % interval for each share on its own.",
    )


def _not_measured(subject: Subject, probabilities: np.ndarray) -> tuple[str, ...]:
    """Say what these numbers leave open."""
    said = []
    if probabilities.shape[1] > 2:
        said.append(
            "Calibration of the classes other than the most probable one was not measured here (calibration.classwise)."
        )
    if claims.doubt(subject):
        said.append(f"Calibration of the model's own probabilities was not measured: {claims.TWICE}.")
    return tuple(said)
