"""What every check promises, whichever checks there are: the registry is asked, none is named here."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace

import jax
import numpy as np
import pytest

from audit import stats
from audit.errors import AuditError
from audit.evidence import Artifact, Findings
from audit.registry import Check, Context, checks
from audit.subject import Subject

CHECKS = checks()
SUBJECTS = ("table_subject", "image_subject", "regression_subject", "ranking_subject", "text_subject")
SUBJECTS += ("multilabel_subject",)
CHEAP = ("accuracy", "fairness", "calibration")
TABLE_COLUMNS = {
    "groups": ("attribute", "group", "metric", "k", "n", "value", "low", "high"),
    "curve": ("series", "x", "value", "low", "high", "n"),
    "reliability": ("lower", "upper", "confidence", "accuracy", "low", "high", "n"),
    "importance": ("feature", "value", "low", "high"),
    "loss": ("epoch", "train", "validation"),
}
_ran: dict[tuple[str, str], Findings] = {}
_attached: list[bytes] = []


def _attach(name: str, content: bytes, media_type: str, caption: str = "") -> Artifact:
    _attached.append(content)
    digest = hashlib.sha256(content).hexdigest()
    return Artifact(name=name, media_type=media_type, path=f"files/{name}", sha256=digest, caption=caption)


def _run(check: Check, subject: Subject) -> Findings:
    context = Context(key=jax.random.key(3), seed=3, quick=True, attach=_attach)
    return check.function(subject, check.options(), context)


def _fits(check: Check, subject: Subject) -> bool:
    return set(check.needs) <= subject.has and subject.data.task in check.tasks


CASES = [(name, which) for name in CHECKS for which in SUBJECTS]


@pytest.fixture(params=[pytest.param(c, id=" on ".join(c)) for c in CASES])
def case(request) -> tuple[Check, Subject, Findings]:
    name, which = request.param
    check, subject = CHECKS[name], request.getfixturevalue(which)
    if not _fits(check, subject):
        pytest.skip(f"{which} has not all of {', '.join(check.needs)}, or another task")
    if request.param not in _ran:
        _ran[request.param] = _run(check, subject)
    return check, subject, _ran[request.param]


# ---------------------------------------------------------------- declarations


def test_the_promised_checks_are_there():
    assert {check.area for check in CHECKS.values()} >= {
        "accuracy",
        "robustness",
        "fairness",
        "explanation",
        "calibration",
    }


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_says_what_it_does_and_measures(name):
    check = CHECKS[name]
    assert name == check.name
    assert "." in name
    assert check.title
    assert check.says.split("\n")[0].endswith(".")
    assert check.measures
    assert len({measure.name for measure in check.measures}) == len(check.measures)
    for measure in check.measures:
        assert measure.better in ("higher", "lower", "neither")
        assert measure.says[0].isupper()
        assert measure.says.endswith(".")
        assert measure.interval
        assert "." not in measure.name  # a rule reads CHECK.MEASURE


@pytest.mark.parametrize("name", CHECKS)
def test_options_have_defaults_descriptions_and_a_schema(name):
    options = CHECKS[name].options
    for field, info in options.model_fields.items():
        assert info.description, f"{name}: {field} is not described"
        assert not info.is_required(), f"{name}: {field} has no default"
    assert json.loads(json.dumps(options.model_json_schema()))["additionalProperties"] is False
    assert json.loads(options().model_dump_json()) is not None
    assert options.model_config.get("frozen")


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_runs_on_a_test_subject(name, request):
    assert any(_fits(CHECKS[name], request.getfixturevalue(which)) for which in SUBJECTS)


# ---------------------------------------------------------------- findings


def test_the_same_run_finds_the_same(case):
    check, subject, findings = case
    assert _run(check, subject) == findings


def test_measurements_are_declared_distinct_and_plain(case):
    check, _, findings = case
    declared = {measure.name: measure.better for measure in check.measures}
    assert findings.measurements
    for m in findings.measurements:
        assert m.name in declared
        assert m.better == declared[m.name], m.name
        assert m.label
        assert json.loads(json.dumps(m.where, allow_nan=False)) == m.where
    keys = [(m.name, json.dumps(m.where, sort_keys=True)) for m in findings.measurements]
    assert len(keys) == len(set(keys))


def test_estimates_hold_together(case):
    _, subject, findings = case
    for m in findings.measurements:
        e = m.estimate
        assert 0 <= e.n <= len(subject.data.test) + _outside(subject), m.label
        if e.value is None:
            assert e.reason, m.label
            assert e.low is None
            assert e.high is None
            continue
        assert math.isfinite(e.value), m.label
        assert e.method, m.label
        if e.kind == "bounded":
            assert (-math.inf if e.low is None else e.low) <= e.value, m.label
            assert e.value <= (math.inf if e.high is None else e.high), m.label


def _outside(subject: Subject) -> int:
    """Inputs of none of the classes, which a check may judge beside the test rows."""
    return len(subject.data.splits.get("outside", ()))


def test_stored_statistics_give_back_the_value_and_its_interval(case):
    for m in case[2].measurements:
        e = m.estimate
        if e.kind == "bounded" and e.value is not None:
            half = (1 - e.level) / 2
            assert stats.point(e.statistic) == pytest.approx(e.value, rel=1e-9, abs=1e-12), m.label
            for bound, end in ((stats.low_bound, e.low), (stats.high_bound, e.high)):
                if end is not None:
                    assert bound(e.statistic, half) == pytest.approx(end, rel=1e-9, abs=1e-12), m.label


def test_tables_have_the_columns_of_their_kind(case):
    tables = case[2].tables
    assert len({table.name for table in tables}) == len(tables)
    for table in tables:
        names = tuple(column.name for column in table.columns)
        assert len(set(names)) == len(names)
        assert set(TABLE_COLUMNS.get(table.kind, ())) <= set(names), table.name
        if table.kind == "matrix":
            assert [column.kind for column in table.columns][0] == "text"
            assert len(table.rows) == len(names) - 1


def test_what_is_not_measured_is_said_in_sentences(case):
    for note in case[2].not_measured:
        assert note[0].isupper(), note
        assert note.endswith("."), note


def test_no_row_id_leaves_a_check(case):
    _, subject, findings = case
    ids = {str(i) for i in subject.data.test.id}
    assert all(i.startswith("row-test-") for i in ids)
    assert "row-test-" not in findings.model_dump_json()
    assert not any(b"row-test-" in content for content in _attached)


@pytest.mark.parametrize("how", ["shuffled", "sorted by class"])
def test_the_order_of_the_rows_does_not_matter(case, how):
    check, subject, findings = case
    if check.area not in CHEAP and how == "shuffled":
        pytest.skip("attacks and explanations cost seconds: sorted rows alone")
    order = {name: _order(split.y, how) for name, split in subject.data.splits.items()}
    splits = {name: split.take(order[name]) for name, split in subject.data.splits.items()}
    outputs = {name: out[order[name]] for name, out in subject.outputs.items()}
    other = _run(check, Subject(subject.model, replace(subject.data, splits=splits), outputs))
    assert len(other.measurements) == len(findings.measurements)
    for a, b in zip(findings.measurements, other.measurements, strict=True):
        assert (a.name, a.where, a.estimate.n) == (b.name, b.where, b.estimate.n)
        assert _numbers(a) == pytest.approx(_numbers(b), rel=1e-9, abs=1e-12, nan_ok=True), a.label


def _order(y: np.ndarray, how: str) -> np.ndarray:
    """Rows in another order: at random, or sorted by the class, the labels or the number that they have."""
    if how == "shuffled":
        return np.random.default_rng(0).permutation(len(y))
    return np.lexsort(np.reshape(y, (len(y), -1)).T) if len(y) else np.arange(0)


def _numbers(measurement) -> list[float]:
    """Value, low and high, NaN where there is none."""
    e = measurement.estimate
    return [math.nan if number is None else number for number in (e.value, e.low, e.high)]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_handful_of_rows_is_measured_or_refused_in_words(case, rows):
    check, subject, _ = case
    if check.area not in CHEAP:
        pytest.skip("compiles anew: with the slow tests")
    _measure_few(check, subject, rows)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 3])
def test_a_handful_of_examples_is_attacked_and_explained_or_refused_in_words(case, rows):
    check, subject, _ = case
    _measure_few(check, subject, rows)


def _measure_few(check: Check, subject: Subject, rows: int) -> None:
    """Run a check on its first rows: no crash, and no number without rows."""
    few = np.arange(rows)
    splits = {**subject.data.splits, "test": subject.data.test.take(few)}
    outputs = {**subject.outputs, "test": subject.outputs["test"][few]}
    try:
        findings = _run(check, Subject(subject.model, replace(subject.data, splits=splits), outputs))
    except AuditError as refusal:
        assert str(refusal)
        return
    for m in findings.measurements:
        assert m.estimate.n <= rows + _outside(subject)
        assert m.estimate.value is not None or m.estimate.reason
