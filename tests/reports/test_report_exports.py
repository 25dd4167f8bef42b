"""Every export under the validator of its own field, its verdicts against the record, hostile names in all."""

from __future__ import annotations

import csv
import functools
import io
import json
from typing import get_args

import pyarrow.parquet as pq
import pytest
import report_records as records
from google.protobuf import json_format
from huggingface_hub import ModelCard
from lxml import etree
from validators import JUNIT, OUTSIDE, SARIF, cyclonedx, statement

from audit import stats
from audit.config import Formats
from audit.evidence import Findings, Policy
from audit.rendering import RENDER
from reports import concerns

NASTY = {
    "markup": records.HOSTILE,
    "yaml": "---\n- x: &a [*a]\n---",
    "xml": "]]></failure>\x00\x1b\ufffe\uffff & <x y='\"'/>",
    "right to left": "\u202e\u200f\u05d0\u05d1\u2066abc",
    "emoji": "\U0001f3f3\ufe0f\u200d\U0001f308 \U0001f469\U0001f3fd\u200d\U0001f4bb",
    "ten thousand": "n\u00e4me " * 2000,
    "formula": '=HYPERLINK("http://x";"y")',
    "blank": " ",
}
MAKE = {**records.EVERY, **{name: functools.partial(records.hostile, text) for name, text in NASTY.items()}}
MAKE["no area"] = lambda: records.record((), (), "NOT-ESTIMABLE", 3)
MAKE["a thousand classes"] = lambda: thousand()
MAKE["requirements unmet"] = lambda: records.inconclusive(unmet=("fairness.ll144 was not run",)).model_copy(
    update={"verdict": "NOT-ESTIMABLE"}
)


def thousand():
    """A rule on the recall of each of a thousand classes, none of them decided."""
    asked = records.rule("A1", "accuracy.overall.recall", at_least=0.8)
    found = tuple(
        records.measured("recall", f"Recall, class = {i}", stats.rate_of(9 + i % 3, 12), **{"class": f"{i}"})
        for i in range(1000)
    )
    result = records.accuracy().model_copy(update={"findings": Findings(measurements=found)})
    decisions = tuple(records.decide(asked, m, "INCONCLUSIVE") for m in found)
    policy = Policy(name="p", rules=(asked,))
    return records.record((result,), decisions, "INCONCLUSIVE", 3, policy=policy)


@functools.cache
def made(name):
    return MAKE[name]()


@functools.cache
def rendered(name, format_):
    return RENDER[format_][1](made(name))


def sarif(name):
    return json.loads(rendered(name, "sarif"))["runs"][0]


def test_the_configuration_knows_every_format():
    assert set(get_args(Formats)) == set(RENDER)
    assert len({file for file, _ in RENDER.values()}) == len(RENDER)


@pytest.mark.parametrize("format_", sorted(set(RENDER) - {"html"}))
def test_the_same_record_gives_the_same_bytes_from_memory_and_from_disk(format_):
    record = made("failing")
    again = type(record).model_validate_json(record.to_bytes())
    assert RENDER[format_][1](again) == rendered("failing", format_) == RENDER[format_][1](records.failing())


@pytest.mark.parametrize("format_", sorted(set(RENDER) - {"html", "markdown"}))
def test_no_export_is_made_of_a_record_that_contradicts_itself(format_):
    with pytest.raises(ValueError, match="altered or is incomplete"):
        RENDER[format_][1](made("failing").model_copy(update={"verdict": "PASS", "exit_code": 0}))


@pytest.mark.parametrize("name", MAKE)
def test_sarif_is_valid_and_has_a_result_a_decision(name):
    log = json.loads(rendered(name, "sarif"))
    SARIF.validate(log)
    run, record = log["runs"][0], made(name)
    assert len(run["results"]) == len(record.decisions) + len(record.unmet)
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert (result["kind"] == "fail") == (result["level"] != "none")  # SARIF 2.1.0, 3.27.10


@pytest.mark.parametrize("format_", OUTSIDE)
def test_a_good_file_is_accepted_and_a_broken_one_refused(format_):
    good = rendered("failing", format_)
    OUTSIDE[format_].check(good)
    bad = OUTSIDE[format_].broken(good)
    assert bad != good
    with pytest.raises(OUTSIDE[format_].refusal):
        OUTSIDE[format_].check(bad)


def test_a_broken_sarif_log_is_refused():
    log = json.loads(rendered("failing", "sarif"))
    log["runs"][0]["results"][0]["kind"] = "maybe"
    assert not SARIF.is_valid(log)


def test_sarif_kinds_levels_and_places_follow_the_decisions():
    places = {"A1": "configs/my audit.yaml:27"}
    record = made("failing")
    placed = record.model_copy(update={"volatile": record.volatile.model_copy(update={"places": places})})
    results = json.loads(RENDER["sarif"][1](placed))["runs"][0]["results"]
    found = {r["ruleId"]: (r["kind"], r["level"]) for r in results}
    assert found == {"A1": ("pass", "none"), "F1": ("fail", "error"), "F3": ("review", "none"),
                     "R1": ("open", "none"), "C1": ("pass", "none"), "E1": ("open", "none")}  # fmt: skip
    first = results[0]["locations"][0]["physicalLocation"]
    assert first == {"artifactLocation": {"uri": "configs/my%20audit.yaml"}, "region": {"startLine": 27}}
    assert results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "evidence.json"
    assert (
        "selected 0.418 times as often as rows with sex = Male [0.384, 0.455]"
        in results[1]["message"]["text"]
    )


def test_sarif_says_what_crashed_and_what_was_waived():
    lost = sarif("empty_policy")["invocations"][0]
    assert not lost["executionSuccessful"] and lost["exitCode"] == 3
    assert [n["level"] for n in lost["toolExecutionNotifications"]] == ["error", "note", "error"]
    waived = [r for r in sarif("waived")["results"] if "suppressions" in r]
    assert [r["ruleId"] for r in waived] == ["F1"] and waived[0]["kind"] == "fail"
    assert "A. Person" in waived[0]["suppressions"][0]["justification"]


@pytest.mark.parametrize("name", MAKE)
def test_junit_is_valid_and_its_counts_are_those_of_its_cases(name):
    root = etree.fromstring(rendered(name, "junit"))
    JUNIT.assertValid(root)
    for suite in root:
        assert int(suite.get("tests")) == len(suite) > 0
        for count, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
            assert int(suite.get(count)) == len(suite.findall(f"testcase/{tag}"))
    fails = sum(d.verdict == "FAIL" for d in made(name).decisions)
    assert int(root.get("failures")) == len(root.findall(".//failure")) == fails


def test_a_broken_junit_file_is_refused():
    root = etree.fromstring(rendered("failing", "junit"))
    del root[0].attrib["tests"]
    assert not JUNIT.validate(root)


def test_junit_tells_failure_error_and_skipped_apart():
    root = etree.fromstring(rendered("failing", "junit"))
    how = {case.get("name").split()[0]: [e.tag for e in case] for case in root.iter("testcase")}
    assert (
        how["F1"] == ["failure"] and how["F3"] == ["skipped"] and how["R1"] == ["skipped"] and how["A1"] == []
    )
    lost = etree.fromstring(rendered("empty_policy", "junit"))
    assert [e.tag for case in lost.iter("testcase") for e in case] == ["error", "skipped", "skipped"]
    record = made("failing")
    crashed = tuple(
        r.model_copy(update={"status": "error", "reason": "boom"}) if r.check == "fairness.groups" else r
        for r in record.results
    )
    again = etree.fromstring(RENDER["junit"][1](record.model_copy(update={"results": crashed})))
    (f3,) = [case for case in again.iter("testcase") if case.get("name").startswith("F3")]
    assert [e.tag for e in f3] == ["error"]


@pytest.mark.parametrize("name", MAKE)
def test_the_model_card_is_read_by_its_hub_library(name):
    card = ModelCard(rendered(name, "model_card").decode())
    results, record = card.data.eval_results or [], made(name)
    values = {r.metric_value for r in results}
    assert values >= {
        d.estimate.value for d in record.decisions if d.estimate and d.estimate.value is not None
    }
    assert f"**{record.verdict}**" in card.text
    assert "<script" not in card.text.replace("\\<", "") and "\u202e" not in str(card.content)


def test_the_model_card_carries_interval_n_and_method_of_each_metric():
    results = ModelCard(rendered("passing", "model_card").decode()).data.eval_results
    (accuracy,) = [r for r in results if r.metric_type == "accuracy"]
    (estimate,) = [d.estimate for d in made("passing").decisions if d.rule.id == "A1"]
    assert accuracy.metric_args["low"] == estimate.low and accuracy.metric_args["high"] == estimate.high
    assert accuracy.metric_args["n"] == estimate.n and accuracy.metric_args["method"] == estimate.method
    assert accuracy.task_type == "tabular-classification" and accuracy.dataset_split == "test"


def test_a_broken_model_index_is_refused():
    text = rendered("passing", "model_card").decode().replace("dataset:", "datum:", 1)
    with pytest.raises(ValueError):
        ModelCard(text)


@pytest.mark.parametrize("name", MAKE)
def test_cyclonedx_is_valid_and_holds_model_data_and_digests(name):
    text = rendered(name, "cyclonedx").decode()
    cyclonedx(text.encode())
    bill = json.loads(text)
    model, data = bill["metadata"]["component"], bill["components"][0]
    assert model["type"] == "machine-learning-model" and data["type"] == "data"
    assert model["hashes"][0]["content"] == made(name).facts.model.sha256
    assert data["hashes"][0]["content"] == made(name).facts.data.sha256
    assert data["licenses"] == [{"license": {"name": "CC BY 4.0"}}]


def test_a_broken_bill_is_refused():
    bill = json.loads(rendered("passing", "cyclonedx"))
    bill["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] = 1
    with pytest.raises(ValueError):
        cyclonedx(json.dumps(bill).encode())


def test_the_bills_metrics_carry_their_intervals_and_its_serial_follows_the_record():
    bill = json.loads(rendered("failing", "cyclonedx"))
    card = bill["metadata"]["component"]["modelCard"]
    found = {m["type"]: m for m in card["quantitativeAnalysis"]["performanceMetrics"] if "slice" in m}
    (ratio,) = [d.estimate for d in made("failing").decisions if d.rule.id == "F1"]
    metric = found["fairness.groups.impact_ratio"]
    assert float(metric["value"]) == ratio.value
    assert float(metric["confidenceInterval"]["lowerBound"]) == ratio.low
    assert any("can’t be computed" in one["harms"] for one in card["considerations"]["fairnessAssessments"])
    assert json.loads(rendered("passing", "cyclonedx"))["serialNumber"] != bill["serialNumber"]


RESULTS = {
    "passing": "PASSED",
    "failing": "FAILED",
    "inconclusive": "FAILED",
    "quick": "FAILED",
    "waived": "FAILED",
}


@pytest.mark.parametrize("name", MAKE)
def test_the_statement_is_valid_and_only_a_pass_is_passed(name):
    predicate, record = statement(rendered(name, "intoto")), made(name)
    assert predicate.result == RESULTS.get(name, "PASSED" if record.verdict == "PASS" else "FAILED")
    sizes = len(predicate.passed_tests), len(predicate.warned_tests) + len(predicate.failed_tests)
    passes = sum(d.verdict == "PASS" for d in record.decisions)
    doubts = len(concerns.lines(record))
    assert sizes == (passes, len(record.decisions) - passes + len(record.unmet) + doubts)


def test_exit_code_0_by_waivers_is_a_warning():
    base = made("waived")
    waiver = next(d.waiver for d in base.decisions if d.waiver)
    decisions = tuple(
        d if d.verdict == "PASS" else d.model_copy(update={"waiver": waiver}) for d in base.decisions
    )
    record = base.model_copy(update={"exit_code": 0, "decisions": decisions})
    predicate = statement(RENDER["intoto"][1](record))
    assert predicate.result == "WARNED"
    assert any(test.startswith("F1") for test in predicate.warned_tests)


def test_a_broken_statement_is_refused():
    value = json.loads(rendered("passing", "intoto"))
    with pytest.raises(ValueError, match="digest"):
        statement(json.dumps({**value, "subject": [{"name": "x"}]}))
    with pytest.raises(json_format.ParseError):
        statement(json.dumps({**value, "predicate": {**value["predicate"], "passed": True}}))


def test_the_statements_subjects_are_the_digests_of_the_record():
    record = made("passing")
    found = {s["name"]: s["digest"]["sha256"] for s in json.loads(rendered("passing", "intoto"))["subject"]}
    assert found["jax-audit:record"] == record.digest
    assert found["jax-audit:model"] == record.facts.model.sha256
    assert found["jax-audit:data file"] == record.facts.data.sha256


@pytest.mark.parametrize("name", MAKE)
def test_the_measurements_are_all_there_and_read_back_exactly(name):
    record = made(name)
    rows = list(csv.DictReader(io.StringIO(rendered(name, "csv").decode(), newline="")))
    table = pq.read_table(io.BytesIO(rendered(name, "parquet"))).to_pylist()
    every = [m for r in record.results for m in r.findings.measurements]
    lost = [r for r in record.results if r.status != "ok"]
    assert len(rows) == len(table) == len(every) + len(lost)
    for column in ("value", "low", "high"):
        kept = [float(row[column]) for row in rows if row["measure"] and row[column]]
        known = [getattr(m.estimate, column) for m in every]
        assert kept == [x for x in known if x is not None]
        assert [row[column] for row in table if row["measure"]] == known
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@", "+"))]


def test_a_measurement_carries_the_worst_verdict_of_its_rules():
    rows = list(csv.DictReader(io.StringIO(rendered("failing", "csv").decode())))
    (ratio,) = [row for row in rows if row["measure"] == "impact_ratio"]
    assert (ratio["rules"], ratio["severity"], ratio["verdict"]) == ("F1", "blocking", "FAIL")
    assert json.loads(ratio["where"]) == {"attribute": "sex"}


@pytest.mark.parametrize("name", MAKE)
def test_the_markdown_summary_fits_a_merge_requests_comment(name):
    text = rendered(name, "markdown").decode()
    assert len(text) < 65_536
    assert text.startswith(f"# {made(name).verdict}: ")


def test_a_long_markdown_table_is_cut_and_counted():
    record = made("passing")
    first = record.decisions[0]
    many = record.model_copy(update={"decisions": (first,) * 250})
    text = RENDER["markdown"][1](many).decode()
    assert text.count("\n| PASS |") == 100
    assert "And 150 requirements more, in the record: 150 pass." in text
