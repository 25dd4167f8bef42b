"""Rates by group: rows with a drawing each, and the other rates beside their own denominators."""

from __future__ import annotations

from audit.evidence import Table
from reports import charts, numbers, phrases
from reports.grids import (
    MOST_OPEN,
    MOST_ROWS,
    Block,
    Cell,
    Context,
    Grid,
    Line,
    Row,
    by,
    caption_of,
    head,
    real,
    value_cell,
)
from reports.marks import Scale, around


def groups(table: Table, rows: list[Row], context: Context) -> list[Block]:
    """Return the first rate group by group with a drawing a row, and the other rates in one table."""
    metrics = list(dict.fromkeys(str(r["metric"]) for r in rows))
    first = "selection_rate" if "selection_rate" in metrics else metrics[0]
    drawn = [r for r in rows if r["metric"] == first]
    found = [_drawn_groups(table, drawn, first, context)]
    rest = [m for m in metrics if m != first]
    return found + ([_other_rates(table, rows, rest)] if rest else [])


def _drawn_groups(table: Table, rows: list[Row], metric: str, context: Context) -> Block:
    """Return a rate as rows with n, count, rate, interval and picture."""
    lines_at = _limits(rows, context) if metric == "selection_rate" else {}
    top = max([real(r["high"]) or real(r["value"]) or 0 for r in rows] + list(lines_at.values()))
    scale = Scale(0, around((0.0, top), pad=0.02)[1], 1, 99)
    lines = []
    for attribute, of in by(rows, "attribute").items():
        lines.append(Line((Cell(attribute),), "grp"))
        lines += [_group_line(r, scale, lines_at.get(attribute), bool(lines_at)) for r in of[:MOST_ROWS]]
    selected = "Selected" if metric == "selection_rate" else "Count"
    heads = [head("Group"), head("Rows", "num"), head(selected, "num"), head("Rate", "num")]
    heads.append(head("", "c-b", charts.axis_row(scale)))
    heads += [head("Line")] if lines_at else []
    columns = ("nm", "n", "k", "v", "") + (("t",) if lines_at else ())
    grid = Grid(tuple(heads), tuple(lines), "fst stack", columns)
    return Block("Figure", _extreme_groups(rows, metric), _how_to_read(table, lines_at), grid)


def _how_to_read(table: Table, lines_at: dict[str, float]) -> str:
    """Return how a group's row is read."""
    text = "The count over the rows that form the rate’s denominator, with its 95\u00a0% interval."
    if lines_at:
        shown = ", ".join(f"{numbers.name(a, 40)} {numbers.number(v)}" for a, v in lines_at.items())
        text += (
            f" The line is the limit times the highest rate: {shown}. Hollow: the interval crosses it. The line"
            " helps the eye; the verdict rests on the ratio’s own interval (see Requirements)."
        )
    return caption_of(text, table.note)


def _limits(rows: list[Row], context: Context) -> dict[str, float]:
    """Return per attribute the selection rate that an impact ratio's limit asks for."""
    found = {}
    for d in context.decisions:
        who = phrases.extremes(phrases.of_decision(d)) if d.rule.name == "impact_ratio" else None
        attribute = str((d.where or d.rule.where).get("attribute", ""))
        if who and attribute and d.rule.at_least is not None:
            found[attribute] = d.rule.at_least * who.k_high / who.n_high
    have = {str(r["attribute"]) for r in rows}
    return {a: v for a, v in found.items() if a in have}


def _group_line(row: Row, scale: Scale, line_at: float | None, lines: bool) -> Line:
    """Return one group's row."""
    value, low, high = real(row["value"]), real(row["low"]), real(row["high"])
    cells = [
        Cell(str(row["group"]), css="c-nm"),
        Cell(numbers.count(real(row["n"])), css="num c-n"),
        Cell(numbers.count(real(row["k"])), css="num c-k"),
        value_cell(value, low, high),
        Cell(css="c-b", svg=charts.group_row(scale, value, low, high, line_at)),
    ]
    if lines:
        side = "" if line_at is None else charts.against(low, high, line_at)
        letter = {"below": " tag f", "above": " tag d", "can’t tell": " tag n"}.get(side, "")
        cells.append(Cell(side, css=f"c-t{letter}"))
    return Line(tuple(cells))


def _extreme_groups(rows: list[Row], metric: str) -> str:
    """Return which group has the lowest rate and which the highest, for the widest attribute."""
    best: tuple[float, str] | None = None
    for attribute, of in by(rows, "attribute").items():
        known = [(v, str(r["group"])) for r in of if (v := real(r["value"])) is not None]
        if len(known) > 1:
            low, high = min(known), max(known)
            a = numbers.name(attribute, 40)
            text = (
                f"By {a}, the {metric.replace('_', ' ')} runs from {numbers.number(low[0])} "
                f"({numbers.name(low[1], 40)}) to {numbers.number(high[0])} ({numbers.name(high[1], 40)})."
            )
            best = max(best or (-1.0, ""), (high[0] - low[0], text))
    return best[1] if best else f"The {metric.replace('_', ' ')} of each group."


def _other_rates(table: Table, rows: list[Row], metrics: list[str]) -> Block:
    """Return the other rates of each group, each above its interval and its own denominator."""
    cells = {(r["attribute"], r["group"], r["metric"]): r for r in rows}
    heads = (head("Group"), *(head(m.replace("_", " ").capitalize(), "num") for m in metrics))
    lines = []
    for attribute, of in by(rows, "attribute").items():
        lines.append(Line((Cell(attribute),), "grp"))
        for group in list(dict.fromkeys(r["group"] for r in of))[:MOST_ROWS]:
            found = [cells.get((of[0]["attribute"], group, m), {}) for m in metrics]
            lines.append(Line((Cell(str(group), css="c-nm"), *(_rate_cell(r) for r in found))))
    title = "Every rate stands with its own denominator."
    caption = (
        "95\u00a0% intervals; after “of”, the rate’s denominator. Where it is 0 the rate does not exist."
    )
    grid = Grid(heads, tuple(lines), "rates")
    if len(lines) > MOST_OPEN:
        return Block("Table", title, caption, folded=grid)
    return Block("Table", title, caption, grid)


def _rate_cell(row: Row) -> Cell:
    """Return a rate over its interval and denominator."""
    value = real(row.get("value"))
    bounds = numbers.interval(real(row.get("low")), real(row.get("high")))
    small = (bounds, f"of {numbers.count(real(row.get('n')) or 0)}") if value is not None else ("of 0",)
    return Cell(numbers.number(value), css="num", small=tuple(text for text in small if text))
