"""fairness.groups: how decisions and errors differ between groups, every rate with its own denominator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from audit import stats
from audit.attributes import CROSSED, Crossings, attributes, crossings, levels
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.categories import JOIN
from audit.metrics.cells import Cells, count_cells, group_counts
from audit.metrics.clusters import pair_inflation
from audit.metrics.fairlearn_rates import fairlearn_rates
from audit.metrics.group_rates import GAPS, KIND_NAMES, KINDS, RATES, Gap, RateName, kind, outcome
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import labels

TRUE, PREDICTED = "true class", "predicted class"
ODDS = "equalized_odds_difference"
ODDS_METHOD = "larger of two differences"
ODDS_NOTE = (
    "a limit on it is a limit on both the true and the false positive rate difference; those have bounds"
)
ALONE = (
    *(Measure(name, rate.better, rate.says, "exact (Clopper-Pearson)") for name, rate in RATES.items()),
    *(Measure(name, gap.better, gap.says, "simultaneous over the groups") for name, gap in GAPS.items()),
    Measure(ODDS, "lower", "Larger of the true and false positive rate differences.", "none: descriptive"),
)
MEASURES = (
    *ALONE,
    *(
        Measure(CROSSED + m.name, m.better, f"In crossings of attributes: {m.says}", m.interval, ends=m.ends)
        for m in ALONE
    ),
)
Levels = dict[str, tuple[str, ...]]


class FairnessOptions(Options):
    """What fairness.groups compares."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to compare; empty: every one that the data declare"
    )
    intersections: Crossings = Field(
        default="pairs",
        description="crossings to compare besides: every pair of attributes, none, or a list of crossings",
    )
    metrics: tuple[RateName, ...] = Field(
        default=tuple(RATES), min_length=1, description="rates to measure in every group"
    )
    minimum_rows: int = Field(
        default=1, ge=1, description="rows below which a group is shown, named, and left out of comparisons"
    )
    stored_cells: int = Field(
        default=0,
        ge=0,
        description="counts of all attributes crossed that are stored at most; a cell of one row is a person",
    )


@dataclass(frozen=True, eq=False)
class Partition:
    """The rows cut into disjoint groups by attributes: each cell's group[m], each group's rows[g]."""

    axes: tuple[str, ...]
    groups: tuple[str, ...]
    group: np.ndarray
    rows: np.ndarray

    @property
    def attribute(self) -> str:
        """Return the attribute's name, or the crossing's."""
        return JOIN.join(self.axes)

    def named(self, measure: str) -> str:
        """Return a measure's name, marked where the groups are a crossing's."""
        return measure if len(self.axes) == 1 else CROSSED + measure


@dataclass(frozen=True, eq=False)
class Found:
    """A rate in every group: hits k[g] of n[g], its estimates, and what shared clusters add to a gap."""

    k: np.ndarray
    n: np.ndarray
    rates: tuple[Estimate, ...]
    inflation: float = 1.0


@check(
    "fairness.groups",
    area="fairness",
    title="Group fairness",
    needs=("groups", "classes", "favourable"),
    tasks=("binary", "multiclass", "multilabel"),
    measures=MEASURES,
)
def fairness_groups(subject: Subject, options: FairnessOptions, ctx: Context) -> Findings:
    """Return each group's rates and the gaps between groups, for every sensitive attribute and crossing.

    The event is "is given the favourable outcome"; with several classes it is that class against the rest.
    Definitions: fairlearn's user guide, and its MetricFrame must agree with every rate found here; unlike
    it, a rate without a single row in its denominator is not estimable, never 0. Of several labels a row, the
    favourable one alone is measured.
    """
    if subject.data.task == "multilabel":
        return labels.each(fairness_groups, subject, options, ctx, (_favourable(subject),))
    names = attributes("fairness.groups", options.attributes, subject.data.test.groups)
    cuts = crossings("fairness.groups", names, options.intersections)
    values, cells = _count_rows(subject, names)
    measurements: list[Measurement] = []
    rows: list[tuple[str | int | float | None, ...]] = []
    notes: list[str] = []
    kinds: dict[str, dict[str, np.ndarray]] = {}
    families: dict[str, tuple[stats.Family, np.ndarray]] = {}
    for done, axes in enumerate(cuts, start=1):
        partition = _partition(cells, axes, values)
        found: dict[RateName, Found] = {
            name: _find(subject, cells, partition, name) for name in options.metrics
        }
        _agree_with_fairlearn(subject, cells, partition, found)
        measurements += [*_rates(partition, found), *_gaps(partition, found, options.minimum_rows)]
        rows += _table_rows(partition, found)
        notes += _left_out(partition, values, options.minimum_rows)
        if len(axes) == 1:
            kinds[partition.attribute] = _kinds(subject, cells, partition)
            families |= _at_once(subject, partition, found, kinds[partition.attribute], options.minimum_rows)
        ctx.tick(done, len(cuts))
    asked, stored = options.stored_cells > 0, len(cells.count) <= options.stored_cells
    tables = [_groups_table(rows)]
    if families:
        tables.append(stats.gaps_table(families))
    tables.append(stats.counts_table(kinds, KIND_NAMES))
    if stored:
        tables.append(_joint_table(subject, cells, names, values))
    return Findings(
        measurements=tuple(measurements),
        tables=tuple(tables),
        not_measured=(
            *notes,
            *_not_measured(subject, names, len(cells.count) if asked and not stored else None),
        ),
    )


# ---------------------------------------------------------------- rows to cells to groups


def _favourable(subject: Subject) -> int:
    """Return the favourable class's code."""
    if subject.data.favourable is None:
        raise ConfigError(
            "favourable=None", "the class that is good for the person", "declare it in the data"
        )
    return subject.data.favourable


def _count_rows(subject: Subject, names: tuple[str, ...]) -> tuple[Levels, Cells]:
    """Return each attribute's levels and the rows counted per attributes x true class x predicted class."""
    test = subject.data.test
    found = {name: levels(test.groups[name]) for name in names}
    columns = {name: place for name, (_, place) in found.items()}
    values = {name: texts for name, (texts, _) in found.items()}
    return values, count_cells({**columns, TRUE: test.y, PREDICTED: subject.predictions()})


def _partition(cells: Cells, axes: tuple[str, ...], values: Levels) -> Partition:
    """Return the rows' groups by these attributes; only combinations that have rows."""
    codes, group = cells.cross(axes)
    names = [JOIN.join(values[axis][c] for axis, c in zip(axes, code, strict=True)) for code in codes]
    return Partition(axes, tuple(names), group, group_counts(group, cells.count, len(names)))


# ---------------------------------------------------------------- groups to estimates


def _find(subject: Subject, cells: Cells, partition: Partition, name: RateName) -> Found:
    """Return a rate in every group, from the cells; from the rows where they are clustered."""
    seen = outcome(cells.column(TRUE), cells.column(PREDICTED), _favourable(subject))
    hits, among = RATES[name].hits(seen), RATES[name].among(seen)
    groups = len(partition.groups)
    k = group_counts(partition.group, cells.count * (hits & among), groups)
    n = group_counts(partition.group, cells.count * among, groups)
    cluster = subject.data.test.cluster
    if cluster is None:
        return Found(k, n, tuple(stats.rate_of(int(a), int(b)) for a, b in zip(k, n, strict=True)))
    rows = np.flatnonzero(among[cells.cell])
    hit, group = hits[cells.cell[rows]], partition.group[cells.cell[rows]]
    owner = pd.factorize(np.asarray(cluster)[rows])[0]
    rates = [stats.rate(hit[group == g], cluster=owner[group == g]) for g in range(groups)]
    return Found(k, n, tuple(rates), pair_inflation(hit, group, owner))


def _kinds(subject: Subject, cells: Cells, partition: Partition) -> dict[str, np.ndarray]:
    """Return each group's rows of every kind that a rate tells apart."""
    seen = outcome(cells.column(TRUE), cells.column(PREDICTED), _favourable(subject))
    place = partition.group * len(KIND_NAMES) + kind(seen)
    counts = group_counts(place, cells.count, len(partition.groups) * len(KIND_NAMES))
    return dict(zip(partition.groups, counts.reshape(len(partition.groups), -1), strict=True))


def family_of(kinds: dict[str, np.ndarray], metrics: Sequence[RateName]) -> stats.Family:
    """Return the family of rates from {group: rows of KINDS}: those just counted, or a stored table's."""
    asked = [RATES[name] for name in metrics]
    hits, among = [rate.hits(KINDS) for rate in asked], [rate.among(KINDS) for rate in asked]
    return stats.family(tuple(kinds), tuple(metrics), np.stack(list(kinds.values())), hits, among)


def _at_once(
    subject: Subject,
    partition: Partition,
    found: dict[RateName, Found],
    kinds: dict[str, np.ndarray],
    minimum: int,
) -> dict[str, tuple[stats.Family, np.ndarray]]:
    """Return the family of the attribute's rates and their denominators, if two groups are compared.

    Rows of clusters are no multinomial: there the effective numbers are bounded without replicates.
    """
    kept = np.flatnonzero(partition.rows >= minimum)
    if len(kept) < 2:
        return {}
    names = tuple(partition.groups[g] for g in kept)
    if subject.data.test.cluster is None:
        family = family_of({name: kinds[name] for name in names}, tuple(found))
        return {partition.attribute: (family, family.n)}
    sizes = [[stats.counts_of(ours.rates[g], ours.inflation) for g in kept] for ours in found.values()]
    k, n = np.moveaxis(np.array(sizes), 2, 0)
    family = stats.Family(names, tuple(found), k, n, np.zeros(0))
    return {partition.attribute: (family, np.array([ours.n[kept] for ours in found.values()]))}


def _agree_with_fairlearn(
    subject: Subject, cells: Cells, partition: Partition, found: dict[RateName, Found]
) -> None:
    """Raise RuntimeError where fairlearn's MetricFrame finds another rate than ours."""
    theirs = fairlearn_rates(
        found, cells.column(TRUE), cells.column(PREDICTED), partition.group, cells.count, _favourable(subject)
    )
    for name, ours in found.items():
        for group, rate, point in zip(partition.groups, ours.rates, theirs[name], strict=True):
            if rate.value is not None and not np.isclose(rate.value, point, rtol=0, atol=1e-9):
                where = f"{name}, {partition.attribute} = {group}"
                raise RuntimeError(f"{where}: {rate.value} here, {point} in fairlearn; one of them is wrong")


def _rates(partition: Partition, found: dict[RateName, Found]) -> Iterator[Measurement]:
    """Yield every group's rates."""
    for name, ours in found.items():
        for group, rate in zip(partition.groups, ours.rates, strict=True):
            yield Measurement(
                name=partition.named(name),
                label=f"{RATES[name].label}, {partition.attribute} = {group}",
                estimate=rate,
                better=RATES[name].better,
                where={"attribute": partition.attribute, "group": group},
            )


def _gaps(partition: Partition, found: dict[RateName, Found], minimum: int) -> Iterator[Measurement]:
    """Yield the differences, ratios and worst groups of the rates found."""
    where: dict[str, str | float | int] = {"attribute": partition.attribute}
    gaps = {name: gap for name, gap in GAPS.items() if gap.rate in found}
    estimates = {name: _gap(partition, found[gap.rate], gap, minimum) for name, gap in gaps.items()}
    for name, gap in gaps.items():
        label = f"{gap.label} by {partition.attribute}"
        yield Measurement(
            name=partition.named(name),
            label=label,
            estimate=estimates[name],
            better=gap.better,
            where=where,
        )
    sides = [estimates.get(f"{side}_positive_rate_difference") for side in ("true", "false")]
    if sides[0] is not None and sides[1] is not None:
        label = f"Equalized odds difference by {partition.attribute}"
        odds = _odds(sides[0], sides[1])
        yield Measurement(name=partition.named(ODDS), label=label, estimate=odds, better="lower", where=where)


def _gap(partition: Partition, found: Found, gap: Gap, minimum: int) -> Estimate:
    """Return the bounded summary over the groups of at least `minimum` rows."""
    kept = np.flatnonzero(partition.rows >= minimum)
    if len(kept) < 2:
        reason = f"a comparison needs two groups; {partition.attribute} has {len(kept)}"
        return stats.not_estimable(reason, n=int(partition.rows[kept].sum()))
    factor = 1.0 if gap.of == "minimum" else found.inflation
    sizes = [stats.counts_of(found.rates[g], factor) for g in kept]
    summary = stats.groups(
        tuple(partition.groups[g] for g in kept),
        tuple(k for k, _ in sizes),
        tuple(n for _, n in sizes),
        tuple(float(partition.rows[g]) for g in kept),
        of=gap.of,
    )
    return summary.model_copy(update={"n": int(found.n[kept].sum())})  # the rows asked, not the groups' sizes


def _odds(true: Estimate, false: Estimate) -> Estimate:
    """Return the larger of two differences, shown but never judged."""
    if true.value is None or false.value is None:
        return stats.not_estimable(true.reason or false.reason, n=max(true.n, false.n))
    return stats.descriptive(max(true.value, false.value), max(true.n, false.n), ODDS_METHOD, note=ODDS_NOTE)


# ---------------------------------------------------------------- tables and what was not measured


def _table_rows(partition: Partition, found: dict[RateName, Found]) -> Iterator[tuple]:
    """Yield attribute, group, metric, k, n, value, low, high; k and n are plain counts of rows."""
    for name, ours in found.items():
        for group, k, n, rate in zip(partition.groups, ours.k, ours.n, ours.rates, strict=True):
            yield partition.attribute, group, name, int(k), int(n), rate.value, rate.low, rate.high


def _groups_table(rows: list[tuple[str | int | float | None, ...]]) -> Table:
    """Return the long table of every group and rate."""
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="group", label="Group", kind="text"),
        Column(name="metric", label="Rate", kind="text"),
        Column(name="k", label="Hits", kind="count"),
        Column(name="n", label="Of rows", kind="count"),
        Column(name="value", label="Value", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
    )
    return Table(name="groups", title="Rates by group", kind="groups", columns=columns, rows=tuple(rows))


def _joint_table(subject: Subject, cells: Cells, names: tuple[str, ...], values: Levels) -> Table:
    """Return the joint cell counts, from which every rate here can be judged anew."""
    texts = [*(values[name] for name in names), subject.data.classes, subject.data.classes]
    codes = zip(cells.codes.tolist(), cells.count.tolist(), strict=True)
    rows = [(*(t[c] for t, c in zip(texts, code, strict=True)), count) for code, count in codes]
    return stats.crossed_table(names, rows)


def _left_out(partition: Partition, values: Levels, minimum: int) -> Iterator[str]:
    """Yield what a partition could not compare: groups too small, combinations without rows."""
    name = partition.attribute
    for group, rows in zip(partition.groups, partition.rows, strict=True):
        if rows < minimum:
            yield f"Not compared: {name} = {group}, with {rows} rows under minimum_rows={minimum}."
    possible = int(np.prod([len(values[axis]) for axis in partition.axes]))
    empty = possible - len(partition.groups)
    if empty:
        yield f"Of {possible} combinations of {name}, {empty} have no row among the judged ones."


def _not_measured(subject: Subject, names: tuple[str, ...], unstored: int | None) -> Iterator[str]:
    """Yield what no figure here says."""
    yield "Whether the labels are biased: every error rate takes the recorded outcomes as true."
    yield "Causal fairness: a gap is a difference between groups, not an effect of the attribute."
    yield f"Attributes other than {', '.join(names)}."
    if len(subject.data.classes) > 2:
        kept = subject.data.classes[_favourable(subject)]
        yield f"The other classes one by one: only {kept} against all the others was compared."
    if unstored is not None:
        yield f"A second judgement from stored counts: {unstored} joint cells are more than stored_cells."
