"""The tables of a family of rates: counts that rebuild its bounds, and every metric's widest gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.evidence import Column, Scalar, Table
from audit.stats.joint import Family

LEVEL = 0.95
FEW = 3  # rows below which a count can point at a person
Kinds = Sequence[tuple[str, str]]


def counts_table(counts: Mapping[str, Mapping[str, np.ndarray]], kinds: Kinds) -> Table:
    """Return the rows of each kind (true, predicted) in {attribute: {group: counts[kinds]}}, as a table."""
    rows = tuple(
        (attribute, group, *kind, int(count))
        for attribute, groups in counts.items()
        for group, found in groups.items()
        for kind, count in zip(kinds, found, strict=True)
    )
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="group", label="Group", kind="text"),
        Column(name="true", label="True class", kind="text"),
        Column(name="predicted", label="Predicted class", kind="text"),
        Column(name="n", label="Rows", kind="count"),
    )
    few = sum(0 < int(row[-1]) < FEW for row in rows)
    note = (
        f"Of independent rows they rebuild every rate of one attribute and its bounds. {few} of {len(rows)} counts "
        "are 1 or 2, which may point at a person: mind who reads them."
    )
    return Table(name="cells", title="Rows by outcome and decision", columns=columns, rows=rows, note=note)


def counts_in(table: Table, attribute: str, kinds: Kinds) -> dict[str, np.ndarray]:
    """Return {group: counts[kinds]} of one attribute from a stored `counts_table`."""
    found: dict[str, np.ndarray] = {}
    for name, group, true, predicted, n in table.rows:
        if name == attribute:
            counts = found.setdefault(str(group), np.zeros(len(kinds), int))
            counts[kinds.index((str(true), str(predicted)))] = n
    return found


def crossed_table(names: Sequence[str], rows: Sequence[tuple[Scalar, ...]]) -> Table:
    """Return the rows of every crossing of all attributes, true class and predicted class, as a table."""
    columns = (
        *(Column(name=name, label=name, kind="text") for name in names),
        Column(name="true", label="True class", kind="text"),
        Column(name="predicted", label="Predicted class", kind="text"),
        Column(name="n", label="Rows", kind="count"),
    )
    small = sum(int(row[-1] or 0) < 5 for row in rows)
    note = f"Counts, never rows; {small} of {len(rows)} cells hold fewer than 5 rows, so mind who reads them."
    title = "Rows per joint cell"
    return Table(name="joint_cells", title=title, columns=columns, rows=tuple(rows), note=note)


def gaps_table(families: Mapping[str, tuple[Family, np.ndarray]]) -> Table:
    """Return every metric's widest gap of each {attribute: (family, rows[m, g])}, all pairs and metrics at once.

    rows are the denominators to show, where the family's are effective sizes of clustered rows.
    """
    rows = tuple(row for name, (family, n) in families.items() for row in _gaps(name, family, n))
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="metric", label="Rate", kind="text"),
        Column(name="higher", label="Highest in", kind="text"),
        Column(name="lower", label="Lowest in", kind="text"),
        Column(name="value", label="Difference", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
        Column(name="p", label="p, adjusted", kind="number"),
        Column(name="n_higher", label="Rows, highest", kind="count"),
        Column(name="n_lower", label="Rows, lowest", kind="count"),
        Column(name="reason", label="Why not", kind="text"),
    )
    title = "Widest gap of every rate, all pairs and rates at once"
    return Table(name="simultaneous", title=title, columns=columns, rows=rows, note=_note(families))


def _gaps(attribute: str, family: Family, n: np.ndarray) -> Iterator[tuple[Scalar, ...]]:
    """Yield a row for each metric: its widest gap, or why there is none."""
    low, high = family.limits(1 - LEVEL)
    for m, metric in enumerate(family.metrics):
        try:
            a, b = family.widest(m)
        except ValueError as error:
            yield attribute, metric, "", "", None, None, None, None, None, None, str(error)
            continue
        gap = family.k[m, a] / family.n[m, a] - family.k[m, b] / family.n[m, b]
        numbers = float(gap), float(low[m, a, b]), float(high[m, a, b]), family.p_value(m, a, b)
        yield attribute, metric, family.groups[a], family.groups[b], *numbers, int(n[m, a]), int(n[m, b]), ""


def _note(families: Mapping[str, tuple[Family, np.ndarray]]) -> str:
    """Return what the intervals mean and how they were made."""
    draws = max((len(family.largest) for family, _ in families.values()), default=0)
    how = (
        f"max-t over {draws:,} multinomial replicates"
        if draws
        else "Tukey-Kramer over pairs, Bonferroni over rates"
    )
    return (
        "With 95 % confidence every pair's difference of every rate of one attribute lies in its interval, all of "
        f"them at once ({how}), so the widest may be picked after looking. Shown, not judged: a rule on one rate "
        "has its own bound."
    )
