"""fairness.auc: how well the score ranks the people of each group, whatever threshold decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.attributes import CROSSED, Crossings, Grouping, attributes, crossings, grouping
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.clusters import inflation
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject

ALONE = (
    Measure(
        "auc",
        "higher",
        "Chance that a row of the group with the favourable outcome is scored above one of it without; ties half.",
        "exact binomial at DeLong's effective number of pairs",
    ),
    Measure(
        "auc_difference", "lower", "Largest minus smallest AUC of the groups.", "simultaneous over the groups"
    ),
    Measure("auc_minimum", "higher", "AUC of the group ranked worst.", "simultaneous over the groups"),
)


class AucOptions(Options):
    """What fairness.auc compares."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to compare; empty: every one that the data declare"
    )
    intersections: Crossings = Field(
        default="pairs",
        description="crossings to compare besides: every pair of attributes, none, or a list of crossings",
    )
    minimum_rows: int = Field(
        default=1, ge=1, description="rows below which a group is shown, named, and left out of comparisons"
    )


@dataclass(frozen=True, eq=False)
class _Ranked:
    """The score[n] of the favourable class, who truly has it (wanted[n]), what rows share, and whose score it is."""

    score: np.ndarray
    wanted: np.ndarray
    cluster: np.ndarray | None
    fold: np.ndarray | None


@check(
    "fairness.auc",
    area="fairness",
    title="Ranking within groups",
    needs=("groups", "classes", "favourable", "probabilities"),
    measures=(*ALONE, *(Measure(CROSSED + m.name, m.better, f"In crossings of attributes: {m.says}", m.interval)
                        for m in ALONE)),
)  # fmt: skip
def fairness_auc(subject: Subject, options: AucOptions, ctx: Context) -> Findings:
    """Return the AUC of the favourable class's probability within each group, and the gap between groups.

    Variances are DeLong's (1988), of clusters Obuchowski's (1997); those of disjoint groups are independent,
    and what shared clusters add to a difference is divided out of all groups' effective numbers of pairs.
    Of several classes the favourable one stands against the others.
    """
    test, favourable = subject.data.test, subject.data.favourable
    score = subject.probabilities()[:, favourable]
    ranked = _Ranked(score, test.y == favourable, test.cluster, subject.data.fold)
    names = attributes("fairness.auc", options.attributes, test.groups)
    cuts = crossings("fairness.auc", names, options.intersections)
    measurements: list[Measurement] = []
    rows: list[tuple[str | int | float | None, ...]] = []
    notes: list[str] = []
    for done, axes in enumerate(cuts, start=1):
        groups = grouping(test.groups, axes)
        found = [_of(ranked, groups.code == g) for g in range(len(groups.names))]
        measurements += [*_each(groups, found), *_between(ranked, groups, found, options.minimum_rows)]
        rows += _table_rows(ranked, groups, found)
        notes += _left_out(groups, options.minimum_rows)
        ctx.tick(done, len(cuts))
    return Findings(
        measurements=tuple(measurements),
        tables=(_table(rows),),
        not_measured=(*notes, *_not_measured(subject)),
    )


# ---------------------------------------------------------------- groups to estimates


def _of(ranked: _Ranked, rows: np.ndarray) -> Estimate:
    """Return the AUC of these rows."""
    cluster, fold = (None if a is None else a[rows] for a in (ranked.cluster, ranked.fold))
    return stats.auc(ranked.score[rows], ranked.wanted[rows], cluster=cluster, fold=fold)


def _each(groups: Grouping, found: list[Estimate]) -> Iterator[Measurement]:
    """Yield every group's AUC."""
    for group, estimate in zip(groups.names, found, strict=True):
        yield Measurement(
            name=groups.named("auc"),
            label=f"AUC, {groups.attribute} = {group}",
            estimate=estimate,
            better="higher",
            where={"attribute": groups.attribute, "group": group},
        )


def _between(ranked: _Ranked, groups: Grouping, found: list[Estimate], minimum: int) -> Iterator[Measurement]:
    """Yield the largest difference and the lowest AUC of the groups."""
    kept = np.flatnonzero(groups.rows >= minimum)
    factor = _shared(ranked, groups, found, kept)
    where: dict[str, str | float | int] = {"attribute": groups.attribute}
    label = f"AUC difference by {groups.attribute}"
    gap = _summary(groups, found, kept, "difference", factor)
    yield Measurement(
        name=groups.named("auc_difference"), label=label, estimate=gap, better="lower", where=where
    )
    label = f"Lowest AUC by {groups.attribute}"
    worst = _summary(groups, found, kept, "minimum", 1.0)
    yield Measurement(
        name=groups.named("auc_minimum"), label=label, estimate=worst, better="higher", where=where
    )


def _summary(
    groups: Grouping,
    found: list[Estimate],
    kept: np.ndarray,
    of: Literal["difference", "minimum"],
    factor: float,
) -> Estimate:
    """Return the bounded summary over these groups, each at its effective number of pairs."""
    rows = int(groups.rows[kept].sum())
    if len(kept) < 2:
        return stats.not_estimable(
            f"a comparison needs two groups; {groups.attribute} has {len(kept)}", n=rows
        )
    worth = [stats.counts_of(found[g], factor) for g in kept]
    summary = stats.groups(
        tuple(groups.names[g] for g in kept),
        tuple(k for k, _ in worth),
        tuple(n for _, n in worth),
        tuple(float(groups.rows[g]) for g in kept),
        of=of,
    )
    lost = [f"{groups.names[g]}: {found[g].reason}" for g in kept if found[g].value is None]
    reason = f"no AUC in {groups.attribute} = {'; '.join(lost)}" if lost else summary.reason
    return summary.model_copy(update={"n": rows, "reason": reason})


def _shared(ranked: _Ranked, groups: Grouping, found: list[Estimate], kept: np.ndarray) -> float:
    """Return what clusters with rows in several groups add to a difference's variance, 1 without any."""
    known = [g for g in kept if found[g].value is not None]
    if ranked.cluster is None or len(known) < 2:
        return 1.0
    owner = np.unique(ranked.cluster, return_inverse=True)[1]
    influence = np.zeros((int(owner.max()) + 1, len(known)))
    for column, g in enumerate(known):
        rows = np.flatnonzero(groups.code == g)
        fold = None if ranked.fold is None else ranked.fold[rows]
        own = stats.auc_influence(ranked.score[rows], ranked.wanted[rows], cluster=owner[rows], fold=fold)[1]
        influence[np.unique(owner[rows]), column] = own
    return inflation(influence.T @ influence, "pairs")


# ---------------------------------------------------------------- table and what was not measured


def _table_rows(ranked: _Ranked, groups: Grouping, found: list[Estimate]) -> Iterator[tuple]:
    """Yield attribute, group, rows with the favourable outcome and without, AUC, low, high."""
    having = np.bincount(groups.code[ranked.wanted], minlength=len(groups.names))
    for group, k, n, e in zip(groups.names, having, groups.rows, found, strict=True):
        yield groups.attribute, group, int(k), int(n - k), e.value, e.low, e.high


def _table(rows: list[tuple[str | int | float | None, ...]]) -> Table:
    """Return the long table of every group's AUC."""
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="group", label="Group", kind="text"),
        Column(name="having", label="Rows with the favourable outcome", kind="count"),
        Column(name="lacking", label="Rows without", kind="count"),
        Column(name="auc", label="AUC", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
    )
    note = "A group whose AUC is missing has one of the outcomes in fewer than two rows."
    return Table(name="auc", title="AUC within each group", columns=columns, rows=tuple(rows), note=note)


def _left_out(groups: Grouping, minimum: int) -> Iterator[str]:
    """Yield which groups were too small to be compared."""
    for group, rows in zip(groups.names, groups.rows, strict=True):
        if rows < minimum:
            yield f"Not compared: {groups.attribute} = {group}, with {rows} rows under minimum_rows={minimum}."


def _not_measured(subject: Subject) -> Iterator[str]:
    """Yield what no AUC here says."""
    yield (
        "Ranking between groups: each AUC compares rows of one group only, so a score that is shifted against "
        "a whole group leaves it as it is (cross-group AUC, BNSP and BPSN, was not computed)."
    )
    yield "Whether the labels are biased: every AUC takes the recorded outcomes as true."
    if subject.model.decisions:
        yield "The decisions: thresholds of each group decide, and the AUC is that of the scores before them."
    if len(subject.data.classes) > 2:
        kept = subject.data.classes[subject.data.favourable or 0]
        yield f"The other classes one by one: only {kept} against all the others was ranked."
