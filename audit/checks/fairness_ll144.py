"""fairness.ll144: the tables of New York City's bias audit, every rate and impact ratio with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.categories import JOIN, MISSING, Categories, categories, crossed
from audit.metrics.clusters import pair_inflation
from audit.names import name_of
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import Subject

SEX, RACE, BOTH = "sex", "race_ethnicity", "intersection"
TITLES = {SEX: "Sex categories", RACE: "Race/ethnicity categories", BOTH: "Intersectional categories"}
RULE = "6 RCNY"  # Rules of the City of New York, title 6
READ = (
    "An impact ratio is over the highest rate of the table; its interval allows for another category having "
    "the highest rate in truth."
)
Tables = dict[str, Categories]


class LL144Options(Options):
    """What fairness.ll144 tabulates."""

    sex: str | None = Field(
        default=None, description="sensitive attribute that holds sex; null: the one called sex, if declared"
    )
    race: str | None = Field(
        default=None,
        description="sensitive attribute that holds race/ethnicity; null: the one called race, if declared",
    )
    rate: Literal["selection", "scoring"] = Field(
        default="selection",
        description="share given the favourable outcome, or share whose probability of it is above the "
        "median of all test rows",
    )
    unknown: tuple[str, ...] = Field(
        default=(), description="categories that stand for unknown, besides missing values"
    )
    exclude: Literal["none"] | tuple[str, ...] = Field(
        default="none", description="small categories that the auditor leaves out of impact ratios, by name"
    )
    exclude_below: float = Field(
        default=0.02, gt=0, le=0.02, description="share of a table's rows under which a category may be so"
    )
    exclusion_reason: str = Field(
        default="", description="the independent auditor's justification of that, shown with the table"
    )

    @model_validator(mode="after")
    def _justified(self) -> Self:
        if self.excluded and not self.exclusion_reason.strip():
            raise ValueError(f"an exclusion_reason beside exclude ({RULE} 5-301(d))")
        return self

    @property
    def excluded(self) -> tuple[str, ...]:
        """Return the names of the categories to leave out of impact ratios."""
        return () if self.exclude == "none" else tuple(map(name_of, self.exclude))

    @property
    def label(self) -> str:
        """Return the rate's name."""
        return f"{self.rate.capitalize()} rate"


@dataclass(frozen=True, eq=False)
class Found:
    """The hits k[g] and rate of each category; of those compared the ratio to the highest rate, and the least."""

    k: tuple[int, ...]
    rates: tuple[Estimate, ...]
    ratios: dict[str, Estimate]
    least: Estimate


@check(
    "fairness.ll144",
    area="fairness",
    title="NYC Local Law 144 bias audit",
    needs=("groups", "classes", "favourable"),
    measures=(
        Measure("rate", "neither", "Selection or scoring rate of a category.", "exact (Clopper-Pearson)"),
        Measure(
            "impact_ratio",
            "higher",
            "A category's rate over that of the most selected, or highest scoring, category.",
            "valid whichever category has the highest rate",
        ),
        Measure(
            "impact_ratio_minimum",
            "higher",
            "Smallest impact ratio of a table: its lowest rate over its highest.",
            "simultaneous over the categories",
        ),
    ),
)
def fairness_ll144(subject: Subject, options: LL144Options, ctx: Context) -> Findings:
    """Return rates and impact ratios by sex, by race/ethnicity and by their intersection.

    Definitions: Rules of the City of New York, title 6, section 5-300; what a bias audit calculates: section
    5-301. The rules set no limit, so the tables are shown; only a policy's author may set one.
    """
    tables = _tables(subject, options)
    _refuse_exclusions(tables, options)
    hits = _hits(subject, options)
    found = {name: _find(hits, of, options, subject.data.test.cluster) for name, of in tables.items()}
    return Findings(
        measurements=tuple(m for name, of in tables.items() for m in _measurements(of, found[name], options)),
        tables=tuple(_table(name, of, found[name], options) for name, of in tables.items()),
        not_measured=tuple(_not_measured(subject, tables, options)),
    )


# ---------------------------------------------------------------- rows to categories and hits


def _tables(subject: Subject, options: LL144Options) -> Tables:
    """Return the categories of sex, of race/ethnicity and of both, as far as the data declare them."""
    groups = subject.data.test.groups
    sex, race = _declared(groups, "sex", options.sex), _declared(groups, "race", options.race)
    if sex == race:
        given = f"fairness.ll144: sex={options.sex}, race={options.race}"
        expected = f"two different attributes, at least one of them among {', '.join(groups)}"
        raise ConfigError(given, expected, "name the attributes that hold sex and race/ethnicity")
    roles = {SEX: sex, RACE: race}
    tables = {role: categories(a, groups[a], options.unknown) for role, a in roles.items() if a is not None}
    return tables | ({BOTH: crossed(tables[SEX], tables[RACE])} if len(tables) == 2 else {})


def _declared(groups: Mapping[str, np.ndarray], role: str, name: str | None) -> str | None:
    """Return the attribute of a role, None where none is declared; ConfigError where a named one is not."""
    if name is not None and name not in groups:
        raise ConfigError(f"fairness.ll144: {role}={name!r}", nearest(name, groups), "mend the name")
    return name or (role if role in groups else None)


def _refuse_exclusions(tables: Tables, options: LL144Options) -> None:
    """Raise ConfigError for a category to exclude that is not there, or not small in any table."""
    names = [name for of in tables.values() for name in of.names]
    for name in options.excluded:
        given = f"fairness.ll144: exclude={name!r}"
        shares = [of.share[of.names.index(name)] for of in tables.values() if name in of.names]
        if not shares:
            raise ConfigError(given, nearest(name, names), "mend the list")
        if min(shares) >= options.exclude_below:
            limit = f"less than {100 * options.exclude_below:g} % ({RULE} 5-301(d))"
            raise ConfigError(f"{given}, {100 * min(shares):.2f} % of the rows", limit, "mend the list")


def _left_out(of: Categories, options: LL144Options) -> tuple[str, ...]:
    """Return the categories of a table that are left out of its impact ratios."""
    few = of.share < options.exclude_below
    return tuple(
        name for name, small in zip(of.names, few, strict=True) if small and name in options.excluded
    )


def _hits(subject: Subject, options: LL144Options) -> np.ndarray:
    """Return which rows[n] are selected, or score above the median of all rows, unknown ones included."""
    if options.rate == "selection":
        return subject.predictions() == subject.data.favourable
    if "probabilities" not in subject.has:
        given = "fairness.ll144: rate=scoring, of a model without class probabilities"
        raise ConfigError(given, "rate: selection, or outputs that are logits or probabilities")
    score = subject.probabilities()[:, subject.data.favourable]
    return score > np.median(score)


# ---------------------------------------------------------------- categories to estimates


def _find(hits: np.ndarray, of: Categories, options: LL144Options, cluster: np.ndarray | None) -> Found:
    """Return every category's rate and, over those not left out, the ratios to the highest."""
    members = [np.flatnonzero(of.code == g) for g in range(len(of.names))]
    rates = tuple(stats.rate(hits[m], cluster=None if cluster is None else cluster[m]) for m in members)
    left = _left_out(of, options)
    kept = [g for g, name in enumerate(of.names) if name not in left]
    rows = np.flatnonzero(np.isin(of.code, kept))
    factor = 1.0 if cluster is None else pair_inflation(hits[rows], of.code[rows], cluster[rows])
    counts = [stats.counts_of(rates[g], factor) for g in kept]
    names, k, n = [of.names[g] for g in kept], [k for k, _ in counts], [n for _, n in counts]
    ratios, least = stats.over_highest(names, k, n), stats.groups(names, k, n, of.rows[kept], of="ratio")
    compared = {"n": len(rows)}  # the rows compared, not their effective number
    return Found(
        tuple(int(hits[m].sum()) for m in members),
        rates,
        {name: e.model_copy(update=compared) for name, e in zip(names, ratios, strict=True)},
        least.model_copy(update=compared),
    )


def _measurements(of: Categories, found: Found, options: LL144Options) -> Iterator[Measurement]:
    """Yield each category's rate and impact ratio, and the table's smallest ratio."""

    def made(name: str, label: str, estimate: Estimate, **group: str) -> Measurement:
        better = "neither" if name == "rate" else "higher"
        return Measurement(
            name=name, label=label, estimate=estimate, better=better,
            where={"attribute": of.attribute, **group},
        )  # fmt: skip

    for name, rate in zip(of.names, found.rates, strict=True):
        at = f"{of.attribute} = {name}"
        yield made("rate", f"{options.label}, {at}", rate, group=name)
        if name in found.ratios:
            yield made("impact_ratio", f"Impact ratio, {at}", found.ratios[name], group=name)
    yield made("impact_ratio_minimum", f"Smallest impact ratio by {of.attribute}", found.least)


# ---------------------------------------------------------------- tables and what was not measured


def _table(table: str, of: Categories, found: Found, options: LL144Options) -> Table:
    """Return the table that section 5-301 asks for, with intervals and each category's share of its rows."""
    rates = {"rate": options.label, "impact_ratio": "Impact ratio"}
    columns = [
        Column(name="category", label="Category", kind="text"),
        Column(name="n", label="Assessed", kind="count"),
        Column(name="k", label="Selected" if options.rate == "selection" else "Above median", kind="count"),
    ]
    for name, label in rates.items():
        columns.append(Column(name=name, label=label, kind="rate"))
        columns += [Column(name=f"{name} {e}", label=f"95 % {e}", kind="rate") for e in ("low", "high")]
    columns.append(Column(name="share", label="Share of rows", kind="rate"))
    columns.append(Column(name="excluded", label="Left out of ratios", kind="text"))
    rows = []
    for name, n, k, rate, share in zip(of.names, of.rows, found.k, found.rates, of.share, strict=True):
        ratio = found.ratios.get(name)
        ends = (
            rate.value,
            rate.low,
            rate.high,
            *((ratio.value, ratio.low, ratio.high) if ratio else [None] * 3),
        )
        rows.append((name, int(n), k, *ends, float(share), "no" if ratio else "yes"))
    title = f"{TITLES[table]} ({of.attribute})"
    return Table(name=table, title=title, columns=tuple(columns), rows=tuple(rows), note=_note(of, options))


def _note(of: Categories, options: LL144Options) -> str:
    """Return who is not in a table, who is left out of its ratios, and how it is read."""
    whose = " or ".join(of.attribute.split(JOIN))
    said = [f"Of {len(of.code):,} assessed rows {of.unknown:,} are not in it: their {whose} is unknown."]
    left = _left_out(of, options)
    if left:
        said.append(f"Left out of impact ratios under {RULE} 5-301(d): {', '.join(left)}.")
        said.append(f"The auditor's justification: {options.exclusion_reason.strip().rstrip('.')}.")
    return " ".join([*said, READ])


def _not_measured(subject: Subject, tables: Tables, options: LL144Options) -> Iterator[str]:
    """Yield what the rules ask for and the tables lack, and what no figure here says."""
    test, lacks = subject.data.test, {SEX: "sex", RACE: "race/ethnicity"}
    for table in lacks.keys() - tables.keys():
        yield (
            f"Categories of {lacks[table]} and their intersections, which {RULE} 5-301 asks for: the data "
            "declare no such attribute."
        )
    for of in tables.values():
        if of.unknown:
            yield f"{of.unknown:,} rows whose {of.attribute} is unknown ({RULE} 5-301(b)(5) and (c)(5))."
    met = {
        str(v)
        for of in tables.values()
        for v in np.unique(np.asarray(test.groups.get(of.attribute, ()), str))
    }
    absent = [label for label in options.unknown if name_of(label) not in met | {MISSING}]
    if absent:
        yield f"Rows with a category declared as unknown but never met: {', '.join(absent)}."
    yield f"Whether the categories are those of the EEO-1 report ({RULE} 5-300): they are as the data declare."
    yield f"Whether the rows are historical data of the tool's use ({RULE} 5-302): they are the test rows."
    yield f"An independent auditor's view and the tool's distribution date ({RULE} 5-300 and 5-303)."
    if len(subject.data.classes) > 2:
        kept = subject.data.classes[subject.data.favourable or 0]
        yield f"The other classes that people are sorted into ({RULE} 5-301(b)(4)): only {kept} is tabulated."
