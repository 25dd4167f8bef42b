"""What the exports share: the record as stored and free of contradiction, and one decision as plain text."""

from __future__ import annotations

import hashlib
import json

from audit.evidence import CheckResult, Decision, Record, Rule
from reports import numbers, words
from reports.consistency import contradiction
from reports.stored import stored

TOOL = "jax-audit"


def sound(record: Record) -> Record:
    """Return the record as it reads from disk; ValueError when its verdict contradicts its own decisions."""
    record = stored(record)
    wrong = contradiction(record)
    if wrong:
        raise ValueError(f"record {record.name}: {wrong}; the record was altered or is incomplete")
    return record


def version(record: Record) -> str:
    """Return the version of the suite that wrote the record."""
    return record.tool.rpartition(" ")[2] or "unknown"


def rule_id(rule: Rule) -> str:
    """Return a rule's id on one line; a long one is clipped and keeps the start of its digest, so ids differ."""
    line = numbers.visible(" ".join(rule.id.split())) or "rule"
    return line if len(line) <= 100 else f"{line[:90]}-{hashlib.sha256(rule.id.encode()).hexdigest()[:8]}"


def where(decision: Decision) -> str:
    """Return where a decision holds, as one line of JSON with sorted keys."""
    return numbers.visible(json.dumps(decision.where, sort_keys=True, ensure_ascii=False))


def fingerprint(decision: Decision) -> str:
    """Return the digest of what was asked and where, the same in every run of one policy."""
    asked = json.dumps([decision.rule.id, decision.rule.measure, decision.where], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def case_name(decision: Decision) -> str:
    """Return 'F1 Impact ratio by sex, at least 0.80'."""
    return f"{rule_id(decision.rule)} {words.title(decision)}, {numbers.asked(decision.rule)}"


def message(decision: Decision, power: float) -> str:
    """Return what was found, what follows from it and who waived it, in whole sentences."""
    parts = [f"{decision.verdict}.", words.sentence(decision)]
    if decision.estimate is not None and decision.estimate.value is not None:
        parts.append(words.decided(decision, power))
    return " ".join(part for part in (*parts, words.waived(decision)) if part)


def result_of(record: Record, decision: Decision) -> CheckResult | None:
    """Return the result of the check that a decision judges, or None where the record has none."""
    return next((r for r in record.results if r.check == decision.rule.check), None)


def crashed(record: Record, decision: Decision) -> bool:
    """Tell whether a decision has no estimate because its check crashed."""
    result = result_of(record, decision)
    return decision.verdict == "NOT-ESTIMABLE" and result is not None and result.status == "error"


def passes(record: Record) -> str:
    """Return PASSED for the verdict PASS alone, WARNED where waivers let the release go on, else FAILED.

    A record that is not verified shows nothing, so it is FAILED.
    """
    if record.unverified:
        return "FAILED"
    if record.verdict == "PASS" and record.exit_code == 0:
        return "PASSED"
    return "WARNED" if record.exit_code == 0 else "FAILED"
