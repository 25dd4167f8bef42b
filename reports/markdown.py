"""The record as a short Markdown summary: verdict, why, requirements, what was not measured."""

from __future__ import annotations

import re

from audit.evidence import Decision, Record
from reports import front, numbers, remedies, words
from reports.stored import stored

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&])")


def render(record: Record) -> bytes:
    """Return the summary as UTF-8 Markdown; names are escaped, so that none can become markup."""
    record = stored(record)
    when = record.volatile.judged or record.volatile.finished
    lines = [
        f"# {record.verdict}: {_text(numbers.name(record.name, 80))}",
        "",
        f"{_text(numbers.date(when))}, policy {_text(numbers.name(record.policy.name))} "
        f"{_text(record.policy.version)}, {_text(front.exit_line(record))}.",
        "",
        _text(front.lead(record)),
        *(["", _text(front.QUICK)] if record.quick else []),
        *(line for text in (*front.waivers(record), *remedies.lines(record)) for line in ("", _text(text))),
    ]
    if record.decisions:
        shown = f"Shown from (power {numbers.percent(record.policy.power)})"
        heads = ("Verdict", "Requirement", "Estimate", "n", "Limit", _text(shown))
        lines += ["", f"| {' | '.join(heads)} |", "|---|---|---|--:|---|---|"]
        lines += [_row(d) for d in words.ranked(record.decisions)]
    lines += ["", "## Not measured", ""]
    lines += [f"- {_text(what)}: {_text(why)}" for what, texts in front.unmeasured(record) for why in texts]
    lines += ["", "Evidence, not a legal opinion.", ""]
    return "\n".join(lines).encode("utf-8")


def _row(d: Decision) -> str:
    """Return one requirement's row."""
    value, interval = numbers.shown(d.estimate, d.rule.limit) if d.estimate else ("no estimate", "")
    n = numbers.count(d.estimate.n) if d.estimate else "0"
    name = f"{words.title(d)}{'' if d.rule.severity == 'blocking' else ' (advisory)'}"
    cells = (d.verdict, name, f"{value} {interval}".strip(), n, numbers.asked(d.rule), _truths(d))
    return "| " + " | ".join(_text(cell) for cell in cells) + " |"


def _truths(d: Decision) -> str:
    """Return from which truths on these rows show a PASS and a FAIL, or nothing where neither is known."""
    digits = numbers.digits_apart((d.passes_at, d.fails_at), d.rule.limit)
    ends = {"PASS": d.passes_at, "FAIL": d.fails_at}
    return ", ".join(f"{word} {numbers.number(v, digits)}" for word, v in ends.items() if v is not None)


def _text(text: str) -> str:
    """Return text with Markdown's and HTML's special characters escaped, on one line."""
    return _SPECIAL.sub(r"\\\1", numbers.visible(" ".join(text.split())))
