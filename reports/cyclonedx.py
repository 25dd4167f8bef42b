"""The record as a CycloneDX 1.6 bill of materials: the model with its card, its data, the software that judged."""

from __future__ import annotations

import uuid
from typing import Any

from audit.evidence import CheckResult, Measurement, Record, canonical
from reports import concerns, exports, front, numbers, phrases, words

MODEL, DATA = "model", "data"
PREFIX = "jax-audit:"


def render(record: Record) -> bytes:
    """Return the bill as UTF-8 JSON; ValueError when the verdict contradicts its own decisions.

    The serial number is made from the record's digest, so that the same record has the same one. Of metrics it
    holds what the policy judges and what has no `where`; the CSV of measurements holds all.
    """
    record = exports.sound(record)
    when = record.volatile.judged or record.volatile.finished
    software = [_library(name, version) for name, version in sorted(record.facts.software.items())]
    tool = {"type": "application", "name": exports.TOOL, "version": exports.version(record)}
    metadata: dict[str, Any] = {"tools": {"components": [tool]}, "component": _model(record)}
    if when:
        metadata["timestamp"] = when.isoformat()
    libraries = [one["bom-ref"] for one in software]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{PREFIX}{record.digest}')}",
        "version": 1,
        "metadata": metadata,
        "components": [_data(record), *software],
        "dependencies": [{"ref": MODEL, "dependsOn": [DATA, *libraries]}],
    }
    return canonical(bill)


def _model(record: Record) -> dict[str, Any]:
    """Return the model's component with its card."""
    m = record.facts.model
    told = {
        "verdict": record.verdict,
        "exit code": str(record.exit_code),
        "policy": f"{numbers.name(record.policy.name, 80)} {numbers.name(record.policy.version, 20)}",
        "record": record.digest,
        "not verified": front.UNVERIFIED if record.unverified else "",
        "digest covers": "the parameters, the network's name and how its outputs decide",
        "decision": m.decision,
        "origin": m.origin,
        "parameters": "" if m.parameters is None else str(m.parameters),
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": numbers.name(m.name, 120) or "model",
        **_hashed(m.sha256),
        "modelCard": {
            "modelParameters": {
                "task": record.facts.data.task,
                "modelArchitecture": numbers.name(m.network, 160),
                "datasets": [{"ref": DATA}],
                "inputs": [{"format": record.facts.data.modality}],
                "outputs": [{"format": m.outputs}],
            },
            "quantitativeAnalysis": {"performanceMetrics": _metrics(record)},
            "considerations": _considerations(record),
        },
        "properties": _properties(told),
    }


def chosen(record: Record) -> list[tuple[CheckResult, Measurement]]:
    """Return the measurements with a value that a rule judges or that hold overall (no `where`)."""
    judged = {(d.rule.measure, tuple(sorted(d.where.items()))) for d in record.decisions}
    return [
        (result, m)
        for result in record.results
        for m in result.findings.measurements
        if m.estimate.value is not None
        and (not m.where or (f"{result.check}.{m.name}", tuple(sorted(m.where.items()))) in judged)
    ]


def _metrics(record: Record) -> list[dict[str, Any]]:
    """Return the metrics, every number as the text that reads back to it."""
    rows = []
    for result, m in chosen(record):
        row: dict[str, Any] = {"type": f"{result.check}.{m.name}", "value": repr(m.estimate.value)}
        if m.where:
            row["slice"] = phrases.titled(phrases.of_measurement(result.check, m))
        ends = {"lowerBound": m.estimate.low, "upperBound": m.estimate.high}
        known = {name: repr(end) for name, end in ends.items() if end is not None}
        rows.append({**row, "confidenceInterval": known} if known else row)
    return rows


def _considerations(record: Record) -> dict[str, Any]:
    """Return what is declared, what was not measured, and what the policy judged unfair or unknown."""
    system = record.facts.system
    gaps = [f"{what}: {text}" for what, texts in front.unmeasured(record) for text in texts]
    unused = system.get("not_intended_for", "").strip()
    people = system.get("affected_people", "").strip()
    risks = [
        {"name": words.sentence(d), "mitigationStrategy": words.decided(d, record.policy.power)}
        for d in words.ranked(record.decisions)
        if d.verdict != "PASS" and front.area_of(record, d) != "fairness"
    ]
    unfair = [
        {"groupAtRisk": numbers.visible(people) or words.title(d), "harms": words.sentence(d)}
        for d in front.of_area(record, "fairness")
        if d.verdict != "PASS"
    ]
    told: dict[str, list[Any]] = {
        "useCases": [numbers.visible(system.get("intended_use", "").strip())],
        "technicalLimitations": [
            *([f"Not intended for: {numbers.visible(unused)}"] if unused else []),
            *concerns.lines(record),
            *gaps,
        ],
        "ethicalConsiderations": risks,
        "fairnessAssessments": unfair,
    }
    return {name: values for name, values in told.items() if [v for v in values if v]}


def _data(record: Record) -> dict[str, Any]:
    """Return the data's component."""
    d = record.facts.data
    rows = ", ".join(f"{numbers.name(name, 20)} {n}" for name, n in sorted(d.splits.items()))
    told = {
        "source": d.source,
        "target": d.target,
        "rows": rows,
        "classes": ", ".join(d.classes[:100]),
        "eps unit": d.unit,
    }
    one: dict[str, Any] = {
        "type": "dataset",
        "name": numbers.name(d.name, 120),
        "contents": {"properties": _properties(told)},
        "description": f"{d.modality}, {d.task}; rows: {rows}.",
    }
    if d.groups:
        one["sensitiveData"] = [numbers.name(attribute, 80) for attribute in d.groups]
    licence = numbers.name(d.licence, 200)
    return {
        "type": "data",
        "bom-ref": DATA,
        "name": numbers.name(d.name, 120) or "data",
        **_hashed(d.sha256 or record.digests.get("data", "")),
        **({"licenses": [{"license": {"name": licence}}]} if licence else {}),
        "data": [one],
    }


def _library(name: str, version: str) -> dict[str, Any]:
    """Return a component of the software that computed the numbers."""
    purl = f"pkg:generic/{name}@{version}" if name == "python" else f"pkg:pypi/{name.lower()}@{version}"
    return {"type": "library", "bom-ref": f"software:{name}", "name": name, "version": version, "purl": purl}


def _hashed(digest: str) -> dict[str, Any]:
    """Return a component's hashes, or none where the record has no SHA-256."""
    whole = len(digest) == 64 and all(c in "0123456789abcdef" for c in digest)
    return {"hashes": [{"alg": "SHA-256", "content": digest}]} if whole else {}


def _properties(told: dict[str, str]) -> list[dict[str, str]]:
    """Return what is known as CycloneDX properties under our prefix."""
    return [{"name": f"{PREFIX}{k}", "value": numbers.visible(v)} for k, v in told.items() if v]
