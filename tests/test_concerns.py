"""Doubts about the subject: each is found where it is there, not where it is not, and bars PASS where it bears."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from audit import concerns, gate, stats
from audit.evidence import CheckResult, Concern, Findings, Measurement, Policy, Rule
from audit.metrics.repeats import copies
from audit.subject import Dataset, DecisionRule, Feature, Model, Split, Subject

N = 400


def subject(outputs, y=None, *, task="binary", kind="logits", x=None, rule="threshold", **more) -> Subject:
    """Return a subject of outputs[n, k] alone."""
    out = np.asarray(outputs, np.float64)
    out = out[:, None] if out.ndim == 1 else out
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, len(out)) if y is None else np.asarray(y)
    x = rng.normal(size=(len(out), 2)).astype(np.float32) if x is None else x
    classes = () if task == "regression" else tuple("abc"[: max(2, out.shape[1])])
    features = tuple(Feature(f"x{i}") for i in range(x.shape[1]))
    rows = Split(x, y, np.arange(len(y)).astype(str))
    data = Dataset("d", task, "table", {"test": rows}, classes=classes, features=features, **more)
    decision = DecisionRule("none" if task == "regression" else rule)
    return Subject(Model("m", None, outputs=kind, decision=decision), data, {"test": out})


def names(of: Subject, **how) -> list[str]:
    return [concern.name for concern in concerns.found(of, **how)]


def logits(n: int = N) -> np.ndarray:
    return np.random.default_rng(1).normal(size=n) * 2


def test_an_ordinary_subject_has_none():
    assert names(subject(logits())) == []
    p = 1 / (1 + np.exp(-logits()))
    assert names(subject(p, kind="probabilities")) == []
    assert names(subject(np.stack([1 - p, p], 1), kind="probabilities", rule="argmax")) == []


def test_logits_that_look_like_probabilities():
    p = 1 / (1 + np.exp(-logits()))
    (one, meaning) = concerns.found(subject(p))
    assert (meaning.name, meaning.touches) == ("outputs_meaning", ("*",))
    assert one.name == "one_decision"  # a probability read as log-odds decides for class 1 always
    assert names(subject(p), trained_here=True) == ["one_decision"]  # its loss says what they are
    (meaning,) = concerns.found(subject(np.stack([1 - p, p], 1), rule="argmax"))
    assert meaning.bears_on("calibration.reliability.calibration_error")
    assert not meaning.bears_on("accuracy.overall.accuracy")  # the largest is the largest either way


def test_one_decision_bars_what_compares_decisions_alone():
    (concern,) = concerns.found(subject(np.abs(logits()) + 2))
    assert concern.name == "one_decision" and "400 test rows are decided to be 'b'" in concern.says
    assert concern.bears_on("fairness.groups.impact_ratio")
    assert concern.bears_on("robustness.pgd.attack_success")
    assert not concern.bears_on("fairness.auc.auc_difference")
    assert not concern.bears_on("accuracy.overall.accuracy")
    almost = np.abs(logits()) + 2
    almost[0] = -1
    assert names(subject(almost)) == []
    flat = subject(np.full(N, 2.5), np.random.default_rng(0).normal(size=N), task="regression", kind="values")
    assert names(flat) == ["one_decision"]


def test_a_target_in_the_place_of_scores():
    y = np.random.default_rng(3).integers(0, 2, N)
    assert names(subject(np.where(y, 3.0, -1.0), y)) == ["copied_target"]
    assert names(subject(np.where(y, 3.0, -1.0)[:40], y[:40])) == []
    off = np.where(y, 3.0, -1.0)
    off[0] *= -1
    assert "copied_target" not in names(subject(off, y))
    amount = np.random.default_rng(3).normal(size=N)
    assert names(subject(amount, amount, task="regression", kind="values")) == ["copied_target"]
    assert names(subject(amount + 0.01, amount, task="regression", kind="values")) == []


def test_repeated_rows_beyond_what_coarse_features_give():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(N, 2)).astype(np.float32)
    y = rng.integers(0, 2, N)
    x[:100], y[:100] = x[100:200], y[100:200]
    assert names(subject(logits(), y, x=x)) == ["repeated_rows"]
    coarse = rng.integers(0, 2, (N, 2)).astype(np.float32)
    assert names(subject(logits(), y, x=coarse)) == []
    clustered = subject(logits(), y, x=x)
    rows = replace(clustered.data.test, cluster=np.r_[np.arange(100), np.arange(100), np.arange(200, N)])
    data = replace(clustered.data, splits={"test": rows})
    assert names(replace(clustered, data=data)) == []


def kinds(n: int, rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """Return honest rows of n whose columns are coarse, depend on each other, or follow from each other."""
    age = rng.integers(20, 60, n)
    grade = np.clip(age // 10 + rng.integers(-1, 2, n), 0, 7)
    y = (rng.random(n) < 0.1 + 0.1 * grade).astype(int)
    fine, blank = rng.normal(size=(n, 3)), rng.random(n) < 0.1
    start, length = rng.integers(0, 24, n), rng.integers(1, 6, n)
    height, weight = rng.normal(170, 8, n).round(), rng.normal(70, 10, n).round()
    marks = rng.integers(0, 10, (n, 3))
    return {
        "fine": [*fine.T, y],
        "coarse and dependent": [age, grade, y],
        "derived": [age, grade, 2 * age, age + grade, y],
        "a blank row in ten": [*np.where(blank[:, None], 0, fine).T, y],
        "profiles": [*rng.normal(size=(60, 3))[rng.integers(0, 60, n)].T, y],
        "an end that follows": [start, length, start + length, y],
        "a quotient": [height, weight, (weight / (height / 100) ** 2).round(1), y],
        "a sum": [*marks.T, marks.sum(axis=1), y],
        "a category as columns": [*(age[:, None] % 10 == np.arange(10)).T, age % 10],
    }


@pytest.mark.parametrize("n", [60, 200, 1000, 5000])
def test_repeats_that_drawing_gives_are_not_held_against_rows(n):
    for seed in range(6):
        for what, columns in kinds(n, np.random.default_rng(seed)).items():
            assert copies(columns) <= max(0.01 * n, 10), (what, seed)


@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_copies_are_counted_about_right(n):
    columns = kinds(n, np.random.default_rng(1))["fine"]
    assert copies([np.tile(c, 2) for c in columns]) == pytest.approx(n, rel=0.1)
    assert copies([np.tile(c, 8) for c in columns]) > 5 * n
    half = n // 2
    assert copies([np.r_[c, c[:half]] for c in columns]) == pytest.approx(half, rel=0.3)
    twins = [np.r_[c, c[:half], c[:20]] for c in columns[:-1]] + [
        np.r_[columns[-1], columns[-1][:half], 1 - columns[-1][:20]]
    ]
    assert copies(twins) == pytest.approx(half, rel=0.3)  # pairs of another label hide nothing
    for what in ("coarse and dependent", "an end that follows", "a blank row in ten"):
        assert copies([np.tile(c, 2) for c in kinds(200, np.random.default_rng(1))[what]]) > 100, what


def test_folds_judge_no_network_that_is_released():
    folded = subject(logits(), folds=np.array([["test"] * N, ["train"] * N]))
    (concern,) = concerns.found(folded)
    assert concern.name == "not_the_released_model" and concern.bears_on("accuracy.overall.auc")
    assert names(folded, procedure=True) == []


RATE = stats.rate(np.ones(200, bool))
RESULT = CheckResult(
    check="fairness.groups", area="fairness", title="t", status="ok",
    findings=Findings(measurements=(Measurement(name="impact_ratio", label="Ratio", estimate=RATE),)),
)  # fmt: skip


def judged(limit: float, *touches: str):
    rule = Rule(id="r", measure="fairness.groups.impact_ratio", at_least=limit, because="b")
    doubt = Concern(name="one_decision", says="all are one", todo="mend it", touches=touches)
    policy = Policy(name="p", rules=(rule,))
    ((decision,), verdict, code) = gate.judge(
        [RESULT], policy, on=dt.date(2026, 1, 1), concerns=[doubt] if touches else []
    )
    return decision, verdict, code


def test_a_concern_bars_pass_where_it_bears():
    assert judged(0.8)[1:] == ("PASS", 0)
    decision, *rest = judged(0.8, "fairness.groups.*")
    assert rest == ["INCONCLUSIVE", 3]
    assert decision.cause == "one_decision" and "all are one" in decision.reason
    assert judged(0.8, "calibration.*")[1:] == ("PASS", 0)


def test_a_concern_undoes_no_fail():
    rate = stats.rate(np.zeros(200, bool))
    result = RESULT.model_copy(
        update={
            "findings": Findings(measurements=(Measurement(name="impact_ratio", label="r", estimate=rate),))
        }
    )
    rule = Rule(id="r", measure="fairness.groups.impact_ratio", at_least=0.8, because="b")
    doubt = Concern(name="c", says="s", todo="t", touches=("*",))
    policy = Policy(name="p", rules=(rule,))
    assert gate.judge([result], policy, on=dt.date(2026, 1, 1), concerns=[doubt])[1:] == ("FAIL", 1)


def lacking(shift: float, n: int = 200) -> Subject:
    """Return a subject with n rows without a target, whose logits lie `shift` higher."""
    known = subject(logits())
    rng = np.random.default_rng(9)
    rows = Split(np.zeros((n, 2), np.float32), np.full(n, -1), np.arange(n).astype(str))
    data = replace(known.data, splits={**known.data.splits, "unlabelled": rows})
    return replace(known, data=data, outputs={**known.outputs, "unlabelled": rng.normal(shift, 2, (n, 1))})


def test_rows_without_a_label_that_are_decided_otherwise():
    (concern,) = concerns.found(lacking(2.0))
    assert concern.name == "missing_labels" and "200 rows lack the target" in concern.says
    assert names(lacking(0.0)) == []
    assert names(lacking(2.0, n=20)) == []


def test_whole_clusters_that_lack_their_labels_are_no_concern():
    """Sites differ; two of forty without labels differ from the rest by chance."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        site = np.repeat(np.arange(40), 50)
        out = (rng.normal(0, 1.5, 40)[site] + rng.normal(0, 1, 2000))[:, None]
        lost = site < 2
        base = subject(out[~lost])
        here = replace(base.data.test, cluster=site[~lost].astype(str))
        there = Split(np.zeros((100, 2), np.float32), np.full(100, -1), np.arange(100).astype(str),
                      cluster=site[lost].astype(str))  # fmt: skip
        data = replace(base.data, splits={"test": here, "unlabelled": there})
        outputs = {"test": out[~lost], "unlabelled": out[lost]}
        found += "missing_labels" in names(replace(base, data=data, outputs=outputs))
    assert found == 0


def test_many_classes_raise_no_alarm_by_their_number():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        base = subject(
            rng.normal(size=(3000, 20)), rng.integers(0, 20, 3000), task="multiclass", rule="argmax"
        )
        data = replace(base.data, classes=tuple(map(str, range(20))))
        rows = Split(np.zeros((60, 2), np.float32), np.full(60, -1), np.arange(60).astype(str))
        data = replace(data, splits={**data.splits, "unlabelled": rows})
        lost = replace(base, data=data, outputs={**base.outputs, "unlabelled": rng.normal(size=(60, 20))})
        assert names(lost) == []


def test_few_copies_are_no_concern_and_copied_images_are():
    rng = np.random.default_rng(2)
    images = rng.random((300, 4, 4, 1)).astype(np.float32)
    images[:120] = images[120:240]
    base = subject(logits(300), rng.integers(0, 2, 300))
    split = replace(base.data.test, x=images)
    copied = replace(base.data, modality="image", features=(), splits={"test": split})
    assert (
        names(replace(base, data=copied)) == ["repeated_rows"] or (split.y[:120] != split.y[120:240]).any()
    )  # a copy has the same label
    split = replace(split, y=np.r_[split.y[120:240], split.y[120:]])
    assert names(replace(base, data=replace(copied, splits={"test": split}))) == ["repeated_rows"]
    x = rng.normal(size=(40, 2)).astype(np.float32)
    small = subject(
        logits(60), rng.integers(0, 2, 60), x=np.r_[x, x[:9], rng.normal(size=(11, 2))].astype(np.float32)
    )
    assert names(small) == []


def test_labels_missing_in_regression():
    base = subject(logits(), np.random.default_rng(0).normal(size=N), task="regression", kind="values")
    rows = Split(np.zeros((100, 2), np.float32), np.full(100, -1), np.arange(100).astype(str))
    data = replace(base.data, splits={**base.data.splits, "unlabelled": rows})
    for shift, expected in ((3.0, ["missing_labels"]), (0.0, [])):
        lost = np.random.default_rng(1).normal(shift, 2, (100, 1))
        assert names(replace(base, data=data, outputs={**base.outputs, "unlabelled": lost})) == expected


def test_labels_missing_within_a_group():
    """Women without a label score low, men high: the whole share is unmoved."""
    base = lacking(0.0, 400)
    sex = np.where(np.arange(400) % 2, "f", "m")
    splits = {name: replace(split, groups={"sex": sex}) for name, split in base.data.splits.items()}
    lost = np.where(sex == "f", -3.0, 3.0)[:, None] + np.random.default_rng(3).normal(size=(400, 1))
    data = replace(base.data, splits=splits)
    (concern,) = concerns.found(replace(base, data=data, outputs={**base.outputs, "unlabelled": lost}))
    assert "among sex" in concern.says


def test_nearly_all_in_0_and_1_is_doubted_too():
    p = np.clip(np.random.default_rng(0).normal(0.5, 0.2, N), -0.05, 1.2)
    assert "outputs_meaning" in names(subject(p))
    assert names(subject(logits() * 0.3)) == []
