"""Declared and recorded facts that a crosswalk names: each in a sentence, or said to be missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit.evidence import Record
from reports import front, numbers

ROOTS = ("facts.", "record.")
_TERMS = {"sha256": "digest", "splits": "rows"}
_ROWS = {
    "dropped": "rows dropped",
    "repeated_in_test": "test rows that repeat a row of another split",
    "repeated_within_test": "test rows that repeat another test row",
}


def of(record: Record, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return a sentence for each fact that is there, and one for each that is not; other names are passed over."""
    said, lacking = [], []
    for name in names:
        if name.startswith(ROOTS):
            term, text = _fact(record, name)
            absent = "Not counted" if ".repeated_" in name else "Not provided"
            (said if text else lacking).append(
                f"{term}: {text}." if text else f"{absent}: {term[:1].lower()}{term[1:]}."
            )
    return said, lacking


def _fact(record: Record, name: str) -> tuple[str, str]:
    """Return a fact's term and its text, empty where there is none."""
    root, _, path = name.partition(".")
    if root == "record":
        return _recorded(record, path)
    part, _, key = path.partition(".")
    if path == "software":
        return "Software", _text({"tool": record.tool, **record.facts.software})
    held = getattr(record.facts, part, {})
    value = held.get(key) if isinstance(held, dict) else getattr(held, key, None)
    where = "" if part == "system" or key in _ROWS else f" of the {part}"
    term = f"{_ROWS.get(key, _TERMS.get(key, key.replace('_', ' ')))}{where}"
    if key == "dropped" and value == {}:
        return _capital(term), "none"
    return _capital(term), _text(value)


def _recorded(record: Record, path: str) -> tuple[str, str]:
    """Return what the record itself states: gaps, digests, remedies."""
    if path == "not_measured":
        points = sum(len(texts) for _, texts in front.unmeasured(record))
        return (
            "Not measured",
            f"{numbers.plural(points, 'point')} listed in section “Not measured”" if points else "",
        )
    if path == "remedies":
        n = len(record.remedies)
        return "Remedies", f"{n} tried, with effects, in section “Remedies tried”" if n else ""
    n = len(record.digests)
    return "Digests", f"{n} besides the record’s own, in section “How to reproduce”" if n else ""


def _text(value: Any) -> str:
    """Return a fact's value in a few words, empty where it holds nothing."""
    if value is None or isinstance(value, str):
        return numbers.name(value.rstrip(". "), 160) if value and value.strip() else ""
    if isinstance(value, bool | int | float):
        return numbers.count(value)
    if isinstance(value, dict):
        pairs = [f"{numbers.name(k, 40)} {_inner(v)}" for k, v in list(value.items())[:6]]
        return ", ".join(pairs) + (f" and {len(value) - 6} more" if len(value) > 6 else "")
    texts = [numbers.name(v if isinstance(v, str) else getattr(v, "name", v), 60) for v in value[:6]]
    return ", ".join(texts) + (f" and {len(value) - 6} more" if len(value) > 6 else "")


def _inner(value: Any) -> str:
    """Return a value within a mapping."""
    if isinstance(value, dict):
        return (
            f"({', '.join(f'{numbers.name(k, 30)} {numbers.count(n)}' for k, n in list(value.items())[:6])})"
        )
    return numbers.name(value, 80) if isinstance(value, str) else numbers.count(value)


def _capital(text: str) -> str:
    """Return text with its first letter raised."""
    return text[:1].upper() + text[1:]
