"""robustness.noise: what random errors of measurement, and features that fall out, cost a model of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError, DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics.sampling import sample
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import Split, Subject, decide, run_model
from audit.subject_unit import eps_unit
from audit.trials import noise

QUICK_ROWS, QUICK_DRAWS = 200, 2
EXACT, PAIRED = "exact (Clopper-Pearson)", "of the rows' paired differences, skewness-corrected t"
MEAN = "of a mean over the rows, skewness-corrected t"
Where = dict[str, str | float | int]
WORDS = {"accuracy_lost": "Accuracy lost", "error_added": "Mean absolute error added"}


class NoiseOptions(Options):
    """What robustness.noise tries."""

    noise: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        (0.1, 0.25, 0.5),
        description="sizes of normal noise, in each feature's standard deviation on train, or the declared scale",
    )
    draws: int = Field(5, ge=1, description="times that every row is disturbed, at each size of noise")
    lost: tuple[str, ...] | None = Field(
        (), description="features that fall out, one at a time; empty: every mutable one; null: none"
    )
    fill: tuple[Literal["median", "previous"], ...] = Field(
        ("median",),
        min_length=1,
        description="what stands in for a lost feature: the train rows' median (commonest category), or the value "
        "of the row before in time",
    )
    rows: int | None = Field(10_000, ge=2, description="test rows tried, drawn by their ids; null: all")


@dataclass(frozen=True, eq=False)
class _Own:
    """The rows tried, which of them are right (or how far off), their outputs, and how outputs are read."""

    subject: Subject
    rows: Split
    loss: np.ndarray
    outputs: np.ndarray

    @property
    def numbers(self) -> bool:
        """Return whether the task is to predict numbers."""
        return self.subject.data.task == "regression"


@dataclass(frozen=True, eq=False)
class _Tried:
    """One way to disturb the rows: its place, words, mean loss[n] over the draws, and mean change[n]."""

    where: Where
    words: str
    loss: np.ndarray
    change: np.ndarray


@check(
    "robustness.noise",
    area="robustness",
    title="Noise and features that fall out",
    broken="counted",
    needs=("function", "features"),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure("clean_accuracy", "higher", "Accuracy on the rows tried, undisturbed.", EXACT),
        Measure("noisy_accuracy", "higher", "Share of the disturbed rows that are decided correctly.", MEAN),
        Measure("accuracy_lost", "lower", "Accuracy of the rows undisturbed minus disturbed.", PAIRED, ends=(-1, 1)),
        Measure("decision_changed", "lower", "Share of the disturbed rows that are decided otherwise.", MEAN),
        Measure("clean_error", "lower", "Mean absolute error on the rows tried, undisturbed.", MEAN, ends=(0, None)),
        Measure("noisy_error", "lower", "Mean absolute error of the disturbed rows.", MEAN, ends=(0, None)),
        Measure(
            "error_added",
            "lower",
            "Mean absolute error of the rows disturbed minus undisturbed.",
            PAIRED,
            ends=(None, None),
        ),
        Measure("output_moved", "lower", "Mean absolute change of the predicted number.", MEAN, ends=(0, None)),
    ),
)  # fmt: skip
def noise_check(subject: Subject, options: NoiseOptions, ctx: Context) -> Findings:
    """Return what normal noise in every feature, and the loss of one feature at a time, cost the model.

    Noise is in units of each numeric feature's standard deviation on train, clipped to the data's bounds; fixed
    and categorical features keep their values. A lost feature is replaced in every row. All comparisons are
    paired: the same rows, disturbed and not. A row's noise depends on its id and the seed, never on its place.
    """
    _refuse(subject, options)
    every = subject.data.test
    at = sample(
        every.id, min(options.rows or len(every), QUICK_ROWS) if ctx.quick else options.rows, ctx.seed
    )
    own = _own(subject, every.take(at))
    draws = min(options.draws, QUICK_DRAWS) if ctx.quick else options.draws
    tried = [*_noisy(own, options, draws, ctx), *_lost(own, options, at, ctx)]
    if not tried:
        raise DataError("no feature that noise may move or that may fall out", "a mutable feature")
    measured = [_clean(own), *(m for one in tried for m in _measured(own, one))]
    return Findings(
        measurements=tuple(measured),
        tables=tuple(_tables(own, measured)),
        not_measured=tuple(_not_measured(own, len(every))),
        cost={"forward": len(at) * (1 + draws * len(options.noise) + len(tried))},
    )


def _refuse(subject: Subject, options: NoiseOptions) -> None:
    """Raise where a feature is unknown or fixed, no row is before another, or decisions cannot be made anew."""
    known = {f.name: f for f in subject.data.features}
    for name in options.lost or ():
        if name not in known:
            raise ConfigError(f"robustness.noise: lost={name!r}", nearest(name, known), "mend the list")
        if not known[name].mutable:
            raise ConfigError(f"robustness.noise: lost={name!r}", "a feature that is not immutable")
    if "previous" in options.fill and subject.data.test.time is None:
        raise ConfigError("robustness.noise: fill=previous", "data with a time column", "use median")
    if subject.model.decisions:
        raise DataError("thresholds of each group decide", "a decision rule that can be run on new inputs")


# ---------------------------------------------------------------- disturbing


def _own(subject: Subject, rows: Split) -> _Own:
    """Return the rows with what the model makes of them undisturbed."""
    outputs = run_model(subject.model, rows.x)
    return _Own(subject, rows, _loss(subject, rows, outputs), outputs)


def _loss(subject: Subject, rows: Split, outputs: np.ndarray) -> np.ndarray:
    """Return whether each row[n] is decided wrongly, or how far its predicted number is off."""
    if subject.data.task == "regression":
        return np.abs(np.asarray(outputs, np.float64)[:, 0] - rows.y)
    return (decide(outputs, subject.model) != rows.y).astype(np.float64)


def _change(own: _Own, outputs: np.ndarray) -> np.ndarray:
    """Return whether each row[n] is decided otherwise, or how far its predicted number moved."""
    if own.numbers:
        return np.abs(np.asarray(outputs, np.float64)[:, 0] - np.asarray(own.outputs, np.float64)[:, 0])
    model = own.subject.model
    return (decide(outputs, model) != decide(own.outputs, model)).astype(np.float64)


def _try(own: _Own, where: Where, words: str, inputs: Iterator[np.ndarray]) -> _Tried:
    """Run the model on disturbed inputs, and average over their draws."""
    losses, changes = [], []
    for x in inputs:
        outputs = run_model(own.subject.model, x)
        losses.append(_loss(own.subject, own.rows, outputs))
        changes.append(_change(own, outputs))
    return _Tried(where, words, np.mean(losses, axis=0), np.mean(changes, axis=0))


def _noisy(own: _Own, options: NoiseOptions, draws: int, ctx: Context) -> Iterator[_Tried]:
    """Yield every size of noise, where there is a feature that it may move."""
    data = own.subject.data
    if not noise.scales(data).any():
        return
    for size in dict.fromkeys(options.noise):
        inputs = (noise.noisy(data, own.rows, size, draw, ctx.seed) for draw in range(draws))
        yield _try(own, {"noise": size}, f"noise of {size:g} {eps_unit(data)}", inputs)


def _lost(own: _Own, options: NoiseOptions, at: np.ndarray, ctx: Context) -> Iterator[_Tried]:
    """Yield every feature that falls out, and what stands in for it; its row before may be any test row."""
    if options.lost is None:
        return
    data = own.subject.data
    asked = options.lost or tuple(f.name for f in data.features if f.mutable)
    for j, feature in enumerate(data.features):
        if feature.name not in asked:
            continue
        usual = noise.usual(data.reference, feature, j)
        for fill in dict.fromkeys(options.fill):
            values = usual if fill == "median" else noise.previous(data.test, j, usual)[at]
            where: Where = {"lost": feature.name, "filled": fill}
            stand_in = (
                "commonest value" if fill == "median" and feature.kind == "categorical" else f"{fill} value"
            )
            words = f"{feature.name} lost, its {stand_in} in its place"
            yield _try(own, where, words, iter([noise.without(own.rows.x, j, values)]))
        ctx.tick(j + 1, len(data.features))


# ---------------------------------------------------------------- measurements


def _clean(own: _Own) -> Measurement:
    """Return the accuracy or error of the rows undisturbed."""
    cluster = own.rows.cluster
    if own.numbers:
        error = stats.mean(own.loss, cluster=cluster, low=0.0)
        return Measurement(
            name="clean_error", label="Mean absolute error, undisturbed", estimate=error, better="lower"
        )
    right = stats.rate(own.loss == 0, cluster=cluster)
    return Measurement(name="clean_accuracy", label="Accuracy, undisturbed", estimate=right, better="higher")


def _measured(own: _Own, one: _Tried) -> Iterator[Measurement]:
    """Yield what one way to disturb the rows costs."""
    cluster, added = own.rows.cluster, one.loss - own.loss
    if own.numbers:
        noisy = stats.mean(one.loss, cluster=cluster, low=0.0)
        yield _named("noisy_error", "Mean absolute error", noisy, "lower", one)
        yield _named("error_added", WORDS["error_added"], _mean(added, cluster), "lower", one)
        yield _named(
            "output_moved", "Mean change of the prediction", _mean(one.change, cluster, 0.0), "lower", one
        )
        return
    right = stats.mean(1 - one.loss, cluster=cluster, low=0.0, high=1.0)
    yield _named("noisy_accuracy", "Accuracy", right, "higher", one)
    lost = stats.mean(added, cluster=cluster, low=-1.0, high=1.0)
    yield _named("accuracy_lost", WORDS["accuracy_lost"], lost, "lower", one)
    changed = stats.mean(one.change, cluster=cluster, low=0.0, high=1.0)
    yield _named("decision_changed", "Decisions changed", changed, "lower", one)


def _mean(values: np.ndarray, cluster: np.ndarray | None, low: float | None = None) -> Estimate:
    """Bound a mean; what moves no row's output has nothing to bound."""
    if not values.any():
        return stats.descriptive(0.0, len(values), "mean", note="no row's output moves")
    return stats.mean(values, cluster=cluster, low=low)


def _named(
    name: str, label: str, estimate: Estimate, better: Literal["higher", "lower"], one: _Tried
) -> Measurement:
    """Return a measurement of one way to disturb the rows."""
    return Measurement(
        name=name, label=f"{label}, {one.words}", estimate=estimate, better=better, where=one.where
    )


# ---------------------------------------------------------------- tables and what was not measured


def _tables(own: _Own, measured: list[Measurement]) -> Iterator[Table]:
    """Yield the curve over the size of noise, and the features by what their loss costs."""
    of = "noisy_error" if own.numbers else "noisy_accuracy"
    kind: Literal["number", "rate"] = "number" if own.numbers else "rate"
    curve = [m for m in measured if m.name == of and "noise" in m.where]
    if curve:
        points = [(0.0, measured[0].estimate), *((float(m.where["noise"]), m.estimate) for m in curve)]
        said = "Mean absolute error" if own.numbers else "Accuracy"
        columns = (
            Column(name="series", label="What is disturbed", kind="text"),
            Column(name="x", label=f"noise {eps_unit(own.subject.data)}"),
            Column(name="value", label=said, kind=kind),
            Column(name="low", label="Low", kind=kind),
            Column(name="high", label="High", kind=kind),
            Column(name="n", label="Rows", kind="count"),
        )
        rows = tuple(("every numeric feature", x, e.value, e.low, e.high, e.n) for x, e in points)
        yield Table(name="noise", title=f"{said} under noise", kind="curve", columns=columns, rows=rows)
    yield from _ranking(own, measured, kind)


def _ranking(own: _Own, measured: list[Measurement], kind: Literal["number", "rate"]) -> Iterator[Table]:
    """Yield the features for each stand-in, the dearest first."""
    of = "error_added" if own.numbers else "accuracy_lost"
    lost = [m for m in measured if m.name == of and "lost" in m.where]
    for fill in dict.fromkeys(str(m.where["filled"]) for m in lost):
        own_fill = [m for m in lost if m.where["filled"] == fill]
        ranked = sorted(own_fill, key=lambda m: -(m.estimate.value or 0.0))
        columns = (
            Column(name="feature", label="Feature lost", kind="text"),
            Column(name="value", label=WORDS[of], kind=kind),
            Column(name="low", label="Low", kind=kind),
            Column(name="high", label="High", kind=kind),
        )
        rows: list[tuple[Scalar, ...]] = [
            (m.where["lost"], m.estimate.value, m.estimate.low, m.estimate.high) for m in ranked
        ]
        title = f"{WORDS[of]} when a feature falls out ({fill} in its place)"
        yield Table(name=f"lost, {fill}", title=title, kind="importance", columns=columns, rows=tuple(rows))


def _not_measured(own: _Own, every: int) -> Iterator[str]:
    """Yield what is left open."""
    features = own.subject.data.features
    still = [f.name for f, s in zip(features, noise.scales(own.subject.data), strict=True) if not s]
    if still:
        yield f"Noise in {', '.join(still)}: fixed, categorical or constant."
    yield "Errors that go together, drift, and noise of another shape: each feature's noise is normal and its own."
    yield "Whole numbers stay no whole numbers under noise, so that some disturbed rows could not occur."
    yield "Several features lost at once, and a model that is told which are missing."
    if len(own.rows) < every:
        yield f"The other {every - len(own.rows):,} test rows, which were not disturbed."
