"""calibration.selective: how wrong the model is on the rows it is surest of, and where it may be left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import selective
from audit.registry import Context, Measure, Options, check
from audit.subject import JUDGED, Subject
from audit.trials import claims

EXACT, MEAN = "exact (Clopper-Pearson), given the threshold", "influence function, skewness-corrected t"
FITTED = "calibration"
POINTS = 50  # of the drawn curve


class SelectiveOptions(Options):
    """What calibration.selective measures."""

    coverages: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.5, 0.8, 0.9, 0.95),
        description="shares of rows to answer; each one's threshold is set on the calibration rows",
    )


@check(
    "calibration.selective",
    area="calibration",
    title="Selective prediction",
    needs=("classes", "probabilities"),
    measures=(
        Measure(
            "aurc", "lower", "Area under the risk-coverage curve: the error rate of the k surest rows, averaged "
            "over all k.", MEAN,
        ),
        Measure(
            "augrc", "lower", "Area under the generalised risk-coverage curve: wrong answers given, as a share of "
            "all rows, averaged over all thresholds; 0 to 0.5.", MEAN,
        ),
        Measure(
            "selective_accuracy", "higher", "Share that is right of the answered rows, at a threshold of "
            "confidence set on the calibration rows to answer this share.", EXACT,
        ),
        Measure(
            "answered", "neither", "Share of the test rows at or above the threshold that was set on the "
            "calibration rows.", EXACT,
        ),
        Measure(
            "group_answered", "neither", "Share of a group's test rows at or above the threshold.", EXACT,
        ),
        Measure(
            "group_selective_accuracy", "higher", "Share that is right of a group's answered rows.", EXACT,
        ),
    ),
)  # fmt: skip
def selective_prediction(subject: Subject, options: SelectiveOptions, ctx: Context) -> Findings:
    """Return the risk-coverage curve, its areas, and accuracy where the model answers only when it is sure.

    The confidence is the probability of the decided class. AURC: Geifman, Uziel and El-Yaniv (2019); AUGRC:
    Traub et al. (2024). Equal confidences are answered together or not at all, in no order.
    """
    test = subject.data.test
    confidence, wrong = _sure(subject, JUDGED)
    measured = [
        Measurement(
            name=name,
            label=label,
            estimate=_area(found, test.cluster, wrong),
            better="lower",
        )
        for name, label, found in (
            ("aurc", "Area under the risk-coverage curve", selective.aurc(confidence, wrong)),
            ("augrc", "Area under the generalised risk-coverage curve", selective.augrc(confidence, wrong)),
        )
    ]
    for coverage in dict.fromkeys(options.coverages):
        measured += _at(subject, coverage, confidence, wrong)
    fitted = FITTED in subject.has
    return Findings(
        measurements=claims.doubted(measured, claims.doubt(subject)),
        tables=(_curve(confidence, wrong),),
        not_measured=(
            "Whether the rows turned away are served well: what happens to them is outside the model.",
            *(() if fitted else ("Accuracy at stated coverages was not measured: no calibration rows.",)),
        ),
    )


def _sure(subject: Subject, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability[n] of the decided class and whether the decision is wrong[n]."""
    decided = subject.predictions(split)
    confidence = np.take_along_axis(claims.stated(subject, split), decided[:, None].astype(int), axis=1)[:, 0]
    return confidence, decided != subject.data.splits[split].y


def _area(found: selective.Area, cluster: np.ndarray | None, wrong: np.ndarray) -> Estimate:
    """Bound an area; without an error there is nothing to bound it by."""
    method = "area by ranks, ties in no order"
    if not wrong.any():
        return stats.not_estimable(f"none of {len(wrong)} rows is wrong", len(wrong), method)
    return stats.linearised(found.value, found.influence, cluster=cluster, low=0.0, high=1.0, method=method)


def _at(
    subject: Subject, coverage: float, confidence: np.ndarray, wrong: np.ndarray
) -> Iterator[Measurement]:
    """Yield what holds at the threshold that answers this share of the calibration rows, in all and by group."""
    test, where = subject.data.test, {"coverage": coverage}
    everyone = np.ones(len(test), bool)
    least = _threshold(subject, coverage)
    parts: list[tuple[str, str, dict[str, str | float | int], np.ndarray]] = [("", "", {}, everyone)]
    for attribute, groups in test.groups.items():
        for group in np.unique(groups):
            place: dict[str, str | float | int] = {"attribute": attribute, "group": str(group)}
            parts.append(("group_", f", {attribute} = {group}", place, groups == group))
    for prefix, words, place, rows in parts:
        given = None if least is None else confidence >= least
        answered = _share(given, rows, test.cluster)
        right = _share(~wrong, rows & (given if given is not None else True), test.cluster, given is not None)
        said = f"when {coverage:g} of the calibration rows are answered{words}"
        yield Measurement(
            name=f"{prefix}selective_accuracy", label=f"Accuracy of the answers {said}", estimate=right,
            better="higher", where={**where, **place},
        )  # fmt: skip
        yield Measurement(
            name=f"{prefix}answered", label=f"Share answered {said}", estimate=answered,
            where={**where, **place},
        )  # fmt: skip


def _threshold(subject: Subject, coverage: float) -> float | None:
    """Return the least confidence of the surest `coverage` of the calibration rows, None without such rows."""
    if FITTED not in subject.has:
        return None
    sure = np.sort(_sure(subject, FITTED)[0])[::-1]
    return float(sure[max(int(np.ceil(coverage * len(sure) - 1e-9)), 1) - 1])


def _share(
    hits: np.ndarray | None, rows: np.ndarray, cluster: np.ndarray | None, known: bool = True
) -> Estimate:
    """Bound the share of hits among these rows; without a threshold there is none."""
    if hits is None or not known:
        return stats.not_estimable("no calibration rows to set the threshold on", int(rows.sum()))
    return stats.rate(hits[rows], cluster=None if cluster is None else cluster[rows])


def _curve(confidence: np.ndarray, wrong: np.ndarray) -> Table:
    """Tabulate the two curves at some coverages, descriptive: the thresholds are the test rows' own."""
    risk, general = selective.risk_coverage(confidence, wrong)
    n = len(risk)
    at = np.unique(np.ceil(np.arange(1, POINTS + 1) / POINTS * n).astype(int)) - 1
    rows: list[tuple[Scalar, ...]] = []
    for series, values in (("error rate of the answered", risk), ("wrong answers over all rows", general)):
        rows += [(series, (k + 1) / n, float(values[k]), None, None, int(k) + 1) for k in at.tolist()]
    columns = (
        Column(name="series", label="Curve", kind="text"),
        Column(name="x", label="Share answered", kind="rate"),
        Column(name="value", label="Value", kind="rate"),
        Column(name="low", label="low", kind="rate"),
        Column(name="high", label="high", kind="rate"),
        Column(name="n", label="Rows answered", kind="count"),
    )
    return Table(
        name="risk_coverage", title="Risk as the least sure rows are turned away", kind="curve",
        columns=columns, rows=tuple(rows),
        note="Thresholds are those of the test rows themselves, so no point has an interval; the areas do.",
    )  # fmt: skip
