"""The one plain sentence that every decision carries: the number, its interval, the limit, what decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.evidence import Concern, Estimate, GroupMeans, GroupRates, Measurement, Policy, Rule

NAMED = 3  # groups of too few rows that a sentence names
ATTACKS = "against these attacks with this budget"
FOUND = "as far as was searched"
SEARCHED = ("fairness.", "behaviour.", "explanation.")  # whose searches are no attacks


def passed(rule: Rule, m: Measurement, e: Estimate, bound: float, policy: Policy, *, attacks: bool) -> str:
    """Return why the rule passed: its bound lies inside the limit."""
    said = _said(rule, m, e, bound)
    side = "lower" if rule.at_least is not None else "upper"
    searched = FOUND if rule.check.startswith(SEARCHED) else ATTACKS
    held = f" {searched}" if attacks else ""
    inside = f"{said.inside} the {said.limit}{held}"
    return f"{said.number}; its {_percent(1 - policy.level)} {side} bound {said.bound} is {inside}."


def failed(rule: Rule, m: Measurement, e: Estimate, bound: float, level: float, p: float) -> str:
    """Return why the rule failed: the bound of the other side lies beyond the limit."""
    said = _said(rule, m, e, bound)
    side = "upper" if rule.at_least is not None else "lower"
    chance = "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
    beyond = f"{said.beyond} the {said.limit} ({chance})"
    return f"{said.number}; its {_percent(level)} {side} bound {said.bound} is {beyond}."


def open_(
    rule: Rule, m: Measurement, e: Estimate, bound: float, rows: Mapping[str, Any], policy: Policy
) -> str:
    """Return why the data cannot tell, and how many rows (rows_needed, rows_by_group) would."""
    said = _said(rule, m, e, bound)
    least, total = rule.at_least is not None, rows["rows_needed"]
    side, other = ("lower", "upper") if least else ("upper", "lower")
    good = e.value is not None and (e.value > rule.limit) == least
    if total is None:
        needed = "the estimate is so near the limit that no realistic number of rows would decide"
    else:
        word, power = "PASS" if good else "FAIL", _percent(policy.power)
        each = by_group(e, rows.get("rows_by_group", {}))
        needed = (
            f"about {total:,} rows in place of {e.n:,}{each}, would show {word} with {power} power, were the "
            "truth as estimated"
        )
    reach = f"its {_percent(1 - policy.level)} {side} bound {said.bound} is {said.beyond} the {said.limit}"
    return f"{said.number}; {reach} and its {other} bound does not show a FAIL; {needed}."


def by_group(e: Estimate, rows: Mapping[str, int]) -> str:
    """Return ', or 210 in each group that has fewer (a 40, b 90)', the smallest groups first; else nothing."""
    s = e.statistic
    if not rows or not isinstance(s, GroupRates | GroupMeans):
        return ""
    now = sorted((n, name) for name, n in zip(s.groups, s.n, strict=True) if name in rows)
    listed = ", ".join(f"{name} {round(n):,}" for n, name in now[:NAMED])
    more = f" and {len(now) - NAMED} more" if len(now) > NAMED else ""
    which = "in each group" if len(now) == len(s.groups) else "in each group that has fewer"
    return f", or {max(rows.values()):,} {which} (now {listed}{more})"


def unproven(rule: Rule, m: Measurement, e: Estimate, bound: float) -> str:
    """Return why a one-sided number beyond its limit proves nothing."""
    said = _said(rule, m, e, bound)
    return f"{said.number}, beyond the {said.limit}, but the number is only {e.side} the truth, which may keep it."


def doubted(rule: Rule, m: Measurement, e: Estimate, bound: float) -> str:
    """Return why a number whose measuring is in doubt does not pass."""
    said = _said(rule, m, e, bound)
    return (
        f"{said.number}, inside the {said.limit}, but {e.doubt.strip().rstrip('.')}, so it can't show PASS."
    )


def barred(rule: Rule, m: Measurement, e: Estimate, bound: float, concern: Concern) -> str:
    """Return why a number of a subject in doubt does not pass."""
    said, why = _said(rule, m, e, bound), concern.says.strip().rstrip(".")
    return f"{said.number}, inside the {said.limit}, but it can't show PASS: {why}."


def quick(rule: Rule, m: Measurement, e: Estimate, bound: float) -> str:
    """Return why a quick run does not pass."""
    said = _said(rule, m, e, bound)
    return f"{said.number}, inside the {said.limit}, but a quick run spends too little to decide PASS."


def unknown(name: str, reason: str) -> str:
    """Return why nothing can be said."""
    return f"{name} cannot be judged: {reason.strip().rstrip('.')}."


def name_of(m: Measurement) -> str:
    """Return the measurement's label with where it holds, as far as the label does not say it."""
    where = {key: f"{v:g}" if isinstance(v, float) else str(v) for key, v in sorted(m.where.items())}
    more = [f"{key} {value}" for key, value in where.items() if value not in m.label]
    return f"{m.label} ({', '.join(more)})" if more else m.label


@dataclass(frozen=True)
class _Said:
    """The parts of a sentence about one rule and one number."""

    number: str
    bound: str
    limit: str
    inside: str
    beyond: str


def _said(rule: Rule, m: Measurement, e: Estimate, bound: float) -> _Said:
    """Return the sentence's parts, at digits that tell bound and limit apart."""
    digits = _digits(rule.limit, bound, e.value if e.value is not None else bound)

    def show(value: float | None) -> str:
        return "none" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"

    unit, least = f" {m.unit}" if m.unit else "", rule.at_least is not None
    return _Said(
        number=f"{name_of(m)} is {show(e.value)} [{show(e.low)}, {show(e.high)}]{unit}",
        bound=show(bound),
        limit=f"{'required' if least else 'allowed'} {show(rule.limit)}{unit}",
        inside="not below" if least else "not above",
        beyond="below" if least else "above",
    )


def _digits(limit: float, *values: float) -> int:
    """Return the fewest decimals, two to six, that show the limit exactly and no other value as equal to it."""
    for digits in range(2, 6):
        exact = math.isclose(float(f"{limit:.{digits}f}"), limit, rel_tol=1e-9, abs_tol=1e-12)
        if exact and all(f"{v:.{digits}f}" != f"{limit:.{digits}f}" or v == limit for v in values):
            return digits
    return 6


def _percent(share: float) -> str:
    """Return a share as a percentage without needless digits."""
    return f"{100 * share:.4g} %"
