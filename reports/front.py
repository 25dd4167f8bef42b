"""The first screen in sentences: lead, count per verdict, what to do, areas, and what was not measured."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence import WORST_FIRST, CheckResult, Decision, Record, Verdict
from reports import numbers, phrases, words

BUDGET = "Robustness holds against these attacks with this budget; a stronger attack may find more."
QUICK = "A quick run measures less and cannot PASS."
AREAS = {
    "fairness": "Fairness",
    "robustness": "Robustness",
    "calibration": "Calibration",
    "explanation": "Explanation",
    "accuracy": "Accuracy",
    "privacy": "Privacy",
    "data": "Data",
    "behaviour": "Behaviour",
}
EXPECTED = ("fairness", "robustness", "calibration", "explanation", "accuracy", "privacy")


@dataclass(frozen=True)
class Step:
    """One thing to do: the verb first, then why; `link` names the section that holds the rest."""

    what: str
    why: str = ""
    link: str = ""


def lead(record: Record) -> str:
    """Return the one sentence that says why the verdict is what it is."""
    judged = words.blocking(record)
    reasons = [d for d in judged if d.verdict == record.verdict]
    if not judged:
        return "The policy has no blocking requirement that could be judged, so there is nothing to pass."
    if record.verdict == "PASS":
        return _passed(record, judged)
    if not reasons:
        rest = f" {QUICK}" if record.quick else ""
        return f"No blocking requirement reads {record.verdict}; the run as a whole does.{rest}"
    first = reasons[0]
    if first.estimate is None or first.estimate.value is None:
        return f"{words.stated(first)}."
    asks = f"The policy asks for {numbers.asked(first.rule)}"
    ends = "; the data can’t tell." if record.verdict == "INCONCLUSIVE" else "."
    return f"{words.stated(first, spoken=True)}. {asks}{ends}"


def _passed(record: Record, judged: list[Decision]) -> str:
    """Return the lead sentence of a PASS."""
    many = numbers.plural(len(judged), "blocking requirement")
    text = f"{'The one blocking requirement is' if len(judged) == 1 else f'All {many} are'} met: "
    text += "each interval’s bound lies inside its limit."
    robust = any(area_of(record, d) == "robustness" for d in judged)
    return f"{text} {BUDGET}" if robust else text


def tally(record: Record) -> list[tuple[Verdict, str, str]]:
    """Return per verdict among the blocking rules its word, its count in words and a sentence."""
    judged = words.blocking(record)
    rows = []
    for verdict in WORST_FIRST:
        of = [d for d in judged if d.verdict == verdict]
        if of:
            word = {"FAIL": "FAIL" if len(of) > 1 else "FAILS"}.get(verdict, verdict)
            rows.append((verdict, f"{len(of)} {word}", _told(record, verdict, of)))
    return rows


def _told(record: Record, verdict: Verdict, of: list[Decision]) -> str:
    """Return the sentence beside a verdict's count."""
    if verdict == "PASS":
        total = len(words.blocking(record))
        return f"of {numbers.plural(total, 'blocking requirement')} in this policy."
    names = "; ".join(words.title(d) for d in of[:2]) + (f"; {len(of) - 2} more" if len(of) > 2 else "")
    if len(of) > 1:
        return f"{names}."
    extra = {
        "FAIL": words.people(of[0]),
        "INCONCLUSIVE": words.needed(of[0], record.policy.power).capitalize(),
        "NOT-ESTIMABLE": f"{words.reason(of[0])}.",
    }[verdict]
    return f"{names}. {extra}".strip()


def advisory(record: Record) -> str:
    """Return the count of advisory verdicts, which do not touch the verdict."""
    rest = [d for d in record.decisions if d.rule.severity == "advisory"]
    if not rest:
        return ""
    return f"Advisory, without effect on the verdict: {counted(rest)}."


def counted(decisions: list[Decision]) -> str:
    """Return '1 fails, 2 pass' over decisions."""
    one = {
        "FAIL": "fails",
        "PASS": "passes",
        "INCONCLUSIVE": "inconclusive",
        "NOT-ESTIMABLE": "not estimable",
    }
    many = {**one, "FAIL": "fail", "PASS": "pass"}
    parts = []
    for verdict in WORST_FIRST:
        n = sum(d.verdict == verdict for d in decisions)
        if n:
            parts.append(f"{n} {(one if n == 1 else many)[verdict]}")
    return ", ".join(parts)


def exit_line(record: Record) -> str:
    """Return the exit code, and the waivers that changed it."""
    means = {0: "the release may go on", 1: "the policy is not met", 3: "not decided"}.get(
        record.exit_code, ""
    )
    text = f"Exit code {record.exit_code}" + (f" ({means})" if means else "") + "."
    count = sum(d.waiver is not None for d in record.decisions)
    if count:
        text += f" {numbers.plural(count, 'waiver')} in force; the verdict’s word stays {record.verdict}."
    return text


def to_do(record: Record) -> list[Step]:
    """Return what to do next, at most four steps, verb first."""
    judged = words.ranked(words.blocking(record))
    of = {v: [d for d in judged if d.verdict == v] for v in WORST_FIRST}
    crashed = [r for r in record.results if r.status == "error"]
    steps = []
    if of["FAIL"]:
        steps.append(Step("Hold the release.", _holds(of["FAIL"]), "findings"))
        steps.append(Step("Mend the model, then audit again.", _mends(of["FAIL"][0]), "requirements"))
    if crashed:
        steps.append(
            Step("Mend the crashed checks:", f"{', '.join(r.check for r in crashed)}.", "not-measured")
        )
    if of["NOT-ESTIMABLE"]:
        first = of["NOT-ESTIMABLE"][0]
        steps.append(Step("Make it measurable:", f"{words.title(first)}. {words.reason(first)}.", "findings"))
    if of["INCONCLUSIVE"]:
        steps.append(_collect(of["INCONCLUSIVE"], record.policy.power))
    if record.quick:
        steps.append(Step("Run the audit in full.", QUICK))
    if not judged:
        steps.append(
            Step("Add a blocking rule to the policy.", "Without one nothing can be judged.", "requirements")
        )
    if record.verdict == "PASS":
        steps.append(
            Step("Release under this policy only.", "A change of model, data or policy needs a new audit.")
        )
    steps = steps[:3]
    steps.append(Step("Decide on what was not measured:", "", "not-measured"))
    return steps


def _holds(failing: list[Decision]) -> str:
    """Return why the release is held."""
    return (
        f"{numbers.plural(len(failing), 'blocking requirement')} {'fails' if len(failing) == 1 else 'fail'}."
    )


def _mends(decision: Decision) -> str:
    """Return how far a failing number is from its limit."""
    estimate, rule = decision.estimate, decision.rule
    if estimate is None or estimate.value is None:
        return ""
    digits = numbers.digits_apart((estimate.value,), rule.limit)
    return (
        f"{words.title(decision)} has to move from {numbers.number(estimate.value, digits)} "
        f"to {numbers.asked(rule)}."
    )


def _collect(open_: list[Decision], power: float) -> Step:
    """Return the step that gathers rows for undecided rules."""
    known = [d for d in open_ if d.rows_needed is not None]
    if not known:
        return Step(
            "Measure more closely:", f"{words.title(open_[0])}. {words.undecided(open_[0])}", "findings"
        )
    most = max(known, key=lambda d: d.rows_needed or 0)
    return Step("Collect rows.", f"{words.title(most)}: {words.needed(most, power)}", "findings")


def area_of(record: Record, decision: Decision) -> str:
    """Return the area of a decision: its check's, or the first part of the check's name."""
    return next(
        (r.area for r in record.results if r.check == decision.rule.check), decision.rule.check.split(".")[0]
    )


def of_area(record: Record, area: str) -> list[Decision]:
    """Return an area's decisions, worst first."""
    return words.ranked(d for d in record.decisions if area_of(record, d) == area)


def representative(decisions: list[Decision]) -> Decision:
    """Return the decision that stands for an area: the worst blocking one, else the worst."""
    return next((d for d in decisions if d.rule.severity == "blocking"), decisions[0])


def area_sentence(first: Decision) -> str:
    """Return an area's sentence: its representative decision in words."""
    case = phrases.of_decision(first)
    if case.estimate is None or case.estimate.value is None:
        return f"{words.stated(first)}."
    value, _ = numbers.shown(case.estimate, first.rule.limit)
    tail = "; the data can’t tell" if first.verdict == "INCONCLUSIVE" else ""
    return f"{phrases.claim(case, value)}{tail}."


def unmeasured(record: Record) -> list[tuple[str, str]]:
    """Return what was not measured, as (what, why): lost checks, gaps, areas without a check."""
    rows = [(_headed(r), why_not(r)) for r in record.results if r.status != "ok"]
    for result in record.results:
        rows += [(_headed(result), words.ended(text)) for text in result.findings.not_measured]
    have = {r.area for r in record.results}
    rows += [(AREAS[area], "No check of this area was configured.") for area in EXPECTED if area not in have]
    rows += [("This audit", words.ended(text)) for text in record.not_measured]
    return rows


def _headed(result: CheckResult) -> str:
    """Return a check's title with its name."""
    return f"{numbers.name(result.title, 80)} ({numbers.name(result.check)})"


def why_not(result: CheckResult) -> str:
    """Return why a check has no findings."""
    did = "Crashed" if result.status == "error" else "Skipped"
    return f"{did}: {words.ended(result.reason) or 'the record gives no reason.'}"
