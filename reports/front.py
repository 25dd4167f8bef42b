"""The first screen in sentences: lead, count per verdict, what to do, areas, and what was not measured."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence import WORST_FIRST, CheckResult, Decision, Record, Verdict
from reports import numbers, phrases, uncompared, words

BUDGET = "Robustness holds against these attacks with this budget; a stronger attack may find more."
TABLE = "The policy sets no limit: a table, not a judgement."
UNVERIFIED = (
    "Not verified: read from a bare record, without the manifest of its run folder, so nothing here shows that it is "
    "as it was written."
)
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
    if record.unmet and record.verdict == "NOT-ESTIMABLE":
        first, *rest = record.unmet
        return words.ended(first) + (f" ({numbers.count(len(rest))} more like it.)" if rest else "")
    if not judged and record.policy.requires:
        return f"What the policy requires was measured. {TABLE}"
    if not judged:
        return "The policy has no blocking requirement, so nothing was judged and there is nothing to pass."
    if record.verdict == "PASS":
        return _passed(record, judged)
    if record.quick and all(words.keeps(d) for d in judged):
        return f"{_counted_all(judged)} met at this size, but a quick run cannot PASS."
    first = next(d for d in words.ranked(judged) if d.verdict == record.verdict)
    if first.estimate is None or first.estimate.value is None:
        return f"{words.stated(first)}."
    text = f"{words.stated(first, spoken=True)}. The policy asks for {numbers.asked(first.rule)}."
    if record.verdict == "INCONCLUSIVE":
        return f"{text} {words.undecided(first)}"
    return text if record.verdict == "FAIL" else f"{text} {words.decided(first, record.policy.power)}"


def _passed(record: Record, judged: list[Decision]) -> str:
    """Return the lead sentence of a PASS."""
    text = f"{_counted_all(judged)} met: every bound lies inside its limit."
    robust = any(area_of(record, d) == "robustness" for d in judged)
    return f"{text} {BUDGET}" if robust else text


def _counted_all(judged: list[Decision]) -> str:
    """Return 'All 5 blocking requirements are'."""
    if len(judged) == 1:
        return "The one blocking requirement is"
    return f"All {numbers.count(len(judged))} blocking requirements are"


def tally(record: Record) -> list[tuple[Verdict, str, str]]:
    """Return per verdict among the blocking rules its word, its count in words and a sentence."""
    judged = words.blocking(record)
    rows = []
    for verdict in WORST_FIRST:
        of = [d for d in judged if d.verdict == verdict]
        if of:
            word = {"FAIL": "FAIL" if len(of) > 1 else "FAILS"}.get(verdict, verdict)
            rows.append((verdict, f"{len(of)} {word}", _told(record, verdict, of)))
        if verdict == "NOT-ESTIMABLE" and record.unmet:
            said = " ".join(words.ended(text) for text in record.unmet)
            rows.append((verdict, f"{len(record.unmet)} NOT MEASURED", said))
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
        "INCONCLUSIVE": words.needed(of[0], record.policy.power) or words.undecided(of[0]),
        "NOT-ESTIMABLE": f"{_capital(words.reason(of[0]))}.",
    }[verdict]
    return f"{names}. {extra}".strip()


def advisory(record: Record) -> str:
    """Return the count of the advisory verdicts, which do not touch the whole."""
    rest = [d for d in record.decisions if d.rule.severity == "advisory"]
    return f"Advisory besides: {counted(rest)}." if rest else ""


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
    """Return the exit code, how many requirements are waived, and whether the record is not verified."""
    waived = sum(d.waiver is not None for d in record.decisions)
    said = f"exit code {record.exit_code}" + (f", {waived} waived" if waived else "")
    return f"{said}, not verified" if record.unverified else said


def waivers(record: Record) -> list[str]:
    """Return who waived what, why and until when; one that has expired counts for nothing and says so."""
    live = [(d.rule.id, words.waived(d)) for d in record.decisions if d.waiver]
    ids = {d.rule.id for d in record.decisions if d.waiver}
    expired = [
        (
            w.rule,
            f"The waiver of {numbers.name(w.who)} ended on {numbers.date(w.until)} and counts for nothing.",
        )
        for w in record.policy.waivers
        if w.rule not in ids
    ]
    return [f"{numbers.name(id_, 40)}: {text}" for id_, text in dict.fromkeys([*live, *expired])]


def to_do(record: Record) -> list[Step]:
    """Return what to do next, at most four steps, verb first."""
    judged = words.ranked(words.blocking(record))
    of = {v: [d for d in judged if d.verdict == v] for v in WORST_FIRST}
    crashed = [r for r in record.results if r.status == "error"]
    steps = []
    if of["FAIL"]:
        steps.append(Step("Hold the release.", _holds(of["FAIL"])))
        steps.append(Step("Mend the model, then audit again.", _mends(of["FAIL"][0])))
    if crashed:
        steps.append(Step("Mend the crashed checks:", f"{', '.join(r.check for r in crashed)}."))
    if of["NOT-ESTIMABLE"]:
        first = of["NOT-ESTIMABLE"][0]
        steps.append(Step("Make it measurable:", f"{words.title(first)}. {_capital(words.reason(first))}."))
    elif record.unmet:
        steps.append(Step("Measure what is required:", words.ended(record.unmet[0])))
    if record.quick:
        steps.append(Step("Run the audit in full.", QUICK))
    if of["INCONCLUSIVE"] and not record.quick:
        steps.append(_collect(of["INCONCLUSIVE"], record.policy.power))
    if not judged and record.policy.requires:
        steps.append(Step("Read the tables.", TABLE))
    elif not judged:
        steps.append(Step("Add a blocking rule to the policy.", "Without one nothing can be judged."))
    if record.verdict == "PASS":
        steps.append(
            Step("Release under this policy only.", "A change of model, data or policy needs a new audit.")
        )
    points = sum(len(texts) for _, texts in unmeasured(record))
    last = Step(
        "Decide on what was not measured.", f"{numbers.plural(points, 'point')} listed.", "not-measured"
    )
    return [*steps[:3], last]


def _capital(text: str) -> str:
    """Return text with its first letter raised."""
    return text[:1].upper() + text[1:]


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
    return Step("Collect rows.", f"{words.title(most)}: {words.needed(most, power)}")


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
    open_ = first.verdict == "INCONCLUSIVE" and words.crosses(first) and not words.keeps(first)
    return f"{phrases.claim(case, value)}{'; the data can’t tell' if open_ else ''}."


def unmeasured(record: Record) -> list[tuple[str, list[str]]]:
    """Return what was not measured, as (what, reasons): lost checks, areas without a check, each check's gaps."""
    rows: dict[str, list[str]] = {}
    if record.unmet:
        rows["Required by the policy"] = [words.ended(text) for text in record.unmet]
    for result in record.results:
        if result.status != "ok":
            rows.setdefault(headed(result), []).append(why_not(result))
    for text in record.not_measured:
        rows.setdefault(_area_named(text), []).append(words.ended(text))
    have = {r.area for r in record.results}
    for area in EXPECTED:
        if area not in have and AREAS[area] not in rows:
            rows[AREAS[area]] = ["No check of this area was configured."]
    for result in record.results:
        for text in uncompared.joined(result.findings.not_measured):
            rows.setdefault(headed(result), []).append(words.ended(text))
    return list(rows.items())


def _area_named(text: str) -> str:
    """Return the area that a sentence begins with, else 'This audit'."""
    return next((label for label in AREAS.values() if text.startswith(label)), "This audit")


def headed(result: CheckResult) -> str:
    """Return a check's title with its name."""
    return f"{numbers.name(result.title, 80)} ({numbers.name(result.check)})"


def why_not(result: CheckResult) -> str:
    """Return why a check has no findings."""
    did = "Crashed" if result.status == "error" else "Skipped"
    return f"{did}: {words.ended(result.reason) or 'the record gives no reason.'}"
