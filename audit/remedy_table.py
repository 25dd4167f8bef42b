"""A remedied model beside the model asked about, as a table of every measure that a rule judges or that moved."""

from __future__ import annotations

from audit.compare import Comparison
from audit.compare_one import Change
from audit.evidence import Column, Decision, Record, Scalar, Table

COLUMNS = (
    Column(name="measure", label="Measure", kind="text"),
    Column(name="verdict before", label="Verdict before", kind="text"),
    Column(name="before", label="Before"),
    Column(name="verdict after", label="Verdict after", kind="text"),
    Column(name="after", label="After"),
    Column(name="change", label="Change"),
    Column(name="change low", label="Low"),
    Column(name="change high", label="High"),
    Column(name="rows", label="Rows", kind="text"),
    Column(name="word", label="Shown to be", kind="text"),
)
NOTE = (
    "Before: the model asked about. After: the remedied one, on the same test rows. Measures that a blocking rule "
    "judges come first; of the others, those that are shown to have moved."
)


def before_after(found: Comparison, before: Record, after: Record) -> Table:
    """Return the judged measures and the others that moved, with both values, both verdicts and the change."""
    shown = [c for c in found.changes if c.rules or c.word in ("better", "worse")]
    return Table(
        name="before_after",
        title="Before and after, on the test rows",
        columns=COLUMNS,
        rows=tuple(_row(change, _named(change, shown), before, after) for change in shown),
        note=f"{NOTE} {_tested(found)}",
    )


def _row(c: Change, name: str, before: Record, after: Record) -> tuple[Scalar, ...]:
    """Return one measure's row."""
    d = c.difference
    ends = (d.value, d.low, d.high) if d else (None, None, None)
    how = "" if d is None else "paired" if d.paired else "not paired"
    word = c.word if d else f"{c.word}: {c.reason}"
    return (name, _verdict(c, before), c.a, _verdict(c, after), c.b, *ends, how, word)


def _named(c: Change, shown: list[Change]) -> str:
    """Return the measure's label, with check and place where another row has the same."""
    if sum(other.label == c.label for other in shown) == 1:
        return c.label
    more = [c.check, *(f"{key} {value}" for key, value in sorted(c.where.items()))]
    return f"{c.label} ({', '.join(more)})"


def _verdict(c: Change, record: Record) -> str | None:
    """Return the verdicts of the blocking rules on a measure, None where none judges it."""
    words = [d.verdict for d in record.decisions if d.rule.severity == "blocking" and _of(d, c)]
    return ", ".join(dict.fromkeys(words)) or None


def _of(d: Decision, c: Change) -> bool:
    """Tell whether a decision is of a measure."""
    return (d.rule.check, d.rule.name, d.where) == (c.check, c.name, c.where)


def _tested(found: Comparison) -> str:
    """Return how a change is shown."""
    paired = (
        f"paired on {found.paired:,} rows where outcomes of rows give the measure, " if found.paired else ""
    )
    return (
        f"Worse or better is shown at {found.alpha:g}: {paired}otherwise bounded as of independent samples; "
        "by Holm's procedure among judged measures, by Benjamini and Hochberg's among the others."
    )
