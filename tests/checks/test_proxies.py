"""fairness.proxies: a planted proxy is found, its score leaks; without one nothing is."""

import datetime as dt
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit import gate
from audit.checks.fairness_proxies import ProxyOptions, fairness_proxies
from audit.errors import ConfigError
from audit.evidence import CheckResult, Policy, Rule
from audit.subject import Dataset, Feature, Model, Split, Subject, observe

NAMES = ("skill", "hobby", "noise", "sex")


def _rows(n, seed):
    """Sex, a feature that nearly gives it away, one that does not; the label depends on skill alone."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    skill, hobby, noise = rng.normal(size=n), sex + 0.4 * rng.normal(size=n), rng.normal(size=n)
    y = (skill + rng.normal(size=n) > 0).astype(np.int32)
    x = np.stack([skill, hobby, noise, sex], axis=1).astype(np.float32)
    ids = np.array([f"{seed}-{i}" for i in range(n)])
    return Split(x, y, ids, {"sex": np.where(sex == 1, "f", "m")})


def _logits(params, x):
    return (x @ params)[:, None]


def _subject(weights, n=1500):
    data = Dataset(
        name="people",
        task="binary",
        modality="table",
        splits={"train": _rows(800, 0), "test": _rows(n, 1)},
        classes=("no", "yes"),
        favourable=1,
        features=tuple(Feature(name) for name in NAMES),
    )
    return observe(Model("score", _logits, jnp.asarray(weights, jnp.float32), outputs="logits"), data)


def _found(subject, context, **options):
    findings = fairness_proxies(subject, ProxyOptions(**options), context)
    return {(m.name, *m.where.values()): m.estimate for m in findings.measurements}, findings


def _verdicts(findings, measure, limit):
    result = CheckResult(check="fairness.proxies", area="fairness", title="x", status="ok", findings=findings)
    rule = Rule(id="R", measure=f"fairness.proxies.{measure}", at_most=limit, because="a test")
    decisions, _, _ = gate.judge([result], Policy(name="p", rules=(rule,)), on=dt.date(2030, 1, 1))
    return {d.verdict for d in decisions}, decisions


def test_a_model_that_uses_a_proxy_alone_is_caught(context):
    found, findings = _found(_subject([0, 1, 0, 0]), context)
    assert found["proxy_auc", "sex", "f"].low > 0.9 and found["balanced_accuracy", "sex"].low > 0.8
    assert [row[1] for row in findings.tables[0].rows][0] == "hobby"
    assert found["feature_auc", "sex", "hobby"].low > 0.9
    for feature in ("skill", "noise"):
        alone = found["feature_auc", "sex", feature]
        assert alone.low < 0.5 < alone.high
    assert found["score_leak", "sex", "yes"].low > 0.9
    assert _verdicts(findings, "score_leak", 0.6)[0] == {"FAIL"}
    assert ("feature_auc", "sex", "sex") not in found  # its own column gives nothing away


def test_a_model_of_independent_features_leaks_nothing(context):
    _, findings = _found(_subject([1, 0, 0.2, 0]), context)
    verdicts, decisions = _verdicts(findings, "score_leak", 0.6)
    assert verdicts == {"PASS"} and len(decisions) == 2


def test_the_leak_counts_the_attributes_own_column_and_is_scikit_learns_auc(context):
    subject = _subject([1, 0, 0, 0.7])
    found, _ = _found(subject, context)
    test = subject.data.test
    for c, name in enumerate(subject.data.classes):
        rows = test.y == c
        area = roc_auc_score(test.groups["sex"][rows] == "f", subject.outputs["test"][rows, 0])
        leak = found["score_leak", "sex", name]
        assert leak.value == pytest.approx(max(area, 1 - area), abs=1e-9) and leak.n == rows.sum()
        assert leak.low <= area <= leak.high


def test_without_a_proxy_no_group_is_recognised(context):
    subject = _subject([1, 0, 0, 0])
    splits = {}
    for name, split in subject.data.splits.items():
        x = split.x.copy()
        x[:, 1] = np.random.default_rng(len(split)).normal(size=len(split))
        splits[name] = replace(split, x=x)
    found, _ = _found(observe(subject.model, replace(subject.data, splits=splits)), context)
    area, right = found["proxy_auc", "sex", "f"], found["balanced_accuracy", "sex"]
    assert area.low < 0.5 < area.high and right.low < 0.5 < right.high
    assert area.side == "at least" and "better one may find more" in area.note


def test_a_pass_of_a_recogniser_says_how_far_it_searched(context):
    subject = _subject([1, 0, 0, 0])
    _, decisions = _verdicts(_found(subject, context)[1], "feature_auc", 0.999)
    assert any("as far as was searched" in d.reason for d in decisions if d.verdict == "PASS")


def test_rows_are_drawn_by_their_ids(context):
    subject = _subject([0, 1, 0, 0], n=400)
    order = np.random.default_rng(5).permutation(400)
    data = replace(subject.data, splits={**subject.data.splits, "test": subject.data.test.take(order)})
    other = Subject(subject.model, data, {"test": subject.outputs["test"][order]})
    first, second = (_found(s, context, rows=150)[0] for s in (subject, other))
    assert first["proxy_auc", "sex", "f"].n == 150
    for key, estimate in first.items():
        assert estimate.value == pytest.approx(second[key].value, rel=1e-9), key


def test_rows_of_one_person_widen_what_is_recognised(context):
    subject = _subject([0, 1, 0, 0], n=400)
    test = replace(subject.data.test, cluster=np.arange(400) // 20)
    clustered = Subject(
        subject.model, replace(subject.data, splits={**subject.data.splits, "test": test}), subject.outputs
    )
    plain, wide = (_found(s, context)[0]["balanced_accuracy", "sex"] for s in (subject, clustered))
    assert wide.value == pytest.approx(plain.value) and wide.n == plain.n


def test_what_cannot_be_recognised_is_a_reason(context):
    subject = _subject([0, 0, 0, 1])
    only = replace(subject.data, features=(Feature("sex"),))
    found, _ = _found(Subject(subject.model, only, subject.outputs), context)
    assert "no other features" in found["balanced_accuracy", "sex"].reason
    assert found["score_leak", "sex", "yes"].value == 1.0
    empty = {"test": subject.data.test}
    found, _ = _found(Subject(subject.model, replace(subject.data, splits=empty), subject.outputs), context)
    assert "no training rows" in found["balanced_accuracy", "sex"].reason
    with pytest.raises(ConfigError, match="perhaps 'sex'"):
        _found(subject, context, attributes=("sexx",))
