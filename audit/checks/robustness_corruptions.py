"""robustness.corruptions: what common corruptions of images, noise, blur and other light, cost a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.sampling import sample
from audit.registry import Context, Measure, Options, check
from audit.subject import Split, Subject, decide, run_model
from audit.trials import corruptions
from audit.trials.pictures import within

QUICK_ROWS = 200
EXACT, PAIRED = "exact (Clopper-Pearson)", "of the rows' paired differences, skewness-corrected t"
MEAN = "of a mean over the rows, skewness-corrected t"
Corruption = Literal[
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "gaussian_blur",
    "motion_blur",
    "pixelate",
    "brightness",
    "contrast",
]
Severity = Literal[1, 2, 3, 4, 5]
EVERY: tuple[Corruption, ...] = get_args(Corruption)


class CorruptionOptions(Options):
    """What robustness.corruptions tries."""

    corruptions: tuple[Corruption, ...] = Field(EVERY, min_length=1, description="corruptions tried")
    severities: tuple[Severity, ...] = Field(
        (1, 2, 3, 4, 5), min_length=1, description="severities of each, 1 to 5"
    )
    rows: int | None = Field(2000, ge=2, description="test rows tried, drawn by their ids; null: all")


@dataclass(frozen=True, eq=False)
class _Tried:
    """One corruption at a severity: which rows[n] are then decided correctly, and a value's mean change."""

    name: str
    severity: int
    right: np.ndarray
    change: float


@check(
    "robustness.corruptions",
    area="robustness",
    title="Common corruptions of images",
    broken="counted",
    needs=("function", "images", "bounds", "classes"),
    measures=(
        Measure("clean_accuracy", "higher", "Accuracy on the rows tried, uncorrupted.", EXACT),
        Measure(
            "mean_accuracy", "higher", "Accuracy averaged over every corruption and severity tried.", MEAN
        ),
        Measure(
            "mean_accuracy_lost",
            "lower",
            "Accuracy of the same rows uncorrupted minus that mean.",
            PAIRED,
            ends=(-1, 1),
        ),
        Measure(
            "accuracy_lost",
            "lower",
            "Accuracy of the same rows uncorrupted minus under one corruption, averaged over severities.",
            PAIRED, ends=(-1, 1),
        ),
        Measure(
            "corrupted_accuracy", "higher", "Accuracy under one corruption at one severity.", EXACT
        ),
    ),
)  # fmt: skip
def corruptions_check(subject: Subject, options: CorruptionOptions, ctx: Context) -> Findings:
    """Return what common corruptions of images cost the model, by corruption and severity.

    Noise of three kinds, two blurs, coarser pixels, and two changes of light, each at severities 1 to 5 with the
    constants of CIFAR-10-C (Hendrycks and Dietterich 2019); lengths grow with the image's shorter side. Each row is
    corrupted once at each; all comparisons are of the same rows, corrupted and not.
    """
    if subject.model.decisions:
        raise DataError("thresholds of each group decide", "a decision rule that can be run on new inputs")
    every = subject.data.test
    limit = min(options.rows or QUICK_ROWS, QUICK_ROWS) if ctx.quick else options.rows
    rows = every.take(sample(every.id, limit, ctx.seed))
    clean = decide(run_model(subject.model, rows.x), subject.model) == rows.y
    tried = list(_tried(subject, rows, options, ctx))
    measured = list(_measured(clean, tried, rows.cluster))
    return Findings(
        measurements=tuple(measured),
        tables=(*_curves(measured), _lost(measured), _changes(tried)),
        not_measured=tuple(_not_measured(tried, len(every) - len(rows))),
        cost={"forward": len(rows) * (1 + len(tried))},
    )


def _tried(subject: Subject, rows: Split, options: CorruptionOptions, ctx: Context) -> Iterator[_Tried]:
    """Yield every corruption at every severity, what it does to the images and to the decisions."""
    data, model = subject.data, subject.model
    assert data.low is not None and data.high is not None
    low, high = np.asarray(data.low, np.float32), np.asarray(data.high, np.float32)
    asked = [(n, s) for n in dict.fromkeys(options.corruptions) for s in sorted(set(options.severities))]
    for done, (name, severity) in enumerate(asked):
        x = corruptions.corrupted(name, severity, rows, low, high, ctx.seed)
        change = float(np.abs(within(x, low, high) - within(rows.x, low, high)).mean(dtype=np.float64))
        yield _Tried(name, severity, decide(run_model(model, x), model) == rows.y, change)
        ctx.tick(done + 1, len(asked))


# ---------------------------------------------------------------- measurements


def _measured(clean: np.ndarray, tried: list[_Tried], cluster: np.ndarray | None) -> Iterator[Measurement]:
    """Yield accuracies and what is lost: of all, of each corruption, and at each severity."""
    yield _named("clean_accuracy", "Accuracy, uncorrupted", stats.rate(clean, cluster=cluster))
    mean = np.mean([one.right for one in tried], axis=0)
    said = "over every corruption and severity"
    yield _named("mean_accuracy", f"Mean accuracy {said}", _mean(mean, cluster, 0.0))
    yield _named("mean_accuracy_lost", f"Mean accuracy lost {said}", _mean(clean - mean, cluster, -1.0))
    for name in dict.fromkeys(one.name for one in tried):
        own = np.mean([one.right for one in tried if one.name == name], axis=0)
        label = f"Accuracy lost under {_words(name)}, mean over severities"
        yield _named("accuracy_lost", label, _mean(clean - own, cluster, -1.0), {"corruption": name})
    for one in tried:
        yield _named(
            "corrupted_accuracy",
            f"Accuracy under {_words(one.name)}, severity {one.severity}",
            stats.rate(one.right, cluster=cluster),
            {"corruption": one.name, "severity": one.severity},
        )


def _mean(values: np.ndarray, cluster: np.ndarray | None, low: float) -> Estimate:
    """Bound a mean of values in [low, 1]."""
    return stats.mean(values, cluster=cluster, low=low, high=1.0)


def _named(
    name: str, label: str, estimate: Estimate, where: dict[str, str | float | int] | None = None
) -> Measurement:
    """Return a measurement; less is better of what is lost."""
    better: Literal["higher", "lower"] = "lower" if name.endswith("lost") else "higher"
    return Measurement(name=name, label=label, estimate=estimate, better=better, where=where or {})


def _words(name: str) -> str:
    """Return a corruption's name in words."""
    return {"pixelate": "coarser pixels", "contrast": "low contrast"}.get(name, name.replace("_", " "))


# ---------------------------------------------------------------- tables and what was not measured


def _curves(measured: list[Measurement]) -> Iterator[Table]:
    """Yield accuracy over severity, a table for each family; severity 0 is the accuracy uncorrupted."""
    clean = measured[0].estimate
    columns = (
        Column(name="series", label="Corruption", kind="text"),
        Column(name="x", label="severity"),
        Column(name="value", label="Accuracy", kind="rate"),
        Column(name="low", label="Low", kind="rate"),
        Column(name="high", label="High", kind="rate"),
        Column(name="n", label="Rows", kind="count"),
    )
    at = [m for m in measured if m.name == "corrupted_accuracy"]
    for family, names in corruptions.FAMILIES.items():
        rows = []
        for name in names:
            own = [(float(m.where["severity"]), m.estimate) for m in at if m.where["corruption"] == name]
            rows += [(_words(name), x, e) for x, e in [(0.0, clean), *own] if own]
        if rows:
            yield Table(
                name=family,
                title=f"Accuracy under corruption: {family}",
                kind="curve",
                columns=columns,
                rows=tuple((words, x, e.value, e.low, e.high, e.n) for words, x, e in rows),
            )


def _lost(measured: list[Measurement]) -> Table:
    """Return the corruptions by what they cost, the dearest first."""
    lost = [m for m in measured if m.name == "accuracy_lost"]
    ranked = sorted(lost, key=lambda m: -(m.estimate.value or 0.0))
    return Table(
        name="lost",
        title="Accuracy lost by corruption",
        kind="importance",
        columns=(
            Column(name="feature", label="Corruption", kind="text"),
            Column(name="value", label="Accuracy lost", kind="rate"),
            Column(name="low", label="Low", kind="rate"),
            Column(name="high", label="High", kind="rate"),
        ),
        rows=tuple(
            (_words(str(m.where["corruption"])), m.estimate.value, m.estimate.low, m.estimate.high)
            for m in ranked
        ),
        note="Mean over the severities tried, of the same rows.",
    )


def _changes(tried: list[_Tried]) -> Table:
    """Return how far each corruption moves the images, so that one that moves nothing is seen."""
    return Table(
        name="change",
        title="Mean change of a value, in shares of the range",
        columns=(
            Column(name="corruption", label="Corruption", kind="text"),
            Column(name="severity", label="Severity", kind="count"),
            Column(name="change", label="Mean change"),
        ),
        rows=tuple((_words(one.name), one.severity, one.change) for one in tried),
        note="What an image of few pixels hardly shows, such as a blur of a fraction of a pixel, changes it little.",
    )


def _not_measured(tried: list[_Tried], left: int) -> Iterator[str]:
    """Yield what is left open."""
    asked = {one.name for one in tried}
    out = [_words(name) for name in EVERY if name not in asked]
    if out:
        yield f"Not asked for: {', '.join(out)}."
    yield "Fog, frost, snow, zoom, elastic and JPEG of the same benchmark, and corruptions that come together."
    yield "Corruptions as a camera makes them: these are formulas on finished images."
    if left:
        yield f"The other {left:,} test rows, which were not corrupted."
