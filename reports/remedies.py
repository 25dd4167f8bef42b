"""The section of remedies tried: what validation chose, the remedied model's own verdict, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from audit.evidence import Record, Remedied, Scalar, Table, Verdict
from reports import numbers, words
from reports.blocks import blocks
from reports.grids import Block, Cell, Context, Grid, Line, Row, caption_of, head, real, titled, value_cell

NOTES = (
    "The verdict of this report is that of the model asked about. A remedied model has a verdict of its own.",
)
_LOST = {"none chosen": "No remedied model", "skipped": "Skipped", "error": "Failed"}


@dataclass(frozen=True)
class Shown:
    """One remedy: its title, what was chosen, its verdict, why there is none, where its report is, its blocks."""

    title: str
    says: str
    rule: str
    lost: str
    verdict: Verdict | None
    exit_code: int | None
    report: str
    notes: tuple[str, ...]
    blocks: range


def content(record: Record) -> tuple[list[Shown], tuple[Block, ...]]:
    """Return every remedy tried, and the blocks that they share out by their ranges."""
    shown: list[Shown] = []
    every: list[Block] = []
    for one in record.remedies:
        own = [block for table in one.tables for block in _drawn(table)]
        shown.append(_shown(one, "html" in record.config.get("formats", ()), len(every), len(own)))
        every += own
    return shown, tuple(every)


def lines(record: Record) -> list[str]:
    """Return one plain sentence a remedy, for a terminal and for Markdown."""
    return [_sentence(one) for one in record.remedies]


def _shown(one: Remedied, paged: bool, start: int, count: int) -> Shown:
    """Return one remedy as the section shows it."""
    return Shown(
        title=numbers.name(one.title, 80),
        says=numbers.visible(one.says),
        rule=numbers.visible(one.rule),
        lost=_lost(one),
        verdict=one.verdict,
        exit_code=one.exit_code,
        report=f"{one.folder}/report.html" if paged and one.verdict and _plain(one.folder) else "",
        notes=tuple(numbers.visible(note) for note in one.notes),
        blocks=range(start, start + count),
    )


def _plain(folder: str) -> bool:
    """Tell whether a folder is one of this run's own remedies, so that a link to it leads nowhere else."""
    top, _, rest = folder.partition("/")
    return top == "remedies" and rest.replace("-", "").isalnum() and rest.isascii()


def _lost(one: Remedied) -> str:
    """Return why there is no remedied model, or nothing."""
    if one.status == "audited":
        return ""
    return f"{_LOST[one.status]}: {words.ended(numbers.visible(one.reason)) or 'the record gives no reason.'}"


def _sentence(one: Remedied) -> str:
    """Return one remedy as a sentence."""
    title = numbers.name(one.title, 80)
    if one.status != "audited":
        return f"Remedy tried: {title}. {_lost(one)}"
    return f"Remedy tried: {title} ({numbers.name(one.says, 120)}); the remedied model: {one.verdict}."


def _drawn(table: Table) -> list[Block]:
    """Return a table's blocks; before and after with the verdicts as such."""
    names = [c.name for c in table.columns]
    rows: list[Row] = [dict(zip(names, row, strict=True)) for row in table.rows]
    if table.name != "before_after" or not rows:
        return blocks(table, Context())
    heads = (
        head("Measure"), head("Before", "num"), head("Verdict"), head("After", "num"), head("Verdict"),
        head("Change", "num"), head("Shown to be"),
    )  # fmt: skip
    grid = Grid(heads, tuple(Line(_cells(row)) for row in rows))
    return [Block("Table", titled(table), caption_of(table.note), grid)]


def _cells(row: Row) -> tuple[Cell, ...]:
    """Return one measure's cells."""
    return (
        Cell(numbers.name(row["measure"], 120)),
        Cell(numbers.number(real(row["before"])), css="num"),
        _verdict(row["verdict before"]),
        Cell(numbers.number(real(row["after"])), css="num"),
        _verdict(row["verdict after"]),
        value_cell(row["change"], row["change low"], row["change high"], "num"),
        Cell(numbers.visible(str(row["word"] or "–")), small=(str(row["rows"]),) if row["rows"] else ()),
    )


def _verdict(word: Scalar) -> Cell:
    """Return a verdict as a mark, several as text."""
    known = [v for v in get_args(Verdict) if v == word]
    return Cell(verdict=known[0]) if known else Cell(numbers.visible(str(word or "–")))
