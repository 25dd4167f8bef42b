"""What the record says about the system, its data, how numbers were judged, and how to make them again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from audit.evidence import Record
from reports import numbers
from reports.definitions import DEFINED
from reports.grids import Cell, Grid, Line, head

NOT_PROVIDED = "not provided"
_EXPECTED = (
    "provider",
    "intended_use",
    "not_intended_for",
    "affected_people",
    "human_oversight",
    "responsible_person",
)
_CLUSTERS = re.compile(r"\d[\d,]*(?= clusters)")
_SPLITS = ("train", "validation", "calibration", "test", "reference")


def system(record: Record) -> list[tuple[str, list[str]]]:
    """Return the declared system, then the model and the data as found, as (term, text)."""
    declared = record.facts.system
    keys = [*_EXPECTED, *(key for key in declared if key not in _EXPECTED)]
    rows = [(_term(key), numbers.visible(declared.get(key, "")).strip() or NOT_PROVIDED) for key in keys]
    joined: dict[str, list[str]] = {}
    for term, text in rows + _model(record) + _data(record):
        joined.setdefault(term, []).append(text)
    return list(joined.items())


def _term(key: str) -> str:
    """Return a key as a term: 'Intended use'."""
    text = numbers.name(key.replace("_", " "), 80)
    return text[:1].upper() + text[1:]


def _model(record: Record) -> list[tuple[str, str]]:
    """Return the model's facts."""
    m = record.facts.model
    size = f"{numbers.plural(m.parameters, 'parameter')}; " if m.parameters is not None else ""
    gradient = "differentiable" if m.differentiable else "not differentiable"
    network = numbers.name(m.network, 160) or f"network {NOT_PROVIDED}"
    text = f"{numbers.name(m.name, 120)}: {network}; {size}outputs {m.outputs}, {gradient}."
    rows = [("Model", text), ("Decision", numbers.visible(m.decision) or NOT_PROVIDED)]
    rows.append(("Origin of the model", numbers.visible(m.origin) or NOT_PROVIDED))
    return rows + [("Note on the model", numbers.visible(note)) for note in m.notes]


def _counted(rows: int | None) -> str:
    """Return a count, or that nobody counted."""
    return "not counted" if rows is None else numbers.count(rows)


def _data(record: Record) -> list[tuple[str, str]]:
    """Return the data's facts."""
    d = record.facts.data
    order = [*(k for k in _SPLITS if k in d.splits), *(k for k in d.splits if k not in _SPLITS)]
    splits = ", ".join(f"{numbers.name(k, 20)} {numbers.count(d.splits[k])}" for k in order)
    text = f"{numbers.name(d.name, 120)}: {d.modality}, {d.task}; target {numbers.name(d.target)}."
    text += f" Rows: {splits or NOT_PROVIDED}{_folds(d.folds)}."
    classes = ", ".join(numbers.name(c, 40) for c in d.classes[:12])
    more = f" and {len(d.classes) - 12} more" if len(d.classes) > 12 else ""
    rows = [
        ("Data", text),
        ("Classes", (classes or NOT_PROVIDED) + more),
        ("Favourable outcome", numbers.name(d.favourable) if d.favourable else "none declared"),
        ("Source of the data", numbers.visible(d.source) or NOT_PROVIDED),
        ("Licence", numbers.visible(d.licence) or NOT_PROVIDED),
    ]
    rows += [("What eps counts", numbers.name(d.unit, 80))] if d.unit else []
    for attribute, groups in d.groups.items():
        rows.append((f"Groups by {numbers.name(attribute, 40)}", _sizes(groups)))
    dropped = "; ".join(f"{numbers.count(n)}: {numbers.visible(why)}" for why, n in d.dropped.items())
    rows.append(("Rows dropped", dropped or "none"))
    rows.append(("Test rows that repeat a row of another split", _counted(d.repeated_in_test)))
    rows.append(("Test rows that repeat another test row", _counted(d.repeated_within_test)))
    if d.features:
        rows.append(("Features", _features(record)))
    return rows + [("Note on the data", numbers.visible(note)) for note in d.notes]


def _folds(folds: int | None) -> str:
    """Return by how many networks the rows were judged, where not by one."""
    return f", each judged by one of {numbers.count(folds)} networks that had not seen it" if folds else ""


def _sizes(groups: dict[str, int]) -> str:
    """Return groups with their rows in the test split, at most twelve."""
    shown = ", ".join(f"{numbers.name(g, 40)} ({numbers.count(n)})" for g, n in list(groups.items())[:12])
    return shown + (f" and {len(groups) - 12} more" if len(groups) > 12 else "")


def _features(record: Record) -> str:
    """Return the features' count, and their names where they are few."""
    features = record.facts.data.features
    fixed = sum(not f.mutable for f in features)
    names = ", ".join(numbers.name(f.name, 40) for f in features[:40])
    more = f" and {len(features) - 40} more" if len(features) > 40 else ""
    held = f" ({fixed} that no attack may change)" if fixed else ""
    return f"{numbers.count(len(features))}{held}: {names}{more}."


# ---------------------------------------------------------------- methods


def small_groups(share: float) -> str:
    """Return what the policy does with small groups."""
    if not share:
        return "No group is left out of a rule for its size."
    return f"Groups under {numbers.percent(share)} of the rows are shown and left out of rules."


def measures(record: Record) -> Grid:
    """Return each measure once, under its check: what it is, and how its interval is made."""
    lines = []
    for result in record.results:
        found: dict[str, dict[str, None]] = {}
        labels: dict[str, str] = {}
        for m in result.findings.measurements:
            labels.setdefault(m.name, m.label)
            kind = "descriptive: no interval" if m.estimate.kind == "descriptive" else m.estimate.method
            found.setdefault(m.name, {})[kind] = None
        if found:
            lines.append(Line((Cell(result.check),), "grp"))
        for name, methods in found.items():
            text = DEFINED.get(f"{result.check}.{name}") or numbers.name(labels[name], 200)
            how = "; ".join(_alike(m for m in methods if m)) or "none"
            lines.append(Line((Cell(name, css="mono c-nm"), Cell(text), Cell(how, css="c-m"))))
    return Grid((head("Measure"), head("What it is"), head("Interval by")), tuple(lines), "wide")


def _alike(methods: Iterable[str]) -> list[str]:
    """Return the methods, those that differ in their number of clusters alone as one with the least and the largest."""
    found: dict[str, list[int]] = {}
    for method in methods:
        counts = found.setdefault(_CLUSTERS.sub("{}", method), [])
        counts += [int(n.replace(",", "")) for n in _CLUSTERS.findall(method)]
    said = []
    for method, counts in found.items():
        least, most = (numbers.count(n) for n in (min(counts, default=0), max(counts, default=0)))
        said.append(method.replace("{}", least if least == most else f"{least} to {most}"))
    return said


# ---------------------------------------------------------------- reproduce


def reproduce(record: Record) -> dict[str, object]:
    """Return the commands, the configuration as JSON (which is YAML too) and the facts of the run."""
    return {
        "commands": "python -m audit run audit.yaml\npython -m audit gate RUN\npython -m audit report RUN",
        "config": json.dumps(record.config, indent=1, ensure_ascii=False, sort_keys=True, default=str),
        "facts": _run(record),
    }


def _run(record: Record) -> list[tuple[str, str, str]]:
    """Return the run's facts as (term, text, css)."""
    v, facts = record.volatile, record.facts
    files = [a for r in record.results for a in r.findings.artifacts]
    rows = [
        ("Run", numbers.visible(v.run_id) or NOT_PROVIDED, "mono"),
        ("Record", _digest(record.digest), "mono"),
        ("Model digest", _digest(facts.model.sha256), "mono"),
        ("Data digest", _digest(facts.data.sha256), "mono"),
        *((f"Digest of {numbers.name(k, 80)}", _digest(x), "mono") for k, x in record.digests.items()),
        *((f"File {numbers.name(a.path, 80)}", _digest(a.sha256), "mono") for a in files),
        ("Seed", str(record.config.get("seed", NOT_PROVIDED)), ""),
        ("Software", _pairs({"tool": record.tool, **facts.software}), ""),
        ("Machine", _pairs(v.machine), ""),
        ("Started", numbers.instant(v.started), ""),
        ("Finished", numbers.instant(v.finished), ""),
        ("Judged", numbers.instant(v.judged), ""),
        (
            "Time",
            ", ".join(f"{numbers.name(k, 40)} {numbers.seconds(s)}" for k, s in v.seconds.items())
            or NOT_PROVIDED,
            "",
        ),
        ("Kept from an earlier run", ", ".join(numbers.name(r) for r in v.reused) or "nothing", ""),
        ("Earlier judgements of these test rows", _earlier(v.earlier_judgements), ""),
        ("Checks", _checks(record), ""),
        ("Exit code", f"{record.exit_code} ({record.verdict})", ""),
    ]
    return rows


def _durations(seconds: dict[str, float]) -> str:
    """Return 'train 12 s, robustness.pgd 4 s'."""
    return (
        ", ".join(f"{numbers.name(k, 40)} {numbers.seconds(s)}" for k, s in seconds.items()) or NOT_PROVIDED
    )


def _digest(sha256: str) -> str:
    """Return a digest in groups of eight."""
    plain = numbers.visible(sha256).removeprefix("sha256:")
    return "sha256 " + " ".join(plain[i : i + 8] for i in range(0, len(plain), 8)) if plain else NOT_PROVIDED


def _pairs(values: dict[str, str]) -> str:
    """Return 'jax 0.8.1, flax 0.12.0'."""
    return (
        ", ".join(f"{numbers.name(k, 40)} {numbers.name(v, 120)}" for k, v in values.items()) or NOT_PROVIDED
    )


def _earlier(n: int | None) -> str:
    """Return how often these rows were judged before."""
    if n is None:
        return "not counted: there was no state folder to count them in"
    return f"{numbers.count(n)}. Choosing a model by its test result spoils the test." if n else "0"


def _checks(record: Record) -> str:
    """Return how many checks ran, were skipped, crashed."""
    of = {s: sum(r.status == s for r in record.results) for s in ("ok", "skipped", "error")}
    return f"{of['ok']} ran, {of['skipped']} skipped, {of['error']} crashed"
