"""Two runs compared: paired where rows match, said plainly where they cannot be, regressions never unseen."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from audit import row_outcomes, stats, store
from audit.compare import compare
from audit.compare_pairs import Pairs, difference
from audit.compare_words import text
from audit.errors import AuditError, StoreError
from audit.evidence import (
    CheckResult,
    DataFacts,
    Decision,
    Facts,
    FeatureFacts,
    Findings,
    Measurement,
    ModelFacts,
    Policy,
    Record,
    Rule,
)
from audit.registry import find
from audit.row_outcomes import PATH
from audit.stats.paired import independent
from audit.subject import Dataset, Model, Split, Subject

N = 600


def data(n=N, task="binary", classes=("no", "yes"), clusters=0, seed=0):
    """A data set of n test rows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    y = x[:, 0] * 2.0 if task == "regression" else rng.integers(0, len(classes), n).astype(np.int32)
    cluster = np.asarray([f"person {i % clusters}" for i in range(n)]) if clusters else None
    split = Split(x, y, np.asarray([f"patient-{i:04d}" for i in range(n)]), cluster=cluster)
    return Dataset("d", task, "table", {"test": split}, classes=() if task == "regression" else classes)


def scored(dataset, accuracy=0.9, seed=1):
    """A subject whose model is right on about this share of the rows, with probabilities to match."""
    rng, test = np.random.default_rng(seed), dataset.test
    n, k = len(test), len(dataset.classes)
    if dataset.task == "regression":
        outputs = (test.y + rng.normal(0, 1 - accuracy, n))[:, None].astype(np.float32)
        return Subject(Model("m", None, outputs="values"), dataset, {"test": outputs})
    right = rng.random(n) < accuracy
    chosen = np.where(right, test.y, (test.y + 1) % k)
    sure = rng.uniform(0.6, 0.95, n)
    probabilities = np.full((n, k), 1.0) * ((1 - sure) / (k - 1))[:, None]
    probabilities[np.arange(n), chosen] = sure
    return Subject(Model("m", None, outputs="probabilities"), dataset, {"test": probabilities})


def measured(subject, context, *names):
    """The results of the real checks of these names."""
    found = []
    for name in names or ("accuracy.overall", "calibration.reliability"):
        check = find(name)
        if subject.data.task not in check.tasks or not set(check.needs) <= subject.has:
            continue
        options = check.options()
        found.append(CheckResult(check=name, area=check.area, title=check.title, status="ok",
                                 options=options.model_dump(mode="json"),
                                 findings=check.function(subject, options, context)))  # fmt: skip
    return tuple(found)


def rule(measure, at_least=0.5, severity="blocking", **more):
    limit = {} if "at_most" in more else {"at_least": at_least}
    return Rule(
        id=measure.rpartition(".")[2], measure=measure, because="b", severity=severity, **limit, **more
    )


GATED = (rule("accuracy.overall.accuracy"),)


def record(results, rules=GATED, outcomes=b"", facts=None, **more):
    facts = {"task": "binary", "classes": ("no", "yes"), "favourable": None, **(facts or {})}
    described = DataFacts(name="d", modality="table", target="y", splits={"test": N}, **facts)
    model = ModelFacts(name="m", network="n", parameters=1, outputs="probabilities", decision="argmax",
                       differentiable=False, sha256="0")  # fmt: skip
    digests = {"test": "t", "source": "s"} | ({PATH: store.sha256(outcomes)} if outcomes else {})
    values = dict(tool="t", name="r", config={}, facts=Facts(data=described, model=model), results=results,
                  policy=Policy(name="p", rules=rules), decisions=(), verdict="PASS", exit_code=0,
                  digests=digests)  # fmt: skip
    return Record(**{**values, **more})


def audited(subject, context, **more):
    """The record and the row outcomes of a subject."""
    facts = {"task": subject.data.task, "classes": subject.data.classes}
    sidecar = row_outcomes.of(subject)
    made = record(measured(subject, context), outcomes=sidecar, facts=facts, **more)
    return made, row_outcomes.parse(sidecar)


def rates(k, n=1000, *, name="accuracy", check="accuracy.overall", better="higher", options=None, area="accuracy",
          where=None, estimate=None, status="ok"):  # fmt: skip
    """A check's result with one rate."""
    m = Measurement(
        name=name, label=name, estimate=estimate or stats.rate_of(k, n), better=better, where=where or {}
    )
    return CheckResult(check=check, area=area, title="t", status=status, options=options or {},
                       findings=Findings(measurements=(m,) if status == "ok" else ()))  # fmt: skip


def only(comparison, name="accuracy"):
    """The one change of this measure."""
    (change,) = [c for c in comparison.changes if c.name == name and not c.where]
    return change


# ---------------------------------------------------------------- paired


def test_matching_rows_are_paired_and_a_drop_is_a_regression(context):
    dataset = data()
    a, rows_a = audited(scored(dataset, 0.9), context)
    b, rows_b = audited(scored(dataset, 0.8, seed=2), context)
    found = compare(a, b, rows_a, rows_b)
    assert (found.answer, found.exit_code, found.paired) == ("REGRESSION", 1, N)
    change = only(found)
    assert change.word == "worse"
    assert change.difference.value == pytest.approx(change.b - change.a)
    assert "McNemar" in change.difference.method
    right = [(r.values["label"] == r.values["predicted"]) for r in (rows_a, rows_b)]
    assert f"{np.sum(right[0] & ~right[1])} are hits of the first run alone" in change.difference.note
    back = compare(b, a, rows_b, rows_a)
    assert (back.answer, back.exit_code, only(back).word) == ("NO REGRESSION SHOWN", 0, "better")
    assert only(back).difference.low == pytest.approx(-change.difference.high)


@pytest.mark.parametrize("task, classes, measures", [
    ("binary", ("no", "yes"), {"accuracy", "recall", "precision", "f1", "macro_f1", "balanced_accuracy", "auc",
                               "log_loss", "brier", "calibration_error"}),
    ("multiclass", ("x", "y", "z"), {"accuracy", "recall", "precision", "f1", "macro_f1", "balanced_accuracy",
                                     "log_loss", "brier", "calibration_error"}),
    ("regression", (), {"mean_absolute_error", "mean_squared_error", "root_mean_squared_error"}),
])  # fmt: skip
def test_row_outcomes_give_the_measures_of_every_task(task, classes, measures, context):
    dataset = data(task=task, classes=classes or ("no", "yes"), clusters=150)
    (a, rows_a), (b, rows_b) = (audited(scored(dataset, 0.9, seed), context) for seed in (1, 2))
    found = compare(a, b, rows_a, rows_b)
    paired = [c for c in found.changes if c.difference and c.difference.paired]
    assert {c.name for c in paired} == measures
    for c in paired:
        assert c.difference.value == pytest.approx(c.b - c.a, rel=1e-4, abs=1e-6), c.label
        assert c.difference.low < c.difference.value < c.difference.high
        assert "clusters" in c.difference.method or "hybrid of both runs' bounds" in c.difference.method


def test_without_outcomes_the_difference_is_called_unpaired(context):
    dataset = data()
    a, rows_a = audited(scored(dataset, 0.9), context)
    b, _ = audited(scored(dataset, 0.8, seed=2), context)
    found = compare(a, b, rows_a, None)
    change = only(found).difference
    assert found.paired is None
    assert not change.paired
    assert "independent samples assumed" in change.method
    assert any("the second run does not keep row outcomes" in note for note in found.notes)
    assert "not paired" in text(found)
    k = [round(accuracy * N) for accuracy in (only(found).a, only(found).b)]
    assert change.low == pytest.approx(stats.difference(k[1], N, k[0], N).low)


def test_other_rows_and_other_labels_are_not_paired(context):
    a, rows_a = audited(scored(data(), 0.9), context)
    b, rows_b = audited(scored(data(n=500), 0.9), context, digests={"test": "other"})
    found = compare(a, b, rows_a, rows_b)
    assert found.paired is None
    assert any("judged different rows (600 and 500)" in note for note in found.notes)
    assert any("from the rows, not from the model" in note for note in found.notes)
    c, rows_c = audited(scored(data(seed=4), 0.9), context)
    assert any("have other labels" in note for note in compare(a, c, rows_a, rows_c).notes)


def test_outcomes_of_another_record_are_refused(context):
    dataset = data()
    (a, rows_a), (b, rows_b) = (audited(scored(dataset, share, 3), context) for share in (0.9, 0.7))
    with pytest.raises(StoreError, match="first run's row outcomes give accuracy.overall.accuracy"):
        compare(a, b, rows_b, rows_a)


def test_the_same_run_twice_shows_nothing(context):
    a, rows = audited(scored(data()), context)
    found = compare(a, a, rows, rows)
    assert (found.answer, found.exit_code) == ("NO REGRESSION SHOWN", 0)
    assert {c.word for c in found.changes} <= {"undecided", "no direction", "not comparable"}
    assert all(c.difference.value == 0 for c in found.changes if c.difference)


# ---------------------------------------------------------------- paired, though no mean of rows


ROWS_OF = ("accuracy.overall.auc", "calibration.reliability.calibration_error", "accuracy.overall.macro_f1")


def two_runs(rng, n=1000, likeness=0.9, worse=0.0, people=0):
    """The outcomes of two models on the same rows: their scores err alike, the second's the more if `worse`."""
    person = np.repeat(np.arange(people), n // people) if people else None
    margin = rng.normal(size=n) + (0.7 * rng.normal(size=people)[person] if people else 0)
    label, shared = (rng.random(n) < 1 / (1 + np.exp(-2 * margin))).astype(int), rng.normal(size=n)
    runs = []
    for noise in (0.5, 0.5 + worse):
        error = likeness**0.5 * shared + (1 - likeness) ** 0.5 * rng.normal(size=n)
        score = 1 / (1 + np.exp(-2 * (margin + noise * error)))
        columns = {"label": label, "predicted": (score >= 0.5).astype(int), "score": score}
        columns |= {"cluster": person} if people else {}
        runs.append(row_outcomes.RowOutcomes(np.array([f"{i:06d}" for i in range(n)]), columns))
    return runs


def estimated(outcomes, measure):
    """The estimate that the check of this measure makes of the rows."""
    v = outcomes.values
    cluster = v.get("cluster")
    if measure.endswith("auc"):
        return stats.auc(v["score"], v["label"], cluster=cluster)
    if measure.endswith("macro_f1"):
        return stats.macro_f1(v["predicted"], v["label"], 2, cluster=cluster, draws=2000)
    return stats.calibration_error(v["score"], v["label"], cluster=cluster)


def changed(runs, measure):
    """The paired change of a measure, and the one of the records alone."""
    check, _, name = measure.rpartition(".")
    both = [estimated(run, measure) for run in runs]
    m = Measurement(name=name, label=name, estimate=both[1])
    pairs = Pairs(*runs, ("no", "yes"))
    return difference(pairs, check, m, 15, *both), independent(both[0].statistic, both[1].statistic)


@pytest.mark.parametrize("measure", ROWS_OF)
def test_pairing_narrows_the_change_of_models_that_err_alike(measure):
    paired, apart = changed(two_runs(np.random.default_rng(0), likeness=0.95), measure)
    assert paired.paired and not apart.paired
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < 0.8 * (apart.high - apart.low)
    assert "correlation of the two runs' errors at least 0." in paired.note
    assert ("DeLong" in paired.method) == measure.endswith("auc")


@pytest.mark.parametrize("measure", ROWS_OF)
def test_rows_may_come_in_any_order_and_one_run_twice_is_no_change(measure):
    a, b = two_runs(np.random.default_rng(1), n=400)
    order = np.random.default_rng(2).permutation(400)
    mixed = [
        row_outcomes.RowOutcomes(r.id[order], {k: v[order] for k, v in r.values.items()}) for r in (a, b)
    ]
    one, two = (changed(runs, measure)[0] for runs in ((a, b), mixed))
    assert (one.value, one.low, one.high, one.p) == pytest.approx(
        (two.value, two.low, two.high, two.p), rel=1e-6
    )
    same = changed((a, a), measure)[0]
    assert (same.value, same.p) == (0.0, 1.0)


def type_one(measure, runs, **world):
    """How often an unchanged model is shown to be higher, and lower, at 5 %; and the same unpaired, both ways."""
    rng, wrong = np.random.default_rng(3), np.zeros(3)
    for _ in range(runs):
        paired, apart = changed(two_runs(rng, **world), measure)
        wrong += paired.p <= 0.05 and paired.value > 0, paired.p <= 0.05 and paired.value < 0, apart.p <= 0.05
    return wrong / runs


def test_an_unchanged_area_is_seldom_shown_to_change_and_a_small_loss_is_seen():
    assert max(type_one("accuracy.overall.auc", 150, n=300)[:2]) <= 0.09  # 5 % and the noise of 150 runs
    _, lower, unpaired = type_one("accuracy.overall.auc", 40, n=1000, worse=0.2)
    assert lower >= 0.9 > 0.7 > unpaired


@pytest.mark.slow
@pytest.mark.parametrize("measure", ROWS_OF)
def test_unchanged_measures_are_seldom_shown_to_change(measure):
    worlds = [{"n": 100, "likeness": 0.5}, {"n": 300}, {"likeness": 0.99}, {"n": 600, "people": 120}]
    errors = np.array([type_one(measure, 250, **world)[:2] for world in worlds])
    assert errors.mean() <= 0.05 and errors.max() <= 0.07 + 0.014  # and the noise of 250 runs


def test_other_bins_are_another_measure(context):
    dataset = data()
    a, rows_a = audited(scored(dataset, 0.9), context)
    b, rows_b = audited(scored(dataset, 0.8, seed=2), context)
    results = tuple(r.model_copy(update={"options": {**r.options, "bins": 10}}) if "bins" in r.options else r
                    for r in b.results)  # fmt: skip
    change = only(compare(a, b.model_copy(update={"results": results}), rows_a, rows_b), "calibration_error")
    assert change.difference is None and "option bins is 15" in change.reason


def test_outcomes_without_scores_leave_the_area_unpaired(context):
    dataset = data()
    pairs = [audited(scored(dataset, 0.9, seed), context) for seed in (1, 2)]
    old = [
        row_outcomes.RowOutcomes(r.id, {k: v for k, v in r.values.items() if k != "score"}) for _, r in pairs
    ]
    found = compare(pairs[0][0], pairs[1][0], *old)
    assert not only(found, "auc").difference.paired and only(found, "macro_f1").difference.paired


# ---------------------------------------------------------------- how often it is wrong


def test_equal_models_show_a_regression_in_at_most_one_run_of_twenty():
    """Two gated paired measures, no change: Holm keeps the chance of any regression at 5 %."""
    rng, wrong, runs = np.random.default_rng(1), 0, 400
    rules = (rule("accuracy.overall.accuracy"), rule("accuracy.overall.log_loss", at_most=1.0))
    for _ in range(runs):
        hard = rng.random(300) < 0.3
        outcomes, records = [], []
        for _ in range(2):
            right = rng.random(300) < np.where(hard, 0.5, 0.97)
            loss = (rng.exponential(1.0, 300) * np.where(right, 0.2, 1.5)).astype(np.float32)
            columns = {"label": np.ones(300, int), "predicted": right.astype(int), "log_loss": loss}
            outcomes.append(row_outcomes.RowOutcomes(np.arange(300).astype(str), columns))
            results = (rates(0, estimate=stats.rate(right)),
                       rates(0, name="log_loss", better="lower", estimate=stats.mean(loss, low=0.0)))  # fmt: skip
            merged = results[0].model_copy(update={"findings": Findings(
                measurements=tuple(m for r in results for m in r.findings.measurements))})  # fmt: skip
            records.append(record((merged,), rules=rules))
        wrong += compare(*records, *outcomes).exit_code == 1
    assert 0 < wrong / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_many_unchanged_measures_do_not_make_a_regression():
    rng, wrong = np.random.default_rng(2), 0
    for _ in range(100):
        two = []
        for _ in range(2):
            places = [{"group": str(i)} for i in range(20)]
            made = tuple(
                m for p in places for m in rates(rng.binomial(500, 0.8), 500, where=p).findings.measurements
            )
            two.append(record((rates(1).model_copy(update={"findings": Findings(measurements=made)}),)))
        wrong += compare(*two).answer == "REGRESSION"
    assert wrong <= 10  # 5 % and its noise; unadjusted tests would be wrong in about 64


def test_measures_without_a_rule_never_decide():
    a = record((rates(900),), rules=(rule("accuracy.overall.accuracy", severity="advisory"),))
    b = record((rates(500),), rules=(rule("accuracy.overall.accuracy", severity="advisory"),))
    found = compare(a, b)
    assert (only(found).word, only(found).rules) == ("worse", ())
    assert (found.answer, found.exit_code) == ("NOT COMPARABLE", 3)
    assert "no blocking rule names a measure" in text(found)


# ---------------------------------------------------------------- what is gated, which way is better


def test_a_candidate_cannot_drop_a_rule_to_hide_a_regression():
    a, b = record((rates(900),)), record((rates(500),), rules=())
    assert compare(a, b).exit_code == 1
    assert any("policies differ" in note for note in compare(a, b).notes)


@pytest.mark.parametrize("better, limit, word", [
    ("higher", {}, "worse"), ("lower", {}, "better"),
    ("neither", {}, "worse"), ("neither", {"at_most": 0.9}, "better"),
])  # fmt: skip
def test_better_is_what_the_measure_says_else_its_rule(better, limit, word):
    rules = (rule("accuracy.overall.accuracy", **limit),)
    a, b = (record((rates(k, better=better),), rules=rules) for k in (800, 600))
    assert only(compare(a, b)).word == word


def test_without_a_direction_there_is_no_word():
    a, b = (record((rates(k, better="neither"),), rules=()) for k in (800, 600))
    assert only(compare(a, b)).word == "no direction"
    both = (rule("accuracy.overall.accuracy"), rule("accuracy.overall.accuracy", at_most=0.9))
    a, b = (record((rates(k, better="neither"),), rules=both) for k in (800, 600))
    assert compare(a, b).exit_code == 3


def test_groups_too_small_for_the_gate_are_left_out_here_too():
    groups = stats.groups("ab", [80, 70], [100, 100], [100, 100], of="difference")
    three = stats.groups("abc", [80, 70, 0], [100, 100, 5], [100, 100, 5], of="difference")
    name = "fairness.groups.gap"
    gap = rule(name, at_most=0.5)
    decision = Decision(rule=gap, verdict="INCONCLUSIVE", estimate=groups, excluded_groups=("c",))
    make = {"name": "gap", "check": "fairness.groups", "better": "lower", "area": "fairness"}
    a = record((rates(0, estimate=groups, **make),), rules=(gap,))
    b = record((rates(0, estimate=three, **make),), rules=(gap,), decisions=(decision,))
    assert only(compare(a, b), "gap").difference.value == 0
    apart = compare(a, b.model_copy(update={"decisions": ()}))
    assert only(apart, "gap").reason == "the groups differ: c in one run only"
    assert apart.exit_code == 3


# ---------------------------------------------------------------- what cannot be compared


@pytest.mark.parametrize("fact, value", [
    ("task", "multiclass"), ("classes", ("yes", "no")), ("favourable", "yes"),
])  # fmt: skip
def test_another_task_is_said_plainly(fact, value):
    a, b = record((rates(900),)), record((rates(500),), facts={fact: value})
    found = compare(a, b)
    assert found.exit_code == 3
    assert "in the first run" in only(found).reason
    assert found.notes[0].startswith("Nothing can be compared: the ")


def test_other_options_make_another_measure_but_a_list_of_places_does_not():
    pgd = {"name": "robust", "check": "robustness.pgd", "where": {"eps": 0.1}, "area": "robustness"}
    rules = (rule("robustness.pgd.robust"),)

    def exit_code(first, second):
        options = [{"steps": 40, "eps": [0.1], "rows": 500, **more} for more in (first, second)]
        two = [
            record((rates(k, **pgd, options=o),), rules=rules)
            for k, o in zip((900, 800), options, strict=True)
        ]
        return compare(*two).exit_code

    assert exit_code({}, {}) == 1
    assert exit_code({}, {"eps": [0.1, 0.2]}) == 1
    assert exit_code({}, {"rows": 1000}) == 1
    assert exit_code({}, {"steps": 4}) == 3


def test_other_inputs_cannot_be_attacked_alike():
    pgd = {"name": "robust", "check": "robustness.pgd", "area": "robustness"}
    rules = (rule("robustness.pgd.robust"), *GATED)
    age = {"features": (FeatureFacts(name="age", kind="numeric"),)}
    a = record((rates(900, **pgd), rates(900)), rules=rules)
    b = record((rates(900, **pgd), rates(900)), rules=rules, facts=age)
    assert only(compare(a, b), "robust").reason == "the models take different features"
    assert only(compare(a, b)).word == "undecided"


def test_a_lost_gated_check_is_no_all_clear():
    a = record((rates(900), rates(90, check="fairness.groups", name="tpr")),
               rules=(*GATED, rule("fairness.groups.tpr")))  # fmt: skip
    crashed = rates(0, check="fairness.groups", status="error").model_copy(update={"reason": "it broke"})
    found = compare(a, record((rates(900), crashed)))
    assert (found.answer, found.exit_code) == ("NOT COMPARABLE", 3)
    lost = only(found, "tpr")
    assert "not in the second run" in lost.reason and "it broke" in lost.reason
    assert (lost.a, lost.b) == (0.09, None)
    worse = compare(a, record((rates(500), crashed)))
    assert worse.exit_code == 1


def test_a_rule_that_neither_run_answers_is_no_all_clear():
    rules = (*GATED, rule("fairness.groups.tpr"))
    found = compare(record((rates(900),), rules=rules), record((rates(900),), rules=rules))
    assert found.exit_code == 3
    assert "did not run" in only(found, "tpr").reason


def test_a_quick_run_is_no_all_clear_but_may_show_a_regression():
    quick = record((rates(900),), quick=True)
    assert compare(quick, quick).exit_code == 3
    assert compare(quick, record((rates(500),), quick=True)).exit_code == 1
    assert only(compare(record((rates(900),)), quick)).reason == "the second run alone was quick"


def test_a_number_without_bounds_or_value_is_not_compared():
    bare = rates(0, estimate=stats.descriptive(0.9, 1000, "plain"))
    none = rates(0, estimate=stats.not_estimable("nobody was there"))
    assert "descriptive" in only(compare(record((bare,)), record((rates(900),)))).reason
    assert only(compare(record((none,)), record((rates(900),)))).reason.endswith("nobody was there")


def test_a_place_is_the_same_up_to_rounding():
    two = [record((rates(k, where={"eps": eps}),)) for k, eps in ((900, 0.1), (500, 0.1 + 1e-15))]
    assert compare(*two).exit_code == 1


# ---------------------------------------------------------------- row outcomes


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_row_outcomes_are_the_same_bytes_in_any_order_and_read_back(task, tmp_path):
    classes = ("x", "y", "z") if task == "multiclass" else ("no", "yes")
    subject = scored(data(task=task, classes=classes, clusters=40))
    order = np.random.default_rng(0).permutation(N)
    moved = replace(subject.data, splits={"test": subject.data.test.take(order)})
    sidecar = row_outcomes.of(subject)
    assert sidecar == row_outcomes.of(Subject(subject.model, moved, {"test": subject.outputs["test"][order]}))
    made = record((), outcomes=sidecar)
    folder = store.write(tmp_path, made, {PATH: sidecar})
    found = row_outcomes.read(folder, made)
    assert row_outcomes.read(folder / "evidence.json", made).id.tolist() == found.id.tolist()
    if task == "regression":
        expected = subject.outputs["test"][:, 0] - subject.data.test.y
        assert np.sort(found.values["error"]) == pytest.approx(np.sort(expected), rel=1e-6)
    else:
        right = np.mean(subject.predictions() == subject.data.test.y)
        assert np.mean(found.values["label"] == found.values["predicted"]) == right
        true = subject.probabilities()[np.arange(N), subject.data.test.y]
        assert np.sort(found.values["log_loss"]) == pytest.approx(np.sort(-np.log(true)), rel=1e-6)
    assert len(np.unique(found.values["cluster"])) == 40
    (folder / PATH).write_bytes(sidecar.replace(b"0", b"1", 1))
    with pytest.raises(StoreError, match="absent or was changed"):
        row_outcomes.read(folder, made)
    assert row_outcomes.read(folder, record(())) is None


def test_no_id_and_no_person_is_in_the_sidecar():
    sidecar = row_outcomes.of(scored(data(clusters=30))).decode()
    assert "patient" not in sidecar
    assert "person" not in sidecar
    fewer = row_outcomes.parse(row_outcomes.of(scored(data(n=N - 1))))
    assert not set(row_outcomes.parse(sidecar.encode()).id) & set(fewer.id)  # not to be linked


def test_tasks_and_ids_without_row_outcomes_are_refused():
    dataset = data()
    with pytest.raises(AuditError, match="task=ranking"):
        row_outcomes.of(scored(replace(dataset, task="ranking")))
    twice = replace(dataset.test, id=np.asarray(["one"] * N))
    with pytest.raises(AuditError, match="repeat"):
        row_outcomes.of(scored(replace(dataset, splits={"test": twice})))


@pytest.mark.parametrize("content", [b"", b"id,label\n1", b"id,wrong\na,1\n", b"label\n1\n", b"\xff\xfe",
                                     b"id,label\na,x\n", b"id,label\nb,1\na,1\n", b"id,label\na,1\na,1\n"])  # fmt: skip
def test_what_are_no_row_outcomes_is_one_line(content):
    with pytest.raises(StoreError) as refused:
        row_outcomes.parse(content)
    assert "\n" not in str(refused.value)


# ---------------------------------------------------------------- words


def test_the_text_names_regressions_first_and_the_json_holds_everything(context):
    dataset = data()
    a, rows_a = audited(scored(dataset, 0.92), context)
    b, rows_b = audited(scored(dataset, 0.8, seed=2), context, rules=(*GATED, rule("accuracy.overall.auc")))
    found = compare(a, b, rows_a, rows_b)
    lines = text(found).splitlines()
    assert lines[0].startswith("REGRESSION: ")
    assert lines[0].endswith("exit code 1")
    gated = [line for line in lines if line.startswith("  worse")]
    assert "Accuracy: 0.9" in text(found) and "paired" in gated[0]
    assert [c.rules != () for c in found.changes] == sorted(
        [c.rules != () for c in found.changes], reverse=True
    )
    assert type(found).model_validate_json(found.model_dump_json()) == found
    assert compare(a, b, rows_a, rows_b) == found


def test_comparing_loads_no_jax():
    code = "import sys, audit.compare_words, audit.row_outcomes; print({'jax', 'pandas', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "set()", done.stderr
