"""fairness.auc against scikit-learn, shared clusters by hand, and how often equal groups fail."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit import gate, stats
from audit.checks.fairness_auc import AucOptions, fairness_auc
from audit.errors import ConfigError
from audit.evidence import CheckResult, Policy, Rule
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject, observe

CONTEXT = Context(key=None, seed=0)


def _scored(y, score, groups, favourable=1, cluster=None) -> Subject:
    y = np.asarray(y, np.int32)
    test = Split(
        x=np.zeros((len(y), 1), np.float32),
        y=y,
        id=np.arange(len(y)).astype(str),
        groups={name: np.asarray(values) for name, values in groups.items()},
        cluster=cluster,
    )
    data = Dataset("d", "binary", "table", {"test": test}, classes=("no", "yes"), favourable=favourable)
    scores = {"test": np.asarray(score, float)[:, None]}
    return observe(Model("scores", None, outputs="probabilities", scores=scores), data)


def _auc_of(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def _world(rng, groups, rows, shift=1.0):
    """Groups of equal AUC whose scores lie anywhere and whose share of favourable rows differs."""
    sizes = np.linspace(rows, 3 * rows, groups).astype(int)
    code = np.repeat(np.arange(groups), sizes)
    y = rng.random(len(code)) < np.linspace(0.2, 0.6, groups)[code]
    score = 1 / (1 + np.exp(-(shift * y + rng.normal(size=len(code)) + code / groups)))
    return _scored(y, score, {"g": np.char.add("g", code.astype(str))})


def test_every_auc_is_scikit_learns_and_the_gap_theirs(table_subject):
    found, test = fairness_auc(table_subject, AucOptions(), CONTEXT), table_subject.data.test
    score, good = table_subject.probabilities()[:, 0], test.y == 0
    keys = {name: values for name, values in test.groups.items()}
    keys["sex x age"] = np.array([f"{a} x {b}" for a, b in zip(keys["sex"], keys["age"], strict=True)])
    for attribute, group in keys.items():
        crossed = "crossed_" if " x " in attribute else ""
        areas = {}
        for name in np.unique(group):
            rows = group == name
            areas[name] = roc_auc_score(good[rows], score[rows])
            ours = _auc_of(found, f"{crossed}auc", attribute=attribute, group=str(name))
            assert ours.value == pytest.approx(areas[name], abs=1e-12)
            assert ours.n == rows.sum()
            assert ours.low < ours.value < ours.high or ours.value == 1
        gap = _auc_of(found, f"{crossed}auc_difference", attribute=attribute)
        assert gap.value == pytest.approx(max(areas.values()) - min(areas.values()), abs=1e-12)
        assert gap.low <= gap.value <= gap.high
        worst = _auc_of(found, f"{crossed}auc_minimum", attribute=attribute)
        assert worst.value == pytest.approx(min(areas.values()), abs=1e-12)
    (table,) = found.tables
    assert sum(row[2] + row[3] for row in table.rows if row[0] == "sex") == len(test)


def test_the_other_favourable_class_gives_the_same_auc():
    rng = np.random.default_rng(0)
    y, score, sex = rng.integers(0, 2, 80), rng.random(80), rng.choice(["f", "m"], 80)
    one, other = (
        _auc_of(fairness_auc(_scored(y, score, {"sex": sex}, favourable), AucOptions(), CONTEXT),
                "auc_difference", attribute="sex")
        for favourable in (0, 1)
    )  # fmt: skip
    assert one.value == pytest.approx(other.value, abs=1e-12)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


def test_a_group_without_an_outcome_has_no_auc_and_leaves_no_gap():
    y = np.array([1, 1, 1, 0, 1, 0, 1, 0])
    found = fairness_auc(_scored(y, np.linspace(0.1, 0.8, 8), {"g": list("aaabbbbb")}), AucOptions(), CONTEXT)
    assert _auc_of(found, "auc", attribute="g", group="a").value is None
    gap = _auc_of(found, "auc_difference", attribute="g")
    assert gap.value is None
    assert gap.reason == "no AUC in g = a: a class lies in 0 rows, where two are the fewest"


def test_small_groups_are_left_out_and_named():
    rng = np.random.default_rng(1)
    code = np.r_[np.repeat(["a", "b"], 40), ["c"] * 5]
    subject = _scored(rng.integers(0, 2, 85), rng.random(85), {"g": code})
    found = fairness_auc(subject, AucOptions(minimum_rows=6), CONTEXT)
    assert _auc_of(found, "auc_difference", attribute="g").statistic.groups == ("a", "b")
    assert "Not compared: g = c, with 5 rows under minimum_rows=6." in found.not_measured
    with pytest.raises(ConfigError, match="attributes='h'"):
        fairness_auc(subject, AucOptions(attributes=("h",)), CONTEXT)


def test_people_in_two_groups_widen_the_gap_as_their_covariance_says():
    rng = np.random.default_rng(2)
    people, half = np.repeat(np.arange(60), 4), np.tile(["am", "am", "pm", "pm"], 60)
    y = (people + np.tile([0, 1, 0, 1], 60)) % 2
    person = np.repeat(rng.normal(size=60), 4) * np.where(half == "am", 1, -1)
    score = 1 / (1 + np.exp(-(y + rng.normal(size=240) + person * (2 * y - 1))))
    one = _scored(y, score, {"day": half}, cluster=people)
    gap = _auc_of(fairness_auc(one, AucOptions(), CONTEXT), "auc_difference", attribute="day")
    apart = {
        h: stats.auc_influence(score[half == h], y[half == h], cluster=people[half == h])[1]
        for h in ("am", "pm")
    }
    alone, both = (sum(float(i @ i) for i in apart.values()), float(((apart["am"] - apart["pm"]) ** 2).sum()))
    assert both > 1.2 * alone  # a person's two halves move against each other
    worth = [
        stats.counts_of(stats.auc(score[half == h], y[half == h], cluster=people[half == h]), both / alone)
        for h in ("am", "pm")
    ]
    assert gap.statistic.n == pytest.approx([n for _, n in worth], rel=1e-9)


def test_no_number_of_rows_is_made_of_pairs():
    rule = Rule(id="A", measure="fairness.auc.auc_difference", at_most=0.05, because="Test.")
    found = fairness_auc(_world(np.random.default_rng(5), 2, 60), AucOptions(), CONTEXT)
    result = CheckResult(check="fairness.auc", area="fairness", title="t", status="ok", findings=found)
    (decision,), _, _ = gate.judge([result], Policy(name="p", rules=(rule,)), on=dt.date(2026, 1, 1))
    assert decision.verdict == "INCONCLUSIVE"
    assert decision.rows_needed > decision.estimate.n
    assert decision.rows_by_group == {}


@pytest.mark.slow
@pytest.mark.parametrize("groups", [2, 10, 40])
@pytest.mark.parametrize("rows", [30, 300])
@pytest.mark.parametrize("shift", [0.5, 2.5])
def test_groups_of_equal_auc_rarely_fail(groups, rows, shift):
    rng = np.random.default_rng(groups + rows)
    options, failed = AucOptions(intersections="none"), 0
    for _ in range(200):
        found = fairness_auc(_world(rng, groups, rows, shift), options, CONTEXT)
        gap = _auc_of(
            found, "auc_difference", attribute="g"
        )  # without a value where a group lacks an outcome
        failed += gap.value is not None and stats.p_fail(gap.statistic, 1e-9, at_most=True) <= 0.05
    assert failed <= 0.05 * 200 + 6  # two standard errors of 5 %


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "shift"), [(40, 1.0), (40, 2.5), (1000, 1.0), (1000, 2.5)])
def test_limits_of_the_auc_gap_hold_as_often_as_they_say(rows, shift):
    rng, wrong = np.random.default_rng(8), np.zeros(2)
    apart = shift, shift + 0.5
    truth = np.diff([0.5 * (1 + math.erf(s / 2)) for s in apart])[0]
    for _ in range(600):
        y, code = rng.random(2 * rows) < 0.4, np.repeat([0, 1], rows)
        score = 1 / (1 + np.exp(-(np.take(apart, code) * y + rng.normal(size=2 * rows))))
        found = fairness_auc(_scored(y, score, {"g": np.take(["a", "b"], code)}), AucOptions(), CONTEXT)
        statistic = _auc_of(found, "auc_difference", attribute="g").statistic
        wrong += [stats.low_bound(statistic, 0.05) > truth, stats.high_bound(statistic, 0.05) < truth]
    assert (wrong / 600).max() <= 0.07
