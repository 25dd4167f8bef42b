"""One decision in sentences, generated from numbers of the record alone, so that none can contradict them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from audit.evidence import WORST_FIRST, Decision, Rate, Record, Verdict
from reports import numbers, phrases


@dataclass(frozen=True)
class Finding:
    """One decision in words: what was found, and what follows from it."""

    decision: Decision
    sentence: str
    then: str


def ranked(decisions: Iterable[Decision]) -> list[Decision]:
    """Return decisions worst first, blocking before advisory, else in the policy's order."""
    return sorted(decisions, key=lambda d: (WORST_FIRST.index(d.verdict), d.rule.severity != "blocking"))


def blocking(record: Record) -> list[Decision]:
    """Return the decisions that make the verdict."""
    return [d for d in record.decisions if d.rule.severity == "blocking"]


def worst(decisions: Iterable[Decision]) -> Verdict | None:
    """Return the worst verdict, or None where there is none."""
    found = {d.verdict for d in decisions}
    return next((v for v in WORST_FIRST if v in found), None)


def title(decision: Decision) -> str:
    """Return a requirement's name: what is measured, and where."""
    case = phrases.of_decision(decision)
    return phrases.titled(case)


def stated(decision: Decision, *, spoken: bool = False) -> str:
    """Return 'X is 0.42 [0.38, 0.46]' of a decision, or why it has no value; no full stop.

    `spoken` writes the interval in words, for the lead sentence.
    """
    case = phrases.of_decision(decision)
    if case.estimate is None or case.estimate.value is None:
        return f"{title(decision)} can’t be computed: {reason(decision)}"
    value, interval = numbers.shown(case.estimate, decision.rule.limit)
    text = phrases.claim(case, value)
    if not interval:
        return text
    if spoken and interval.startswith("[") and ", " in interval:
        low, high = interval[1:-1].split(", ", 1)
        return f"{text} (interval {low} to {high})"
    return f"{text} {interval}"


def reason(decision: Decision) -> str:
    """Return why a decision has no estimate."""
    estimate = decision.estimate
    text = decision.reason or (estimate.reason if estimate else "") or "the record gives no reason"
    return numbers.visible(text).rstrip(". ")


def sentence(decision: Decision) -> str:
    """Return the finding's sentence: the value, the policy's limit, the people now and at the limit."""
    if decision.estimate is None or decision.estimate.value is None:
        return f"{stated(decision)}."
    people_now = people(decision)
    return f"{stated(decision)}; the policy asks for {numbers.asked(decision.rule)}." + (
        f" {people_now}" if people_now else ""
    )


def people(decision: Decision) -> str:
    """Return how many rows stand behind the number now, and how many would at the limit."""
    estimate, rule = decision.estimate, decision.rule
    if estimate is None or decision.verdict == "PASS":
        return ""
    who = phrases.extremes(phrases.of_decision(decision))
    if who and rule.name in ("impact_ratio", "selection_rate_difference"):
        top = who.k_high / who.n_high
        floor = top * rule.limit if rule.name == "impact_ratio" else top - rule.limit
        group = phrases.group(phrases.of_decision(decision), who.low)
        return _now_and_then(who.k_low, who.n_low, floor, f"rows of {group} are selected")
    if isinstance(estimate.statistic, Rate) and rule.at_least is not None:
        return _now_and_then(estimate.statistic.k, estimate.statistic.n, rule.limit, "rows count")
    return ""


def _now_and_then(k: float, n: float, floor: float, are: str) -> str:
    """Return 'k of n rows ...; at the limit it would be m.' where the counts are whole rows."""
    needed = math.ceil(floor * n - 1e-9)
    if not (float(k).is_integer() and float(n).is_integer()) or needed <= k:
        return ""
    return (
        f"{numbers.count(k)} of {numbers.count(n)} {are}; at the limit it would be {numbers.count(needed)}."
    )


def follows(decision: Decision, power: float) -> str:
    """Return what decides a finding and what rests on it."""
    rule = decision.rule
    parts = [f"{numbers.name(rule.id, 40)}, {rule.severity}.", decided(decision, power)]
    parts.append(f"Why this limit: {ended(rule.because)} Source: {ended(rule.source)}")
    if decision.excluded_groups:
        parts.append(
            f"Left out as too small: {', '.join(numbers.name(g) for g in decision.excluded_groups)}."
        )
    if rule.controls:
        parts.append(f"It is evidence for {', '.join(numbers.name(c) for c in rule.controls)}.")
    if decision.waiver:
        parts.append(waived(decision))
    return " ".join(part for part in parts if part)


def decided(decision: Decision, power: float = 0.8) -> str:
    """Return the sentence on how the interval stands to the limit."""
    estimate, rule = decision.estimate, decision.rule
    if estimate is None or estimate.value is None:
        return ""
    rows = f"{numbers.plural(estimate.n, 'row')} now"
    if decision.verdict == "INCONCLUSIVE":
        return f"{undecided(decision)} {rows}; {needed(decision, power)}"
    if decision.verdict == "NOT-ESTIMABLE":
        return f"It is not judged: {reason(decision)}."
    if decision.bound is None or decision.bound_level is None:
        return ended(decision.reason)
    digits = numbers.digits_apart((decision.bound,), rule.limit)
    kept = decision.bound >= rule.limit if rule.at_least is not None else decision.bound <= rule.limit
    side = "inside" if kept else "beyond"
    return (
        f"Its {numbers.percent(decision.bound_level, 2)} bound, {numbers.number(decision.bound, digits)}, "
        f"lies {side} the limit."
    )


def undecided(decision: Decision) -> str:
    """Return why an estimate did not decide."""
    estimate, limit = decision.estimate, decision.rule.limit
    assert estimate is not None
    low = estimate.low if estimate.low is not None else -math.inf
    high = estimate.high if estimate.high is not None else math.inf
    if decision.reason:
        return ended(decision.reason)
    if low <= limit <= high:
        return "The interval crosses the limit."
    return "The interval, adjusted for all rules judged together, crosses the limit."


def needed(decision: Decision, power: float) -> str:
    """Return how many rows would decide."""
    if decision.rows_needed is None:
        return "no number of rows decides it while the value stays where it is."
    return f"about {numbers.plural(decision.rows_needed, 'row')} would decide it with power {power:g}."


def waived(decision: Decision) -> str:
    """Return who waived a rule, why, and until when."""
    waiver = decision.waiver
    if waiver is None:
        return ""
    return f"Waived by {numbers.name(waiver.who)} until {numbers.date(waiver.until)}: {ended(waiver.why)}"


def ended(text: str) -> str:
    """Return text as a sentence with its full stop."""
    text = numbers.visible(" ".join(text.split())).rstrip(".; ")
    return f"{text}." if text else ""


def findings(record: Record) -> list[Finding]:
    """Return every decision that is not a PASS in words, worst first."""
    power = record.policy.power
    rest = [d for d in ranked(record.decisions) if d.verdict != "PASS"]
    return [Finding(d, sentence(d), follows(d, power)) for d in rest]
