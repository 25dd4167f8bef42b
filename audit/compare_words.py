"""A comparison as plain lines for a terminal: the answer, regressions first, what to know before believing it."""

from __future__ import annotations

import math

from audit.compare import Comparison, Run
from audit.compare_one import Change
from reports import numbers

CARE = (
    "Undecided is not equal: the interval says which changes these rows cannot rule out. Two trained models were "
    "compared, not two ways of training: another seed trains another model."
)


def text(comparison: Comparison) -> str:
    """Return the answer's line, every gated change, each other one that is worse or better, and the notes."""
    gated = [c for c in comparison.changes if c.rules]
    others = [c for c in comparison.changes if not c.rules]
    lines = [f"{comparison.answer}: {_why(comparison, gated)}, exit code {comparison.exit_code}"]
    lines += [f"  from {_named(comparison.a)}", f"  to   {_named(comparison.b)}"]
    lines += ["", f"Gated measures (Holm at {numbers.percent(comparison.alpha)}):"] if gated else [""]
    lines += [f"  {_line(c)}" for c in gated]
    lines += ["", _rest(others, comparison.alpha)]
    lines += [f"  {_line(c)}" for c in others if c.word in ("worse", "better")]
    lines += ["", *(f"- {note}" for note in (*comparison.notes, CARE))]
    return "\n".join(lines)


def _why(comparison: Comparison, gated: list[Change]) -> str:
    """Return the answer's reason in a few words."""
    worse = sum(c.word == "worse" for c in gated)
    lost = sum(c.word == "not comparable" for c in gated)
    if worse:
        return f"{worse} of {numbers.plural(len(gated), 'gated measure')} got worse"
    if not gated:
        return "no blocking rule names a measure"
    if lost:
        return f"{lost} of {numbers.plural(len(gated), 'gated measure')} cannot be compared"
    if comparison.answer == "NOT COMPARABLE":
        return "a run was quick or is not verified"
    return f"none of {numbers.plural(len(gated), 'gated measure')} is shown to be worse"


def _named(run: Run) -> str:
    """Return a run's name, model and verdict."""
    model = numbers.name(run.model or "unnamed model")
    return f"{numbers.name(run.name)} ({run.run_id or run.record[:10]}), {model}: {run.verdict}"


def _line(c: Change) -> str:
    """Return one change in one line."""
    title = numbers.name(_titled(c), 100)
    if c.difference is None:
        return f"{c.word:14} {title}: {c.reason}"
    d = c.difference
    digits = _digits(d.value, d.low, d.high)
    interval = numbers.interval(d.low, d.high, digits)
    chance = numbers.p_value(d.p) if d.p < 1 else ""
    parts = [
        f"{numbers.number(c.a, digits)} to {numbers.number(c.b, digits)}",
        f"change {numbers.number(d.value, digits)} {interval or '(no interval)'}",
        chance,
        "paired" if d.paired else "not paired",
        d.note,
    ]
    return f"{c.word:14} {title}: {', '.join(part for part in parts if part)}"


def _titled(c: Change) -> str:
    """Return the measure's label with where it holds, as far as the label does not say it."""
    where = {key: f"{v:g}" if isinstance(v, float) else str(v) for key, v in sorted(c.where.items())}
    more = [f"{key} {value}" for key, value in where.items() if value not in c.label]
    return f"{c.label} ({', '.join(more)})" if more else c.label


def _rest(others: list[Change], alpha: float) -> str:
    """Return how the measures without a blocking rule fared."""
    count = {word: sum(c.word == word for c in others) for word in ("worse", "better", "undecided")}
    silent = len(others) - sum(count.values())
    return (
        f"{numbers.plural(len(others), 'other measure')}: {count['worse']} worse, {count['better']} better, "
        f"{count['undecided']} undecided, {silent} without a word (at most {numbers.percent(alpha)} of the "
        "words worse and better are expected to be chance: Benjamini-Hochberg)."
    )


def _digits(value: float, low: float | None, high: float | None) -> int:
    """Return the decimals, three to six, that show two digits of the interval's half width."""
    ends = [abs(end - value) for end in (low, high) if end is not None]
    width = max(ends, default=abs(value))
    return min(max(3, 1 - math.floor(math.log10(width))), 6) if width > 0 else 3
