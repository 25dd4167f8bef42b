"""A record's table as the blocks of a page, drawn by its kind."""

from __future__ import annotations

from collections.abc import Callable

from audit.evidence import Table
from reports import grouped, plotted
from reports.grids import Block, Context, Row, caption_of, headline, plain

_DRAWN: dict[str, Callable[[Table, list[Row], Context], list[Block]]] = {
    "groups": grouped.groups,
    "curve": plotted.curve,
    "loss": plotted.loss,
    "reliability": plotted.reliability,
    "importance": plotted.importance,
    "matrix": plotted.matrix,
}

_NEEDS = {
    "groups": {"attribute", "group", "metric", "k", "n", "value", "low", "high"},
    "curve": {"series", "x", "value", "low", "high"},
    "reliability": {"lower", "upper", "confidence", "accuracy", "low", "high", "n"},
    "importance": {"feature", "value", "low", "high"},
    "loss": {"epoch"},
}


def blocks(table: Table, context: Context) -> list[Block]:
    """Return the blocks of a table, drawn by its kind; an empty one says so, an unusual one stays plain."""
    rows = [dict(zip((c.name for c in table.columns), row, strict=True)) for row in table.rows]
    if not rows:
        return [Block("Table", headline(table), caption_of("It has no rows.", table.note))]
    draw = _DRAWN.get(table.kind, plain) if _NEEDS.get(table.kind, set()) <= rows[0].keys() else plain
    return draw(table, rows, context)
