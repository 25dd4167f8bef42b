"""Which measurements a rule speaks of, in an order that the results' order cannot change; what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from audit.evidence import CheckResult, Measurement, Rule
from audit.names import name_of


def find(rule: Rule, results: Sequence[CheckResult]) -> tuple[list[Measurement], str]:
    """Return the measurements of the rule's measure where the rule says, or none and the reason."""
    own = [result for result in results if result.check == rule.check]
    lost = _lost(rule.check, own)
    if lost:
        return [], lost
    named = [m for result in own for m in result.findings.measurements if m.name == rule.name]
    if not named:
        return [], f"the check {rule.check} found no {rule.name}"
    matched = sorted((m for m in named if _holds(rule.where, m.where)), key=_order)
    places = ", ".join(sorted({_place(m.where) for m in named}))
    asked = _place({key: _typed(value) for key, value in rule.where.items()})
    return matched, f"no {rule.name} was found at {asked}, only at {places}"


def unmet(requires: Sequence[str], results: Sequence[CheckResult]) -> tuple[str, ...]:
    """Return a sentence for each required check, table or measure (CHECK or CHECK.NAME) that was not measured."""
    found = ((name, _lacking(name, results)) for name in requires)
    return tuple(f"The policy requires {name}, but {why.strip().rstrip('.')}." for name, why in found if why)


def _lacking(required: str, results: Sequence[CheckResult]) -> str:
    """Return why a requirement was not measured, or nothing."""
    whole = [result for result in results if result.check == required]
    check, _, name = (required, "", "") if whole else required.rpartition(".")
    own = whole or [result for result in results if result.check == check]
    lost = _lost(check if own else required, own)
    if lost:
        return lost
    findings = [result.findings for result in own]
    rows = [table for f in findings for table in f.tables if table.rows and name in ("", table.name)]
    estimates = [m.estimate for f in findings for m in f.measurements if name in ("", m.name)]
    if rows or any(e.value is not None for e in estimates):
        return ""
    return next((e.reason for e in estimates), f"the check {check} found no {name or 'number'}")


def _lost(check: str, own: Sequence[CheckResult]) -> str:
    """Return why a check has no findings, or nothing."""
    if not own:
        return f"the check {check} did not run"
    for result in own:
        if result.status != "ok":
            what = "was skipped" if result.status == "skipped" else "ended in an error"
            return f"the check {check} {what}: {result.reason or 'no reason given'}"
    return ""


def speaks_of(rule: Rule, check: str, m: Measurement) -> bool:
    """Return whether the rule is on this measurement of this check."""
    return rule.check == check and rule.name == m.name and _holds(rule.where, m.where)


def _holds(asked: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Return whether every asked key is there with that value; numbers up to rounding."""
    return all(key in where and _equal(value, where[key]) for key, value in asked.items())


def _equal(a: Any, b: Any) -> bool:
    """Return whether two values of `where` read alike: a group named '1' is that of `group: 1`."""
    numbers = isinstance(a, int | float) and isinstance(b, int | float)
    return math.isclose(a, b, rel_tol=1e-9) if numbers else name_of(a) == name_of(b)


def _typed(value: Any) -> str:
    """Return an asked value with its type."""
    return f"{value!r} ({'text' if isinstance(value, str) else 'a number'})"


def _place(where: Mapping[str, Any]) -> str:
    """Return where as text."""
    return " ".join(f"{key}={value}" for key, value in sorted(where.items())) or "anywhere"


def _order(m: Measurement) -> tuple[Any, ...]:
    """Return a key that sorts measurements by where they hold, numbers by size, whatever order they came in."""
    places = [
        (key, isinstance(value, str), value if not isinstance(value, str) else 0.0, str(value))
        for key, value in sorted(m.where.items())
    ]
    return (places, m.label, m.model_dump_json())
