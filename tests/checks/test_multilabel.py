"""Several labels a row: scikit-learn's figures, each label as a task of its own, and an audit from CSV to record."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

import audit
from audit.checks.accuracy_multilabel import MultilabelOptions, accuracy_multilabel
from audit.checks.calibration_reliability import ReliabilityOptions, reliability
from audit.checks.fairness_groups import FairnessOptions, fairness_groups
from audit.errors import ConfigError, ModelError
from audit.examine import examine
from audit.subject import DecisionRule, decide, observe
from audit.trials.labels import alone


def _found(subject, **options):
    findings = accuracy_multilabel(subject, MultilabelOptions(**options), None)
    return {(m.name, *sorted(m.where.items())): m.estimate for m in findings.measurements}, findings


def test_figures_are_scikit_learn_s(multilabel_subject):
    s = multilabel_subject
    found, findings = _found(s)
    y, p = s.data.test.y, 1 / (1 + np.exp(-s.outputs["test"].astype(np.float64)))
    given = (p >= 0.5).astype(int)
    expected = {
        ("exact_match",): metrics.accuracy_score(y, given),
        ("hamming_accuracy",): 1 - metrics.hamming_loss(y, given),
        ("macro_f1",): metrics.f1_score(y, given, average="macro"),
        ("micro_f1",): metrics.f1_score(y, given, average="micro"),
        ("macro_auc",): metrics.roc_auc_score(y, p, average="macro"),
        ("log_loss",): np.mean([metrics.log_loss(a, b) for a, b in zip(y.T, p.T, strict=True)]),
    }
    for c, name in enumerate(s.data.classes):
        at = ("label", name)
        expected |= {
            ("label_accuracy", at): metrics.accuracy_score(y[:, c], given[:, c]),
            ("recall", at): metrics.recall_score(y[:, c], given[:, c]),
            ("precision", at): metrics.precision_score(y[:, c], given[:, c]),
            ("f1", at): metrics.f1_score(y[:, c], given[:, c]),
            ("auc", at): metrics.roc_auc_score(y[:, c], p[:, c]),
        }
    assert set(found) == {*expected, ("majority_share",)}
    for key, value in expected.items():
        assert found[key].value == pytest.approx(value, rel=1e-9), key
        assert found[key].low < value < found[key].high and found[key].n <= len(y), key
    train, counts = np.unique(s.data.splits["train"].y, axis=0, return_counts=True)
    assert found["majority_share",].value == (y == train[counts.argmax()]).all(axis=1).mean()
    (table,) = findings.tables
    assert table.rows[0][:4] == ("late", y[:, 0].sum(), given[:, 0].sum(), (y & given)[:, 0].sum())


def test_a_threshold_of_one_s_own_decides_each_label(multilabel_subject):
    model = replace(multilabel_subject.model, decision=DecisionRule("each", 0.8))
    logits = np.array([[np.log(4) + 0.01, np.log(4) - 0.01, -5.0]])
    np.testing.assert_array_equal(decide(logits, model), [[1, 0, 0]])
    np.testing.assert_array_equal(
        decide([[0.8, 0.79, 0.1]], replace(model, outputs="probabilities")), [[1, 0, 0]]
    )
    assert str(model.decision) == "every label whose probability is at least 0.8"


def test_rows_of_a_cluster_count_as_one_and_a_label_without_rows_has_no_recall(multilabel_subject):
    s = multilabel_subject
    tripled = s.data.test.take(np.repeat(np.arange(len(s.data.test)), 3))
    rows = replace(tripled, cluster=np.repeat(s.data.test.id, 3))
    thrice = replace(
        s, data=replace(s.data, splits={"test": rows}), outputs={"test": np.repeat(s.outputs["test"], 3, 0)}
    )
    one, three = _found(s, labels=("paid",))[0], _found(thrice, labels=("paid",))[0]
    for key in (("exact_match",), ("hamming_accuracy",), ("micro_f1",), ("f1", ("label", "paid"))):
        assert three[key].value == pytest.approx(one[key].value)
        assert three[key].high - three[key].low == pytest.approx(one[key].high - one[key].low, rel=0.1), key
    none = replace(s.data.test, y=s.data.test.y * [0, 1, 1])
    found, _ = _found(replace(s, data=replace(s.data, splits={"test": none})))
    for key in (("recall", ("label", "late")), ("auc", ("label", "late")), ("macro_auc",)):
        assert found[key].value is None and found[key].reason, key


def test_a_label_that_is_not_there_is_refused(multilabel_subject):
    with pytest.raises(ConfigError, match="labels='payed'; expected perhaps 'paid'"):
        _found(multilabel_subject, labels=("payed",))


def test_each_label_is_calibrated_as_a_task_of_its_own_and_the_favourable_one_is_fair(
    multilabel_subject, context
):
    s = multilabel_subject
    many = reliability(s, ReliabilityOptions(), context)
    for c, name in enumerate(s.data.classes):
        single = reliability(alone(s, c), ReliabilityOptions(), context)
        own = [m for m in many.measurements if m.where["label"] == name]
        assert [m.estimate for m in own] == [m.estimate for m in single.measurements]
    assert len({t.name for t in many.tables}) == 3
    found = fairness_groups(s, FairnessOptions(), context)
    assert {m.where["label"] for m in found.measurements} == {"paid"}
    rates = {m.where["group"]: m.estimate.value for m in found.measurements
             if m.name == "selection_rate" and m.where.get("attribute") == "sex"}  # fmt: skip
    sex, given = s.data.test.groups["sex"], s.predictions()[:, 1]
    assert rates == {g: given[sex == g].mean() for g in np.unique(sex)}


def test_what_decides_for_one_class_or_is_no_probability_is_refused(multilabel_subject):
    s = multilabel_subject
    with pytest.raises(ModelError, match="a decision for each label"):
        examine(observe(replace(s.model, decision=DecisionRule()), s.data))
    sums = replace(s.model, apply=lambda p, x: 0.9 + 0 * (x @ p["w"]), outputs="probabilities")
    examine(observe(sums, s.data))  # labels' probabilities need not add up to 1
    with pytest.raises(ModelError, match="apply a sigmoid"):
        examine(observe(replace(s.model, outputs="probabilities"), s.data))


def test_several_0_1_columns_go_from_csv_to_the_record(tmp_path):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 2))
    y = (x[:, [0, 1, 0]] * [3, -3, -2] + rng.logistic(size=(400, 3)) > 0).astype(int)
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "sex": rng.choice(["f", "m"], 400)})
    for c, name in enumerate(("late", "paid", "called")):
        frame[name] = y[:, c]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    columns = {
        "target": "late, paid, called",
        "favourable": "paid",
        "numeric": ["a", "b"],
        "sensitive": ["sex"],
    }
    checks = (
        "accuracy.multilabel",
        "calibration.reliability",
        "fairness.groups",
        "accuracy.overall",
        "robustness.pgd",
    )
    rule = {"measure": "accuracy.multilabel.label_accuracy", "where": {"label": "paid"}}
    config = {
        "name": "letters",
        "data": {"source": "table", "task": "multilabel", "path": str(tmp_path / "rows.csv"), "columns": columns,
                 "split": {"test": 0.5}},
        "model": {"network": "mlp", "options": {"hidden": [8], "bins": 0},
                  "train": {"epochs": 20, "batch": 32, "learning_rate": 0.03}},
        "checks": {name: {} for name in checks},
        "policy": {"name": "p", "rules": [{"id": "A", **rule, "at_least": 0.6, "because": "x"}]},
    }  # fmt: skip
    record = audit.run(config, out=tmp_path / "runs", reuse=False)
    assert [r.status for r in record.results] == ["ok", "ok", "ok", "skipped", "skipped"]
    assert "this one is multilabel" in record.results[3].reason
    (decision,) = record.decisions
    assert record.verdict == decision.verdict == "PASS" and decision.estimate.value > 0.75
    assert record.facts.model.decision == "every label whose probability is at least 0.5"
    (page,) = (tmp_path / "runs").glob("*/report.html")
    assert "Mean over rows of the share of labels right" in page.read_text()
    with pytest.raises(ConfigError, match="decision.rule=argmax for a multilabel task"):
        audit.run({**config, "decision": {"rule": "argmax"}}, out=tmp_path / "runs")
