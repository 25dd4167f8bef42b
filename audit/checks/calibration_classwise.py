"""calibration.classwise: whether every class's probability comes true, not only the most probable one's."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import claims
from audit.trials.claims import Claims


class ClasswiseOptions(Options):
    """Options of calibration.classwise."""

    bins: int = Field(15, ge=2, le=100, description="equal-mass bins of every class's calibration error")


@check(
    "calibration.classwise",
    area="calibration",
    title="Calibration of every class",
    needs=("classes", "probabilities"),
    tasks=("multiclass",),
    measures=(
        Measure(
            "class_calibration_error",
            "lower",
            "Calibration error of one class's probability against whether the row is of it.",
            "normal on the debiased square",
        ),
        Measure(
            "worst_calibration_error",
            "lower",
            "Largest calibration error of any class.",
            "the worst class's bound above, all classes at once (Bonferroni) below",
        ),
        Measure(
            "class_confidence_gap",
            "neither",
            "Mean probability of a class minus the share of rows that are of it.",
            "mean over rows",
            ends=(-1, 1),
        ),
        Measure(
            "classwise_ece",
            "lower",
            "Mean over the classes of ECE over 15 equal-width bins (Kull et al. 2019), for comparison.",
            "none: biased upwards, never judged",
        ),
    ),
)
def classwise(subject: Subject, options: ClasswiseOptions, ctx: Context) -> Findings:
    """Compare each class's probability with how often rows are of it: every class against the rest.

    The most probable class may be calibrated while the others are not. Definition: Kull et al. 2019
    (classwise calibration); estimator and bins as calibration.reliability has them.
    """
    probabilities, test = claims.stated(subject), subject.data.test
    found = {
        name: Claims(
            probabilities[:, c], test.y == c, f"the probability of {name}", test.cluster, subject.data.fold
        )
        for c, name in enumerate(subject.data.classes)
    }
    errors = {name: claims.error(of, options.bins) for name, of in found.items()}
    gaps = {name: claims.gap(of) for name, of in found.items()}
    measured = [
        Measurement(
            name="worst_calibration_error",
            label="Largest calibration error of any class",
            estimate=stats.largest(errors, n=len(test)),
            better="lower",
        ),
        Measurement(
            name="classwise_ece",
            label="Classwise ECE (15 equal-width bins)",
            estimate=_classwise_ece(found),
            better="lower",
        ),
        *(
            Measurement(
                name="class_calibration_error",
                label=f"Calibration error of {found[name].words}",
                estimate=estimate,
                better="lower",
                where={"class": name},
            )
            for name, estimate in errors.items()
        ),
        *(
            Measurement(
                name="class_confidence_gap",
                label=f"Mean of {found[name].words} minus its share",
                estimate=estimate,
                where={"class": name},
            )
            for name, estimate in gaps.items()
        ),
    ]
    return Findings(
        measurements=claims.doubted(measured, claims.doubt(subject)),
        tables=(_table(found, errors, gaps),),
        not_measured=("Calibration of all probabilities at once: the classes were examined one by one.",),
    )


def _classwise_ece(found: dict[str, Claims]) -> Estimate:
    """Return the mean of the classes' ECE, descriptive."""
    each = [stats.expected_calibration_error(of.confidence, of.correct, bins=15) for of in found.values()]
    values = np.array([e.value for e in each], float)
    return stats.descriptive(float(np.mean(values)), each[0].n, f"mean of {each[0].method}")


def _table(found: dict[str, Claims], errors: dict[str, Estimate], gaps: dict[str, Estimate]) -> Table:
    """Tabulate every class: its rows, its calibration error and its gap."""
    rows: list[tuple[Scalar, ...]] = []
    for name, of in found.items():
        error, gap = errors[name], gaps[name]
        of_class = int(np.count_nonzero(of.correct))
        rows.append((name, of_class, error.value, error.low, error.high, gap.value, gap.low, gap.high))
    columns = (
        Column(name="class", label="Class", kind="text"),
        Column(name="n", label="Rows of it", kind="count"),
        Column(name="error", label="Calibration error"),
        Column(name="low", label="low"),
        Column(name="high", label="high"),
        Column(name="gap", label="Mean probability minus share"),
        Column(name="gap low", label="low"),
        Column(name="gap high", label="high"),
    )
    return Table(name="classes", title="Calibration of every class", columns=columns, rows=tuple(rows))
