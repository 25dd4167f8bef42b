"""Recourse as found for some rows: success, cost, what is changed, and how groups differ in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from audit import stats
from audit.evidence import Estimate, Measurement, Scalar

UNIT = "deviations"
NEAREST = (
    "costs are of the nearest counterfactuals found, and nearer ones may exist in one group more than another"
)


@dataclass(frozen=True, eq=False)
class Recourse:
    """What was found: ok[n] with distance[n] and shift[n, d] of features, some of which never move (still[d]).

    lost: the share of rows without a counterfactual above which no cost shows a PASS.
    """

    ok: np.ndarray
    distance: np.ndarray
    shift: np.ndarray
    names: tuple[str, ...]
    numeric: np.ndarray
    still: np.ndarray
    groups: Mapping[str, np.ndarray]
    cluster: np.ndarray | None
    lost: float

    def success(self, rows: np.ndarray) -> Estimate:
        """Bound the share of these rows that have a counterfactual."""
        return stats.rate(self.ok[rows], cluster=self.owner(rows), side="at least")

    def cost(self, rows: np.ndarray) -> Estimate:
        """Bound the mean distance of those of these rows that have a counterfactual."""
        kept = rows & self.ok
        if not kept.any():
            return stats.not_estimable("no row has a counterfactual")
        found = stats.mean(self.distance[kept], cluster=self.owner(kept), low=0.0, note=self.note(rows))
        return self.doubted(found, rows)

    def note(self, rows: np.ndarray) -> str:
        """Say how many rows have no cost."""
        missing = int((rows & ~self.ok).sum())
        return (
            f"{missing} of {int(rows.sum())} rows have no counterfactual and are not in it" if missing else ""
        )

    def unfound(self, rows: np.ndarray) -> str:
        """Say why a difference of successes may be one of the search: some of these rows have no counterfactual."""
        missing = int((rows & ~self.ok).sum())
        return (
            f"for {missing} rows none was found, and a longer search may find more in one group"
            if missing
            else ""
        )

    def doubted(self, estimate: Estimate, rows: np.ndarray) -> Estimate:
        """Bar a PASS where too many rows have no cost."""
        if (rows & ~self.ok).sum() <= self.lost * rows.sum():
            return estimate
        said = "; ".join(filter(None, (estimate.doubt, self.note(rows))))
        return estimate.model_copy(update={"doubt": said})

    def owner(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the clusters of these rows, where rows have any."""
        return None if self.cluster is None else self.cluster[rows]


def everyones_success(estimate: Estimate) -> Measurement:
    """Return the measurement of everyone's success."""
    label = "Unfavourable decisions that a permitted change turns"
    return Measurement(name="recourse_success", label=label, estimate=estimate, better="higher")


def everyones_cost(estimate: Estimate) -> Measurement:
    """Return the measurement of everyone's cost."""
    label = "Mean distance to the nearest counterfactual found"
    return Measurement(name="recourse_cost", label=label, estimate=estimate, better="lower", unit=UNIT)


def overall(found: Recourse) -> list[Measurement]:
    """Bound success, cost and the number of features changed over all rows."""
    everyone, ok = np.ones(len(found.ok), bool), found.ok
    count = stats.not_estimable("no row has a counterfactual")
    if ok.any():
        moved, cluster = (found.shift[ok] != 0).sum(axis=1), found.owner(ok)
        count = stats.mean(moved, cluster=cluster, low=0.0, high=float(len(found.names)))
    label = "Mean number of features changed"
    return [
        everyones_success(found.success(everyone)),
        everyones_cost(found.cost(everyone)),
        Measurement(name="features_changed", label=label, estimate=count, better="lower"),
    ]


def changed(found: Recourse) -> list[Measurement]:
    """Bound how often each feature that may change is changed."""
    moved, cluster = found.shift[found.ok] != 0, found.owner(found.ok)
    return [
        Measurement(
            name="changed",
            label=f"Counterfactuals that change {name}",
            estimate=stats.rate(moved[:, j], cluster=cluster),
            where={"feature": name},
        )
        for j, name in enumerate(found.names)
        if not found.still[j]
    ]


def by_group(found: Recourse, minimum: int) -> tuple[list[Measurement], list[tuple[Scalar, ...]], list[str]]:
    """Bound success and cost of every group and their largest differences; name the groups left out."""
    measurements: list[Measurement] = []
    lines: list[tuple[Scalar, ...]] = []
    notes: list[str] = []
    for attribute, values in found.groups.items():
        text = np.asarray(values).astype(str)
        names = sorted(set(text.tolist()))
        for name in names:
            success, cost = found.success(text == name), found.cost(text == name)
            measurements += _of_group(attribute, name, success, cost)
            lines.append((attribute, name, success.n, success.value, success.low, success.high,
                          cost.n, cost.value, cost.low, cost.high))  # fmt: skip
        few = [name for name in names if (found.ok & (text == name)).sum() < minimum]
        measurements += _gaps(found, attribute, text, [name for name in names if name not in few])
        if few:
            notes.append(
                f"Recourse of {attribute} {', '.join(few)} was not compared: fewer than {minimum} rows found."
            )
    return measurements, lines, notes


def _of_group(attribute: str, name: str, success: Estimate, cost: Estimate) -> Iterator[Measurement]:
    """Yield one group's success and cost."""
    where: dict[str, str | float | int] = {"attribute": attribute, "group": name}
    text = f"{attribute} = {name}"
    label = f"Recourse success, {text}"
    yield Measurement(
        name="group_recourse_success", label=label, estimate=success, better="higher", where=where
    )
    yield Measurement(
        name="group_recourse_cost",
        label=f"Recourse cost, {text}",
        estimate=cost,
        better="lower",
        where=where,
        unit=UNIT,
    )


def _gaps(found: Recourse, attribute: str, text: np.ndarray, names: list[str]) -> Iterator[Measurement]:
    """Yield the largest differences between these groups."""
    kept = np.isin(text, names)
    where: dict[str, str | float | int] = {"attribute": attribute}
    rates = [found.success(text == name) for name in names]
    sizes = [stats.counts_of(rate) for rate in rates]
    rows = [float(rate.n) for rate in rates]
    success = stats.groups(names, [k for k, _ in sizes], [n for _, n in sizes], rows, of="difference")
    yield Measurement(
        name="recourse_success_difference",
        label=f"Recourse success difference by {attribute}",
        estimate=success.model_copy(update={"n": int(kept.sum()), "doubt": found.unfound(kept)}),
        better="lower",
        where=where,
    )
    ok, note = kept & found.ok, found.note(kept)
    cost = stats.group_means(
        found.distance[ok], text[ok], of="difference", cluster=found.owner(ok), low=0.0, note=note
    )  # fmt: skip
    yield Measurement(
        name="recourse_cost_difference",
        label=f"Recourse cost difference by {attribute}",
        estimate=found.doubted(cost.model_copy(update={"doubt": NEAREST}), kept),
        better="lower",
        where=where,
        unit=UNIT,
    )
