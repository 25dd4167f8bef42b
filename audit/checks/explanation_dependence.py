"""explanation.dependence: how the model's outputs move with each feature, the others as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.attribution.dependence import with_feature_set
from audit.attribution.shapley import explained
from audit.errors import ConfigError, DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.games.game import ROUNDING, how_to_run, largest
from audit.metrics.sampling import sample
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import Feature, Split, Subject

BETWEEN = "only {} values were tried (behaviour.tests, kind: monotone, searches between them and is put to the proof)"


class DependenceOptions(Options):
    """Options of explanation.dependence."""

    rows: int = Field(500, ge=2, description="test rows whose feature is set, drawn by the seed")
    points: int = Field(20, ge=2, description="values of a number: quantiles of the train rows")
    curves: int = Field(
        4, ge=0, description="features whose curve or categories are tabulated, largest effect first"
    )
    monotone: dict[str, Literal["up", "down"]] = Field(
        default_factory=dict,
        description="features with which the output should only rise (up) or only fall (down)",
    )
    batch: int = Field(2048, ge=1, description="inputs run through the model at a time")


@dataclass(frozen=True, eq=False)
class _Effect:
    """One feature's values[k], their share[k] of the train rows, and each row's change[n, k] of the output."""

    feature: Feature
    values: np.ndarray
    share: np.ndarray
    change: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """Return each row's mean absolute change[n], the values weighted by how common they are in train."""
        return np.abs(self.change) @ self.share

    def monotonicity(self) -> float | None:
        """Return the mean curve's rise over its way up and down, -1 to 1; None for categories and flat curves."""
        steps = np.diff(self.change.mean(axis=0))
        way = float(np.abs(steps).sum())
        return float(steps.sum()) / way if self.feature.kind == "numeric" and way > 0 else None

    def follows(self, direction: str, noise: float) -> np.ndarray:
        """Return whether each row's curve[n] goes the direction at every step, up to rounding."""
        steps = np.diff(self.change, axis=1) * (1 if direction == "up" else -1)
        return np.asarray((steps >= -noise).all(axis=1))


@check(
    "explanation.dependence",
    area="explanation",
    title="Dependence on features",
    needs=("function", "features", "scores"),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure(
            "effect",
            "neither",
            "Mean absolute change of the output when a feature is set to the train rows' values one by one: in "
            "log-odds of class 1, with more classes of the predicted class; in regression in its own unit.",
            "of a mean over the rows, skewness-corrected",
            ends=(0, None),
        ),
        Measure(
            "monotone_rows",
            "higher",
            "Share of rows whose output goes in the direction asked at every step of the feature's values.",
            "exact (Clopper-Pearson); at most, since other values may break it: no rule on it can PASS",
        ),
        Measure(
            "monotonicity",
            "neither",
            "Rise of the mean curve over all its ups and downs: 1 only rises, -1 only falls.",
            "none: descriptive",
            ends=(-1, 1),
        ),
    ),
)
def dependence(subject: Subject, options: DependenceOptions, ctx: Context) -> Findings:
    """Set each feature of random test rows to the values it takes in train, and follow the model's output.

    A curve is the partial dependence of Friedman (2001), told as the change from the rows' own output, with a
    band over the rows. The other features stay as they are, so that unlikely combinations are asked about too.
    """
    data = subject.data
    if data.modality != "table":
        raise DataError(f"modality={data.modality}", "a table", "remove explanation.dependence")
    _refuse(options, data.features)
    rows = _drawn(data.test, min(options.rows, 60) if ctx.quick else options.rows, ctx.seed)
    effects, scale = _effects(subject, rows, options)
    unit = "" if subject.model.outputs == "values" else "log-odds"
    measurements = [m for e in effects for m in _measure(e, rows, options, ROUNDING * scale, unit)]
    ranked = sorted(effects, key=lambda e: -float(e.size.mean()))
    return Findings(
        measurements=tuple(measurements),
        tables=(
            _ranking(ranked, measurements, unit),
            *(_curve(e, rows, unit) for e in ranked[: options.curves]),
        ),
        not_measured=(
            "What happens in the world when a feature changes: the others stay as they are, whether or not that is "
            "possible.",
        ),
        cost={
            "rows_explained": len(rows),
            "model_evaluations": len(rows) * sum(len(e.values) for e in effects),
        },
    )


def _refuse(options: DependenceOptions, features: tuple[Feature, ...]) -> None:
    """Raise ConfigError for a direction of no feature, or of a category."""
    kinds = {f.name: f.kind for f in features}
    for name, direction in options.monotone.items():
        given = f"explanation.dependence: monotone {name}: {direction}"
        if name not in kinds:
            raise ConfigError(given, f"a feature; {nearest(name, kinds)}", "mend the name")
        if kinds[name] == "categorical":
            raise ConfigError(given, "a number, since categories have no order", "leave it out")


def _drawn(split: Split, rows: int, seed: int) -> Split:
    """Return so many rows at random, the same ones whatever the order of the split."""
    return split.take(sample(split.id, rows, seed))


def _effects(subject: Subject, rows: Split, options: DependenceOptions) -> tuple[list[_Effect], float]:
    """Return every feature's effect, and the size of the largest output."""
    data, model, train = subject.data, subject.model, np.asarray(subject.data.reference.x)
    apply, margin, over = how_to_run(model)
    told = {"margin": margin, "batch": options.batch, "over": over}
    values = [_values(f, train[:, j], options.points) for j, f in enumerate(data.features)]
    feature = np.repeat(np.arange(len(values)), [len(v) for v, _ in values])
    x = np.asarray(rows.x)
    every = np.concatenate([v for v, _ in values])
    found = with_feature_set(apply, model.params, x, feature, every, **told)
    own = explained(apply, model.params, x, **told)
    n, outputs = own.shape
    column = own.argmax(axis=1) if data.task == "multiclass" else np.full(n, outputs - 1)
    change = np.take_along_axis(found - own[:, None], column[:, None, None], axis=2)[:, :, 0]
    scale = largest(own)
    change = np.where(np.abs(change) <= ROUNDING * scale, 0.0, change)
    parts = [
        _Effect(f, v, share, change[:, feature == j])
        for j, (f, (v, share)) in enumerate(zip(data.features, values, strict=True))
    ]
    return parts, scale


def _values(feature: Feature, column: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values to set and their share of the train rows: categories met, or quantiles of numbers."""
    if feature.kind == "categorical" or len(np.unique(column)) <= points:
        met, count = np.unique(column, return_counts=True)
    else:
        met, count = np.unique(
            np.quantile(column, (np.arange(points) + 0.5) / points).astype(np.float32), return_counts=True
        )
    return met, count / count.sum()


# ---------------------------------------------------------------- estimates and tables


def _measure(
    effect: _Effect, rows: Split, options: DependenceOptions, noise: float, unit: str
) -> list[Measurement]:
    """Bound a feature's effect, and its direction where one is asked."""
    name = effect.feature.name
    where: dict[str, str | float | int] = {"feature": name}
    label = f"Mean absolute change with {name}"
    found = [Measurement(name="effect", label=label, estimate=_size(effect, rows), where=where, unit=unit)]
    if name in options.monotone:
        direction = options.monotone[name]
        label = f"Rows whose output goes only {direction} with {name}"
        estimate = stats.rate(effect.follows(direction, noise), cluster=rows.cluster, side="at most")
        estimate = estimate.model_copy(update={"doubt": BETWEEN.format(len(effect.values))})
        found.append(
            Measurement(name="monotone_rows", label=label, estimate=estimate, better="higher", where=where)
        )
    value = effect.monotonicity()
    if value is not None:
        estimate = stats.descriptive(value, len(rows), "rise over ups and downs of the mean curve")
        label = f"Monotonicity with {name}"
        found.append(Measurement(name="monotonicity", label=label, estimate=estimate, where=where))
    return found


def _size(effect: _Effect, rows: Split) -> Estimate:
    """Bound the mean absolute change; a feature that no row's output depends on has none to bound."""
    if not effect.size.any():
        return stats.descriptive(0.0, len(rows), "mean", note="no row's output depends on it")
    return stats.mean(effect.size, cluster=rows.cluster, low=0.0)


def _ranking(ranked: list[_Effect], measurements: list[Measurement], unit: str) -> Table:
    """Tabulate the features' effects, largest first."""
    effects = {m.where["feature"]: m.estimate for m in measurements if m.name == "effect"}
    columns = (
        Column(name="feature", label="feature", kind="text"),
        Column(name="value", label=f"mean absolute change{f', {unit}' if unit else ''}"),
        Column(name="low", label="low"),
        Column(name="high", label="high"),
        Column(name="monotonicity", label="monotonicity"),
    )
    rows: list[tuple[Scalar, ...]] = [
        (e.feature.name, found.value, found.low, found.high, e.monotonicity())
        for e in ranked
        for found in [effects[e.feature.name]]
    ]
    note = "Monotonicity: 1 where the mean curve only rises, -1 where it only falls; none for categories."
    title = "How far the output moves with each feature"
    return Table(name="effects", title=title, kind="importance", columns=columns, rows=tuple(rows), note=note)


def _curve(effect: _Effect, rows: Split, unit: str) -> Table:
    """Tabulate the mean change at every value, with its interval over the rows."""
    f, said = effect.feature, f" ({unit})" if unit else ""
    number = f.kind == "numeric"
    title = f"Change of the mean output{said} with {f.name}"
    note = "Every row's feature is set to the value, the others stay; 0 is the rows' own mean output."
    named = (
        (Column(name="series", label="feature", kind="text"), Column(name="x", label=f.name))
        if number
        else (
            Column(name="category", label=f.name, kind="text"),
            Column(name="share", label="share of train rows", kind="rate"),
        )
    )
    columns = (
        *named,
        Column(name="value", label=f"change{said}"),
        Column(name="low", label="low"),
        Column(name="high", label="high"),
        Column(name="n", label="rows", kind="count"),
    )
    lines: list[tuple[Scalar, ...]] = []
    for k, value in enumerate(effect.values):
        e = stats.mean(effect.change[:, k], cluster=rows.cluster)
        mean = float(effect.change[:, k].mean())
        first = (f.name, float(value)) if number else (_category(f, value), float(effect.share[k]))
        lines.append((*first, mean, e.low, e.high, len(rows)))
    kind = "curve" if number else "plain"
    return Table(
        name=f"curve {f.name}", title=title, kind=kind, columns=columns, rows=tuple(lines), note=note
    )


def _category(feature: Feature, code: float) -> str:
    """Return a category's name."""
    place = int(code) - 1
    return feature.categories[place] if 0 <= place < len(feature.categories) else "(not seen in train)"
