"""What a page's figures and tables are made of: cells, rows, grids, blocks, and a plain table's numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from audit.evidence import Decision, Scalar, Table, Verdict
from reports import numbers

PNG = re.compile("data:image/png;base64,[A-Za-z0-9+/]+={0,2}")
MOST_ROWS = 400
MOST_OPEN = 15


@dataclass(frozen=True)
class Cell:
    """A table's cell: text, its interval, a smaller second line, a drawing, a verdict."""

    text: str = ""
    ci: str = ""
    css: str = ""
    small: tuple[str, ...] = ()
    svg: Markup | None = None
    verdict: Verdict | None = None
    key: float | None = None


@dataclass(frozen=True)
class Line:
    """A table's row; a heading row has one cell that spans all."""

    cells: tuple[Cell, ...]
    css: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: headings, rows, and how it is laid out."""

    heads: tuple[Cell, ...]
    lines: tuple[Line, ...]
    css: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A numbered figure or table with its caption; `folded` is shown on demand, all of it where `behind` says so."""

    kind: Literal["Figure", "Table"]
    title: str
    caption: str = ""
    grid: Grid | None = None
    pictures: tuple[Markup, ...] = ()
    folded: Grid | None = None
    number: int = 0
    behind: str = ""


@dataclass(frozen=True)
class Context:
    """What a drawing may need besides its table: the decisions of its check, and whether it was an attack."""

    decisions: tuple[Decision, ...] = ()
    attacked: bool = False


Row = dict[str, Scalar]


def value_cell(value: Scalar, low: Scalar = None, high: Scalar = None, css: str = "num c-v") -> Cell:
    """Return a number with its interval."""
    if real(value) is None:
        return Cell("no estimate", css=css)
    return Cell(numbers.number(real(value)), numbers.interval(real(low), real(high)), css)


def head(text: str, css: str = "", svg: Markup | None = None) -> Cell:
    """Return a column's heading."""
    return Cell(text, css=css, svg=svg)


def real(x: Scalar) -> float | None:
    """Return a cell as a number, None where it is none."""
    return float(x) if isinstance(x, (int, float)) and not isinstance(x, bool) else None


def known_number(x: Scalar) -> float:
    """Return a cell that must be a number."""
    number = real(x)
    if number is None:
        raise ValueError(f"cell={x!r} is not a number")
    return number


def caption_of(*parts: str) -> str:
    """Return a caption of the sentences there are."""
    return " ".join(numbers.visible(p.strip()) for p in parts if p.strip())


def by(rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Return rows by one column, in order of appearance."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row[key]), []).append(row)
    return found


def headline(table: Table) -> str:
    """Return a table's title for a sentence, without its full stop."""
    return numbers.name(table.title, 160).rstrip(".")


def titled(table: Table) -> str:
    """Return a table's title as a sentence."""
    text = headline(table)
    return text if text.endswith(("?", "!")) else text + "."


def plain(table: Table, rows: list[Row], context: Context) -> list[Block]:
    """Return a table as it is; a long one is folded."""
    grid, caption = as_grid(table), _more(table, table.note)
    if len(rows) > MOST_OPEN:
        return [Block("Table", titled(table), caption, folded=grid)]
    return [Block("Table", titled(table), caption, grid)]


def _more(table: Table, *parts: str) -> str:
    """Return a caption that also counts the rows left out."""
    left = len(table.rows) - MOST_ROWS
    return caption_of(
        *parts,
        f"The first {MOST_ROWS} rows; {numbers.count(left)} more are in the record." if left > 0 else "",
    )


def as_grid(table: Table) -> Grid:
    """Return a table's numbers, each formatted by its column; a value and its bounds become one cell."""
    columns = [c for i, c in enumerate(table.columns) if not _is_bound(table, i)]
    heads = tuple(head(c.label, "" if c.kind in ("text", "picture") else "num") for c in columns)
    lines = tuple(Line(tuple(_cells(table, row))) for row in table.rows[:MOST_ROWS])
    return Grid(heads, lines)


def _is_bound(table: Table, i: int) -> bool:
    """Tell whether a column is the lower or upper bound of the number before it, by its name."""
    names = [c.name for c in table.columns]
    start = i - 1 if names[i].endswith("low") else i - 2
    if start < 0 or table.kind == "matrix" or table.columns[start].kind == "text":
        return False
    bounds = names[start + 1 : start + 3]
    return bounds in (["low", "high"], [f"{names[start]} low", f"{names[start]} high"])


def _cells(table: Table, row: tuple[Scalar, ...]) -> Iterator[Cell]:
    """Yield a row's cells, bounds joined to their number."""
    for i, (x, column) in enumerate(zip(row, table.columns, strict=True)):
        if _is_bound(table, i):
            continue
        bounded = i + 2 < len(row) and _is_bound(table, i + 1) and _is_bound(table, i + 2)
        yield value_cell(x, row[i + 1], row[i + 2]) if bounded else _cell(x, column.kind)


def _cell(x: Scalar, kind: str) -> Cell:
    """Return one cell by its column's kind."""
    if x is None:
        return Cell("–", css="" if kind == "text" else "num")
    if kind == "picture":
        return _picture(str(x))
    if kind == "text" or isinstance(x, (str, bool)):
        return Cell(str(x), css="" if kind == "text" else "num")
    return Cell(numbers.count(x) if kind == "count" or isinstance(x, int) else numbers.number(x), css="num")


def _picture(uri: str) -> Cell:
    """Return a PNG given as a data URI; anything else stays text, shortened."""
    if not PNG.fullmatch(uri):
        return Cell(f"not a picture: {uri[:20]}")
    return Cell(css="pic", svg=Markup('<img alt="" src="{}" width="84">').format(uri))
