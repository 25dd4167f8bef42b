"""Deletion, insertion and their likes, bounded: against random orders, between groups, and infidelity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from audit import stats
from audit.attribution import faithfulness
from audit.attribution.faithfulness import Curves
from audit.attribution.ranks import places, random_places
from audit.attribution.sensitivity import infidelity
from audit.evidence import Column, Estimate, Measurement, Scalar, Table
from audit.games.study import Study, masking, worth
from audit.games.trust_options import TrustOptions

_FILLED = {"mean": "the mean train row", "train": "random train rows"}


@dataclass(frozen=True, eq=False)
class Faithful:
    """What one study gives under one baseline: gains[n] by name, curves of its order and of random ones."""

    baseline: str
    gains: dict[str, np.ndarray]
    own: Curves
    random: Curves
    infidelity: np.ndarray
    change: np.ndarray


def faithful(s: Study, baseline: str, options: TrustOptions, seed: int) -> Faithful:
    """Return the curves and scores of a study's order and of random orders, all on the same rows and fills."""
    rng = np.random.default_rng(seed)
    filled = masking(s, baseline, options.fills, rng)
    output, supporting = worth(s, filled), s.values * s.side[:, None]
    counts = faithfulness.grid(s.values.shape[1], options.shares)
    own = faithfulness.curves(output, places(supporting, rng), counts)
    orders = (random_places(s.values.shape, rng) for _ in range(options.random_orders))
    random = [faithfulness.curves(output, order, counts) for order in orders]
    better = faithfulness.gains(
        faithfulness.scores(own, options.shares), [faithfulness.scores(c, options.shares) for c in random]
    )
    kept = rng.random((len(s.values), options.subsets, s.values.shape[1])) < 0.5
    found = infidelity(s.values, worth(s, filled, explained_scale=True), kept)
    return Faithful(baseline, better, own, faithfulness.mean_curves(random), *found)


def gains(s: Study, f: Faithful) -> Iterator[Measurement]:
    """Bound the mean gain over random orders, by every score."""
    for name, each in f.gains.items():
        yield Measurement(
            name=f"{name}_gain",
            label=f"{name.capitalize()}, better than random orders, of {s.name} filled from {_FILLED[f.baseline]}",
            estimate=stats.mean(each, cluster=s.game.rows.cluster),
            better="higher",
            where={"explainer": s.name, "baseline": f.baseline},
        )


def fidelity(s: Study, f: Faithful) -> Iterator[Measurement]:
    """Bound the mean infidelity, and its share of what an explanation of zeros would have."""
    where: dict[str, str | float | int] = {"explainer": s.name, "baseline": f.baseline}
    cluster, of = s.game.rows.cluster, f"of {s.name} filled from {_FILLED[f.baseline]}"
    unit = "squared log-odds" if s.classes else ""
    plain = _mean_of(f.infidelity, cluster, "the explanation adds up exactly for every row")
    yield Measurement(
        name="infidelity", label=f"Infidelity {of}", estimate=plain, better="lower", where=where, unit=unit
    )
    yield Measurement(
        name="normalised_infidelity",
        label=f"Infidelity {of}, as a share of that of saying nothing",
        estimate=_ratio(s, f),
        better="lower",
        where=where,
    )


def _mean_of(values: np.ndarray, cluster: np.ndarray | None, note: str) -> Estimate:
    """Bound a mean of values of at least 0; one of exact zeros has no spread to bound it by."""
    if not values.any():
        return stats.descriptive(0.0, len(values), "mean", note=note)
    return stats.mean(values, cluster=cluster, low=0.0)


def _ratio(s: Study, f: Faithful) -> Estimate:
    """Bound the ratio of mean infidelity to mean squared change."""
    if not f.change.any():
        return stats.not_estimable("the outputs change with no player", n=len(f.change))
    rows = s.game.rows

    def ratio(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        part, whole = totals.T
        return part / whole, np.stack([1 / whole, -part / whole**2], axis=1)

    columns = np.stack([f.infidelity, f.change], axis=1)
    return stats.smooth(columns, ratio, ids=rows.id, cluster=rows.cluster, low=0.0)


# ---------------------------------------------------------------- groups


def shortfalls(s: Study, f: Faithful) -> Iterator[Measurement]:
    """Bound by how much each group's mean comprehensiveness gain falls short of everyone else's."""
    for attribute, member in s.game.rows.groups.items():
        for group in sorted(np.unique(s.subject.data.test.groups[attribute]).tolist()):
            yield Measurement(
                name="faithfulness_shortfall",
                label=f"Comprehensiveness gain of {s.name} outside {attribute}={group}, minus that inside, "
                f"filled from {_FILLED[f.baseline]}",
                estimate=_shortfall(s, f.gains["comprehensiveness"], member == group),
                better="lower",
                where={
                    "explainer": s.name, "baseline": f.baseline, "attribute": attribute, "group": str(group)
                },
            )  # fmt: skip


def _shortfall(s: Study, gain: np.ndarray, own: np.ndarray) -> Estimate:
    """Bound the difference of two means over disjoint rows by the studentised bootstrap over rows or clusters."""
    if not own.any() or own.all():
        side = "of the group" if not own.any() else "outside the group"
        return stats.not_estimable(f"no explained row is {side}", n=len(own))
    rows = s.game.rows
    columns = np.stack([gain * own, own, gain * ~own, ~own], axis=1)
    return stats.smooth(columns, difference, ids=rows.id, cluster=rows.cluster)


def difference(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean outside minus mean inside[b], and its gradients, of totals (sum, n inside, sum, n outside)."""
    inside, n, outside, m = totals.T
    gradients = np.stack([-1 / n, inside / n**2, 1 / m, -outside / m**2], axis=1)
    return outside / m - inside / n, gradients


# ---------------------------------------------------------------- the curves


def curve_table(s: Study, f: Faithful) -> Table:
    """Tabulate the mean curves with their intervals."""
    kind = "rate" if s.classes else "number"
    value = "Probability of the likelier class" if s.classes else "Prediction, towards its side"
    columns = (
        Column(name="series", label="Curve", kind="text"),
        Column(name="x", label="share of players", kind="rate"),
        Column(name="value", label=value, kind=kind),
        Column(name="low", label="Low", kind=kind),
        Column(name="high", label="High", kind=kind),
        Column(name="n", label="Rows", kind="count"),
    )
    return Table(
        name=f"curves_{s.name}_{f.baseline}",
        title=f"Taking away and putting in the players that {s.name} ranks first, filled from {_FILLED[f.baseline]}",
        kind="curve",
        columns=columns,
        rows=tuple(_points(s, f)),
        note="A good order falls early when its first players are taken away and rises early when they are put in.",
    )


def _points(s: Study, f: Faithful) -> Iterator[tuple[Scalar, ...]]:
    """Return every curve's points."""
    low, high = (0.0, 1.0) if s.classes else (None, None)
    for order, c in (("", f.own), (", random order", f.random)):
        for what, values in (("taken away", c.deletion), ("put in", c.insertion)):
            for at, column in zip(c.counts / c.counts[-1], values.T, strict=True):
                clipped = np.clip(column, low, high) if s.classes else column
                e = stats.mean(clipped, cluster=s.game.rows.cluster, low=low, high=high)
                yield f"{what}{order}", float(at), float(clipped.mean()), e.low, e.high, len(column)
