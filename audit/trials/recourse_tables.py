"""Recourse in tables: which features are changed, and every group's success and cost."""

from __future__ import annotations

import numpy as np

from audit.evidence import Column, Measurement, Scalar, Table
from audit.trials.recourse import Recourse

FEW = 5  # a mean change is shown from so many rows on, so that it is no one person's


def changed_table(found: Recourse, changed: list[Measurement]) -> Table:
    """Tabulate which features are changed how often and by how much."""
    place = {name: j for j, name in enumerate(found.names)}
    rows: list[tuple[Scalar, ...]] = []
    for m in changed:
        name, e = str(m.where["feature"]), m.estimate
        rows.append((name, e.value, e.low, e.high, _mean_change(found, place[name])))
    columns = (
        Column(name="feature", label="feature", kind="text"),
        Column(name="value", label="share of counterfactuals that change it", kind="rate"),
        Column(name="low", label="low", kind="rate"),
        Column(name="high", label="high", kind="rate"),
        Column(name="change", label="mean change, own unit"),
    )
    return Table(
        name="changed",
        title="What counterfactuals change",
        kind="importance",
        columns=columns,
        rows=tuple(sorted(rows, key=lambda row: -float(row[1] or 0.0))),
        note=f"{int(found.ok.sum())} counterfactuals of {len(found.ok)} rows. Mean change: of numbers changed in "
        f"{FEW} rows or more.",
    )


def _mean_change(found: Recourse, feature: int) -> float | None:
    """Return the mean signed change of a number among the rows that change it, if they are not too few."""
    rows = found.ok & (found.shift[:, feature] != 0)
    if rows.sum() < FEW or not found.numeric[feature]:
        return None
    return float(np.mean(found.shift[rows, feature]))


def groups_table(lines: list[tuple[Scalar, ...]]) -> Table:
    """Tabulate every group's success and cost."""
    columns = (
        Column(name="attribute", label="attribute", kind="text"),
        Column(name="group", label="group", kind="text"),
        Column(name="n", label="rows", kind="count"),
        Column(name="success", label="success", kind="rate"),
        Column(name="success low", label="success low", kind="rate"),
        Column(name="success high", label="success high", kind="rate"),
        Column(name="found", label="found", kind="count"),
        Column(name="cost", label="mean distance"),
        Column(name="cost low", label="cost low"),
        Column(name="cost high", label="cost high"),
    )
    return Table(name="recourse", title="Recourse by group", columns=columns, rows=tuple(lines))
