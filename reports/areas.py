"""An area's section: its sentence, its figures, every number with n, interval and method, how it was run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from audit.evidence import CheckResult, Decision, Record
from reports import cards, front, numbers, phrases
from reports.blocks import blocks
from reports.grids import MOST_OPEN, MOST_ROWS, Block, Cell, Context, Grid, Line, head

SECTIONS = (
    ("accuracy", "Accuracy", "reg eng"),
    ("fairness", "Groups", "reg eng"),
    ("robustness", "Robustness", "eng"),
    ("calibration", "Calibration", "eng"),
    ("explanation", "Explanation", "eng"),
    ("privacy", "Privacy", "reg eng"),
    ("data", "Data", "reg eng"),
    ("behaviour", "Behaviour", "reg eng"),
)
_ABOUT = {
    "robustness": "An attack’s accuracy is an upper bound: a stronger attack can only lower it.",
    "fairness": "No group is left out for being small; small groups have wide intervals.",
    "explanation": "What the model leans on. It explains the model, not the world.",
}


MOST_DRAWN = 6  # figures and tables of one check that stand open


@dataclass(frozen=True)
class Run:
    """One check of an area: what it is called, why it has no findings, and its options and cost."""

    title: str
    check: str
    lost: str
    settings: tuple[tuple[str, str], ...]


def results(record: Record, area: str) -> list[CheckResult]:
    """Return an area's checks."""
    return [r for r in record.results if r.area == area]


def notes(record: Record, area: str) -> tuple[str, ...]:
    """Return what stands in an area's margin."""
    decisions = front.of_area(record, area)
    if decisions:
        said = front.area_sentence(front.representative(decisions))
    else:
        said = cards.unjudged(record, area)[1]
    about = area in _ABOUT and (area != "robustness" or any(map(_attacked, results(record, area))))
    return (said, _ABOUT[area]) if about else (said,)


def _attacked(result: CheckResult) -> bool:
    """Tell whether a check's numbers are what an attack leaves, upper bounds of the truth."""
    return any(m.estimate.side == "at most" for m in result.findings.measurements)


def figures(record: Record, area: str) -> tuple[Block, ...]:
    """Return an area's figures and tables, last the table of every number."""
    decisions, own = front.of_area(record, area), results(record, area)
    found: list[Block] = []
    for result in own:
        context = Context(
            tuple(d for d in decisions if d.rule.check == result.check),
            _attacked(result),
        )
        found += _shortened([b for t in result.findings.tables for b in blocks(t, context)], result.check)
    if area == "accuracy" and record.facts.model.training:
        found += blocks(record.facts.model.training, Context())
    every = _numbers(own, decisions)
    return tuple([*found, every] if every else found)


def _shortened(drawn: list[Block], check: str) -> list[Block]:
    """Return a check's figures and tables, the ones after the first few behind one line that counts them."""
    rest = drawn[MOST_DRAWN:]
    if len(rest) < 2:
        return drawn
    line = f"{len(rest)} more figures and tables of {numbers.name(check)}"
    return [*drawn[:MOST_DRAWN], *(replace(b, behind=line) for b in rest)]


def runs(record: Record, area: str) -> list[Run]:
    """Return how each check of an area was run."""
    return [
        Run(
            numbers.name(r.title, 80),
            numbers.name(r.check),
            front.why_not(r) if r.status != "ok" else "",
            tuple(_settings(r)),
        )
        for r in results(record, area)
    ]


def _settings(result: CheckResult) -> list[tuple[str, str]]:
    """Return a check's options and what it spent."""
    rows = [
        (key.replace("_", " "), numbers.visible(_plainly(value))) for key, value in result.options.items()
    ]
    return rows + [(key.replace("_", " "), numbers.count(n)) for key, n in result.findings.cost.items()]


def _plainly(value: Any) -> str:
    """Return an option's value as text."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_plainly(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _numbers(own: list[CheckResult], decisions: list[Decision]) -> Block | None:
    """Return every number of an area's checks with n, interval, method and what judged it."""
    lines, left = [], 0
    for result in own:
        grouped = any(t.kind == "groups" for t in result.findings.tables)
        for m in result.findings.measurements:
            if grouped and "group" in m.where:
                continue
            if len(lines) == MOST_ROWS:
                left += 1
                continue
            lines.append(_measured(phrases.of_measurement(result.check, m), decisions))
    if not lines:
        return None
    heads = (
        head("Measure"),
        head("Estimate", "num"),
        head("n", "num"),
        head("Interval by"),
        head("Judged by"),
    )
    apart = any(t.kind == "groups" for r in own for t in r.findings.tables)
    caption = "n is the number’s own denominator." + (
        " Group by group, the rates stand above." if apart else ""
    )
    caption += f" The first {MOST_ROWS}; {numbers.count(left)} more are in the record." if left else ""
    title, grid = "Every number of these checks.", Grid(heads, tuple(lines), "all stack")
    if len(lines) > MOST_OPEN:
        return Block("Table", title, caption, folded=grid)
    return Block("Table", title, caption, grid)


def _measured(case: phrases.Case, decisions: list[Decision]) -> Line:
    """Return one measurement's row."""
    estimate = case.estimate
    assert estimate is not None
    value, interval = numbers.shown(estimate)
    by = [d for d in decisions if (d.rule.check, d.rule.name, d.where) == (case.check, case.name, case.where)]
    judged = ", ".join(f"{numbers.name(d.rule.id, 40)}: {d.verdict}" for d in by)
    if estimate.kind == "descriptive":
        judged = "descriptive, never judged"
    small = tuple(numbers.visible(t) for t in (estimate.reason, estimate.note) if t)
    return Line(
        (
            Cell(phrases.titled(case), css="c-nm", small=small),
            Cell(value, interval or ("no interval" if estimate.value is not None else ""), "num c-v"),
            Cell(numbers.count(estimate.n), css="num c-n"),
            Cell(estimate.method or "none", css="c-m"),
            Cell(judged or "not judged", css="c-j"),
        )
    )
