"""A record's table as the blocks of a page, drawn by its kind."""

from __future__ import annotations

from collections.abc import Callable

from audit.evidence import Table
from reports import grouped, numbers, plotted
from reports.grids import Block, Context, Row, caption_of, plain

_DRAWN: dict[str, Callable[[Table, list[Row], Context], list[Block]]] = {
    "groups": grouped.groups,
    "curve": plotted.curve,
    "loss": plotted.loss,
    "reliability": plotted.reliability,
    "importance": plotted.importance,
    "matrix": plotted.matrix,
}


def blocks(table: Table, context: Context) -> list[Block]:
    """Return the blocks of a table, drawn by its kind; an empty one says so."""
    rows = [dict(zip((c.name for c in table.columns), row, strict=True)) for row in table.rows]
    if not rows:
        return [Block("Table", numbers.name(table.title, 160), caption_of("It has no rows.", table.note))]
    return _DRAWN.get(table.kind, plain)(table, rows, context)
