"""fairness.conditional: how decisions differ between groups among people alike in declared legitimate factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from pydantic import Field

from audit import stats
from audit.attributes import Grouping, attributes, grouping
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics.strata import Strata, strata
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import Subject

REST = "(all others)"
INTERVAL = "hybrid of Clopper-Pearson limits"
AGAIN = "Mantel-Haenszel weights over strata"
NAMED = 5  # strata that a sentence names


class ConditionalOptions(Options):
    """What fairness.conditional compares, and within what."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to compare; empty: every one that the data declare"
    )
    factors: tuple[str, ...] = Field(
        default=(), description="legitimate factors to compare within; empty: every one that the data declare"
    )
    bands: int = Field(
        default=4,
        ge=2,
        le=100,
        description="quantile bands of a numeric factor, where it has more values than that",
    )
    smallest_shown: int = Field(
        default=5, ge=1, description="rows below which a group's rate in a stratum is not written out"
    )


@dataclass(frozen=True, eq=False)
class _Counts:
    """An attribute's decisions: in each stratum and group the rows n[s, g] and those favoured, k[s, g]."""

    groups: Grouping
    k: np.ndarray
    n: np.ndarray


@dataclass(frozen=True, eq=False)
class _Compared:
    """One group against another, or against all others: both differences, and how the strata served."""

    attribute: str
    group: str
    against: str
    raw: Estimate
    conditional: Estimate
    gap: Estimate
    strata: int
    left: int

    @property
    def turned(self) -> str:
        """Return whether the two differences lie on different sides of zero."""
        if self.raw.value is None or self.conditional.value is None:
            return ""
        return "yes" if self.raw.value * self.conditional.value < 0 else "no"


@check(
    "fairness.conditional",
    area="fairness",
    title="Parity given legitimate factors",
    needs=("groups", "classes", "favourable", "legitimate"),
    measures=(
        Measure(
            "raw_difference",
            "neither",
            "Selection rate of the group minus that of all others, whatever their legitimate factors.",
            INTERVAL,
            ends=(-1, 1),
        ),
        Measure(
            "conditional_difference",
            "neither",
            "The same among people alike in the legitimate factors (Mantel-Haenszel risk difference).",
            f"{INTERVAL}, {AGAIN}",
            ends=(-1, 1),
        ),
        Measure(
            "conditional_gap",
            "lower",
            "How far the selection rates of two groups lie apart among people alike in the legitimate factors.",
            f"{INTERVAL}, {AGAIN}",
        ),
    ),
)
def fairness_conditional(subject: Subject, options: ConditionalOptions, ctx: Context) -> Findings:
    """Return the difference of groups' selection rates within strata of the legitimate factors, and without them.

    Conditional demographic parity (Kamiran, Zliobaite and Calders 2013): in every stratum the difference of two
    groups' rates, combined with Mantel and Haenszel's weights. Where it and the raw difference have opposite
    signs, that is Simpson's paradox (Bickel, Hammel and O'Connell 1975). Strata without both groups say nothing
    about the two and are left out. Rows that share clusters are not estimable.
    """
    test = subject.data.test
    within = strata(
        {name: test.legitimate[name] for name in _factors(options, test.legitimate)}, options.bands
    )
    hits = subject.predictions() == subject.data.favourable
    names = attributes("fairness.conditional", options.attributes, test.groups)
    counts = [_count(grouping(test.groups, (name,)), within, hits) for name in names]
    shared = test.cluster is not None and len(np.unique(test.cluster)) < len(test)
    compared = [found for of in counts for found in _compare(of, shared=shared)]
    return Findings(
        measurements=tuple(m for found in compared for m in _measurements(found)),
        tables=(_differences(compared), _strata(counts, within, options.smallest_shown)),
        not_measured=tuple(_not_measured(subject, within, counts, compared)),
    )


# ---------------------------------------------------------------- rows to counts


def _factors(options: ConditionalOptions, known: object) -> tuple[str, ...]:
    """Return the factors to compare within: those asked for, else all; ConfigError for an unknown one."""
    declared = tuple(known)  # type: ignore[call-overload]
    for name in options.factors:
        if name not in declared:
            given = f"fairness.conditional: factors={name!r}"
            raise ConfigError(given, nearest(name, declared), "mend the list, or declare it as legitimate")
    return tuple(dict.fromkeys(options.factors)) or declared


def _count(groups: Grouping, within: Strata, hits: np.ndarray) -> _Counts:
    """Return the rows and the favoured rows of every stratum and group."""
    shape = (len(within.names), len(groups.names))
    cell = within.code * shape[1] + groups.code
    size = shape[0] * shape[1]
    n = np.bincount(cell, minlength=size).reshape(shape)
    return _Counts(groups, np.bincount(cell[hits], minlength=size).reshape(shape), n)


# ---------------------------------------------------------------- counts to estimates


def _compare(counts: _Counts, *, shared: bool) -> Iterator[_Compared]:
    """Yield every group against all others, then every pair of groups; of one group nothing."""
    names = counts.groups.names
    for g, name in enumerate(names):
        if len(names) > 1:
            yield _pair(counts, name, REST, [g], [h for h in range(len(names)) if h != g], shared=shared)
    for a, b in combinations(range(len(names)), 2):
        yield _pair(counts, names[a], names[b], [a], [b], shared=shared)


def _pair(
    counts: _Counts, group: str, against: str, own: list[int], other: list[int], *, shared: bool
) -> _Compared:
    """Return one comparison, of the rows in columns `own` with those in columns `other`."""
    k = np.stack([counts.k[:, own].sum(axis=1), counts.k[:, other].sum(axis=1)])
    n = np.stack([counts.n[:, own].sum(axis=1), counts.n[:, other].sum(axis=1)])
    both = (n > 0).all(axis=0)
    rows, attribute = int(n[:, both].sum()), counts.groups.attribute
    left = int(n.sum()) - rows
    if shared or not both.any():
        reason = "rows share clusters, which the strata's weights do not allow for" if shared else (
            f"no stratum has rows of {group} and of {against}"
        )  # fmt: skip
        none = stats.not_estimable(reason, n=rows)
        raw = none if shared else _difference(k.sum(axis=1), n.sum(axis=1), int(n.sum()))
        return _Compared(attribute, group, against, raw, none, none, int(both.sum()), left)
    hits, worth = stats.standardised(k[:, both], n[:, both])
    gap = stats.groups((group, against), hits, worth, n[:, both].sum(axis=1), of="difference")
    return _Compared(
        attribute,
        group,
        against,
        _difference(k.sum(axis=1), n.sum(axis=1), int(n.sum())),
        _difference(hits, worth, rows, stats.STANDARDISED),
        gap.model_copy(update={"n": rows, "method": f"absolute difference, {stats.STANDARDISED}"}),
        int(both.sum()),
        left,
    )


def _difference(k: np.ndarray, n: np.ndarray, rows: int, method: str = "") -> Estimate:
    """Return the first rate minus the second, of so many rows."""
    found = stats.difference(float(k[0]), float(n[0]), float(k[1]), float(n[1]))
    return found.model_copy(update={"n": rows} | ({"method": method} if method else {}))


def _measurements(of: _Compared) -> Iterator[Measurement]:
    """Yield a group's differences from all others, or the gap of a pair."""
    where: dict[str, str | float | int] = {"attribute": of.attribute, "group": of.group}
    at = f"{of.attribute} = {of.group}"
    if of.against == REST:
        label = f"Selection rate of {at} minus that of all others"
        yield Measurement(name="raw_difference", label=label, estimate=of.raw, where=where)
        label = f"{label}, within legitimate factors"
        yield Measurement(name="conditional_difference", label=label, estimate=of.conditional, where=where)
    else:
        yield Measurement(
            name="conditional_gap",
            label=f"Gap of the selection rates of {at} and {of.against}, within legitimate factors",
            estimate=of.gap,
            better="lower",
            where=where | {"against": of.against},
        )


# ---------------------------------------------------------------- tables and what was not measured


def _differences(compared: list[_Compared]) -> Table:
    """Return every comparison: the raw difference beside the one within strata."""
    columns = [
        Column(name=name, label=name.capitalize(), kind="text") for name in ("attribute", "group", "against")
    ]
    for name, label in (("raw", "Raw difference"), ("conditional", "Within factors")):
        columns.append(Column(name=name, label=label, kind="rate"))
        columns += [Column(name=f"{name} {end}", label=f"95 % {end}", kind="rate") for end in ("low", "high")]
    columns.append(Column(name="turned", label="Sign turns", kind="text"))
    columns.append(Column(name="strata", label="Strata with both", kind="count"))
    columns.append(Column(name="n", label="Rows in them", kind="count"))
    columns.append(Column(name="left", label="Rows left out", kind="count"))
    rows = tuple(
        (c.attribute, c.group, c.against, c.raw.value, c.raw.low, c.raw.high, c.conditional.value,
         c.conditional.low, c.conditional.high, c.turned, c.strata, c.conditional.n, c.left)
        for c in compared
    )  # fmt: skip
    note = (
        "Selection rate of the group minus that of the other. Each interval holds on its own. Where the sign turns, "
        "the raw difference comes from who is in which stratum (Simpson's paradox), or from chance: see the intervals."
    )
    title = "Selection rates apart, raw and within legitimate factors"
    return Table(name="differences", title=title, columns=tuple(columns), rows=rows, note=note)


def _strata(counts: list[_Counts], within: Strata, smallest: int) -> Table:
    """Return the rows and the rate of every stratum and group, small ones without their rate."""
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="stratum", label="Stratum", kind="text"),
        Column(name="group", label="Group", kind="text"),
        Column(name="n", label="Rows", kind="count"),
        Column(name="value", label="Selection rate", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
    )
    rows: list[tuple[Scalar, ...]] = []
    for of in counts:
        for (s, stratum), (g, group) in (
            (s, g) for s in enumerate(within.names) for g in enumerate(of.groups.names)
        ):
            n = int(of.n[s, g])
            rate = stats.rate_of(int(of.k[s, g]), n if n >= smallest else 0)
            rows.append((of.groups.attribute, stratum, group, n, rate.value, rate.low, rate.high))
    note = f"Strata of {within.described}. The rate of fewer than {smallest} rows is not written out."
    return Table(
        name="strata", title="Selection rates within strata", columns=columns, rows=tuple(rows), note=note
    )


def _not_measured(
    subject: Subject, within: Strata, counts: list[_Counts], compared: list[_Compared]
) -> Iterator[str]:
    """Yield the strata that were left out, and what no figure here says."""
    for of in counts:
        alone = [name for name, n in zip(within.names, of.n, strict=True) if (n > 0).sum() < 2]
        if alone:
            more = f" and {len(alone) - NAMED} more" if len(alone) > NAMED else ""
            yield (
                f"Differences by {of.groups.attribute} in strata with one group only, left out: "
                f"{'; '.join(alone[:NAMED])}{more}."
            )
    left = [c for c in compared if c.left and c.against != REST]
    if left:
        most = max(left, key=lambda c: c.left)
        yield (
            f"People without anyone of the other group in their stratum: {most.left:,} of {most.attribute} = "
            f"{most.group} and {most.against}, fewer or none of other pairs."
        )
    yield (
        f"Whether {', '.join(within.factors)} may explain a gap: they were declared legitimate, and a factor that "
        "is itself the result of discrimination hides what it explains."
    )
    yield "Differences between strata of opposite sign: the weights average them, and only the table shows each."
    if within.banded:
        yield f"Differences within bands: people of one band of {', '.join(within.banded)} are taken as alike."
