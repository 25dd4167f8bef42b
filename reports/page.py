"""A record as the sections of a page: what each says, in the order it is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from audit.evidence import CheckResult, Decision, Record, Verdict
from reports import charts, front, methods, numbers, phrases, words
from reports.blocks import blocks
from reports.grids import MOST_ROWS, Block, Cell, Context, Grid, Line, head

READERS = {"exec": "Executive", "reg": "Regulator", "eng": "Engineer"}
CARDS = ("fairness", "robustness", "calibration", "explanation")
_AREA_SECTIONS = (
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


@dataclass(frozen=True)
class Section:
    """One section: its number, anchor, title, worst verdict, notes in the margin, readers and content."""

    id: str
    title: str
    readers: str
    template: str
    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None
    content: Any = None
    blocks: tuple[Block, ...] = ()
    number: int = 0


@dataclass(frozen=True)
class Card:
    """One area on the first screen."""

    title: str
    verdict: Verdict | None
    status: str
    letter: str
    sentence: str
    picture: Any
    value: str
    interval: str
    counts: str


def contradiction(record: Record) -> str:
    """Return how a record's verdict is better than its blocking decisions allow, or nothing."""
    found = words.worst(words.blocking(record)) or "NOT-ESTIMABLE"
    order = words.WORST_FIRST
    if order.index(record.verdict) <= order.index(found):
        return ""
    return f"verdict={record.verdict} although a blocking requirement reads {found}"


def cards(record: Record) -> list[Card]:
    """Return the four area cards; an area that was not measured says so."""
    return [_card(record, area) for area in CARDS]


def _card(record: Record, area: str) -> Card:
    """Return one area's card."""
    title, decisions = front.AREAS[area], front.of_area(record, area)
    if not decisions:
        status, sentence = _unjudged(record, area)
        return Card(title, None, status, "d", sentence, charts.lane(), "", "", "")
    first = front.representative(decisions)
    judged = first.rule.severity == "blocking"
    value, interval = (
        numbers.shown(first.estimate, first.rule.limit) if first.estimate else ("no estimate", "")
    )
    total = numbers.plural(len(decisions), "requirement")
    return Card(
        title,
        first.verdict if judged else None,
        "" if judged else "advisory only",
        charts.LETTER[first.verdict] if judged else "d",
        front.area_sentence(first),
        charts.card(first, words.title(first)),
        value,
        interval,
        f"of {total}: {front.counted(decisions)}",
    )


def _unjudged(record: Record, area: str) -> tuple[str, str]:
    """Return the status and sentence of an area without a decision."""
    results = [r for r in record.results if r.area == area]
    if not results:
        return "not measured", "No check of this area was configured."
    lost = [r for r in results if r.status != "ok"]
    if len(lost) == len(results):
        return "not measured", front.why_not(lost[0])
    return "not judged", "Measured, but no requirement of the policy judges it."


def beside(record: Record) -> list[Decision]:
    """Return the representative decision of every judged area that has no card."""
    areas = dict.fromkeys(front.area_of(record, d) for d in record.decisions)
    return [front.representative(front.of_area(record, area)) for area in areas if area not in CARDS]


def sections(record: Record) -> list[Section]:
    """Return every section that the record has something for, numbered, with figures numbered through."""
    found = [
        Section(
            "findings",
            "Findings",
            "exec reg eng",
            "findings.html.j2",
            ("What stands between this model and a PASS, worst first.",),
            content=words.findings(record),
        ),
        Section(
            "not-measured",
            "Not measured",
            "exec reg eng",
            "pairs.html.j2",
            ("A report that is silent on these would read as reassurance.",),
            content=front.unmeasured(record),
        ),
        Section(
            "system",
            "System and intended use",
            "reg",
            "pairs.html.j2",
            ("As declared by the provider; only the digests are verified.",),
            content=methods.system(record),
        ),
        _requirements(record),
        *(s for area, title, readers in _AREA_SECTIONS if (s := _area(record, area, title, readers))),
        Section(
            "methods",
            "Why these measures",
            "reg eng",
            "methods.html.j2",
            ("What each number is, how its interval is made, and what a verdict means.",),
            content=methods.small_groups(record.policy.minimum_group_share),
            blocks=(Block("Table", "What was measured, and how.", "", methods.measures(record)),),
        ),
        Section(
            "reproduce",
            "How to reproduce",
            "reg eng",
            "reproduce.html.j2",
            ("This page is rebuilt byte for byte from the record, without JAX.",),
            content=methods.reproduce(record),
        ),
        Section(
            "attestation",
            "Attestation",
            "exec reg",
            "attestation.html.j2",
            ("To be signed by hand or with a key. Unsigned, this report attests nothing.",),
        ),
    ]
    return _numbered(found)


def _numbered(found: list[Section]) -> list[Section]:
    """Return the sections with their numbers and those of their figures and tables."""
    counts = {"Figure": 0, "Table": 0}
    done = []
    for i, section in enumerate(found, start=1):
        shown = []
        for block in section.blocks:
            counts[block.kind] += 1
            shown.append(replace(block, number=counts[block.kind]))
        done.append(replace(section, number=i, blocks=tuple(shown)))
    return done


# ---------------------------------------------------------------- requirements


def _requirements(record: Record) -> Section:
    """Return the table of every requirement, failures first."""
    decisions = words.ranked(record.decisions)
    heads = (
        head("Verdict"),
        head("Requirement"),
        head("Estimate, limit", "num c-v"),
        head("Against the limit", "c-b"),
    )
    policy = record.policy
    title = (
        f"Of {numbers.plural(len(decisions), 'requirement')}: {front.counted(decisions)}."
        if decisions
        else ""
    )
    caption = (
        "Intervals are 95 %. PASS needs the bound at level "
        f"{numbers.percent(1 - policy.alpha, 2)} inside the limit; FAIL needs it beyond, adjusted over all "
        "blocking rules (Holm). Each bar is aligned at its limit: right of the line passes, whatever the unit; "
        "every row has its own scale."
    )
    grid = Grid(heads, tuple(_requirement(d) for d in decisions), "req stack", ("a", "", "v", "b"))
    block = Block("Table", title, caption, grid)
    notes = (
        f"{numbers.plural(len(policy.rules), 'rule')} of policy {numbers.name(policy.name)} {policy.version}.",
    )
    if not decisions:
        notes = (*notes, "Nothing was judged: the policy has no rule that matched a measurement.")
    return Section(
        "requirements",
        "Requirements",
        "reg eng",
        "area.html.j2",
        notes,
        words.worst(words.blocking(record)),
        blocks=(block,) if decisions else (),
    )


def _requirement(d: Decision) -> Line:
    """Return one requirement's row."""
    rule, estimate = d.rule, d.estimate
    value, interval = numbers.shown(estimate, rule.limit) if estimate else ("no estimate", "")
    small = [
        f"{rule.severity}; {numbers.visible(rule.because)}",
        f"Source of the limit: {numbers.visible(rule.source)}",
    ]
    if estimate and estimate.value is not None:
        small.append(f"{numbers.plural(estimate.n, 'row')}; {numbers.visible(estimate.method)}")
    if d.verdict != "PASS":
        small.append(words.decided(d))
    if d.excluded_groups:
        small.append(f"Left out as too small: {', '.join(numbers.name(g) for g in d.excluded_groups)}.")
    if d.waiver:
        small.append(words.waived(d))
    margin = None if estimate is None or estimate.value is None else estimate.value - rule.limit
    return Line(
        (
            Cell(verdict=d.verdict, css="c-st", key=words.WORST_FIRST.index(d.verdict)),
            Cell(words.title(d), rule.id, "c-nm", tuple(s for s in small if s)),
            Cell(value, interval, "num c-v", (numbers.asked(rule),)),
            Cell(
                css="c-b",
                svg=charts.row(d),
                key=margin if rule.at_least is not None or margin is None else -margin,
            ),
        )
    )


# ---------------------------------------------------------------- areas


def _area(record: Record, area: str, title: str, readers: str) -> Section | None:
    """Return an area's section: its sentences, figures, numbers and how its checks were run."""
    results = [r for r in record.results if r.area == area]
    decisions = front.of_area(record, area)
    if not results:
        return None
    notes = (
        [front.area_sentence(front.representative(decisions))] if decisions else [_unjudged(record, area)[1]]
    )
    notes += [_ABOUT[area]] if area in _ABOUT else []
    found: list[Block] = []
    for result in results:
        context = Context(
            tuple(d for d in decisions if d.rule.check == result.check),
            any(m.estimate.side == "at most" for m in result.findings.measurements),
        )
        for table in result.findings.tables:
            found += blocks(table, context)
    if area == "accuracy" and record.facts.model.training:
        found += blocks(record.facts.model.training, Context())
    every = _numbers(results, decisions)
    found += [every] if every else []
    judged = words.worst(d for d in decisions if d.rule.severity == "blocking")
    return Section(
        area if area != "fairness" else "groups",
        title,
        readers,
        "area.html.j2",
        tuple(notes),
        judged,
        [(r, front.why_not(r) if r.status != "ok" else "", _settings(r)) for r in results],
        tuple(found),
    )


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


def _numbers(results: list[CheckResult], decisions: list[Decision]) -> Block | None:
    """Return every number of an area's checks with n, interval, method and what judged it."""
    lines, left = [], 0
    for result in results:
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
    caption = (
        "n is the number’s own denominator. Group by group, the numbers stand above." if len(results) else ""
    )
    caption += f" The first {MOST_ROWS}; {numbers.count(left)} more are in the record." if left else ""
    return Block("Table", "Every number of these checks.", caption, Grid(heads, tuple(lines), "all"))


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
            Cell(numbers.count(estimate.n), css="num"),
            Cell(estimate.method or "none"),
            Cell(judged or "not judged", css="jd" if by else ""),
        )
    )
