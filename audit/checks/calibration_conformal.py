"""calibration.conformal: sets and intervals that hold the truth as often as promised, in all and in every group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.stats import beta

from audit import stats
from audit.errors import DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import conformal
from audit.registry import Context, Measure, Options, check
from audit.stats.bootstrap import keys
from audit.subject import JUDGED, Subject
from audit.trials import claims

FITTED = "calibration"
EXACT = "exact (Clopper-Pearson), given the calibration rows"
Method = Literal["lac", "aps", "residual"]
NAMES = {"lac": "LAC sets", "aps": "APS sets", "residual": "intervals"}
COMPARED: dict[Literal["difference", "minimum"], Literal["higher", "lower"]] = {
    "difference": "lower",
    "minimum": "higher",
}
Where = dict[str, str | float | int]


class ConformalOptions(Options):
    """What calibration.conformal tries."""

    alphas: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.1,), min_length=1, description="shares of rows whose set or interval may miss the truth"
    )
    methods: tuple[Literal["lac", "aps"], ...] = Field(
        default=("lac", "aps"),
        min_length=1,
        description="scores of the sets of classes; numbers have residuals",
    )
    group_rows: int = Field(
        50, ge=1, description="fewest rows of a group that is compared with the others; all are shown"
    )


@dataclass(frozen=True, eq=False)
class _Tried:
    """One method at one alpha: covered[n], size[n] (classes, or width) of every test row, and the threshold."""

    method: Method
    alpha: float
    covered: np.ndarray
    size: np.ndarray
    threshold: float

    @property
    def where(self) -> Where:
        """Return the place of its numbers."""
        return {"alpha": self.alpha, "method": self.method}

    @property
    def words(self) -> str:
        """Return what it is, in a few words."""
        return f"{NAMES[self.method]} at alpha {self.alpha:g}"


@check(
    "calibration.conformal",
    area="calibration",
    title="Conformal prediction",
    needs=("calibration", "scores"),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure("coverage", "higher", "Share of rows whose set or interval holds the truth.", EXACT),
        Measure("group_coverage", "higher", "Coverage in one group.", EXACT),
        Measure("class_coverage", "higher", "Coverage among the rows of one class.", EXACT),
        Measure(
            "coverage_difference", "lower", "Highest minus lowest coverage of any two groups.",
            "simultaneous over the groups",
        ),
        Measure(
            "coverage_minimum", "higher", "Coverage of the group covered least.", "simultaneous over the groups"
        ),
        Measure("set_size", "lower", "Mean number of classes in a row's set.", "mean over rows", ends=(0, None)),
        Measure("single", "higher", "Share of rows whose set is one class.", EXACT),
        Measure("empty", "lower", "Share of rows whose set is empty: no class is likely enough.", EXACT),
        Measure(
            "interval_width", "lower", "Width of every row's interval, in the target's unit.",
            "none: a function of the calibration rows", ends=(0, None),
        ),
        Measure(
            "interval_score", "lower", "Width plus 2 / alpha times how far the truth lies outside (Gneiting and "
            "Raftery 2007), in the target's unit.", "mean over rows", ends=(0, None),
        ),
    ),
)  # fmt: skip
def conformal_prediction(subject: Subject, options: ConformalOptions, ctx: Context) -> Findings:
    """Return how often split conformal sets and intervals hold the truth, and how large they are.

    The threshold is a quantile of the calibration rows' scores. If calibration and test rows are exchangeable,
    the truth is held with probability 1 - alpha at least, on average over calibration sets and over rows (Vovk
    et al. 2005). No group or class is promised that much, so each is measured. Sets: LAC (Sadinle et al. 2019),
    APS (Romano et al. 2020); of numbers: prediction plus or minus a quantile of |residual|.
    """
    tried = _residuals(subject, options) if subject.data.task == "regression" else _sets(subject, options)
    measured: list[Measurement] = []
    notes: list[str] = []
    for one in tried:
        measured += _overall(subject, one)
        measured += _per_group(subject, one, options.group_rows)
    for attribute, groups in subject.data.test.groups.items():
        for name, rows in zip(*np.unique(groups, return_counts=True), strict=True):
            if rows < options.group_rows:
                notes.append(
                    f"Not compared: {attribute} = {name}, with {rows} rows under group_rows={options.group_rows}."
                )
    return Findings(
        measurements=tuple(measured),
        tables=(_table(subject, tried),),
        not_measured=(*notes, *_not_measured(subject)),
    )


# ---------------------------------------------------------------- sets and intervals


def _sets(subject: Subject, options: ConformalOptions) -> list[_Tried]:
    """Return the sets of classes of every method and alpha."""
    if "probabilities" not in subject.has:
        raise DataError(
            "outputs='values' for classes", "'logits' or 'probabilities'", "set the model's outputs"
        )
    test, fitted = subject.data.test, subject.data.splits[FITTED]
    tried = []
    for method in dict.fromkeys(options.methods):
        scores, known = _scores(subject, method, JUDGED), _scores(subject, method, FITTED)
        for alpha in dict.fromkeys(options.alphas):
            least = conformal.threshold(known[np.arange(len(fitted)), fitted.y], alpha)
            inside = scores <= least
            covered = inside[np.arange(len(test)), test.y]
            tried.append(_Tried(method, alpha, covered, inside.sum(axis=1), least))
    return tried


def _scores(subject: Subject, method: str, split: str) -> np.ndarray:
    """Return the score[n, classes] of a split's rows; what is random in APS is a function of the row's id."""
    probabilities = claims.stated(subject, split)
    if method == "lac":
        return conformal.least_ambiguous(probabilities)
    return conformal.adaptive(probabilities, keys(subject.data.splits[split].id) / 2.0**64)


def _residuals(subject: Subject, options: ConformalOptions) -> list[_Tried]:
    """Return the intervals of every alpha: the prediction plus or minus a quantile of |residual|."""
    apart = {name: _apart(subject, name) for name in (JUDGED, FITTED)}
    return [
        _Tried("residual", alpha, apart[JUDGED] <= half, np.full(len(apart[JUDGED]), 2 * half), half)
        for alpha in dict.fromkeys(options.alphas)
        for half in (conformal.threshold(apart[FITTED], alpha),)
    ]


def _apart(subject: Subject, split: str) -> np.ndarray:
    """Return |target - prediction|[n]."""
    predicted = np.asarray(subject.outputs[split], np.float64).reshape(len(subject.data.splits[split]), -1)[
        :, 0
    ]
    return np.abs(np.asarray(subject.data.splits[split].y, np.float64) - predicted)


# ---------------------------------------------------------------- measurements


def _rate(subject: Subject, hits: np.ndarray, rows: np.ndarray | None = None) -> Estimate:
    """Bound a share of all test rows, or of some."""
    cluster = subject.data.test.cluster
    kept = np.ones(len(hits), bool) if rows is None else rows
    return stats.rate(hits[kept], cluster=None if cluster is None else cluster[kept])


def _overall(subject: Subject, one: _Tried) -> Iterator[Measurement]:
    """Yield the coverage of all rows and of every class, and the size of sets or intervals."""
    coverage = _rate(subject, one.covered)
    yield _measurement("coverage", f"Coverage of {one.words}", coverage, "higher", one.where)
    if one.method == "residual":
        yield from _intervals(subject, one)
        return
    classes = subject.data.classes
    size = stats.mean(
        one.size.astype(float), cluster=subject.data.test.cluster, low=0.0, high=float(len(classes))
    )
    yield _measurement("set_size", f"Mean size of {one.words}", size, "lower", one.where)
    single, empty = _rate(subject, one.size == 1), _rate(subject, one.size == 0)
    yield _measurement("single", f"Share of one class, {one.words}", single, "higher", one.where)
    yield _measurement("empty", f"Share of none, {one.words}", empty, "lower", one.where)
    for code, name in enumerate(classes):
        found = _rate(subject, one.covered, subject.data.test.y == code)
        label = f"Coverage of class {name}, {one.words}"
        yield _measurement("class_coverage", label, found, "higher", {**one.where, "class": name})


def _intervals(subject: Subject, one: _Tried) -> Iterator[Measurement]:
    """Yield the width and the score of intervals; endless ones have neither."""
    n, where = len(one.covered), {"alpha": one.alpha, "method": one.method}
    if not np.isfinite(one.threshold):
        width = score = stats.not_estimable(
            "too few calibration rows for alpha: the intervals are endless", n
        )
    else:
        width = stats.descriptive(
            2 * one.threshold, n, "twice a quantile of the calibration rows' |residual|"
        )
        beyond = np.maximum(_apart(subject, JUDGED) - one.threshold, 0.0)
        values = 2 * one.threshold + 2 / one.alpha * beyond
        score = stats.mean(values, cluster=subject.data.test.cluster, low=2 * one.threshold)
    yield _measurement("interval_width", f"Width of {one.words}", width, "lower", where)
    yield _measurement("interval_score", f"Interval score of {one.words}", score, "lower", where)


def _per_group(subject: Subject, one: _Tried, fewest: int) -> Iterator[Measurement]:
    """Yield every group's coverage, the widest difference and the least covered group."""
    for attribute, groups in subject.data.test.groups.items():
        found = {str(g): _rate(subject, one.covered, groups == g) for g in np.unique(groups)}
        for group, estimate in found.items():
            label = f"Coverage of {one.words}, {attribute} = {group}"
            where = {**one.where, "attribute": attribute, "group": group}
            yield _measurement("group_coverage", label, estimate, "higher", where)
        kept = {g: e for g, e in found.items() if e.n >= fewest}
        sizes = [stats.counts_of(e) for e in kept.values()]
        rows = [float(e.n) for e in kept.values()]
        for of, better in COMPARED.items():
            made = stats.groups(tuple(kept), [k for k, _ in sizes], [n for _, n in sizes], rows, of=of)
            made = made.model_copy(update={"n": int(sum(rows))})
            label = f"Coverage {of} by {attribute}, {one.words}"
            yield _measurement(f"coverage_{of}", label, made, better, {**one.where, "attribute": attribute})


def _measurement(
    name: str, label: str, estimate: Estimate, better: Literal["higher", "lower"], where: Where
) -> Measurement:
    """Return a measurement."""
    return Measurement(name=name, label=label, estimate=estimate, better=better, where=where)


# ---------------------------------------------------------------- what was promised, what is left open


def _table(subject: Subject, tried: list[_Tried]) -> Table:
    """Tabulate what was promised and what came: the range of coverage that calibration sets of this size give."""
    n = len(subject.data.splits[FITTED])
    rows: list[tuple[Scalar, ...]] = []
    for one in tried:
        rate, place = _rate(subject, one.covered), conformal.rank(n, one.alpha)
        low, high = (1.0, 1.0) if place > n else beta.ppf([0.025, 0.975], place, n + 1 - place)
        limit = float(one.threshold) if np.isfinite(one.threshold) else None
        rows.append((NAMES[one.method], one.alpha, 1 - one.alpha, float(low), float(high), rate.value, rate.low,
                     rate.high, float(np.mean(one.size)) if limit is not None else None, limit))  # fmt: skip
    columns = (
        Column(name="method", label="Method", kind="text"),
        Column(name="alpha", label="Alpha"),
        Column(name="promised", label="Promised", kind="rate"),
        Column(name="promised low", label="Usual range, low", kind="rate"),
        Column(name="promised high", label="Usual range, high", kind="rate"),
        Column(name="coverage", label="Coverage", kind="rate"),
        Column(name="low", label="low", kind="rate"),
        Column(name="high", label="high", kind="rate"),
        Column(name="size", label="Mean size"),
        Column(name="threshold", label="Threshold"),
    )
    return Table(
        name="conformal", title="Conformal sets and intervals", columns=columns, rows=tuple(rows),
        note=f"The usual range holds 95 % of what {n:,} exchangeable calibration rows give (Beta distribution, Vovk "
        "2012; for scores without ties): coverage beyond it speaks against exchangeable rows.",
    )  # fmt: skip


def _not_measured(subject: Subject) -> Iterator[str]:
    """Yield what coverage leaves open."""
    yield "Coverage on other data: the promise needs calibration and test rows that are exchangeable."
    yield "Coverage given the inputs: no method promises it, and only the groups and classes shown were examined."
    if subject.data.task == "regression":
        yield (
            "Calibration of a predictive distribution (PIT, quantiles): the model states points only, and the "
            "intervals around them are of one width."
        )
    if any(f"{FITTED} rows" in note for note in subject.model.notes):
        yield (
            "The promise itself: the model was also fitted on the calibration rows, which are then not "
            "exchangeable with the test rows; the coverage measured on these stands."
        )
