"""fairness.classes: for every class, how its one-vs-rest rates differ between groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.attributes import Grouping, attributes, grouping
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.clusters import pair_inflation
from audit.metrics.group_rates import RATES, outcome
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import Subject

ClassRateName = Literal[
    "true_positive_rate", "false_positive_rate", "positive_predictive_value", "selection_rate"
]
SAYS: dict[ClassRateName, str] = {
    "true_positive_rate": "Share predicted as the class among the group's rows that are of it (recall).",
    "false_positive_rate": "Share predicted as the class among the group's rows that are not of it.",
    "positive_predictive_value": "Share that is of the class among the group's rows predicted as it (precision).",
    "selection_rate": "Share of the group's rows that is predicted as the class.",
}
WIDEST = "widest_true_positive_rate_difference"
WIDEST_METHOD = "largest over the classes"
WIDEST_NOTE = "a limit on every class's difference is a limit on it; those have bounds"
REPLICATED = 20_000  # cells of all groups beyond which the simultaneous table goes without replicates
MEASURES = (
    *(Measure(name, RATES[name].better, says, "exact (Clopper-Pearson)") for name, says in SAYS.items()),
    *(
        Measure(
            f"{name}_difference",
            "lower",
            f"Largest minus smallest {RATES[name].label.lower()} of one class over the groups.",
            "simultaneous over the groups",
        )
        for name in SAYS
    ),
    Measure(
        WIDEST,
        "lower",
        "True positive rate difference of the class in which it is largest.",
        "none: descriptive",
    ),
)


class ClassesOptions(Options):
    """What fairness.classes compares."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to compare; empty: every one that the data declare"
    )
    classes: tuple[str, ...] = Field(default=(), description="classes to compare; empty: every one")
    metrics: tuple[ClassRateName, ...] = Field(
        default=tuple(SAYS), min_length=1, description="rates of each class to measure in every group"
    )
    minimum_rows: int = Field(
        default=1, ge=1, description="rows below which a group is shown, named, and left out of comparisons"
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """A rate of one class in every group: hits k[g] of n[g], its estimates, what shared clusters add to a gap."""

    metric: ClassRateName
    of: str
    k: np.ndarray
    n: np.ndarray
    rates: tuple[Estimate, ...]
    inflation: float


@check(
    "fairness.classes",
    area="fairness",
    title="Group fairness of every class",
    needs=("groups", "classes"),
    measures=MEASURES,
)
def fairness_classes(subject: Subject, options: ClassesOptions, ctx: Context) -> Findings:
    """Return each class's one-vs-rest rates in each group, their largest difference, and the worst class.

    Every rate has its own denominator; a group without a row in it leaves that class's difference without a
    value. It needs no favourable class. A rule without a `class` judges every class: all must pass, and a FAIL
    is said at Holm's level over all of them.
    """
    chosen = _chosen(subject, options)
    names = attributes("fairness.classes", options.attributes, subject.data.test.groups)
    measurements: list[Measurement] = []
    rows: list[tuple[str | int | float | None, ...]] = []
    notes: list[str] = []
    families: dict[str, tuple[stats.Family, np.ndarray]] = {}
    for done, name in enumerate(names, start=1):
        groups = grouping(subject.data.test.groups, (name,))
        found = [_find(subject, groups, metric, c) for metric in options.metrics for c in chosen]
        measurements += [*_rates(groups, found), *_gaps(groups, found, options.minimum_rows)]
        rows += _table_rows(groups, found)
        notes += _left_out(groups, options.minimum_rows)
        families |= _at_once(subject, groups, found, options.minimum_rows)
        ctx.tick(done, len(names))
    tables = (_table(rows), *((stats.gaps_table(families),) if families else ()))
    return Findings(
        measurements=tuple(measurements),
        tables=tables,
        not_measured=(*notes, *_not_measured(subject, options)),
    )


# ---------------------------------------------------------------- groups to estimates


def _chosen(subject: Subject, options: ClassesOptions) -> tuple[int, ...]:
    """Return the codes of the classes to compare; ConfigError for an unknown one."""
    known = subject.data.classes
    for name in options.classes:
        if name not in known:
            raise ConfigError(f"fairness.classes: classes={name!r}", nearest(name, known), "mend the list")
    return tuple(known.index(name) for name in dict.fromkeys(options.classes or known))


def _find(subject: Subject, groups: Grouping, metric: ClassRateName, c: int) -> _Found:
    """Return a class's rate in every group."""
    rate, cluster = RATES[metric], subject.data.test.cluster
    seen = outcome(subject.data.test.y, subject.predictions(), c)
    rows = np.flatnonzero(rate.among(seen))
    hit, code = rate.hits(seen)[rows], groups.code[rows]
    k, n = (np.bincount(of, minlength=len(groups.names)) for of in (code[hit], code))
    of = subject.data.classes[c]
    if cluster is None:
        each = tuple(stats.rate_of(int(a), int(b)) for a, b in zip(k, n, strict=True))
        return _Found(metric, of, k, n, each, 1.0)
    owner = np.unique(cluster[rows], return_inverse=True)[1]
    each = tuple(stats.rate(hit[code == g], cluster=owner[code == g]) for g in range(len(groups.names)))
    return _Found(metric, of, k, n, each, pair_inflation(hit, code, owner) if len(rows) else 1.0)


def _rates(groups: Grouping, found: list[_Found]) -> Iterator[Measurement]:
    """Yield every group's rates of every class."""
    for of in found:
        rate = RATES[of.metric]
        for group, estimate in zip(groups.names, of.rates, strict=True):
            yield Measurement(
                name=of.metric,
                label=f"{rate.label} of {of.of}, {groups.attribute} = {group}",
                estimate=estimate,
                better=rate.better,
                where={"attribute": groups.attribute, "group": group, "class": of.of},
            )


def _gaps(groups: Grouping, found: list[_Found], minimum: int) -> Iterator[Measurement]:
    """Yield every class's differences over the groups, and the widest of the true positive rates."""
    gaps = [(of, _gap(groups, of, minimum)) for of in found]
    for of, gap in gaps:
        yield Measurement(
            name=f"{of.metric}_difference",
            label=f"{RATES[of.metric].label} difference of {of.of} by {groups.attribute}",
            estimate=gap,
            better="lower",
            where={"attribute": groups.attribute, "class": of.of},
        )
    recalls = [(of.of, gap) for of, gap in gaps if of.metric == "true_positive_rate"]
    if recalls:
        yield _widest(groups, recalls)


def _gap(groups: Grouping, found: _Found, minimum: int) -> Estimate:
    """Return the bounded difference over the groups of at least `minimum` rows."""
    kept = np.flatnonzero(groups.rows >= minimum)
    if len(kept) < 2:
        reason = f"a comparison needs two groups; {groups.attribute} has {len(kept)}"
        return stats.not_estimable(reason, n=int(groups.rows[kept].sum()))
    worth = [stats.counts_of(found.rates[g], found.inflation) for g in kept]
    gap = stats.groups(
        tuple(groups.names[g] for g in kept),
        tuple(k for k, _ in worth),
        tuple(n for _, n in worth),
        tuple(float(groups.rows[g]) for g in kept),
        of="difference",
    )
    return gap.model_copy(update={"n": int(found.n[kept].sum())})


def _widest(groups: Grouping, recalls: list[tuple[str, Estimate]]) -> Measurement:
    """Return the difference of the class in which it is largest, shown but never judged."""
    known = [(gap.value, name, gap.n) for name, gap in recalls if gap.value is not None]
    label = f"Widest true positive rate difference by {groups.attribute}"
    if known:
        value, name, n = max(known, key=lambda found: found[0])
        lost = len(recalls) - len(known)
        note = f"{WIDEST_NOTE}; {lost} classes have none" if lost else WIDEST_NOTE
        label, estimate = f"{label}, in {name}", stats.descriptive(value, n, WIDEST_METHOD, note=note)
    else:
        estimate = stats.not_estimable(f"no class has one: {recalls[0][1].reason}")
    where: dict[str, str | float | int] = {"attribute": groups.attribute}
    return Measurement(name=WIDEST, label=label, estimate=estimate, better="lower", where=where)


def _at_once(
    subject: Subject, groups: Grouping, found: list[_Found], minimum: int
) -> dict[str, tuple[stats.Family, np.ndarray]]:
    """Return the family of all rates of all classes, if two groups are compared.

    Rows of clusters are no multinomial, and very many classes are too dear to draw: both go without replicates.
    """
    kept = np.flatnonzero(groups.rows >= minimum)
    if len(kept) < 2:
        return {}
    metrics = tuple(f"{RATES[of.metric].label} of {of.of}" for of in found)
    names, rows = tuple(groups.names[g] for g in kept), np.array([of.n[kept] for of in found])
    classes = len(subject.data.classes)
    if subject.data.test.cluster is not None or len(kept) * classes**2 > REPLICATED:
        sizes = [[stats.counts_of(of.rates[g], of.inflation) for g in kept] for of in found]
        k, n = np.moveaxis(np.array(sizes), 2, 0)
        return {groups.attribute: (stats.Family(names, metrics, k, n, np.zeros(0)), rows)}
    cell = (groups.code * classes + subject.data.test.y) * classes + subject.predictions()
    counts = np.bincount(cell, minlength=len(groups.names) * classes**2).reshape(len(groups.names), -1)
    true, predicted = (of.ravel() for of in np.indices((classes, classes)))
    code = {name: c for c, name in enumerate(subject.data.classes)}
    seen = [(RATES[of.metric], outcome(true, predicted, code[of.of])) for of in found]
    hits, among = [rate.hits(o) for rate, o in seen], [rate.among(o) for rate, o in seen]
    return {groups.attribute: (stats.family(names, metrics, counts[kept], hits, among), rows)}


# ---------------------------------------------------------------- table and what was not measured


def _table_rows(groups: Grouping, found: list[_Found]) -> Iterator[tuple]:
    """Yield attribute, class, group, rate, k, n, value, low, high."""
    for of in found:
        for group, k, n, e in zip(groups.names, of.k, of.n, of.rates, strict=True):
            label = RATES[of.metric].label
            yield groups.attribute, of.of, group, label, int(k), int(n), e.value, e.low, e.high


def _table(rows: list[tuple[str | int | float | None, ...]]) -> Table:
    """Return the long table of every class, group and rate."""
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="class", label="Class", kind="text"),
        Column(name="group", label="Group", kind="text"),
        Column(name="metric", label="Rate", kind="text"),
        Column(name="k", label="Hits", kind="count"),
        Column(name="n", label="Of rows", kind="count"),
        Column(name="value", label="Value", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
    )
    return Table(name="classes", title="Rates by class and group", columns=columns, rows=tuple(rows))


def _left_out(groups: Grouping, minimum: int) -> Iterator[str]:
    """Yield which groups were too small to be compared."""
    for group, rows in zip(groups.names, groups.rows, strict=True):
        if rows < minimum:
            yield f"Not compared: {groups.attribute} = {group}, with {rows} rows under minimum_rows={minimum}."


def _not_measured(subject: Subject, options: ClassesOptions) -> Iterator[str]:
    """Yield what no figure here says."""
    yield "Crossings of attributes: every attribute was compared alone, class by class."
    yield "Which other class a row was taken for: every rate sets one class against all the others."
    yield "Whether the labels are biased: every error rate takes the recorded outcomes as true."
    if options.classes:
        yield f"Classes other than {', '.join(dict.fromkeys(options.classes))}."
