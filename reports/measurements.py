"""Every measurement of the record as one flat table: CSV for spreadsheets, Parquet for programs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from audit.evidence import CheckResult, Decision, Measurement, Record
from reports import concerns, exports, front, numbers, words

TEXTS = ("check", "area", "status", "measure", "label", "where", "unit", "better", "method", "kind", "side",
         "reason", "doubt", "note", "rules", "severity", "verdict")  # fmt: skip
COLUMNS: tuple[str, ...] = ("check", "area", "status", "measure", "label", "where", "value", "low", "high",
           "level", "n", "unit", "better", "side", "kind", "method", "reason", "doubt", "note", "rules", "severity",
           "verdict")  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


def render_csv(record: Record) -> bytes:
    """Return the table as UTF-8 CSV, one line a measurement; ValueError for a record that contradicts itself.

    A skipped or crashed check has one line with its status and reason; a record that is not verified says so first.
    `where` is JSON. Numbers are written so that they read back exactly. A text that a spreadsheet would run as a
    formula has an apostrophe before it.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows(record))
    return text.getvalue().encode()


def render_parquet(record: Record) -> bytes:
    """Return the table as Parquet: n is int64, value, low, high and level are float64, the rest is text.

    The same bytes from the same version of pyarrow. ValueError for a record that contradicts itself.
    """
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {name: pa.string() for name in TEXTS} | {"n": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
    schema = schema.with_metadata({"record": record.digest, "tool": record.tool})
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows(record), schema=schema), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def rows(record: Record) -> list[dict[str, Any]]:
    """Return the table's rows by column; what a row has no value of is None, or the empty text."""
    record = exports.sound(record)
    judged: dict[tuple[str, str], list[Decision]] = {}
    for d in record.decisions:
        judged.setdefault((d.rule.measure, _where(d.where)), []).append(d)
    found = [_row(None, status="not verified", reason=front.UNVERIFIED)] if record.unverified else []
    for result in record.results:
        if result.status != "ok":
            found.append(_row(result, status=result.status, reason=front.why_not(result)))
        for m in result.findings.measurements:
            decisions = judged.get((f"{result.check}.{m.name}", _where(m.where)), [])
            doubts = (m.estimate.doubt, concerns.on(record, f"{result.check}.{m.name}"))
            told = {**_measured(m), "doubt": "; ".join(filter(None, doubts))}
            found.append(_row(result, **told, **_verdict(decisions)))
    return found


def _row(result: CheckResult | None, **values: Any) -> dict[str, Any]:
    """Return a row with every column, texts without characters that act unseen; None: of the record as a whole."""
    empty = dict.fromkeys(COLUMNS, None) | dict.fromkeys(TEXTS, "")
    of = {"check": result.check, "area": result.area, "status": result.status} if result else {}
    given = {**of, **values}
    return {name: numbers.visible(v) if isinstance(v, str) else v for name, v in {**empty, **given}.items()}


def _measured(m: Measurement) -> dict[str, Any]:
    """Return a measurement's cells."""
    kept = ("value", "low", "high", "level", "n", "method", "kind", "side", "reason", "doubt", "note")
    cells = {name: getattr(m.estimate, name) for name in kept}
    told = {"measure": m.name, "label": m.label, "unit": m.unit, "better": m.better}
    return {**cells, **told, "where": _where(m.where)}


def _verdict(decisions: list[Decision]) -> dict[str, str]:
    """Return the rules that judge a measurement, the sternest severity and the worst verdict."""
    if not decisions:
        return {}
    severities = {d.rule.severity for d in decisions}
    return {
        "rules": "; ".join(dict.fromkeys(d.rule.id for d in decisions)),
        "severity": "blocking" if "blocking" in severities else "advisory",
        "verdict": words.worst(decisions) or "",
    }


def _where(where: dict[str, Any]) -> str:
    """Return where a measurement holds as one line of JSON with sorted keys."""
    return json.dumps(where, sort_keys=True, ensure_ascii=False) if where else ""


def _cell(value: Any) -> str:
    """Return a cell's text; no text of the record can be a spreadsheet's formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return repr(value)
