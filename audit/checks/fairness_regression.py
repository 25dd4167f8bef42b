"""fairness.regression: how predicted numbers and their errors differ between groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics import regression
from audit.metrics.clusters import pair_inflation
from audit.names import name_of
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import JUDGED, Subject

SKEWED, NONE = "skewness-corrected t", "none: descriptive"
PAIRS = "hybrid of skewness-corrected t bounds, simultaneous over the groups"
HC3 = "Student's t with HC3 errors (clusters: CR3), Satterthwaite degrees of freedom"
Better = Literal["higher", "lower", "neither"]
OF_GROUP = (
    Measure(
        "mean_error",
        "neither",
        "Mean of prediction minus target: above 0 predicts too much.",
        SKEWED,
        ends=(None, None),
    ),
    Measure(
        "mean_absolute_error", "lower", "Mean distance of prediction and target.", SKEWED, ends=(0, None)
    ),
    Measure(
        "root_mean_squared_error",
        "lower",
        "Root of the mean squared error.",
        f"root of the {SKEWED}",
        ends=(0, None),
    ),
    Measure(
        "r2",
        "higher",
        "R squared: 1 minus the squared error over that of the group's mean.",
        NONE,
        ends=(None, 1),
    ),
    Measure("mean_prediction", "neither", "Mean of the predictions.", SKEWED, ends=(None, None)),
    Measure(
        "calibration_slope",
        "neither",
        "Slope of the target on the prediction: 1 is right.",
        HC3,
        ends=(None, None),
    ),
    Measure(
        "calibration_intercept",
        "neither",
        "Where that line crosses a prediction of 0: 0 is right.",
        HC3,
        ends=(None, None),
    ),
)
GAPS = (
    Measure(
        "mean_error_difference",
        "lower",
        "Largest minus smallest mean error of the groups.",
        PAIRS,
        ends=(0, None),
    ),
    Measure(
        "mean_absolute_error_difference",
        "lower",
        "Largest minus smallest mean absolute error.",
        PAIRS,
        ends=(0, None),
    ),
    Measure(
        "mean_absolute_error_maximum",
        "lower",
        "Mean absolute error of the group served worst.",
        "skewness-corrected t, simultaneous over the groups",
        ends=(0, None),
    ),
    Measure(
        "mean_prediction_difference",
        "lower",
        "Largest minus smallest mean prediction.",
        PAIRS,
        ends=(0, None),
    ),
    Measure(
        "calibration_slope_difference",
        "lower",
        "Largest minus smallest calibration slope.",
        NONE,
        ends=(0, None),
    ),
    Measure(
        "prediction_distance",
        "lower",
        "Largest 1-Wasserstein distance of two groups' predictions, in the target's unit.",
        NONE,
        ends=(0, None),
    ),
    Measure(
        "prediction_ks",
        "lower",
        "Largest Kolmogorov-Smirnov distance of two groups' predictions: 0 alike, 1 apart.",
        NONE,
    ),
)


class RegressionOptions(Options):
    """What fairness.regression compares."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to compare; empty: every one that the data declare"
    )
    minimum_rows: int = Field(
        default=1, ge=1, description="rows below which a group is shown, named, and left out of comparisons"
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Predicted numbers[n], targets[n], groups[n] of one attribute and clusters[n] or None."""

    predicted: np.ndarray
    y: np.ndarray
    group: np.ndarray
    cluster: np.ndarray | None

    @property
    def error(self) -> np.ndarray:
        """Return prediction minus target."""
        return self.predicted - self.y

    def of(self, rows: np.ndarray) -> _Rows:
        """Return these rows."""
        cluster = None if self.cluster is None else self.cluster[rows]
        return _Rows(self.predicted[rows], self.y[rows], self.group[rows], cluster)


@check(
    "fairness.regression",
    area="fairness",
    title="Group fairness of predicted numbers",
    needs=("groups",),
    tasks=("regression",),
    measures=(*OF_GROUP, *GAPS),
)
def fairness_regression(subject: Subject, options: RegressionOptions, ctx: Context) -> Findings:
    """Return each group's errors, mean prediction and calibration line, and the gaps between groups.

    Equal mean predictions are statistical parity, equal mean errors parity of the residuals, equal absolute
    errors bounded group loss (Agarwal, Dudik and Wu 2019, Fair Regression). A group of one row has no error
    of its own, so its comparison is not estimable, unless minimum_rows or the policy leaves it out.
    """
    names = _attributes(subject, options.attributes)
    measurements: list[Measurement] = []
    lines: list[tuple[str | int | float | None, ...]] = []
    notes: list[str] = []
    for done, attribute in enumerate(names, start=1):
        rows = _rows(subject, attribute)
        met, sizes = np.unique(rows.group, return_counts=True)
        each = {str(name): _of_group(rows.of(rows.group == name)) for name in met}
        measurements += _labelled(attribute, each)
        lines += [_line(attribute, group, found) for group, found in each.items()]
        kept = [str(name) for name, n in zip(met, sizes, strict=True) if n >= options.minimum_rows]
        measurements += _gaps(attribute, rows.of(np.isin(rows.group, kept)), {g: each[g] for g in kept})
        left = [(str(g), int(n)) for g, n in zip(met, sizes, strict=True) if n < options.minimum_rows]
        notes += [
            f"Not compared: {attribute} = {group}, with {n} rows under minimum_rows={options.minimum_rows}."
            for group, n in left
        ]
        ctx.tick(done, len(names))
    return Findings(
        measurements=tuple(measurements),
        tables=(_table(lines),),
        not_measured=(*notes, *_not_measured(subject, names)),
    )


def _attributes(subject: Subject, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the attributes to compare: those asked for, else all; ConfigError for an unknown one."""
    known = subject.data.test.groups
    for name in asked:
        if name not in known:
            given = f"fairness.regression: attributes={name!r}"
            raise ConfigError(given, nearest(name, known), "mend the list")
    return tuple(dict.fromkeys(asked)) or tuple(known)


def _rows(subject: Subject, attribute: str) -> _Rows:
    """Return the judged rows as plain numbers with their groups."""
    test = subject.data.test
    text = [name_of(v) for v in np.asarray(test.groups[attribute], object)]
    predicted = np.asarray(subject.outputs[JUDGED], np.float64)[:, 0]
    return _Rows(predicted, np.asarray(test.y, np.float64), np.asarray(text), test.cluster)


# ---------------------------------------------------------------- one group


def _of_group(rows: _Rows) -> dict[str, Estimate]:
    """Return a group's measures by name."""
    error, cluster = rows.error, rows.cluster
    slope, intercept = _line_estimates(rows)
    return {
        "mean_error": stats.mean(error, cluster=cluster),
        "mean_absolute_error": stats.mean(np.abs(error), cluster=cluster, low=0.0),
        "root_mean_squared_error": stats.root_mean(error**2, cluster=cluster),
        "r2": _r2(rows),
        "mean_prediction": stats.mean(rows.predicted, cluster=cluster),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def _r2(rows: _Rows) -> Estimate:
    """Return 1 minus the squared error over that of the group's own mean, shown and never judged."""
    n, spread = len(rows.y), float(np.square(rows.y - rows.y.mean()).sum())
    if spread == 0:
        return stats.not_estimable("all targets of the group are equal", n=n)
    note = "within the group: a group of little spread has a low one at the same error"
    return stats.descriptive(1 - float(np.square(rows.error).sum()) / spread, n, "1 - SSE / SST", note=note)


def _line_estimates(rows: _Rows) -> tuple[Estimate, Estimate]:
    """Return the slope and intercept of the target on the prediction."""
    n, found = len(rows.y), regression.line(rows.predicted, rows.y, rows.cluster)
    if found is None:
        reason = f"{n} rows whose predictions differ too little to lay a line through"
        return stats.not_estimable(reason, n=n), stats.not_estimable(reason, n=n)
    method = f"least squares, {HC3}"
    return (
        stats.normal(found.slope, found.slope_error, n, df=found.slope_df, method=method),
        stats.normal(found.intercept, found.intercept_error, n, df=found.intercept_df, method=method),
    )


def _labelled(attribute: str, each: dict[str, dict[str, Estimate]]) -> Iterator[Measurement]:
    """Yield every group's measures."""
    for group, found in each.items():
        for measure in OF_GROUP:
            text = measure.name.replace("_", " ").capitalize().replace("R2", "R squared")
            yield Measurement(
                name=measure.name,
                label=f"{text}, {attribute} = {group}",
                estimate=found[measure.name],
                better=_better(measure),
                where={"attribute": attribute, "group": group},
            )


def _better(measure: Measure) -> Better:
    """Return what is better, as a measurement says it."""
    return "lower" if measure.better == "lower" else "higher" if measure.better == "higher" else "neither"


# ---------------------------------------------------------------- between groups


def _gaps(attribute: str, rows: _Rows, each: dict[str, dict[str, Estimate]]) -> Iterator[Measurement]:
    """Yield the gaps between the groups that are compared."""
    if len(each) < 2:
        reason = f"a comparison needs two groups; {attribute} has {len(each)}"
        found = {m.name: stats.not_estimable(reason, n=len(rows.y)) for m in GAPS}
    else:
        found = _compared(rows) | {"calibration_slope_difference": _slopes(each, len(rows.y))}
    for measure in GAPS:
        yield Measurement(
            name=measure.name,
            label=f"{measure.name.replace('_', ' ').replace(' ks', ' KS').capitalize()} by {attribute}",
            estimate=found[measure.name],
            better="lower",
            where={"attribute": attribute},
        )


def _compared(rows: _Rows) -> dict[str, Estimate]:
    """Return the differences of means and the distances of the predictions."""
    error, away = rows.error, np.abs(rows.error)
    earth, steps = regression.widest(rows.predicted, rows.group)
    n = len(rows.y)
    return {
        "mean_error_difference": _means(rows, error, "difference"),
        "mean_absolute_error_difference": _means(rows, away, "difference", low=0.0),
        "mean_absolute_error_maximum": _means(rows, away, "maximum", low=0.0),
        "mean_prediction_difference": _means(rows, rows.predicted, "difference"),
        "prediction_distance": _distance(earth, n, "1-Wasserstein distance"),
        "prediction_ks": _distance(steps, n, "Kolmogorov-Smirnov distance"),
    }


def _means(
    rows: _Rows, values: np.ndarray, of: Literal["difference", "maximum"], low: float | None = None
) -> Estimate:
    """Return the summary of a mean over the groups; people in several groups widen a difference."""
    factor = 1.0
    if of == "difference" and rows.cluster is not None:
        factor = pair_inflation(values, np.unique(rows.group, return_inverse=True)[1], rows.cluster)
    return stats.group_means(values, rows.group, of=of, cluster=rows.cluster, inflation=factor, low=low)


def _distance(found: regression.Distance, n: int, method: str) -> Estimate:
    """Return a distance with the two groups that it lies between."""
    note = f"between {found.first} and {found.second}; above 0 even for groups that are alike, the more the smaller"
    return stats.descriptive(found.value, n, method, note=note)


def _slopes(each: dict[str, dict[str, Estimate]], n: int) -> Estimate:
    """Return how far the groups' calibration slopes lie apart."""
    slopes = {group: found["calibration_slope"].value for group, found in each.items()}
    known = [value for value in slopes.values() if value is not None]
    if len(known) < len(slopes):
        lost = next(group for group, value in slopes.items() if value is None)
        return stats.not_estimable(f"group {lost} has no calibration slope", n=n)
    note = "above 0 even for groups that are alike; each slope has an interval"
    return stats.descriptive(max(known) - min(known), n, "largest minus smallest slope", note=note)


# ---------------------------------------------------------------- table and what was not measured


def _line(attribute: str, group: str, found: dict[str, Estimate]) -> tuple[str | int | float | None, ...]:
    """Return a group's row of the table."""
    bias, away = found["mean_error"], found["mean_absolute_error"]
    rest = ("root_mean_squared_error", "r2", "mean_prediction", "calibration_slope", "calibration_intercept")
    return (
        *(attribute, group, bias.n, bias.value, bias.low, bias.high, away.value, away.low, away.high),
        *(found[name].value for name in rest),
    )


def _table(lines: list[tuple[str | int | float | None, ...]]) -> Table:
    """Return the groups side by side."""
    heads = {
        "mean_error": "Mean error",
        "mean_error_low": "95 % low",
        "mean_error_high": "95 % high",
        "mean_absolute_error": "Mean absolute error",
        "mean_absolute_error_low": "95 % low",
        "mean_absolute_error_high": "95 % high",
        "root_mean_squared_error": "Root mean squared error",
        "r2": "R squared",
        "mean_prediction": "Mean prediction",
        "calibration_slope": "Slope",
        "calibration_intercept": "Intercept",
    }
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="group", label="Group", kind="text"),
        Column(name="n", label="Rows", kind="count"),
        *(Column(name=name, label=label) for name, label in heads.items()),
    )
    return Table(name="groups", title="Errors by group", columns=columns, rows=tuple(lines))


def _not_measured(subject: Subject, names: tuple[str, ...]) -> Iterator[str]:
    """Yield what no figure here says."""
    yield "Whether the targets are biased: every error takes the recorded numbers as true."
    yield "Causal fairness: a gap is a difference between groups, not an effect of the attribute."
    yield f"Crossings of attributes, and attributes other than {', '.join(names)}."
