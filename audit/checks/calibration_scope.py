"""calibration.scope: whether the model is less sure of inputs that are of none of its classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Column, Findings, Measurement, Scalar, Table
from audit.metrics import scope
from audit.metrics.sampling import sample
from audit.outputs import finite
from audit.registry import Context, Measure, Options, check
from audit.subject import JUDGED, Split, Subject, probabilities, run_model

OUTSIDE, FITTED = "outside", "calibration"
QUICK = 300
EXACT = "exact (Clopper-Pearson)"
SAID = {"probability": "largest probability", "logit": "largest logit", "energy": "log sum exp of the logits"}
POINTS = tuple(round(0.05 * i, 2) for i in range(21))  # of the drawn curve
Share = Annotated[float, Field(gt=0, lt=1)]


class ScopeOptions(Options):
    """Options of calibration.scope."""

    inside: Share = Field(
        0.95, description="share of the calibration rows that the threshold of outside_accepted lets through"
    )
    confidences: tuple[Share, ...] = Field(
        (0.5, 0.9), min_length=1, description="probabilities from which an answer counts as sure"
    )
    rows: int | None = Field(None, ge=2, description="outside inputs tried, drawn by the seed; null: all")


@check(
    "calibration.scope",
    area="calibration",
    title="Inputs of none of the classes",
    broken="counted",
    needs=("function", "classes", "probabilities", "outside"),
    measures=(
        Measure(
            "outside_auroc",
            "higher",
            "Chance that a test row's score is above that of an outside input, by one score of how much the model "
            "claims to know an input: 0.5 tells nothing apart.",
            "exact binomial at the pairs that DeLong's variance is worth",
        ),
        Measure(
            "outside_accepted",
            "lower",
            "Share of the outside inputs whose score reaches the threshold that lets this share of calibration rows "
            "through (at 0.95 the false positive rate at 95 % true positives, FPR95).",
            f"{EXACT}, given the threshold",
        ),
        Measure(
            "surely_answered",
            "lower",
            "Share of the outside inputs that are given one of the classes with this probability or more.",
            EXACT,
        ),
    ),
)
def outside_scope(subject: Subject, options: ScopeOptions, ctx: Context) -> Findings:
    """Set the test rows against inputs of none of the classes: whether the model is less sure of those.

    A classifier answers whatever it is asked. By the largest probability (Hendrycks and Gimpel 2017), the largest logit
    (Hendrycks et al. 2022) and log sum exp of the logits (minus the energy of Liu et al. 2020), of the model as it is
    audited, scaled or not. The threshold is set on the calibration rows. Outside inputs count as a sample of what they
    were drawn from; others, nearer to the classes, would be harder to tell apart.
    """
    whole = subject.data.splits[OUTSIDE]
    limit = min(QUICK, options.rows or QUICK) if ctx.quick else options.rows
    outside = whole.take(sample(whole.id, limit, ctx.seed))
    there = _scores(subject, run_model(subject.model, outside.x))
    here = _scores(subject, subject.outputs[JUDGED])
    fitted = _scores(subject, subject.outputs[FITTED]) if FITTED in subject.has else {}
    measured: list[Measurement] = []
    for name in here:
        measured += _told_apart(subject, name, here[name], there[name], outside)
        measured.append(_accepted(name, fitted.get(name), there[name], outside, options.inside))
    measured += [_sure(there["probability"], outside, level) for level in dict.fromkeys(options.confidences)]
    return Findings(
        measurements=tuple(measured),
        tables=(_curve(subject.data.test, here["probability"], outside, there["probability"]),),
        not_measured=tuple(_left(len(whole) - len(outside))),
        cost={"forward": len(outside)},
    )


def _scores(subject: Subject, outputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return each score[n] of outputs; infinity, as if it were surest, where one is not finite."""
    kind, whole = subject.model.outputs, finite(outputs)
    known = np.where(whole[:, None], outputs, 0.0)
    found = scope.scores(known, probabilities(known, kind), logits=kind == "logits")
    return {name: np.where(whole, one, np.float32(np.inf)) for name, one in found.items()}


def _told_apart(
    subject: Subject, name: str, here: np.ndarray, there: np.ndarray, outside: Split
) -> Iterator[Measurement]:
    """Bound the area under the curve of test rows against outside inputs; clusters never span both."""
    test, labels = subject.data.test, np.r_[np.ones(len(here), bool), np.zeros(len(there), bool)]
    cluster = None
    if test.cluster is not None or outside.cluster is not None:
        parts = ((test, "in"), (outside, "out"))
        named = [[f"{side} {c}" for c in (s.id if s.cluster is None else s.cluster)] for s, side in parts]
        cluster = np.array(named[0] + named[1])
    estimate = stats.auc(np.r_[here, there], labels, cluster=cluster)
    label = f"Area under the curve, test rows against outside inputs, by the {SAID[name]}"
    estimate = estimate.model_copy(update={"note": f"{len(here):,} test rows, {len(there):,} outside inputs"})
    yield Measurement(
        name="outside_auroc", label=label, estimate=estimate, better="higher", where={"score": name}
    )


def _accepted(
    name: str, fitted: np.ndarray | None, there: np.ndarray, outside: Split, share: float
) -> Measurement:
    """Bound the share of outside inputs that pass where this share of the calibration rows passes."""
    if fitted is None:
        estimate = stats.not_estimable("no calibration rows to set the threshold on", 0)
    else:
        estimate = stats.rate(there >= scope.threshold(fitted, share), cluster=outside.cluster)
    label = f"Outside inputs let through with {share:.0%} of the calibration rows, by the {SAID[name]}"
    where: dict[str, str | float | int] = {"score": name, "inside": share}
    return Measurement(name="outside_accepted", label=label, estimate=estimate, better="lower", where=where)


def _sure(there: np.ndarray, outside: Split, level: float) -> Measurement:
    """Bound the share of outside inputs that are answered with this probability or more."""
    return Measurement(
        name="surely_answered",
        label=f"Outside inputs given a class with a probability of {level:g} or more",
        estimate=stats.rate(there >= level, cluster=outside.cluster),
        better="lower",
        where={"confidence": level},
    )


def _curve(test: Split, here: np.ndarray, outside: Split, there: np.ndarray) -> Table:
    """Return the shares of test rows and of outside inputs that are answered from each probability on."""
    columns = (
        Column(name="series", label="Inputs", kind="text"),
        Column(name="x", label="probability of the class decided, at least", kind="rate"),
        Column(name="value", label="Share answered", kind="rate"),
        Column(name="low", label="Low", kind="rate"),
        Column(name="high", label="High", kind="rate"),
        Column(name="n", label="Inputs", kind="count"),
    )
    rows: list[tuple[Scalar, ...]] = []
    for name, of, scores in (("test rows", test, here), ("outside inputs", outside, there)):
        for x in POINTS:
            e = stats.rate(scores >= x, cluster=of.cluster)
            rows.append((name, x, e.value, e.low, e.high, len(scores)))
    note = "A model that knows its scope answers few outside inputs where it still answers most test rows."
    title = "Answered at a probability or above"
    return Table(name="answered", title=title, kind="curve", columns=columns, rows=tuple(rows), note=note)


def _left(undrawn: int) -> Iterator[str]:
    """Yield what these numbers leave open."""
    yield "Inputs nearer to the classes than these outside ones, and of other kinds: each set gives numbers of its own."
    yield "Classes held out of training, which would need a model trained without them."
    if undrawn:
        yield f"The {undrawn:,} outside inputs that were not drawn."
