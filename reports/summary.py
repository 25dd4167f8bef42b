"""The record as plain lines for a terminal: the verdict first, then a line a requirement, then what is missing."""

from __future__ import annotations

from audit.evidence import Decision, Record
from reports import concerns, front, numbers, remedies, words


def summary(record: Record) -> str:
    """Return the verdict's line, one line a requirement (worst first), the lead sentence and the gaps."""
    lines = [f"{record.verdict}: {numbers.name(record.name, 80)}, {front.exit_line(record)}"]
    lines += [f"  {text}" for text in concerns.lines(record)]
    lines += [f"  {_line(d)}" for d in words.ranked(record.decisions)]
    lines += [f"  {'NOT-ESTIMABLE':13} {words.ended(text)}" for text in record.unmet]
    lines += ["", front.lead(record), *([f"  {front.UNVERIFIED}"] if record.unverified else [])]
    lines += [f"  {text}" for text in (*front.waivers(record), *remedies.lines(record))]
    lines += [f"  {front.headed(r)}: {front.why_not(r)}" for r in record.results if r.status != "ok"]
    lines.append(concerns.looks(record))
    points = sum(len(texts) for _, texts in front.unmeasured(record))
    lines.append(f"Not measured: {numbers.plural(points, 'point')}, listed in the report.")
    return "\n".join(lines)


def _line(d: Decision) -> str:
    """Return one requirement in one line."""
    value, interval = numbers.shown(d.estimate, d.rule.limit) if d.estimate else ("no estimate", "")
    severity = "" if d.rule.severity == "blocking" else " (advisory)"
    waived = " (waived)" if d.waiver else ""
    number = f"{value} {interval}".strip()
    return f"{d.verdict:13} {words.title(d)}: {number}, {numbers.asked(d.rule)}{severity}{waived}"
