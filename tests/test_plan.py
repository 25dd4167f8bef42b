import datetime as dt
import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, norm

from audit import assemble, gate, plan_oracle, stats
from audit.config import load
from audit.evidence import CheckResult, Findings, GroupRates, Measurement, Rate, Rule
from audit.plan import plan, text
from audit.plan_worlds import _within_reach
from audit.registry import find
from audit.stats.power import chance, reaches, samples
from audit.subject import Dataset, Feature, Split, Tokens

RUNS = 300
CHECKS = {"accuracy.overall": {}, "fairness.groups": {"intersections": "none"}}


def _loaded(*rules, checks=None, model=None, **policy):
    given = [{"because": "a test", **rule} for rule in rules]
    config = {
        "version": 1,
        "name": "t",
        "checks": checks or CHECKS,
        "policy": {"name": "p", "rules": given, **policy},
    }
    return load(config | ({"model": model} if model else {}))


def _rule(measure, id="R", **more):
    return {"id": id, "measure": measure, **more}


NOWHERE = _rule("fairness.groups.impact_ratio", id="N", where={"attribute": "nowhere"}, at_least=0.5)


def _data(counts, cluster=None, classes=("no", "yes")):
    """Test rows by {group: (rows of class 0, rows of class 1, ...)}; class 1 is favourable."""
    y = np.concatenate([np.repeat(np.arange(len(c)), c) for c in counts.values()]).astype(np.int32)
    sex = np.repeat(list(counts), [sum(c) for c in counts.values()])
    x = np.zeros((len(y), 1), np.float32)
    ids = np.arange(len(y)).astype(str)
    test = Split(x, y, ids, groups={"sex": sex}, cluster=None if cluster is None else cluster(len(y)))
    task = "binary" if len(classes) == 2 else "multiclass"
    ends = (np.zeros(1, np.float32), np.ones(1, np.float32))
    return Dataset(
        "made", task, "table", {"test": test}, classes=classes, favourable=1, low=ends[0], high=ends[1]
    )


def _words(loaded, estimates, measure):
    """The share of each word that the gate says over audits with these estimates; where is not used."""
    check, _, name = measure.rpartition(".")
    said = []
    for estimate in estimates:
        found = Findings(measurements=(Measurement(name=name, label="l", estimate=estimate),))
        result = CheckResult(check=check, area="fairness", title="t", status="ok", findings=found)
        said.append(gate.judge([result], loaded.policy, on=dt.date.min)[0][0].verdict)
    return {word: said.count(word) / len(said) for word in ("PASS", "FAIL")}


# ---------------------------------------------------------------- against simulated audits


@pytest.mark.parametrize(("limit", "n"), [(0.8, 150), (0.95, 900)])
def test_a_rate_reads_pass_and_fail_as_often_as_planned(limit, n):
    """Exactly: every possible count judged, with its binomial probability."""
    rule = _rule("accuracy.overall.accuracy", at_least=limit)
    loaded = _loaded(rule, *(NOWHERE | {"id": f"O{i}"} for i in range(3)))
    row = plan(loaded, _data({"a": (n // 2, n - n // 2)})).rows[0]
    assert (row.n, row.fail_level) == (n, 0.0125)
    for value, word, worse in ((row.pass_from, "PASS", -0.001), (row.fail_from, "FAIL", 0.001)):
        near = range(int(binom.ppf(1e-4, n, value)), int(binom.isf(1e-4, n, value)) + 1)
        shown = np.array([_words(loaded, [stats.rate_of(k, n)], rule["measure"])[word] for k in near])
        chances = [float(shown @ binom.pmf(near, n, p)) for p in (value, value + worse)]
        assert chances[0] == pytest.approx(0.8, abs=0.02) and chances[1] < chances[0]


@pytest.mark.parametrize(
    ("name", "limit", "of"),
    [
        ("selection_rate_difference", {"at_most": 0.2}, "difference"),
        ("impact_ratio", {"at_least": 0.6}, "ratio"),
    ],
)
@pytest.mark.parametrize("extra", [(), pytest.param(("c", "d"), marks=pytest.mark.slow)])
def test_a_gap_reads_pass_and_fail_as_often_as_planned(name, limit, of, extra):
    rule = _rule(f"fairness.groups.{name}", **limit)
    counts = {"a": (150, 150), "b": (300, 300), **{group: (280, 280) for group in extra}}
    loaded = _loaded(rule, NOWHERE)
    row = plan(loaded, _data(counts)).rows[0]
    assert row.groups == {group: sum(c) for group, c in counts.items()}
    n = np.array([sum(c) for c in counts.values()])
    rng = np.random.default_rng(2)
    for value, word in ((row.pass_from, "PASS"), (row.fail_from, "FAIL")):
        rates = np.full(len(n), 0.5)
        rates[0] = 0.5 * value if of == "ratio" else 0.5 + value
        audits = [stats.groups(list(counts), k, n, n, of=of) for k in rng.binomial(n, rates, (RUNS, len(n)))]
        assert _words(loaded, audits, rule["measure"])[word] == pytest.approx(0.8, abs=0.09)


def test_an_auc_reads_pass_as_often_as_planned():
    row = plan(_loaded(_rule("accuracy.overall.auc", at_least=0.7)), _data({"a": (80, 120)})).rows[0]
    rng = np.random.default_rng(3)
    apart = np.sqrt(2) * norm.ppf(row.pass_from)
    labels = np.arange(200) < 120
    shown = [
        stats.low_bound(stats.auc(rng.normal(size=200) + apart * labels, labels).statistic, 0.05) >= 0.7
        for _ in range(250)
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.09)


def test_a_calibration_error_reads_pass_as_often_as_planned():
    rule = _rule("calibration.reliability.calibration_error", at_most=0.2)
    row = plan(_loaded(rule, checks={"calibration.reliability": {}}), _data({"a": (150, 150)})).rows[0]
    rng, shown = np.random.default_rng(4), []
    for _ in range(200):
        c = rng.random(300)
        came = rng.random(300) < c + np.where(c < 0.5, row.pass_from, -row.pass_from)
        shown.append(stats.high_bound(stats.calibration_error(c, came).statistic, 0.05) <= 0.2)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.12)


# ---------------------------------------------------------------- what cannot be shown


def test_a_group_of_20_rows_cannot_pass():
    gap = _rule("fairness.groups.true_positive_rate_difference", at_most=0.1)
    least = _rule("fairness.groups.accuracy_minimum", id="M", at_least=0.9)
    found = plan(_loaded(gap, least), _data({"small": (20, 20), "large": (3000, 3000)}))
    first, second = found.rows
    assert (first.outlook, first.pass_from, first.ideal_chance) == ("can hardly PASS", None, 0.0)
    assert first.groups == {"large": 3000, "small": 20}
    assert first.rows_at_ideal > 10 * first.n and "small 20" in first.says
    assert second.outlook == "can PASS"
    fewer = plan(_loaded(gap, least), _data({"small": (10, 10), "large": (300, 300)}))
    assert [row.outlook for row in fewer.rows] == ["cannot PASS", "cannot PASS"]  # 0.05 ** (1 / 20) < 0.9
    assert "2 cannot PASS (R, M). No model" in fewer.says


@pytest.mark.parametrize("of", ["difference", "ratio"])
@pytest.mark.parametrize(
    ("n", "limit"), [((4, 9), 0.2), ((5, 30), 0.25), ((7, 12), 0.3), ((9, 9), 0.75), ((3, 40), 0.4)]
)
def test_where_no_counts_are_said_to_pass_none_do(of, n, limit):
    rule = Rule(
        id="r", measure="c.m", because="b", **{"at_most" if of == "difference" else "at_least": limit}
    )
    bound = stats.high_bound if of == "difference" else stats.low_bound
    any_passes = False
    for k in itertools.product(range(n[0] + 1), range(n[1] + 1)):
        if of == "ratio" and not any(k):
            continue
        b = bound(GroupRates(of=of, groups=("a", "b"), k=k, n=n, sizes=n), 0.05)
        any_passes |= b <= limit if of == "difference" else b >= limit
    assert _within_reach(rule, of, min(n), 0.05) >= any_passes


def test_the_claim_that_no_counts_pass_is_made_at_all():
    gap, ratio = (
        Rule(id="r", measure="c.m", because="b", **limit) for limit in ({"at_most": 0.2}, {"at_least": 0.8})
    )
    assert [_within_reach(gap, "difference", n, 0.05) for n in (5, 6)] == [False, True]
    assert [_within_reach(ratio, "ratio", n, 0.05) for n in (6, 7)] == [False, True]


def test_rows_at_the_ideal_are_those_of_the_closed_form():
    """All of n rows right: the lower limit is alpha^(1/n)."""
    for limit in (0.6, 0.9, 0.99):
        row = plan(_loaded(_rule("accuracy.overall.accuracy", at_least=limit)), _data({"a": (20, 20)})).rows[
            0
        ]
        exact = np.ceil(np.log(0.05) / np.log(limit))
        assert exact <= row.rows_at_ideal <= 1.03 * exact + 1
        assert row.outlook == ("can PASS" if exact <= 40 else "cannot PASS")


@pytest.mark.parametrize(
    ("measure", "where", "reason"),
    [
        ("fairness.groups.impact_ratio", {"attribute": "race"}, "only at attribute=sex"),
        ("accuracy.overall.macro_auc", {}, "found no macro_auc"),
        ("calibration.reliability.ece_15", {}, "never judged"),
        ("fairness.groups.true_positive_rate_difference", {}, "empty in group b"),
        ("robustness.fgsm.robust_accuracy", {}, "gradients"),
    ],
)
def test_what_no_model_could_make_estimable_is_said_with_the_reason(measure, where, reason):
    checks = {**CHECKS, "robustness.fgsm": {}, "calibration.reliability": {}}
    side = "at_most" if measure.endswith(("difference", "ece_15")) else "at_least"
    loaded = _loaded(_rule(measure, where=where, **{side: 0.5}), checks=checks, model={"scores": "s.csv"})
    found = plan(loaded, _data({"a": (30, 30), "b": (30, 0)}))
    assert found.rows[0].outlook == "NOT-ESTIMABLE" and reason in found.rows[0].says
    assert "1 cannot PASS (R). No model" in found.says


def test_denominators_that_the_model_chooses_promise_and_forbid_nothing():
    rate = _rule("fairness.groups.positive_predictive_value", at_least=0.9)
    gap = _rule("fairness.groups.positive_predictive_value_difference", id="G", at_most=0.9)
    each = plan(_loaded(rate, gap), _data({"a": (30, 30), "b": (30, 0)})).rows
    assert [row.outlook for row in each] == ["can PASS", "no plan", "no plan"]
    few = plan(_loaded(rate), _data({"a": (30, 8)})).rows[0]
    assert few.outlook == "can hardly PASS" and "as many rows get the prediction as should" in few.says


def test_what_depends_on_the_model_itself_has_no_plan():
    measures = ("calibration.reliability.brier", "accuracy.overall.log_loss", "explanation.shapley.reliance")
    checks = {**CHECKS, "calibration.reliability": {}, "explanation.shapley": {}}
    rules = [_rule(measure, id=str(i), at_most=0.2) for i, measure in enumerate(measures)]
    data = _data({"a": (50, 50), "b": (50, 50)})
    object.__setattr__(data, "features", (Feature("x"),))
    found = plan(_loaded(*rules, checks=checks), data)
    assert [row.outlook for row in found.rows] == ["no plan"] * 3
    assert all(row.says.startswith("no plan: ") and row.measure in row.says for row in found.rows)


# ---------------------------------------------------------------- what a run will meet


@pytest.mark.parametrize("name", ["robustness.fgsm", pytest.param("robustness.pgd", marks=pytest.mark.slow)])
def test_an_attack_is_planned_where_it_will_be_measured(name, table_subject, context):
    less = {"steps": 1} if name.endswith("pgd") else {}
    given = {"eps": [0.2, 0.1], "l2_eps": [0.3], "rows": 60, **less}
    loaded = _loaded(_rule(f"{name}.robust_accuracy", at_least=0.5), checks={name: given})
    real = find(name).function(table_subject, loaded.options[name], context).measurements
    planned = plan_oracle.results(loaded, plan_oracle.oracle(loaded, table_subject.data))[
        0
    ].findings.measurements

    def places(measurements):
        return {(m.name, *m.where.values(), m.estimate.side) for m in measurements}

    assert places(planned) == places(real)
    assert {m.estimate.n for m in planned} == {60}


def test_the_denominators_are_those_of_the_data():
    data = _data({"a": (30, 70), "b": (45, 15)})
    rules = (
        _rule("fairness.groups.true_positive_rate", where={"group": "b"}, at_least=0.5),
        _rule("fairness.groups.false_positive_rate_difference", id="F", at_most=0.5),
        _rule("accuracy.overall.recall", id="C", where={"class": "no"}, at_least=0.5),
        _rule("fairness.groups.impact_ratio", id="I", at_least=0.2),
    )
    one, gap, recall, ratio = plan(_loaded(*rules), data).rows
    assert (one.n, gap.n, gap.groups, recall.n) == (15, 75, {"a": 30, "b": 45}, 75)
    assert ratio.always_right == pytest.approx((15 / 60) / (70 / 100))
    assert "0.53 (as in the data)" in ratio.says  # 85 of 160
    assert "0.50 (the worst case)" in gap.says
    assert gap.test_rows_at_ideal == pytest.approx(gap.rows_at_ideal * 160 / 75, abs=3)


def test_small_groups_are_left_out_as_the_policy_says():
    loaded = _loaded(_rule("fairness.groups.impact_ratio", at_least=0.5), minimum_group_share=0.05)
    row = plan(loaded, _data({"a": (100, 100), "b": (100, 100), "tiny": (2, 2)})).rows[0]
    assert (set(row.groups), row.excluded_groups) == ({"a", "b"}, ("tiny",))
    assert "without tiny" in row.says


def test_clustered_rows_count_less_and_promise_nothing():
    loaded = _loaded(_rule("accuracy.overall.accuracy", at_least=0.8))
    alone, shared = (
        plan(loaded, _data({"a": (50, 50)}, cluster=c)) for c in (None, lambda n: np.arange(n) // 10)
    )
    assert shared.rows[0].outlook == "can hardly PASS"  # ten people
    assert alone.rows[0].outlook == "can PASS"
    assert any("cluster" in said for said in shared.assumptions)


def test_fail_is_planned_at_holms_level():
    rules = (
        _rule("robustness.pgd.robust_accuracy", where={"eps": 0.1, "norm": "linf"}, at_least=0.5),
        _rule("accuracy.overall.accuracy", id="A", at_least=0.7),
        _rule("accuracy.overall.accuracy", id="B", at_least=0.7, severity="advisory"),
    )
    checks = {**CHECKS, "robustness.pgd": {}}
    _, blocking, advisory = plan(_loaded(*rules, checks=checks), _data({"a": (90, 90)})).rows
    assert (blocking.fail_level, advisory.fail_level) == (0.025, 0.05)
    assert blocking.fail_from < advisory.fail_from < 0.7 < blocking.pass_from == advisory.pass_from


def test_the_quickstart_is_planned_without_training(monkeypatch):
    def trained(*given):
        raise AssertionError("nothing may be trained")

    monkeypatch.setattr(assemble, "read_model", trained)
    found = plan(load("quickstart"))
    outlooks = {row.rule: row.outlook for row in found.rows}
    assert (
        outlooks["A1"] == "can PASS" and outlooks["F1"] == "can hardly PASS" and outlooks["E1"] == "no plan"
    )
    assert found.test_rows == 442 and found.blocking == 6
    for row in found.rows:
        if row.outlook != "no plan":
            assert f"{row.n} rows" in row.says and "true value of" in row.says


def test_the_plan_of_a_synthetic_table_is_the_same_every_time(table_subject):
    checks = {**CHECKS, "calibration.reliability": {}, "robustness.pgd": {}}
    loaded = load({"version": 1, "name": "t", "checks": checks, "policy": "four_fifths"})
    first, second = (plan(loaded, table_subject.data) for _ in range(2))
    assert first == second and first.model_dump_json() == second.model_dump_json()
    assert {(row.rule, row.where["attribute"]) for row in first.rows if row.where} >= {
        ("four-fifths", "sex"),
        ("four-fifths", "age"),
    }
    lines = text(first).splitlines()
    cells = ["measure", *(row.label for row in first.rows)]
    assert len({line.index(cell) for line, cell in zip(lines[2:], cells, strict=False)}) == 1
    assert first.says in lines and all(f"{row.rule}: {row.says}" in lines for row in first.rows)


# ---------------------------------------------------------------- samples


def test_samples_have_the_binomial_distribution_in_every_group():
    n, p = (40.0, 13.0, 200.0), (0.3, 0.9, 0.5)
    k = tuple(a * b for a, b in zip(n, p, strict=True))
    drawn = samples(GroupRates(of="difference", groups=("a", "b", "c"), k=k, n=n, sizes=n), draws=512)
    hits = np.array([s.k for s in drawn])
    for i in range(3):
        seen = np.array([(hits[:, i] <= c).mean() for c in range(int(n[i]) + 1)])
        assert np.abs(seen - binom.cdf(np.arange(n[i] + 1), n[i], p[i])).max() < 0.003
    assert np.abs(np.corrcoef(hits.T) - np.eye(3)).max() < 0.15


def test_the_chance_for_one_rate_is_exact():
    for n, p, limit in ((50, 0.9, 0.75), (300, 0.8, 0.75)):
        found = chance(samples(Rate(k=p * n, n=n), draws=1000), limit, "PASS", at_least=True)
        passing = [k for k in range(n + 1) if stats.low_bound(Rate(k=k, n=n), 0.05) >= limit]
        assert found == pytest.approx(binom.pmf(passing, n, p).sum(), abs=0.002)


def test_reaching_a_power_is_having_the_chance():
    found = samples(Rate(k=45, n=50))
    for limit in (0.7, 0.78, 0.8, 0.82, 0.9):
        share = chance(found, limit, "PASS", at_least=True)
        for power in (0.6, 0.8, share, min(share + 0.01, 1.0)):
            assert reaches(power, found, limit, "PASS", at_least=True) == (share >= power > 0)
    assert not reaches(0.8, [], 0.5, "PASS", at_most=True)


def test_a_limit_that_is_met_exactly_passes_and_never_fails():
    every = [GroupRates(of="ratio", groups=("a", "b"), k=(0, 0), n=(5, 5), sizes=(5, 5))]
    assert chance(every, 0.0, "PASS", at_least=True) == 0  # a ratio of zeros has no value
    same = [GroupRates(of="difference", groups=("a", "b"), k=(5, 5), n=(9, 9), sizes=(9, 9))]
    assert chance(same, 0.0, "FAIL", at_most=True) == 0
    assert chance([Rate(k=9, n=9)], 1.0, "PASS", at_most=True) == 1
    assert chance([], 0.5, "PASS", at_most=True) == 0
    with pytest.raises(ValueError, match="exactly one"):
        chance([], 0.5, "PASS")
    with pytest.raises(ValueError, match="expected rates"):
        samples(stats.mean([0.0, 1.0, 0.5], low=0, high=1).statistic)


def test_edits_of_texts_are_planned_on_the_texts_that_are_tried():
    made = _data({"a": (150, 150)})
    words = np.full(len(made.test), "a text")
    texts = replace(
        made,
        modality="text",
        tokens=Tokens(lambda said: np.ones((len(said), 1), np.int32), 3),
        splits={"test": replace(made.test, text=words)},
    )
    where = {"edit": "character", "edits": 2}
    rules = [_rule(f"robustness.text.{name}", id=name, where=where, at_least=0.8)
             for name in ("edited_accuracy", "robust_accuracy")]  # fmt: skip
    checks = {**CHECKS, "robustness.text": {"rows": 200}}
    edited, searched = plan(_loaded(*rules, checks=checks), texts).rows
    rate = plan(_loaded(_rule("accuracy.overall.accuracy", at_least=0.8)), _data({"a": (100, 100)})).rows[0]
    assert edited.n == searched.n == 200
    assert edited.pass_from == searched.pass_from == rate.pass_from
    assert edited.fail_from == pytest.approx(searched.fail_from) and not edited.one_sided


def test_a_policy_that_cannot_be_planned_foresees_no_pass():
    unplanned = _rule("accuracy.overall.log_loss", id="L", at_most=1.0)
    alone = plan(_loaded(unplanned), _data({"a": (50, 50)}))
    beside = plan(
        _loaded(unplanned, _rule("accuracy.overall.accuracy", at_least=0.7)), _data({"a": (50, 50)})
    )
    assert "can show a PASS" not in alone.says + beside.says
    assert "not foreseen" in alone.says and "The others can each PASS" in beside.says
