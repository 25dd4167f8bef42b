"""The one plain sentence that every decision carries: the number, its interval, the limit, what decides."""

from __future__ import annotations

import math
from dataclasses import dataclass

from audit.evidence import Estimate, Measurement, Policy, Rule

ATTACKS = "against these attacks with this budget"


def passed(rule: Rule, m: Measurement, e: Estimate, bound: float, policy: Policy, *, attacks: bool) -> str:
    """Return why the rule passed: its bound lies inside the limit."""
    said = _said(rule, m, e, bound)
    side = "lower" if rule.at_least is not None else "upper"
    held = f" {ATTACKS}" if attacks else ""
    inside = f"{said.inside} the {said.limit}{held}"
    return f"{said.number}; its {_percent(1 - policy.alpha)} {side} bound {said.bound} is {inside}."


def failed(rule: Rule, m: Measurement, e: Estimate, bound: float, level: float, p: float) -> str:
    """Return why the rule failed: the bound of the other side lies beyond the limit."""
    said = _said(rule, m, e, bound)
    side = "upper" if rule.at_least is not None else "lower"
    chance = "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
    beyond = f"{said.beyond} the {said.limit} ({chance})"
    return f"{said.number}; its {_percent(level)} {side} bound {said.bound} is {beyond}."


def open_(rule: Rule, m: Measurement, e: Estimate, bound: float, rows: int | None, policy: Policy) -> str:
    """Return why the data cannot tell, and how many rows would."""
    said = _said(rule, m, e, bound)
    least = rule.at_least is not None
    side, other = ("lower", "upper") if least else ("upper", "lower")
    good = e.value is not None and (e.value > rule.limit) == least
    if rows is None:
        needed = "the estimate is so near the limit that no realistic number of rows would decide"
    else:
        word = "PASS" if good else "FAIL"
        needed = (
            f"about {rows:,} rows in place of {e.n:,} would show {word} with {_percent(policy.power)} power, "
            "were the truth as estimated"
        )
    reach = f"its {_percent(1 - policy.alpha)} {side} bound {said.bound} is {said.beyond} the {said.limit}"
    return f"{said.number}; {reach} and its {other} bound does not show a FAIL; {needed}."


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


def quick(rule: Rule, m: Measurement, e: Estimate, bound: float) -> str:
    """Return why a quick run does not pass."""
    said = _said(rule, m, e, bound)
    return f"{said.number}, inside the {said.limit}, but a quick run spends too little to decide PASS."


def unknown(name: str, reason: str) -> str:
    """Return why nothing can be said."""
    return f"{name} cannot be judged: {reason.strip().rstrip('.')}."


def name_of(m: Measurement) -> str:
    """Return the measurement's label with where it holds, as far as the label does not say it."""
    more = [f"{key} {value}" for key, value in sorted(m.where.items()) if str(value) not in m.label]
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
