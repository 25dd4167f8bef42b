"""The record as an in-toto Statement v1 with the predicate test-result/v0.1: what was judged, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import reports.html
from audit.evidence import Record, canonical, policy_digest
from reports import concerns, exports, front, words

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def render(record: Record) -> bytes:
    """Return the statement as UTF-8 JSON; ValueError when the verdict contradicts its own decisions.

    Subjects: the record, its file, its report where one was asked for, the model, the data, and sidecar files.
    """
    record = exports.sound(record)
    files = {"evidence.json": record.to_bytes()}
    if "html" in record.config.get("formats", ()):
        files["report.html"] = reports.html.render(record)
    artifacts = [a for result in record.results for a in result.findings.artifacts]
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    sidecars = {a.path: a.sha256 for a in artifacts} | {p: d for p, d in record.digests.items() if "/" in p}
    return canonical(statement(record, {**digests, **sidecars}))


def statement(record: Record, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the statement about the record and these files (path to SHA-256) as plain values.

    PASSED is the verdict PASS alone, WARNED an exit code 0 that waivers brought about, FAILED all the rest, a
    record that is not verified among it. A
    waived or advisory decision that is no PASS is a warned test, a blocking one a failed test.
    """
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for d in record.decisions:
        mild = d.waiver is not None or d.rule.severity == "advisory"
        how = "passedTests" if d.verdict == "PASS" else "warnedTests" if mild else "failedTests"
        tests[how].append(f"{exports.case_name(d)}: {d.verdict}")
    tests["failedTests"] += [front.UNVERIFIED] if record.unverified else []
    tests["failedTests"] += [f"requires: {words.ended(text)}" for text in record.unmet]
    tests["warnedTests"] += concerns.lines(record)
    config = hashlib.sha256(canonical(record.config)).hexdigest()
    configuration = [_resource("configuration", config), _resource("policy", policy_digest(record.policy))]
    return {
        "_type": STATEMENT,
        "subject": subjects(record, files),
        "predicateType": PREDICATE,
        "predicate": {"result": exports.passes(record), "configuration": configuration, **tests},
    }


def subjects(record: Record, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what the statement is about: the record, the model, the data, then files by path.

    The first three are digests of content: `record` of the record without its volatile block, `model` of the
    parameters and how they decide, `data` of every split.
    """
    inner = {"record": record.digest, "model": record.facts.model.sha256, **_data(record)}
    every = {**{f"{exports.TOOL}:{name}": d for name, d in inner.items() if d}, **dict(sorted(files.items()))}
    return [_resource(name, digest) for name, digest in every.items()]


def _data(record: Record) -> dict[str, str]:
    """Return the digests of the data: all rows, the test rows, and the file where it has one."""
    known = {"data": record.digests.get("data", ""), "test rows": record.digests.get("test", "")}
    return {**known, "data file": record.facts.data.sha256}


def _resource(name: str, digest: str) -> dict[str, Any]:
    """Return a resource descriptor."""
    return {"name": name, "digest": {"sha256": digest}}
