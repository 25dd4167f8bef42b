"""fairness.groups against fairlearn on the rows, naive loops, published rates, and at its edges."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sklearn
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import gate, stats
from audit.checks import fairness_groups as module
from audit.checks.fairness_groups import FairnessOptions, fairness_groups
from audit.errors import ConfigError
from audit.evidence import CheckResult, Policy, Rule
from audit.metrics.group_rates import KIND_NAMES, RATES
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject, observe

CONTEXT = Context(key=None, seed=0)


def _subject(y, predicted, groups, *, classes=("no", "yes"), favourable=1, **split) -> Subject:
    y = np.asarray(y, np.int32)
    test = Split(
        x=np.zeros((len(y), 1), np.float32),
        y=y,
        id=np.arange(len(y)).astype(str),
        groups={name: np.asarray(values) for name, values in groups.items()},
        **split,
    )
    task = "binary" if len(classes) == 2 else "multiclass"
    data = Dataset("d", task, "table", {"test": test}, classes=classes, favourable=favourable)
    scores = {"test": np.eye(len(classes))[np.asarray(predicted)]}
    return observe(Model("scores", None, outputs="probabilities", scores=scores), data)


def _found(subject, **options):
    return fairness_groups(subject, FairnessOptions(**options), CONTEXT)


def _estimate(findings, name, attribute, group=None):
    where = {"attribute": attribute} | ({} if group is None else {"group": group})
    name = f"crossed_{name}" if " x " in attribute else name
    (measurement,) = [m for m in findings.measurements if m.name == name and m.where == where]
    return measurement.estimate


def _frame(subject, features):
    wanted = (subject.data.test.y == subject.data.favourable).astype(int)
    selected = (subject.predictions() == subject.data.favourable).astype(int)
    metrics = {
        "selection_rate": fairlearn.selection_rate,
        "true_positive_rate": fairlearn.true_positive_rate,
        "false_positive_rate": fairlearn.false_positive_rate,
        "positive_predictive_value": sklearn.precision_score,
        "accuracy": sklearn.accuracy_score,
    }
    return fairlearn.MetricFrame(metrics=metrics, y_true=wanted, y_pred=selected, sensitive_features=features)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("axes", [("sex",), ("age",), ("sex", "age")])
def test_rates_and_gaps_are_those_of_fairlearn_on_the_rows(table_subject, axes):
    groups = table_subject.data.test.groups
    keys = [" x ".join(values) for values in zip(*(groups[axis] for axis in axes), strict=True)]
    frame, findings, attribute = _frame(table_subject, keys), _found(table_subject), " x ".join(axes)
    for name in frame.by_group.columns:
        for group, value in frame.by_group[name].items():
            assert _estimate(findings, name, attribute, group).value == pytest.approx(value, abs=1e-12)
        if name != "accuracy":
            gap = _estimate(findings, f"{name}_difference", attribute)
            assert gap.value == pytest.approx(frame.difference()[name], abs=1e-12)
    ratio = _estimate(findings, "impact_ratio", attribute)
    assert ratio.value == pytest.approx(frame.ratio()["selection_rate"], abs=1e-12)
    worst = _estimate(findings, "accuracy_minimum", attribute)
    assert worst.value == pytest.approx(frame.group_min()["accuracy"], abs=1e-12)
    odds = _estimate(findings, "equalized_odds_difference", attribute)
    gaps = frame.difference()[["true_positive_rate", "false_positive_rate"]]
    assert odds.value == pytest.approx(gaps.max(), abs=1e-12)
    assert odds.kind == "descriptive"


def test_compas_rates_are_the_published_ones(data_root):
    rows = pd.read_csv(
        data_root / "compas" / "compas-scores-two-years.csv.gz", keep_default_na=False, low_memory=False
    )
    high = (rows["score_text"] != "Low").astype(int)
    subject = _subject(
        rows["two_year_recid"].astype(int),
        high,
        {"race": rows["race"].to_numpy(str)},
        classes=("no new offence", "new offence"),
        favourable=0,
    )
    findings = _found(subject)
    # ProPublica, Compas Analysis.ipynb: false positive rates 44.85 % and 23.45 %, false negative rates 27.99 %
    # and 47.72 %, of the event "new offence"; here the event is its opposite, the favourable one.
    for race, false_positive, false_negative in (
        ("African-American", 0.4485, 0.2799),
        ("Caucasian", 0.2345, 0.4772),
    ):
        assert 1 - _estimate(findings, "true_positive_rate", "race", race).value == pytest.approx(
            false_positive, abs=5e-5
        )
        assert _estimate(findings, "false_positive_rate", "race", race).value == pytest.approx(
            false_negative, abs=5e-5
        )


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from("ab"), st.sampled_from("uvw")),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, 2),
)
def test_rates_are_the_naive_counts_whatever_the_rows(rows, favourable):
    y, predicted, one, two = zip(*rows, strict=True)
    classes = ("red", "green", "blue")
    subject = _subject(y, predicted, {"one": one, "two": two}, classes=classes, favourable=favourable)
    table = next(t for t in _found(subject).tables if t.name == "groups")
    for attribute, group, metric, k, n, value, low, high in table.rows:
        members = [
            (t == favourable, p == favourable, t == p)
            for t, p, a, b in rows
            if {"one": a, "two": b, "one x two": f"{a} x {b}"}[attribute] == group
        ]
        asked = {
            "selection_rate": [s for w, s, c in members],
            "true_positive_rate": [s for w, s, c in members if w],
            "false_positive_rate": [s for w, s, c in members if not w],
            "positive_predictive_value": [w for w, s, c in members if s],
            "false_omission_rate": [w for w, s, c in members if not s],
            "accuracy": [c for w, s, c in members],
        }[metric]
        assert (k, n) == (sum(asked), len(asked))
        if n == 0:
            assert value is None
        else:
            assert low <= value <= high
            assert value == pytest.approx(k / n)


# ---------------------------------------------------------------- edges


def test_a_group_without_positives_has_no_true_positive_rate_where_fairlearn_says_zero():
    y, predicted, sex = [0, 0, 0, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0, 0, 1], list("aaaabbbb")
    findings = _found(_subject(y, predicted, {"sex": sex}))
    rate = _estimate(findings, "true_positive_rate", "sex", "a")
    assert rate.value is None
    assert "denominator is empty" in rate.reason
    assert fairlearn.true_positive_rate([0] * 4, [0, 1, 0, 0]) == 0.0
    gap = _estimate(findings, "true_positive_rate_difference", "sex")
    assert gap.value is None
    assert "a" in gap.reason
    assert gap.n == 3
    assert _estimate(findings, "equalized_odds_difference", "sex").value is None
    assert _estimate(findings, "false_positive_rate_difference", "sex").value is not None


def test_a_one_row_group_is_honestly_undecided():
    rng = np.random.default_rng(2)
    y, predicted = rng.integers(0, 2, 201), rng.integers(0, 2, 201)
    predicted[-1] = 0
    findings = _found(_subject(y, predicted, {"sex": ["a"] * 100 + ["b"] * 100 + ["c"]}))
    rate = _estimate(findings, "selection_rate", "sex", "c")
    assert (rate.value, rate.n, rate.low) == (0, 1, 0)
    assert rate.high > 0.97
    ratio, gap = (_estimate(findings, name, "sex") for name in ("impact_ratio", "selection_rate_difference"))
    assert ratio.value == 0
    assert ratio.low == 0
    assert ratio.high >= 0.8  # nobody is shown to break the four-fifths rule by one row
    assert gap.low == 0
    assert gap.high > 0.5


def test_a_missing_value_is_a_group_of_its_own():
    sex = np.asarray(["a", None, "b", "(missing)", float("nan"), "a"], object)
    findings = _found(_subject([0, 1] * 3, [1, 1, 0, 0, 1, 1], {"sex": sex}))
    assert _estimate(findings, "selection_rate", "sex", "(missing)").n == 3
    assert _estimate(findings, "selection_rate", "sex", "(missing)").value == pytest.approx(2 / 3)


def test_one_group_alone_is_not_compared():
    findings = _found(_subject([0, 1], [1, 1], {"sex": ["a", "a"]}))
    assert "two groups" in _estimate(findings, "impact_ratio", "sex").reason
    assert _estimate(findings, "selection_rate", "sex", "a").value == 1


def test_small_groups_left_out_are_named():
    y, predicted, sex = [0, 1] * 10, [0, 1] * 9 + [0, 0], ["a"] * 9 + ["b"] * 9 + ["c"] * 2
    subject = _subject(y, predicted, {"sex": sex})
    assert _estimate(_found(subject), "accuracy_minimum", "sex").value == 0.5
    findings = _found(subject, minimum_rows=3)
    assert _estimate(findings, "accuracy_minimum", "sex").value == 1
    assert _estimate(findings, "accuracy_minimum", "sex").n == 18
    assert _estimate(findings, "accuracy", "sex", "c").value == 0.5
    assert any("sex = c, with 2 rows" in note for note in findings.not_measured)


def test_a_model_that_selects_everyone_has_no_false_omission_rate():
    findings = _found(_subject([0, 1, 0, 1], [1, 1, 1, 1], {"sex": list("aabb")}))
    assert _estimate(findings, "false_omission_rate", "sex", "a").value is None
    assert _estimate(findings, "impact_ratio", "sex").value == 1
    assert _estimate(findings, "selection_rate_difference", "sex").value == 0


def test_nobody_selected_leaves_no_impact_ratio():
    ratio = _estimate(
        _found(_subject([0, 1, 0, 1], [0, 0, 0, 0], {"sex": list("aabb")})), "impact_ratio", "sex"
    )
    assert ratio.value is None
    assert ratio.reason


# ---------------------------------------------------------------- clusters


def test_copies_of_a_person_add_nothing(table_subject):
    once = _found(table_subject)
    rows = np.repeat(np.arange(len(table_subject.data.test)), 3)
    test = replace(table_subject.data.test.take(rows), cluster=rows)
    data = replace(table_subject.data, splits={"test": test})
    thrice = _found(Subject(table_subject.model, data, {"test": table_subject.outputs["test"][rows]}))
    for name, where in (
        ("selection_rate_difference", "sex"),
        ("impact_ratio", "age"),
        ("accuracy_minimum", "age"),
    ):
        a, b = _estimate(once, name, where), _estimate(thrice, name, where)
        assert b.value == pytest.approx(a.value, abs=1e-12)
        assert b.low == pytest.approx(a.low, abs=0.03)
        assert b.high == pytest.approx(a.high, abs=0.03)


def test_opposite_outcomes_of_one_person_in_two_groups_widen_the_gap():
    rng = np.random.default_rng(4)
    person, visit = np.repeat(np.arange(200), 2), np.tile(["first", "second"], 200)
    chosen = rng.integers(0, 2, 200)
    predicted = np.where(visit == "first", chosen[person], 1 - chosen[person])
    y = rng.integers(0, 2, 400)
    gap = "selection_rate_difference"
    alone = _estimate(_found(_subject(y, predicted, {"visit": visit})), gap, "visit")
    linked = _estimate(_found(_subject(y, predicted, {"visit": visit}, cluster=person)), gap, "visit")
    assert linked.value == pytest.approx(alone.value)
    assert linked.high > alone.high + 0.02


def test_a_group_that_is_one_cluster_cannot_be_compared():
    cluster, sex = [0, 0, 0, 1, 2, 3], list("aaabbb")
    findings = _found(_subject([0, 1] * 3, [1, 1, 0, 0, 1, 1], {"sex": sex}, cluster=np.asarray(cluster)))
    assert "one cluster" in _estimate(findings, "selection_rate", "sex", "a").reason
    assert _estimate(findings, "selection_rate_difference", "sex").value is None


# ---------------------------------------------------------------- options, tables, agreement


def test_joint_cells_rebuild_every_rate(table_subject):
    tables = {table.name: table for table in _found(table_subject, stored_cells=2000).tables}
    cells = pd.DataFrame(
        tables["joint_cells"].rows, columns=[column.name for column in tables["joint_cells"].columns]
    )
    assert cells["n"].sum() == len(table_subject.data.test)
    favourable = table_subject.data.classes[table_subject.data.favourable]
    for attribute, group, metric, k, n, *_ in tables["groups"].rows:
        if metric == "true_positive_rate" and " x " not in attribute:
            asked = cells[(cells[attribute] == group) & (cells["true"] == favourable)]
            assert (k, n) == (asked[asked["predicted"] == favourable]["n"].sum(), asked["n"].sum())


def _table(findings, name):
    (table,) = [t for t in findings.tables if t.name == name]
    return [dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows]


def test_the_widest_gaps_are_shown_with_an_interval_over_all_pairs_and_rates(table_subject):
    findings = _found(table_subject)
    rows = _table(findings, "simultaneous")
    assert [(r["attribute"], r["metric"]) for r in rows] == [(a, m) for a in ("sex", "age") for m in RATES]
    for row in rows:
        gap = _estimate(findings, f"{row['metric']}_difference", row["attribute"])
        assert row["value"] == pytest.approx(gap.value)
        assert row["low"] < gap.low + 1e-12  # wider than the one rate's own
        assert row["high"] > row["value"]
        higher = _estimate(findings, row["metric"], row["attribute"], row["higher"])
        lower = _estimate(findings, row["metric"], row["attribute"], row["lower"])
        assert (row["n_higher"], row["n_lower"]) == (higher.n, lower.n)
        assert row["value"] == pytest.approx(higher.value - lower.value)
        assert 0 < row["p"] <= 1 and (row["p"] <= 0.05) == (row["low"] > 0)


def test_the_stored_counts_rebuild_every_rate_and_the_bounds_at_once(table_subject):
    findings = _found(table_subject)
    (stored,) = [t for t in findings.tables if t.name == "cells"]
    (shown,) = [t for t in findings.tables if t.name == "simultaneous"]
    families = {}
    for attribute in ("sex", "age"):
        kinds = stats.counts_in(stored, attribute, KIND_NAMES)
        family = module.family_of(kinds, tuple(RATES))
        families[attribute] = (family, family.n)
        for m, metric in enumerate(RATES):
            for g, group in enumerate(family.groups):
                rate = _estimate(findings, metric, attribute, group)
                assert rate.statistic == stats.rate_of(family.k[m, g], family.n[m, g]).statistic
    assert stats.gaps_table(families) == shown
    assert sum(r["n"] for r in _table(findings, "cells")) == 2 * len(table_subject.data.test)
    assert not any(" x " in r["attribute"] for r in _table(findings, "cells"))


def test_several_classes_count_another_wrong_class_apart():
    findings = _found(
        _subject([0, 1, 2, 2], [0, 1, 1, 2], {"sex": list("aabb")}, classes=tuple("xyz"), favourable=0)
    )
    found = {(r["group"], r["true"], r["predicted"]): r["n"] for r in _table(findings, "cells") if r["n"]}
    assert found == {
        ("a", "favourable", "favourable"): 1,
        ("a", "other", "the same other"): 1,
        ("b", "other", "another other"): 1,
        ("b", "other", "the same other"): 1,
    }


def test_clustered_rows_are_bounded_at_once_by_their_effective_numbers(table_subject):
    once = _table(_found(table_subject), "simultaneous")
    rows = np.repeat(np.arange(len(table_subject.data.test)), 3)
    test = replace(table_subject.data.test.take(rows), cluster=rows)
    data = replace(table_subject.data, splits={"test": test})
    findings = _found(Subject(table_subject.model, data, {"test": table_subject.outputs["test"][rows]}))
    (note,) = [t.note for t in findings.tables if t.name == "simultaneous"]
    assert "Bonferroni" in note and "multinomial" not in note
    naive = Subject(table_subject.model, replace(data, splits={"test": replace(test, cluster=None)}), {})
    naive = replace(naive, outputs={"test": table_subject.outputs["test"][rows]})
    shown = _table(findings, "simultaneous")
    for one, row, blind in zip(once, shown, _table(_found(naive), "simultaneous"), strict=True):
        assert row["value"] == pytest.approx(one["value"])
        assert row["n_higher"] == 3 * one["n_higher"]
        assert row["low"] == pytest.approx(one["low"], abs=0.1) and row["low"] < blind["low"]
        assert row["high"] == pytest.approx(one["high"], abs=0.1) and row["high"] > blind["high"]


def test_small_groups_left_out_are_in_no_widest_gap():
    y, predicted, sex = [0, 1] * 10, [0, 1] * 9 + [0, 0], ["a"] * 9 + ["b"] * 9 + ["c"] * 2
    findings = _found(_subject(y, predicted, {"sex": sex}), minimum_rows=3)
    rows = _table(findings, "simultaneous")
    assert all({r["higher"], r["lower"]} <= {"a", "b", ""} for r in rows)
    assert {r["group"] for r in _table(findings, "cells")} == {"a", "b", "c"}
    assert all(t.name != "simultaneous" for t in _found(_subject([0, 1], [1, 1], {"sex": ["a", "a"]})).tables)


def test_attributes_are_not_crossed_in_stored_counts_unless_asked(table_subject):
    assert [t.name for t in _found(table_subject).tables] == ["groups", "simultaneous", "cells"]


def test_too_many_joint_cells_are_not_stored_and_that_is_said(table_subject):
    findings = _found(table_subject, stored_cells=5)
    assert [table.name for table in findings.tables] == ["groups", "simultaneous", "cells"]
    assert any("stored_cells" in note for note in findings.not_measured)


def test_options_choose_attributes_crossings_and_rates(table_subject):
    findings = _found(table_subject, attributes=("age",), intersections="none", metrics=("selection_rate",))
    assert {m.where["attribute"] for m in findings.measurements} == {"age"}
    assert {m.name for m in findings.measurements} == {
        "selection_rate",
        "selection_rate_difference",
        "impact_ratio",
    }
    crossed = _found(table_subject, intersections=[["age", "sex"]])
    assert {m.where["attribute"] for m in crossed.measurements} == {"sex", "age", "age x sex"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ("sexx",)}, "perhaps 'sex'"),
        ({"intersections": (("sex", "agee"),)}, "perhaps 'age'"),
        ({"intersections": (("sex", "sex"),)}, "two or more different"),
        ({"intersections": (("sex",),)}, "two or more different"),
    ],
)
def test_an_unknown_attribute_or_crossing_is_refused(table_subject, options, message):
    with pytest.raises(ConfigError, match=message):
        _found(table_subject, **options)


def test_other_classes_are_said_to_be_left_out():
    subject = _subject([0, 1, 2, 1], [0, 1, 2, 2], {"sex": list("aabb")}, classes=tuple("xyz"))
    notes = " ".join(_found(subject).not_measured)
    assert "only y against" in notes


def test_a_rate_other_than_fairlearns_stops_the_check(table_subject, monkeypatch):
    def wrong(names, true, predicted, group, weight, favourable):
        return {name: np.full(group.max() + 1, 0.123) for name in names}

    monkeypatch.setattr(module, "fairlearn_rates", wrong)
    with pytest.raises(RuntimeError, match=r"0\.123 in fairlearn"):
        _found(table_subject)


def test_crossings_have_names_of_their_own_so_that_a_rule_on_attributes_does_not_judge_them(table_subject):
    for m in _found(table_subject).measurements:
        assert m.name.startswith("crossed_") == (" x " in str(m.where["attribute"]))


def test_swapping_the_favourable_outcome_swaps_the_verdict():
    n = 4000  # given "yes": 10 % and 20 %; given "no": 90 % and 80 %, which is within four fifths
    predicted = np.r_[np.arange(n) % 10 == 0, np.arange(n) % 5 == 0].astype(int)
    rule = Rule(id="F", measure="fairness.groups.impact_ratio", at_least=0.8, because="Four fifths.")
    verdicts = []
    for favourable in (1, 0):
        subject = _subject(predicted, predicted, {"g": ["a"] * n + ["b"] * n}, favourable=favourable)
        result = CheckResult(
            check="fairness.groups", area="fairness", title="t", status="ok", findings=_found(subject)
        )
        verdicts.append(gate.judge([result], Policy(name="p", rules=(rule,)), on=dt.date(2026, 1, 1))[1])
    assert verdicts == ["FAIL", "PASS"]
