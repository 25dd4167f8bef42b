"""calibration.groups: whether probabilities are as good in one group as in another, crossings included."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics.categories import JOIN
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import Subject
from audit.trials import claims

CROSSED = "crossed_"  # measures of crossings have names of their own: a rule on sex and race is none on both
NORMAL, ROWS = "normal on the debiased square", "mean over rows"
ENDS = "bounds of both ends above, all groups at once (Bonferroni) below"
COMPARED = (
    Measure("worst_calibration_error", "lower", "Largest calibration error of any group.", ENDS),
    Measure("calibration_error_gap", "lower", "Largest minus smallest calibration error of the groups.", ENDS),
    Measure(
        "confidence_gap_difference", "lower", "Largest minus smallest over the groups of mean confidence minus the "
        "share that came true.", ENDS, ends=(0, 2),
    ),
)  # fmt: skip
OF_GROUP = (
    Measure("calibration_error", "lower", "Calibration error of one crossing's rows.", NORMAL),
    Measure("confidence_gap", "neither", "Mean confidence minus the share that came true.", ROWS, ends=(-1, 1)),
)  # fmt: skip


class CalibrationGroupsOptions(Options):
    """What calibration.groups compares."""

    bins: int = Field(15, ge=2, le=100, description="equal-mass bins of every group's calibration error")
    group_rows: int = Field(
        100, ge=2, description="rows below which a group is named, and left out of comparisons"
    )
    intersections: Literal["pairs", "none"] | tuple[tuple[str, ...], ...] = Field(
        default="pairs",
        description="crossings to compare besides: every pair of attributes, none, or a list of crossings",
    )


@check(
    "calibration.groups",
    area="calibration",
    title="Calibration compared between groups",
    needs=("classes", "probabilities", "groups"),
    measures=(
        *COMPARED,
        *(
            Measure(
                CROSSED + m.name, m.better, f"In crossings of attributes: {m.says}", m.interval, ends=m.ends
            )
            for m in (*COMPARED, *OF_GROUP)
        ),
    ),
)
def calibration_groups(subject: Subject, options: CalibrationGroupsOptions, ctx: Context) -> Findings:
    """Return how far apart the groups' calibration lies, for every sensitive attribute and crossing.

    Events, bins and estimator as calibration.reliability has them, which gives the groups of one attribute;
    every crossing's groups are here. Scores that are calibrated in each group are "sufficient" (Barocas,
    Hardt and Narayanan); with unequal base rates that excludes equal error rates (Chouldechova 2017).
    """
    found = claims.claims(subject, claims.stated(subject))
    groups = subject.data.test.groups
    measured: list[Measurement] = []
    rows: list[tuple[Scalar, ...]] = []
    notes: list[str] = []
    for axes in _axes(tuple(groups), options.intersections):
        member = claims.membership([groups[axis] for axis in axes])
        parts = {str(name): found.of(member == name) for name in np.unique(member)}
        kept = {name: part for name, part in parts.items() if len(part.correct) >= options.group_rows}
        errors = {name: claims.error(part, options.bins, options.group_rows) for name, part in parts.items()}
        gaps = {name: claims.gap(part) for name, part in parts.items()}
        measured += _compared(axes, {k: errors[k] for k in kept}, {k: gaps[k] for k in kept})
        measured += _crossing(axes, errors, gaps) if len(axes) > 1 else ()
        rows += [_row(axes, name, errors[name], gaps[name]) for name in kept]
        notes += [
            f"Not compared: {JOIN.join(axes)} = {name}, with {len(parts[name].correct)} rows under "
            f"group_rows={options.group_rows}."
            for name in parts.keys() - kept.keys()
        ]
    return Findings(
        measurements=claims.doubted(measured, claims.doubt(subject)),
        tables=(_table(rows),),
        not_measured=(*sorted(notes), "Why the groups differ: base rates, features and labels all enter."),
    )


def _axes(names: tuple[str, ...], asked: object) -> Iterator[tuple[str, ...]]:
    """Yield every attribute, then the crossings asked for; ConfigError for an unknown attribute."""
    yield from ((name,) for name in names)
    if asked == "pairs":
        yield from combinations(names, 2)
    elif isinstance(asked, tuple):
        for axes in asked:
            for name in axes:
                if name not in names:
                    raise ConfigError(f"calibration.groups: intersections={name!r}", nearest(name, names))
            if len(set(axes)) < 2:
                raise ConfigError(f"calibration.groups: intersections={list(axes)}", "two attributes or more")
            yield axes


def _compared(
    axes: tuple[str, ...], errors: dict[str, Estimate], gaps: dict[str, Estimate]
) -> Iterator[Measurement]:
    """Yield the worst group and the widest gaps."""
    n, attribute = sum(e.n for e in errors.values()), JOIN.join(axes)
    for name, label, estimate in (
        ("worst_calibration_error", "Largest calibration error", stats.largest(errors, n=n)),
        ("calibration_error_gap", "Widest gap of calibration error", stats.spread(errors, n=n)),
        ("confidence_gap_difference", "Widest difference of confidence gaps", stats.spread(gaps, n=n)),
    ):
        yield Measurement(
            name=_named(axes, name), label=f"{label} by {attribute}", estimate=estimate, better="lower",
            where={"attribute": attribute},
        )  # fmt: skip


def _crossing(
    axes: tuple[str, ...], errors: dict[str, Estimate], gaps: dict[str, Estimate]
) -> Iterator[Measurement]:
    """Yield what holds in every group of a crossing; one with too few rows says so."""
    attribute = JOIN.join(axes)
    for name in errors:
        where: dict[str, str | float | int] = {"attribute": attribute, "group": name}
        yield Measurement(
            name="crossed_calibration_error", label=f"Calibration error, {attribute} = {name}",
            estimate=errors[name], better="lower", where=where,
        )  # fmt: skip
        yield Measurement(
            name="crossed_confidence_gap",
            label=f"Mean confidence minus share that came true, {attribute} = {name}",
            estimate=gaps[name],
            where=where,
        )


def _named(axes: tuple[str, ...], name: str) -> str:
    """Return a measure's name, marked where the groups are a crossing's."""
    return name if len(axes) == 1 else CROSSED + name


def _row(axes: tuple[str, ...], name: str, error: Estimate, gap: Estimate) -> tuple[Scalar, ...]:
    """Return the table's line of a group."""
    bounds = (error.value, error.low, error.high, gap.value, gap.low, gap.high)
    return (JOIN.join(axes), name, error.n, *bounds)


def _table(rows: list[tuple[Scalar, ...]]) -> Table:
    """Tabulate the groups that are compared."""
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="group", label="Group", kind="text"),
        Column(name="n", label="Rows", kind="count"),
        Column(name="error", label="Calibration error"),
        Column(name="low", label="low"),
        Column(name="high", label="high"),
        Column(name="gap", label="Confidence minus outcome"),
        Column(name="gap low", label="low"),
        Column(name="gap high", label="high"),
    )
    return Table(name="groups", title="Calibration of the groups compared", columns=columns, rows=tuple(rows))
