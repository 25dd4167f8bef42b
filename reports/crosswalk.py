"""Laws and standards clause by clause: what each asks for, its status, and the evidence that the record holds."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence import CheckResult, Control, Crosswalk, Decision, Measurement, Record, Verdict
from reports import front, numbers, phrases, stated, words
from reports.grids import Block, Cell, Grid, Line, head

NOTES = (
    "Evidence, not a legal opinion.",
    "A clause shows the worst verdict of the rules mapped to it, advisory ones too. No clause sets a limit here.",
)
JUDGED, MEASURED, DECLARED, NONE = "judged", "measured, not judged", "declared", "no evidence"
MOST = 4  # decisions and numbers named in one clause; the rest are counted
PARTS = {"group", "class", "feature"}  # numbers of a part stand in the area's own tables


@dataclass(frozen=True)
class Clause:
    """A control with its status: the worst verdict of its decisions, or in words why it has none."""

    control: Control
    verdict: Verdict | None
    status: str
    lines: tuple[str, ...]


def blocks(record: Record) -> tuple[Block, ...]:
    """Return one table a crosswalk of the policy, its clauses in their own order."""
    return tuple(_block(record, walk) for walk in record.policy.crosswalk)


def worst(record: Record) -> Verdict | None:
    """Return the worst verdict of any clause, or None where no rule is mapped to one."""
    found = {c.verdict for walk in record.policy.crosswalk for c in clauses(record, walk)}
    return next((v for v in words.WORST_FIRST if v in found), None)


def clauses(record: Record, walk: Crosswalk) -> list[Clause]:
    """Return every control of a crosswalk with its status and its evidence in sentences."""
    return [_clause(record, walk, control) for control in walk.controls]


def _clause(record: Record, walk: Crosswalk, control: Control) -> Clause:
    """Return one control's status and evidence."""
    judged, own = mapped(record, walk, control), _results(record, control)
    rest = _unjudged(own, control, judged)
    tables = [
        t for r in own for t in r.findings.tables if t.rows and f"{r.check}.{t.name}" in control.evidence
    ]
    said, lacking = stated.of(record, control.evidence)
    lines = [
        *_judged_lines(judged),
        *_number_lines(rest),
        *(f"Table “{numbers.name(t.title, 80)}”, {numbers.plural(len(t.rows), 'row')}." for t in tables),
        *said,
        *(f"No evidence: {text}" for text in _missing(record, control)),
        *lacking,
    ]
    verdict = _verdict(judged, own)
    measured = MEASURED if rest or tables else DECLARED if said else NONE
    return Clause(control, verdict, JUDGED if verdict else measured, tuple(lines))


def _verdict(judged: list[Decision], own: list[CheckResult]) -> Verdict | None:
    """Return the worst verdict; a check that crashed leaves a PASS no ground to stand on."""
    worst_ = words.worst(judged)
    if worst_ in ("PASS", "INCONCLUSIVE") and any(r.status == "error" for r in own):
        return "NOT-ESTIMABLE"
    return worst_


def mapped(record: Record, walk: Crosswalk, control: Control) -> list[Decision]:
    """Return the decisions that are a control's evidence, worst first: by its evidence or the rule's controls."""
    ids = {control.id.casefold(), f"{walk.name} {control.id}".casefold()}
    return words.ranked(
        d
        for d in record.decisions
        if ids & {c.casefold() for c in d.rule.controls}
        or {front.area_of(record, d), d.rule.check, d.rule.measure} & set(control.evidence)
    )


def _results(record: Record, control: Control) -> list[CheckResult]:
    """Return the checks that a control's evidence names, by area, by name or by a part of theirs."""
    return [r for r in record.results if any(_names(name, r) for name in control.evidence)]


def _names(name: str, result: CheckResult) -> bool:
    """Tell whether a name of evidence means this check or a part of it."""
    return name in (result.area, result.check) or name.rpartition(".")[0] == result.check


def _unjudged(
    own: list[CheckResult], control: Control, judged: list[Decision]
) -> list[tuple[CheckResult, Measurement]]:
    """Return the numbers with a value that a control names and none of its decisions judges."""
    done = [(d.rule.check, d.rule.name, d.where) for d in judged]
    names = set(control.evidence)
    return [
        (r, m)
        for r in own
        for m in r.findings.measurements
        if {r.area, r.check, f"{r.check}.{m.name}"} & names
        and m.estimate.value is not None
        and (r.check, m.name, m.where) not in done
    ]


def _judged_lines(judged: list[Decision]) -> list[str]:
    """Return a sentence a decision, the worst ones, the rest counted."""
    lines = [_judged_line(d) for d in judged[:MOST]]
    rest = judged[MOST:]
    return lines + ([f"Of {len(rest)} more requirements: {front.counted(rest)}."] if rest else [])


def _judged_line(d: Decision) -> str:
    """Return one decision: verdict, number, interval, n, limit, rule."""
    n = f"; {numbers.plural(d.estimate.n, 'row')}" if d.estimate and d.estimate.value is not None else ""
    rule = f"{numbers.name(d.rule.id, 40)}, {d.rule.severity}, {numbers.asked(d.rule)}"
    return f"{d.verdict}: {words.stated(d)}{n} ({rule})."


def _number_lines(rest: list[tuple[CheckResult, Measurement]]) -> list[str]:
    """Return the first numbers over all rows that have an interval, the rest counted."""
    whole = [(r, m) for r, m in rest if m.estimate.kind == "bounded" and not PARTS & m.where.keys()]
    shown = whole[:MOST]
    lines = []
    for r, m in shown:
        case = phrases.of_measurement(r.check, m)
        value, interval = numbers.shown(m.estimate)
        lines.append(
            f"{phrases.titled(case)}: {value} {interval}; {numbers.plural(m.estimate.n, 'row')}, not judged."
        )
    left = len(rest) - len(shown)
    more = "more number" if shown else "number"
    return lines + ([f"{numbers.plural(left, more)} not judged, in the area’s section."] if left else [])


def _missing(record: Record, control: Control) -> list[str]:
    """Return a sentence for each area, check or part of one that was named and gave nothing."""
    found = []
    for name in control.evidence:
        if name.startswith(stated.ROOTS):
            continue
        own = [r for r in record.results if _names(name, r)]
        lost = [r for r in own if r.status != "ok"]
        found += [f"{numbers.name(r.check)}. {front.why_not(r)}" for r in lost]
        if not own:
            area = front.AREAS.get(name)
            found.append(f"no check of {area.lower()} ran." if area else f"{numbers.name(name)} did not run.")
        elif not lost and not any(_gives(name, r) for r in own):
            found.append(f"{numbers.name(name)} found nothing.")
    return list(dict.fromkeys(found))


def _gives(name: str, result: CheckResult) -> bool:
    """Tell whether a check holds a number or a table of this name."""
    whole = name in (result.area, result.check)
    f = result.findings
    numbers_ = [m for m in f.measurements if whole or name == f"{result.check}.{m.name}"]
    tables = [t for t in f.tables if t.rows and (whole or name == f"{result.check}.{t.name}")]
    return bool(tables) or any(m.estimate.value is not None for m in numbers_)


# ---------------------------------------------------------------- the table


def _block(record: Record, walk: Crosswalk) -> Block:
    """Return a crosswalk's table."""
    found = clauses(record, walk)
    heads = (head("Status"), head("Clause, and what it asks for"), head("Evidence in this report"))
    grid = Grid(heads, tuple(_row(c, walk) for c in found), "xw stack", ("a", "", ""))
    caption = (
        f"{words.ended(walk.source)} The sentences are summaries. PASS says that every rule mapped to the clause "
        "passes under this policy, not that the clause is complied with. Intervals are 95\u00a0%."
    )
    return Block("Table", f"{numbers.name(walk.title, 160)}. {_counted(found)}", caption.strip(), grid)


def _counted(found: list[Clause]) -> str:
    """Return 'Of 12 clauses: 1 FAIL, 4 declared, 7 no evidence.'."""
    kinds = [*words.WORST_FIRST, MEASURED, DECLARED, NONE]
    said = [(sum((c.verdict or c.status) == kind for c in found), kind) for kind in kinds]
    return f"Of {numbers.plural(len(found), 'clause')}: {', '.join(f'{n} {kind}' for n, kind in said if n)}."


def _row(clause: Clause, walk: Crosswalk) -> Line:
    """Return one clause's row."""
    control = clause.control
    source = control.source if control.source != walk.source else ""
    small = (words.ended(control.title), words.ended(control.note), words.ended(source))
    word = "" if clause.verdict else clause.status
    return Line(
        (
            Cell(word, css="c-st" if clause.verdict else "c-st word", verdict=clause.verdict),
            Cell(numbers.name(control.id, 80), css="c-nm", small=tuple(text for text in small if text)),
            Cell(css="c-ev", small=clause.lines or ("Nothing in this record is mapped to it.",)),
        )
    )
