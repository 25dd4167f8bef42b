"""The record as SARIF 2.1.0, one result a decision, for code scanning and editors."""

from __future__ import annotations

from typing import Any

from audit.evidence import CheckResult, Decision, Record, Rule, canonical
from reports import concerns, exports, front, numbers, words

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
KINDS = {"PASS": "pass", "FAIL": "fail", "INCONCLUSIVE": "open", "NOT-ESTIMABLE": "review"}
REQUIRES = "requires"  # the rule id of what the policy requires to have been measured


def render(record: Record) -> bytes:
    """Return the record as a UTF-8 SARIF log; ValueError when its verdict contradicts its own decisions.

    A result's kind is pass, fail, open (INCONCLUSIVE) or review (NOT-ESTIMABLE); notApplicable is kept for an
    advisory rule whose check the model does not admit. Only a fail has a level: error where the rule blocks,
    else warning (SARIF 2.1.0, section 3.27.10). A waiver is a suppression.
    """
    record = exports.sound(record)
    ids = list(dict.fromkeys(exports.rule_id(d.rule) for d in record.decisions))
    rules = {exports.rule_id(d.rule): d.rule for d in record.decisions}
    described = [_rule(name, rules[name]) for name in ids] + ([_required()] if record.unmet else [])
    driver = {"name": exports.TOOL, "version": exports.version(record), "rules": described}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"{exports.TOOL}/{numbers.name(record.name, 80)}/"},
        "invocations": [_invocation(record)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(record, d, ids) for d in record.decisions] + _unmet(record, len(ids)),
        "properties": {"verdict": record.verdict, "exitCode": record.exit_code, "record": record.digest}
        | ({"verified": False} if record.unverified else {}),
    }
    return canonical({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    """Return a rule's description."""
    measure = numbers.name(rule.measure, 120)
    return {
        "id": name,
        "shortDescription": {"text": f"{measure}: {numbers.asked(rule)}."},
        "fullDescription": {"text": words.ended(rule.because) or "The policy gives no reason."},
        "help": {"text": f"Source of the limit: {words.ended(rule.source) or 'not provided.'}"},
        "defaultConfiguration": {"level": _level(rule)},
        "properties": {"severity": rule.severity, "tags": [numbers.name(c, 120) for c in rule.controls]},
    }


def _level(rule: Rule) -> str:
    """Return the level of a rule that fails."""
    return "error" if rule.severity == "blocking" else "warning"


def _kind(record: Record, d: Decision) -> str:
    """Return the kind of a decision's result."""
    result = exports.result_of(record, d)
    skipped = d.verdict == "NOT-ESTIMABLE" and result is not None and result.status == "skipped"
    return "notApplicable" if skipped and d.rule.severity == "advisory" else KINDS[d.verdict]


def _result(record: Record, d: Decision, ids: list[str]) -> dict[str, Any]:
    """Return a decision's result."""
    name, kind, e = exports.rule_id(d.rule), _kind(record, d), d.estimate
    found = {"value": e.value, "low": e.low, "high": e.high, "n": e.n, "method": e.method} if e else {}
    stated = {"verdict": d.verdict, "severity": d.rule.severity, "limit": d.rule.limit, "bound": d.bound}
    result = {
        "ruleId": name,
        "ruleIndex": ids.index(name),
        "kind": kind,
        "level": _level(d.rule) if kind == "fail" else "none",
        "message": {"text": exports.message(d, record.policy.power)},
        "locations": [_location(record.volatile.places.get(d.rule.id))],
        "partialFingerprints": {"decision/v1": exports.fingerprint(d)},
        "properties": {"where": exports.where(d), **stated, **found},
    }
    if d.waiver:
        said = {"kind": "external", "status": "accepted", "justification": words.waived(d)}
        result["suppressions"] = [said]
    return result


def _location(place: str | None) -> dict[str, Any]:
    """Return the place 'file:line' of a rule, or the first line of the record that holds it."""
    file, _, line = (place or "evidence.json:1").rpartition(":")
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(file)}, "region": {"startLine": int(line)}}}


def _uri(path: str) -> str:
    """Return a relative path as a URI reference."""
    plain = "-._~/"
    return "".join(
        c if c.isascii() and (c.isalnum() or c in plain) else "".join(f"%{b:02X}" for b in c.encode())
        for c in path
    )


def _required() -> dict[str, Any]:
    """Return the rule that stands for the policy's `requires`."""
    return {
        "id": REQUIRES,
        "shortDescription": {"text": "What the policy requires to have been measured."},
        "defaultConfiguration": {"level": "error"},
    }


def _unmet(record: Record, index: int) -> list[dict[str, Any]]:
    """Return a result for each requirement that nothing answers."""
    return [
        {
            "ruleId": REQUIRES,
            "ruleIndex": index,
            "kind": "review",
            "level": "none",
            "message": {"text": words.ended(text)},
            "locations": [_location(None)],
        }
        for text in record.unmet
    ]


def _invocation(record: Record) -> dict[str, Any]:
    """Return how the audit went: its exit code, and every check that was skipped or crashed."""
    lost = [r for r in record.results if r.status != "ok"]
    notes = [_notification(r) for r in lost]
    if not words.blocking(record):
        notes.append({"level": "error", "message": {"text": front.lead(record)}})
    if record.unverified:
        notes.append({"level": "error", "message": {"text": front.UNVERIFIED}})
    notes += [{"level": "warning", "message": {"text": text}} for text in concerns.lines(record)]
    crashed = any(r.status == "error" for r in lost)
    return {
        "executionSuccessful": not crashed,
        "exitCode": record.exit_code,
        "exitCodeDescription": front.lead(record),
        "toolExecutionNotifications": notes,
    }


def _notification(result: CheckResult) -> dict[str, Any]:
    """Return a lost check's notification."""
    level = "error" if result.status == "error" else "note"
    return {"level": level, "message": {"text": f"{front.headed(result)}: {front.why_not(result)}"}}
