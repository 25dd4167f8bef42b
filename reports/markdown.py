"""The record as a short Markdown summary: verdict, why, requirements, what was not measured."""

from __future__ import annotations

import re

from audit.evidence import Decision, Record
from reports import concerns, front, numbers, remedies, words
from reports.stored import stored

MOST = 100  # requirements shown in a table; a merge request's comment has a limit of its own
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&])")


def render(record: Record) -> bytes:
    """Return the summary as UTF-8 Markdown; names are escaped, so that none can become markup."""
    record = stored(record)
    lines = [
        f"# {record.verdict}: {escaped(numbers.name(record.name, 80))}",
        "",
        *([f"**{escaped(front.UNVERIFIED)}**", ""] if record.unverified else []),
        f"{judged_on(record)}, {escaped(front.exit_line(record))}.",
        "",
        escaped(front.lead(record)),
        *(["", escaped(front.QUICK)] if record.quick else []),
        *(line for text in _beside(record) for line in ("", escaped(text))),
    ]
    if record.decisions:
        lines += ["", *table(record)]
    lines += ["", "## Not measured", "", *gaps(record)]
    lines += ["", "Evidence, not a legal opinion.", ""]
    return "\n".join(lines).encode("utf-8")


def _beside(record: Record) -> list[str]:
    """Return what stands beside the verdict: doubts, a weakened policy, waivers, remedies."""
    return [*concerns.lines(record), *front.waivers(record), *remedies.lines(record), concerns.looks(record)]


def judged_on(record: Record) -> str:
    """Return '23 November 2026, policy hiring-screen 1.2'."""
    when = record.volatile.judged or record.volatile.finished
    policy = f"{escaped(numbers.name(record.policy.name))} {escaped(record.policy.version)}"
    weaker = " (weaker than what it includes)" if record.policy.weakened else ""
    return f"{escaped(numbers.date(when))}, policy {policy}{weaker}"


def table(record: Record) -> list[str]:
    """Return the requirements as a table's lines, worst first; what a table of MOST lines leaves out is counted."""
    ranked = words.ranked(record.decisions)
    if not ranked:
        return []
    shown = f"Shown from (power {numbers.percent(record.policy.power)})"
    heads = ("Verdict", "Requirement", "Estimate", "n", "Limit", escaped(shown))
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|--:|---|---|", *(_row(d) for d in ranked[:MOST])]
    rest = ranked[MOST:]
    if rest:
        many = numbers.plural(len(rest), "requirement")
        lines += ["", f"And {many} more, in the record: {front.counted(rest)}."]
    return lines


def gaps(record: Record) -> list[str]:
    """Return what was not measured as a list's lines."""
    return [f"- {escaped(what)}: {escaped(why)}" for what, texts in front.unmeasured(record) for why in texts]


def _row(d: Decision) -> str:
    """Return one requirement's row."""
    value, interval = numbers.shown(d.estimate, d.rule.limit) if d.estimate else ("no estimate", "")
    n = numbers.count(d.estimate.n) if d.estimate else "0"
    name = f"{words.title(d)}{'' if d.rule.severity == 'blocking' else ' (advisory)'}"
    cells = (d.verdict, name, f"{value} {interval}".strip(), n, numbers.asked(d.rule), _truths(d))
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def _truths(d: Decision) -> str:
    """Return from which truths on these rows show a PASS and a FAIL, or nothing where neither is known."""
    digits = numbers.digits_apart((d.passes_at, d.fails_at), d.rule.limit)
    ends = {"PASS": d.passes_at, "FAIL": d.fails_at}
    return ", ".join(f"{word} {numbers.number(v, digits)}" for word, v in ends.items() if v is not None)


def escaped(text: str) -> str:
    """Return text with Markdown's and HTML's special characters escaped, on one line."""
    return _SPECIAL.sub(r"\\\1", numbers.visible(" ".join(text.split())))
