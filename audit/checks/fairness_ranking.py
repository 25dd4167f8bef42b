"""fairness.ranking: who is served worse by recommendations, and which items they favour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.attributes import attributes, grouping
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import ranking
from audit.metrics.clusters import pair_inflation
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import exposure, histories

SKEWED, NONE = "skewness-corrected t", "none: descriptive"
PAIRS = "hybrid of skewness-corrected t bounds, simultaneous over the groups"
PAIRED = f"{SKEWED}, of the rows' differences"
OF_USERS = (
    Measure("ndcg", "higher", "Mean NDCG of a group's lists.", SKEWED),
    Measure("hit_rate", "higher", "Share of a group's rows with a held-out item in the list.", SKEWED),
    Measure(
        "popularity_lift",
        "neither",
        "Mean popularity of the items shown minus of those taken.",
        PAIRED,
        ends=(None, None),
    ),
)
GAPS = (
    Measure("ndcg_difference", "lower", "Largest minus smallest mean NDCG of the groups.", PAIRS),
    Measure("hit_rate_difference", "lower", "Largest minus smallest hit rate of the groups.", PAIRS),
    Measure(
        "popularity_lift_difference",
        "lower",
        "Largest minus smallest popularity lift of the groups.",
        PAIRS,
        ends=(0, None),
    ),
)
OF_ITEMS = (
    Measure(
        "shown_popularity",
        "neither",
        "Mean popularity of the items shown: training histories that hold one, weighted by attention.",
        SKEWED,
        ends=(0, None),
    ),
    Measure(
        "taken_popularity",
        "neither",
        "Mean popularity of the items in the rows' histories.",
        SKEWED,
        ends=(0, None),
    ),
    Measure("coverage", "higher", "Share of the catalogue that any row is shown.", NONE),
    Measure(
        "exposure_gini",
        "lower",
        "Gini coefficient of the items' exposure: 0 where all get the same attention, near 1 where one has it all.",
        NONE,
    ),
    Measure("training_gini", "neither", "Gini coefficient of the items' counts in training.", NONE),
    Measure("exposure_share", "neither", "Share of the lists' attention that a group of items gets.", SKEWED),
    Measure("history_share", "neither", "Share of a group of items in the rows' histories.", SKEWED),
    Measure("held_out_share", "neither", "Share of a group of items in what rows took next.", SKEWED),
    Measure(
        "exposure_over_history",
        "neither",
        "Exposure share minus history share, row by row.",
        PAIRED,
        ends=(-1, 1),
    ),
    Measure(
        "exposure_over_held_out",
        "neither",
        "Exposure share minus held-out share, row by row.",
        PAIRED,
        ends=(-1, 1),
    ),
)
RANGES = {"ndcg": (0.0, 1.0), "hit_rate": (0.0, 1.0)}


class FairRankingOptions(Options):
    """What fairness.ranking compares."""

    k: int = Field(default=10, ge=1, description="length of the lists that are compared")
    attributes: tuple[str, ...] = Field(
        default=(),
        description="sensitive attributes of users to compare; empty: every one that the data declare",
    )
    items: tuple[str, ...] = Field(
        default=(), description="attributes of items whose exposure is measured; empty: every one declared"
    )
    minimum_rows: int = Field(
        default=1, ge=1, description="rows below which a group is shown, named, and left out of comparisons"
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """What came of each row: values[n] by measure, the largest popularity, clusters[n] or None."""

    values: dict[str, np.ndarray]
    most: float
    cluster: np.ndarray | None

    def span(self, name: str) -> tuple[float, float]:
        """Return the ends of a measure's possible range."""
        return RANGES.get(name, (-self.most, self.most))

    def mean(self, name: str, rows: np.ndarray) -> Estimate:
        """Return the bounded mean of a measure over some rows."""
        low, high = self.span(name)
        cluster = None if self.cluster is None else self.cluster[rows]
        return stats.mean(self.values[name][rows], cluster=cluster, low=low, high=high)

    def difference(self, name: str, rows: np.ndarray, group: np.ndarray) -> Estimate:
        """Return the largest difference of the groups' means; people in several groups widen it."""
        values, cluster, factor = self.values[name][rows], None, 1.0
        if self.cluster is not None:
            cluster = self.cluster[rows]
            factor = pair_inflation(values, np.unique(group, return_inverse=True)[1], cluster)
        low, high = self.span(name)
        return stats.group_means(
            values, group, of="difference", cluster=cluster, inflation=factor, low=low, high=high
        )


@check(
    "fairness.ranking",
    area="fairness",
    title="Fairness of recommendations, to users and to items",
    needs=("catalogue",),
    tasks=("ranking",),
    measures=(*OF_USERS, *GAPS, *OF_ITEMS),
)
def fairness_ranking(subject: Subject, options: FairRankingOptions, ctx: Context) -> Findings:
    """Return each user group's NDCG and the gaps, how popular the items shown are, and item groups' exposure.

    Popularity bias is the popularity of what is shown over that of what users took (Abdollahpouri et al. 2019).
    Exposure weighs places by 1 / log2(1 + place) (Singh and Joachims 2018), each list adding up to 1; beside it
    stand a group's shares of histories and of what users took next. The model and its training are taken as given.
    """
    test, catalogue = subject.data.test, histories.catalogue_of(subject)
    names = attributes("fairness.ranking", options.attributes, test.groups)
    of_items = attributes("fairness.ranking", options.items, catalogue.groups)
    found = histories.judged(subject, options.k)
    weight = ranking.attention(found.top, options.k)
    counts, some = catalogue.counts.astype(np.float64), histories.lengths(test.x["history"]) > 0
    shown = ranking.of_shown(counts, found.top, weight)
    taken = ranking.of_history(counts, test.x["history"])
    lift = np.where(some, shown - taken, 0.0)
    values = {
        "ndcg": ranking.ndcg(found.rank, options.k),
        "hit_rate": ranking.hit(found.rank, options.k).astype(np.float64),
        "popularity_lift": lift,
        "shown_popularity": shown,
        "taken_popularity": np.where(some, taken, 0.0),
    }
    rows = _Rows(values, float(counts.max()), test.cluster)
    measurements = [*_popularity(rows, some), *exposure.spread(found.top, weight, counts)]
    lines: list[tuple[Scalar, ...]] = []
    notes: list[str] = []
    for done, name in enumerate(names, start=1):
        more, table, left = _attribute(name, test.groups, rows, some, options.minimum_rows)
        measurements, lines, notes = [*measurements, *more], [*lines, *table], [*notes, *left]
        ctx.tick(done, len(names))
    exposed: list[tuple[Scalar, ...]] = []
    for name in of_items:
        more, table = exposure.of_groups(subject, name, found.top, weight)
        measurements, exposed = [*measurements, *more], [*exposed, *table]
    tables = [_table("groups", "Users by group", USERS, lines)] if lines else []
    tables += [_table("exposure", "Exposure of groups of items", exposure.HEADS, exposed)] if exposed else []
    return Findings(
        measurements=tuple(measurements),
        tables=tuple(tables),
        not_measured=(*notes, *_not_measured(names, of_items)),
    )


# ---------------------------------------------------------------- users


def _attribute(
    attribute: str, groups: Mapping[str, np.ndarray], rows: _Rows, some: np.ndarray, least: int
) -> tuple[list[Measurement], list[tuple[Scalar, ...]], list[str]]:
    """Return an attribute's measurements, its lines of the table and which groups are not compared."""
    cut = grouping(groups, (attribute,))
    text = np.array(cut.names)[cut.code]
    measurements, lines = [], []
    for group in cut.names:
        where: dict[str, str | float | int] = {"attribute": attribute, "group": group}
        each = {m.name: rows.mean(m.name, _counted(m.name, some) & (text == group)) for m in OF_USERS}
        measurements += [_of(m, each[m.name], where, f"{attribute} = {group}") for m in OF_USERS]
        ndcg, lift = each["ndcg"], each["popularity_lift"]
        low_high = (ndcg.value, ndcg.low, ndcg.high, each["hit_rate"].value, lift.value, lift.low, lift.high)
        lines.append((attribute, group, int((text == group).sum()), *low_high))
    kept = np.isin(text, [g for g, n in zip(cut.names, cut.rows, strict=True) if n >= least])
    for gap in GAPS:
        among = kept & _counted(gap.name, some)
        found = rows.difference(gap.name.removesuffix("_difference"), among, text[among])
        measurements.append(_of(gap, found, {"attribute": attribute}, f"by {attribute}"))
    left = [
        f"Not compared: {attribute} = {group}, with {n} rows under minimum_rows={least}."
        for group, n in zip(cut.names, cut.rows, strict=True)
        if n < least
    ]
    return measurements, lines, left


def _counted(name: str, some: np.ndarray) -> np.ndarray:
    """Return the rows[n] that a measure counts: those with a history, where it is compared with one."""
    return some if name.startswith("popularity_lift") else np.ones(len(some), bool)


def _of(measure: Measure, estimate: Estimate, where: dict[str, str | float | int], of: str) -> Measurement:
    """Return a measurement of a group or between groups."""
    label = measure.name.replace("_", " ").capitalize().replace("Ndcg", "NDCG")
    return Measurement(
        name=measure.name,
        label=f"{label}, {of}" if "group" in where else f"{label} {of}",
        estimate=estimate,
        better=_BETTER[measure.name],
        where=where,
    )


_BETTER: dict[str, Literal["higher", "lower", "neither"]] = {
    **{"ndcg": "higher", "hit_rate": "higher", "popularity_lift": "neither"},
    **{measure.name: "lower" for measure in GAPS},
}

# ---------------------------------------------------------------- items


def _popularity(rows: _Rows, some: np.ndarray) -> Iterator[Measurement]:
    """Yield how popular what is shown and what was taken are, and the difference."""
    every, unit = np.ones(len(some), bool), "training histories"
    for name, label, among in (
        ("shown_popularity", "Popularity of the items shown", every),
        ("taken_popularity", "Popularity of the items taken", some),
        ("popularity_lift", "Popularity shown above that taken", some),
    ):
        low, high = (-rows.most, rows.most) if name == "popularity_lift" else (0.0, rows.most)
        cluster = None if rows.cluster is None else rows.cluster[among]
        estimate = stats.mean(rows.values[name][among], cluster=cluster, low=low, high=high)
        yield Measurement(name=name, label=label, estimate=estimate, unit=unit)


# ---------------------------------------------------------------- tables and what was not measured

USERS = (
    *(
        ("attribute", "Attribute"),
        ("group", "Group"),
        ("n", "Rows"),
        ("ndcg", "NDCG"),
        ("ndcg_low", "95 % low"),
    ),
    *(("ndcg_high", "95 % high"), ("hit_rate", "Hit rate"), ("lift", "Popularity lift")),
    *(("lift_low", "95 % low"), ("lift_high", "95 % high")),
)
KINDS: dict[str, Literal["text", "count"]] = {"attribute": "text", "group": "text", "n": "count"}


def _table(
    name: str, title: str, heads: tuple[tuple[str, str], ...], rows: list[tuple[Scalar, ...]]
) -> Table:
    """Return the groups side by side."""
    columns = tuple(Column(name=n, label=label, kind=KINDS.get(n, "number")) for n, label in heads)
    return Table(name=name, title=title, columns=columns, rows=tuple(rows))


def _not_measured(names: tuple[str, ...], of_items: tuple[str, ...]) -> Iterator[str]:
    """Yield what no figure here says."""
    yield (
        "Whether users of a group like what they are shown: accuracy is measured on what they took on their own, which "
        "past recommendations and habits shaped."
    )
    yield "What the exposure of many rounds does to users' taste and to items: these are the lists of one moment."
    if names:
        yield f"Crossings of attributes, and attributes of users other than {', '.join(names)}."
    else:
        yield "Gaps between groups of users: the data declare no sensitive attribute."
    if not of_items:
        yield "Exposure of groups of items: the data declare none."
