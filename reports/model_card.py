"""The record as a Hugging Face model card: metadata with its evaluation results, then the card in Markdown."""

from __future__ import annotations

import re
from typing import Any

import yaml

from audit.evidence import CheckResult, Measurement, Record
from reports import concerns, exports, front, markdown, methods, numbers, phrases, remedies, words
from reports.cyclonedx import chosen

_TASKS = {
    ("table", "binary"): "tabular-classification",
    ("table", "multiclass"): "tabular-classification",
    ("table", "regression"): "tabular-regression",
    ("image", "binary"): "image-classification",
    ("image", "multiclass"): "image-classification",
}


def render(record: Record) -> bytes:
    """Return the card as UTF-8 Markdown with YAML front matter; ValueError for a record that contradicts itself.

    `model-index` holds what the policy judges and what has no `where`, each with its interval, n and method in
    `args`. The licence of the model is its owner's to add: the record knows only that of the data.
    """
    record = exports.sound(record)
    head = yaml.safe_dump(_metadata(record), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n\n{_body(record)}".encode()


def _metadata(record: Record) -> dict[str, Any]:
    """Return the card's metadata."""
    data, model = record.facts.data, record.facts.model
    task = _TASKS.get((data.modality, data.task), f"{data.modality}-{data.task}")
    entry = {
        "task": {"type": task, "name": f"{data.task} ({data.modality})"},
        "dataset": {"type": _slug(data.name), "name": numbers.name(data.name, 120), "split": "test"},
        "metrics": [_metric(result, m) for result, m in chosen(record)],
    }
    named = {"name": numbers.name(model.name, 120) or "model", "results": [entry]}
    index = {"model-index": [named]} if entry["metrics"] else {}
    tags = ["jax", "jax-audit", "responsible-ai", *(["not-verified"] if record.unverified else [])]
    return {"library_name": "jax", "tags": tags, **index}


def _metric(result: CheckResult, m: Measurement) -> dict[str, Any]:
    """Return one evaluation result."""
    e = m.estimate
    args: dict[str, Any] = {"check": result.check, "n": e.n, "method": e.method, "kind": e.kind}
    if e.kind == "bounded":
        args |= {"level": e.level, "low": e.low, "high": e.high, "side": e.side}
    title = phrases.titled(phrases.of_measurement(result.check, m))
    return {"type": m.name, "value": e.value, "name": title, "args": args}


def _slug(text: str) -> str:
    """Return a name as an identifier."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "data"


def _body(record: Record) -> str:
    """Return the card's sections."""
    told = methods.system(record)
    facts = [
        f"- **{markdown.escaped(term)}**: {'; '.join(map(markdown.escaped, texts))}" for term, texts in told
    ]
    gaps = markdown.gaps(record)
    beside = [*concerns.lines(record), *front.waivers(record), *remedies.lines(record)]
    sections = {
        f"Model card: {markdown.escaped(numbers.name(record.facts.model.name, 80))}": [
            *([f"**{markdown.escaped(front.UNVERIFIED)}**\n"] if record.unverified else []),
            f"Audit verdict: **{record.verdict}**, {markdown.escaped(front.exit_line(record))}, "
            f"{markdown.judged_on(record)}.",
            "",
            markdown.escaped(front.lead(record)),
            *([f"\n{markdown.escaped(front.QUICK)}"] if record.quick else []),
            *(f"\n{markdown.escaped(text)}" for text in beside),
        ],
        "Model, data and intended use": facts,
        "Evaluation": markdown.table(record) or ["No requirement was judged."],
        "Findings": [f"- {markdown.escaped(f.sentence)}" for f in words.findings(record)[: markdown.MOST]]
        or ["None."],
        "Limitations: not measured": gaps,
        "Evidence": [
            f"- Record: sha256 `{record.digest}`, written by {markdown.escaped(record.tool)}",
            f"- Model: sha256 `{markdown.escaped(record.facts.model.sha256)}`",
            "- Every number is in `evidence.json`; `jax-audit verify RUN` checks it.",
            "",
            "Evidence, not a legal opinion.",
        ],
    }
    marks = ["#", *["##"] * (len(sections) - 1)]
    parts = [
        f"{mark} {title}\n\n" + "\n".join(lines)
        for mark, (title, lines) in zip(marks, sections.items(), strict=True)
    ]
    return "\n\n".join(parts) + "\n"
