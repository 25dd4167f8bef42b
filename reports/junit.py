"""The record as JUnit XML in Jenkins' dialect: one suite a check, one case a decision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from audit.evidence import Decision, Record
from reports import concerns, exports, front, numbers, words

_OUTSIDE_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One test case: its name, and unless it passed the element that says why not, with its type and text."""

    name: str
    outcome: str = ""
    type: str = ""
    text: str = ""


def render(record: Record) -> bytes:
    """Return the record as UTF-8 JUnit XML; ValueError when its verdict contradicts its own decisions.

    FAIL is a failure; a crashed check, and what it leaves NOT-ESTIMABLE, an error; INCONCLUSIVE and any other
    NOT-ESTIMABLE are skipped with the reason. A reader that counts skipped as passed is no gate: the exit
    code and the written verdict are.
    """
    record = exports.sound(record)
    suites = {name: cases for name, cases in _suites(record).items() if cases}
    every = [case for cases in suites.values() for case in cases]
    title = f"{exports.TOOL}: {numbers.name(record.name, 80)}, {record.verdict}"
    title += ", not verified" if record.unverified else ""
    root = ElementTree.Element("testsuites", {"name": _text(title), **_counts(every)})
    for name, cases in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": _text(name), **_counts(cases)})
        suite.set("skipped", str(_count(cases, "skipped")))
        for case in cases:
            _write(suite, name, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _suites(record: Record) -> dict[str, list[Case]]:
    """Return the cases of every check, then those of the policy itself."""
    suites: dict[str, list[Case]] = {numbers.name(r.check, 120): [] for r in record.results}
    for result in record.results:
        how = {"ok": "", "skipped": "skipped", "error": "error"}[result.status]
        said = front.why_not(result) if how else ""
        suites[numbers.name(result.check, 120)].append(
            Case(f"{numbers.name(result.title, 80)} was measured", how, result.status, said)
        )
    for decision in record.decisions:
        suites.setdefault(numbers.name(decision.rule.check, 120), []).append(_case(record, decision))
    if record.unverified:
        suites["record"] = [
            Case("The record is as it was written", "error", "not verified", front.UNVERIFIED)
        ]
    suites["policy"] = [Case(words.ended(text), "skipped", "requires", text) for text in record.unmet]
    suites["subject"] = [
        Case(
            f"No doubt about the subject: {numbers.name(c.name)}",
            "skipped",
            "concern",
            concerns.sentence(record, c),
        )
        for c in record.concerns
    ]
    suites["policy"] += [
        Case("The policy asks no less than what it includes", "skipped", "weakened", text)
        for text in concerns.weakened(record)
    ]
    if not words.blocking(record):
        suites["policy"].append(Case("A blocking rule was judged", "skipped", "policy", front.lead(record)))
    return suites


def _case(record: Record, d: Decision) -> Case:
    """Return a decision's case."""
    named = exports.case_name(d)
    if d.verdict == "PASS":
        return Case(named)
    outcome = "error" if exports.crashed(record, d) else "failure" if d.verdict == "FAIL" else "skipped"
    return Case(named, outcome, d.rule.severity, exports.message(d, record.policy.power))


def _write(suite: ElementTree.Element, name: str, case: Case) -> None:
    """Add a case to its suite."""
    element = ElementTree.SubElement(suite, "testcase", {"classname": _text(name), "name": _text(case.name)})
    if case.outcome:
        why = ElementTree.SubElement(element, case.outcome, {"type": case.type, "message": _text(case.text)})
        why.text = _text(case.text)


def _counts(cases: list[Case]) -> dict[str, str]:
    """Return how many cases there are, failures and errors among them."""
    counted = {"failures": _count(cases, "failure"), "errors": _count(cases, "error")}
    return {"tests": str(len(cases)), **{name: str(n) for name, n in counted.items()}}


def _count(cases: list[Case], outcome: str) -> int:
    """Return how many cases ended so."""
    return sum(case.outcome == outcome for case in cases)


def _text(text: str) -> str:
    """Return text without what XML 1.0 cannot hold, controls shown as U+FFFD."""
    return _OUTSIDE_XML.sub("\ufffd", numbers.visible(" ".join(text.split())))
