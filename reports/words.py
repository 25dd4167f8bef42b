"""One decision in sentences, generated from numbers of the record alone, so that none can contradict them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from audit.evidence import WORST_FIRST, Decision, GroupMeans, GroupRates, Rate, Record, Rule, Verdict
from reports import numbers, phrases

ATTACKS = "This holds against these attacks with this budget."


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


def overall(record: Record) -> Verdict | None:
    """Return the worst of the blocking verdicts and of what is required but missing, None without either."""
    found: set[Verdict] = {d.verdict for d in blocking(record)}
    found |= {"NOT-ESTIMABLE"} if record.unmet else set()
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
    """Return why a decision has no estimate, without a full stop."""
    told = decision.estimate.reason if decision.estimate else ""
    text = told or decision.reason.rpartition("cannot be judged: ")[2] or "the record gives no reason"
    return numbers.visible(" ".join(text.split())).rstrip(". ")


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
    measure = rule.name.removeprefix(phrases.CROSSED)
    if who and measure in ("impact_ratio", "selection_rate_difference"):
        top = who.k_high / who.n_high
        floor = top * rule.limit if measure == "impact_ratio" else top - rule.limit
        group = phrases.group(phrases.of_decision(decision), who.low)
        return _now_and_then(who.k_low, who.n_low, floor, f"rows with {group} are selected")
    if isinstance(estimate.statistic, Rate) and rule.at_least is not None:
        k, n = estimate.statistic.k, estimate.statistic.n
        asked = _needed_hits(k, n, rule.limit)
        return (
            f"That is {numbers.count(k)} of {numbers.count(n)} rows; the limit asks for {asked}."
            if asked
            else ""
        )
    return ""


def _now_and_then(k: float, n: float, floor: float, are: str) -> str:
    """Return 'k of n rows ...; at the limit it would be m.' where the counts are whole rows."""
    asked = _needed_hits(k, n, floor)
    return (
        f"{numbers.count(k)} of {numbers.count(n)} {are}; at the limit it would be {asked}." if asked else ""
    )


def _needed_hits(k: float, n: float, floor: float) -> str:
    """Return how many hits a rate of `floor` is, where counts are whole rows and there are fewer now."""
    needed = math.ceil(floor * n - 1e-9)
    whole = float(k).is_integer() and float(n).is_integer()
    return numbers.count(needed) if whole and needed > k else ""


def follows(decision: Decision, power: float) -> str:
    """Return what decides a finding and what rests on it."""
    rule = decision.rule
    parts = [f"{numbers.name(rule.id, 40)}, {rule.severity}."]
    if decision.estimate is not None and decision.estimate.value is not None:
        parts += [decided(decision, power), detectable(decision, power)]
    parts.append(f"Why this limit: {ended(rule.because)} Source: {ended(rule.source)}")
    if decision.excluded_groups:
        parts.append(
            f"Left out as too small: {', '.join(numbers.name(g) for g in decision.excluded_groups)}."
        )
    if rule.controls:
        parts.append(f"It is evidence for {', '.join(numbers.name(c) for c in rule.controls)}.")
    parts.append(waived(decision))
    return " ".join(part for part in parts if part)


def decided(decision: Decision, power: float) -> str:
    """Return the sentence on how the interval stands to the limit, and what would decide."""
    estimate, rule = decision.estimate, decision.rule
    if decision.verdict == "NOT-ESTIMABLE" or estimate is None or estimate.value is None:
        return f"Not judged: {reason(decision)}."
    if decision.verdict == "INCONCLUSIVE":
        return f"{undecided(decision)} {needed(decision, power)}".strip()
    if decision.bound is None or decision.bound_level is None:
        return ended(decision.reason)
    digits = numbers.digits_apart((decision.bound,), rule.limit)
    text = (
        f"Its {numbers.percent(decision.bound_level, 2)} bound, {numbers.number(decision.bound, digits)}, "
        f"lies {'inside' if kept(rule, decision.bound) else 'beyond'} the limit"
    )
    if decision.verdict == "FAIL" and decision.p_fail is not None:
        text += f" ({numbers.p_value(decision.p_fail)})"
    text += "."
    return f"{text} {ATTACKS}" if decision.verdict == "PASS" and _of_attack(decision) else text


def kept(rule: Rule, bound: float) -> bool:
    """Tell whether a number keeps a rule's limit."""
    return bound >= rule.limit if rule.at_least is not None else bound <= rule.limit


def _of_attack(decision: Decision) -> bool:
    """Tell whether the truth may be worse than the number: what an attack found is only a bound."""
    side = decision.estimate.side if decision.estimate else "two-sided"
    return side == ("at most" if decision.rule.at_least is not None else "at least")


def undecided(decision: Decision) -> str:
    """Return why an estimate did not decide."""
    estimate, rule = decision.estimate, decision.rule
    if estimate is None or estimate.value is None:
        return f"{stated(decision)}."
    if keeps(decision):
        if decision.cause:
            why = decision.reason.partition("can't show PASS: ")[2] or "the subject is in doubt"
            return f"It keeps the limit, but cannot PASS: {ended(why)}"
        if estimate.doubt:
            return f"It keeps the limit, but {estimate.doubt}, so it cannot PASS."
        return "It keeps the limit, but a quick run cannot PASS."
    one_sided = estimate.side == ("at least" if rule.at_least is not None else "at most")
    if one_sided and not kept(rule, estimate.value):
        return f"The truth is {estimate.side} this number, so it may keep the limit."
    if crosses(decision):
        return "The interval crosses the limit."
    return "The interval lies beyond the limit, but not once it is adjusted for all blocking requirements."


def keeps(decision: Decision) -> bool:
    """Tell whether value and bound both keep the limit."""
    value, bound = decision.estimate.value if decision.estimate else None, decision.bound
    return (
        value is not None and bound is not None and kept(decision.rule, value) and kept(decision.rule, bound)
    )


def crosses(decision: Decision) -> bool:
    """Tell whether the 95 % interval holds the limit."""
    e, limit = decision.estimate, decision.rule.limit
    if e is None or e.value is None:
        return False
    return (e.low is None or e.low <= limit) and (e.high is None or limit <= e.high)


def needed(decision: Decision, power: float) -> str:
    """Return how many rows there are and how many more would decide, where rows can."""
    estimate = decision.estimate
    if decision.rows_needed is None or estimate is None:
        crosses = undecided(decision).startswith("The interval")
        return "So near the limit, no realistic number of rows would decide." if crosses else ""
    more = numbers.about(max(decision.rows_needed - estimate.n, 0))
    text = (
        f"{numbers.plural(estimate.n, 'row')} now; about {more} more would decide it with power {power:g}, "
        "were the truth as estimated."
    )
    return f"{text} {by_group(decision)}".strip()


def by_group(decision: Decision) -> str:
    """Return how many rows each group with too few needs, the smallest three named; else nothing."""
    stat, rows = decision.estimate.statistic if decision.estimate else None, decision.rows_by_group
    if not rows or not isinstance(stat, GroupRates | GroupMeans):
        return ""
    now = sorted((n, group) for group, n in zip(stat.groups, stat.n, strict=True) if group in rows)
    few = ", ".join(f"{numbers.name(group, 30)} has {numbers.count(round(n))}" for n, group in now[:3])
    more = f" and {len(now) - 3} more have fewer" if len(now) > 3 else ""
    which = "each group" if len(now) == len(stat.groups) else "each group that has fewer"
    return f"Or about {numbers.about(max(rows.values()))} rows in {which}: {few}{more}."


def detectable(decision: Decision, power: float) -> str:
    """Return from which truths on these rows show a PASS and a FAIL, or nothing where the record says neither."""
    shown_pass, shown_fail = decision.passes_at, decision.fails_at
    if shown_pass is None and shown_fail is None:
        return ""
    better, worse = ("more", "less") if decision.rule.at_least is not None else ("less", "more")
    digits = numbers.digits_apart((shown_pass, shown_fail), decision.rule.limit)
    first = (
        "no truth is likely to PASS"
        if shown_pass is None
        else f"a PASS needs a truth of {numbers.number(shown_pass, digits)} or {better}"
    )
    last = (
        f"; a truth of {numbers.number(shown_fail, digits)} or {worse} would be shown as FAIL"
        if shown_fail is not None
        else ""
    )
    return f"With these rows {first}{last} (power {numbers.percent(power)})."


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
