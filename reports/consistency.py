"""Whether a record agrees with itself: its verdict, its exit code, each decision, and the numbers sentences use."""

from __future__ import annotations

import math

from audit.evidence import WORST_FIRST, Decision, Measurement, Rate, Record, Verdict
from reports import numbers, words

_EXIT: dict[str, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "NOT-ESTIMABLE": 3}


def contradiction(record: Record) -> str:
    """Return how a record contradicts itself, or nothing: no sentence is written from one that does."""
    worst = words.overall(record) or "NOT-ESTIMABLE"
    if record.verdict != worst:
        return f"verdict={record.verdict}, but its blocking requirements make {worst}"
    if record.quick and record.verdict == "PASS":
        return "verdict=PASS, but a quick run cannot PASS"
    code = _exit_code(record)
    if record.exit_code != code:
        return f"exit_code={record.exit_code}, but its verdicts and waivers make {code}"
    found = (_of_decision(record, d) for d in record.decisions)
    return next((text for text in found if text), "")


def _exit_code(record: Record) -> int:
    """Return the exit code that verdicts and waivers make."""
    blocking = words.blocking(record)
    left: set[Verdict] = {d.verdict for d in blocking if d.waiver is None}
    if record.unmet or not blocking:
        left.add("NOT-ESTIMABLE")
    worst = [v for v in WORST_FIRST if v in left]
    code = _EXIT[worst[0]] if worst else 0
    return _EXIT["INCONCLUSIVE"] if record.quick and code == 0 else code


def _of_decision(record: Record, d: Decision) -> str:
    """Return how a decision contradicts its bound, its limit, its counts or what was measured."""
    estimate, rule = d.estimate, d.rule
    value = estimate.value if estimate else None
    if d.verdict in ("PASS", "FAIL"):
        if value is None:
            return f"rule {rule.id} reads {d.verdict}, but has no estimate"
        for name, number in (("bound", d.bound), ("estimate", value)):
            if number is not None and words.kept(rule, number) != (d.verdict == "PASS"):
                return f"rule {rule.id} reads {d.verdict}, but {name}={number} says otherwise ({numbers.asked(rule)})"
    if estimate is None or value is None:
        return ""
    stat = estimate.statistic
    if isinstance(stat, Rate) and not (
        stat.n and math.isclose(stat.k / stat.n, value, rel_tol=1e-6, abs_tol=1e-9)
    ):
        return f"rule {rule.id} has estimate={value}, but its counts are {stat.k:g} of {stat.n:g}"
    measured = [m.estimate.value for m in _measurements(record, d)]
    if measured and value not in measured and not d.excluded_groups:
        return f"rule {rule.id} has estimate={value}, but {rule.check} measured {measured[0]}"
    return ""


def _measurements(record: Record, d: Decision) -> list[Measurement]:
    """Return the measurements that a decision may have judged."""
    return [
        m
        for result in record.results
        if result.check == d.rule.check
        for m in result.findings.measurements
        if (m.name, m.where, m.label) == (d.rule.name, d.where, d.label)
    ]
