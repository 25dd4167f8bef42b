"""The table of requirements: failures first, each with estimate, n, interval, method, limit and its source."""

from __future__ import annotations

from audit.evidence import Decision, Record
from reports import charts, front, numbers, words
from reports.grids import Block, Cell, Grid, Line, head


def table(record: Record) -> Block | None:
    """Return the table of every requirement, or None where nothing was judged."""
    decisions, policy = words.ranked(record.decisions), record.policy
    if not decisions:
        return None
    heads = (
        head("Verdict"),
        head("Requirement"),
        head("Estimate, limit", "num c-v"),
        head("Against the limit", "c-b"),
    )
    title = f"Of {numbers.plural(len(decisions), 'requirement')}: {front.counted(decisions)}."
    caption = (
        "Intervals are 95\u00a0%. PASS needs the one-sided bound at "
        f"{numbers.percent(1 - policy.level, 2)} inside the limit; FAIL needs the other side’s bound beyond it, "
        "at Holm’s level over all blocking requirements. Each bar is aligned at its limit: right of the line "
        "passes, whatever the unit; every row has its own scale."
    )
    lines = tuple(_row(d, policy.power) for d in decisions)
    return Block("Table", title, caption, Grid(heads, lines, "req stack", ("a", "", "v", "b")))


def notes(record: Record) -> tuple[str, ...]:
    """Return what stands in the margin: the policy, and whether anything was judged."""
    policy = record.policy
    said = (
        f"{numbers.plural(len(policy.rules), 'rule')} of policy {numbers.name(policy.name)} {policy.version}."
    )
    if policy.requires:
        names = ", ".join(numbers.name(name, 80) for name in policy.requires)
        said += f" It requires to be measured: {names}. " + ("Not all was." if record.unmet else "All was.")
    if record.decisions:
        return (said,)
    if policy.requires:
        return (said, front.TABLE)
    return (said, "Nothing was judged: a policy without a blocking rule is NOT-ESTIMABLE, never PASS.")


def _row(d: Decision, power: float) -> Line:
    """Return one requirement's row."""
    value, interval = numbers.shown(d.estimate, d.rule.limit) if d.estimate else ("no estimate", "")
    return Line(
        (
            Cell(verdict=d.verdict, css="c-st", key=words.WORST_FIRST.index(d.verdict)),
            Cell(words.title(d), css="c-nm", small=tuple(_small(d, power))),
            Cell(value, interval, "num c-v", (numbers.asked(d.rule),)),
            Cell(css="c-b", svg=charts.row(d), key=_margin(d)),
        )
    )


def _small(d: Decision, power: float) -> list[str]:
    """Return the lines under a requirement's name: id, why, source, n and method, what decided, waiver."""
    rule, estimate = d.rule, d.estimate
    lines = [
        f"{numbers.name(rule.id, 60)}, {rule.severity}: {words.ended(rule.because)}",
        words.decided(d, power),
        words.detectable(d, power),
        f"Limit: {words.ended(rule.source)}",
    ]
    if estimate and estimate.value is not None:
        lines.append(f"{numbers.plural(estimate.n, 'row')}; {words.ended(estimate.method)}")
    if d.excluded_groups:
        lines.append(f"Left out as too small: {', '.join(numbers.name(g) for g in d.excluded_groups)}.")
    lines.append(words.waived(d))
    return [line for line in lines if line]


def _margin(d: Decision) -> float | None:
    """Return how far inside its limit an estimate lies, by which the table can be sorted."""
    if d.estimate is None or d.estimate.value is None:
        return None
    distance = d.estimate.value - d.rule.limit
    return distance if d.rule.at_least is not None else -distance
