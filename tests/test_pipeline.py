"""The whole way in one process: records, reuse, crashes, interruption, bad models, hostile names."""

import dataclasses
import datetime as dt
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import audit
from audit import gate, registry, stats, store
from audit.errors import AuditError, ConfigError, ModelError
from audit.evidence import CheckResult, Findings, Measurement
from audit.opening import open_run
from audit.policies import load_policy

CHEAP = {"accuracy.overall": {}, "fairness.groups": {"intersections": "none"}, "calibration.reliability": {}}
POLICY = {
    "name": "test",
    "rules": [
        {"id": "A1", "measure": "accuracy.overall.accuracy", "at_least": 0.6, "because": "a test"},
        {
            "id": "F1",
            "measure": "fairness.groups.selection_rate_difference",
            "at_most": 0.9,
            "because": "a test",
        },
    ],
}
CONFIG = {"name": "small", "checks": CHEAP, "policy": POLICY}


def logistic(params, x):
    return x @ params["w"][:, None] + params["b"]


@pytest.fixture
def model():
    return audit.Model("mine", apply=logistic, params={"w": jnp.array([1.5, -1.0]), "b": jnp.float32(0.0)})


@pytest.fixture
def data():
    return dataset()


def dataset(classes=("no", "yes"), groups=("a", "b"), attribute="sex"):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(900, 2)).astype(np.float32)
    y = (x @ [1.5, -1.0] + rng.logistic(size=900) > 0).astype(int)
    return audit.from_arrays("arrays", "binary", x, y, groups={attribute: np.array(groups)[rng.integers(2, size=900)]},
                             classes=classes, favourable=classes[1], low=[-5, -5], high=[5, 5],
                             plan=audit.SplitPlan())  # fmt: skip


def run(tmp_path, model, data, config=CONFIG, **more):
    return audit.run(config, model=model, data=data, out=tmp_path, **more)


def test_arrays_and_a_function_need_no_yaml(tmp_path, model, data):
    record = run(tmp_path, model, data)
    assert (record.verdict, record.exit_code) == ("PASS", 0)
    folder = tmp_path / record.volatile.run_id
    assert open_run(folder) == record
    page = (folder / "report.html").read_text()
    assert "PASS" in page and "small" in page
    assert record.volatile.earlier_judgements == 0
    assert run(tmp_path, model, data).volatile.earlier_judgements == 0  # the same again is no new judgement


def test_equal_runs_are_equal_bytes(tmp_path, model, data):
    config = {**CONFIG, "checks": {**CHEAP, "robustness.pgd": {"eps": [0.1]}, "explanation.shapley": {}}}
    first = run(tmp_path / "a", model, data, config, quick=True, reuse=False)
    second = run(tmp_path / "b", model, data, config, quick=True, reuse=False)
    assert first.to_bytes(volatile=False) == second.to_bytes(volatile=False)
    other = run(tmp_path / "c", model, data, {**config, "seed": 1}, quick=True, reuse=False)
    assert first.to_bytes(volatile=False) != other.to_bytes(volatile=False)


def test_one_more_check_moves_no_other_number(tmp_path, model, data):
    alone = run(tmp_path / "a", model, data, quick=True, reuse=False)
    config = {**CONFIG, "checks": {"robustness.pgd": {"eps": [0.1]}, **CHEAP}}
    more = run(tmp_path / "b", model, data, config, quick=True, reuse=False)
    assert alone.results == more.results[1:]


def test_a_quick_run_never_passes(tmp_path, model, data):
    record = run(tmp_path, model, data, quick=True)
    assert record.verdict != "PASS"
    assert record.exit_code != 0


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, GeneratorExit, BaseException])
def test_a_crashed_check_blocks_and_the_audit_goes_on(tmp_path, model, data, monkeypatch, kind):
    def crash(subject, options, ctx):
        raise kind("<b>out of cheese</b>")

    known = dict(registry.checks())
    broken = registry.Check(**{**vars(known["accuracy.overall"]), "function": crash})
    monkeypatch.setitem(registry._checks, "accuracy.overall", broken)
    record = run(tmp_path, model, data)
    assert [r.status for r in record.results] == ["error", "ok", "ok"]
    assert (record.verdict, record.exit_code) == ("NOT-ESTIMABLE", 3)
    page = (tmp_path / record.volatile.run_id / "report.html").read_text()
    assert "out of cheese" in page and "<b>out of cheese" not in page


def test_an_interrupted_run_leaves_no_folder(tmp_path, model, data, monkeypatch):
    def interrupt(subject, options, ctx):
        raise KeyboardInterrupt

    known = registry.checks()["calibration.reliability"]
    monkeypatch.setitem(registry._checks, "calibration.reliability",
                        registry.Check(**{**vars(known), "function": interrupt}))  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model, data)
    assert store.list_runs(tmp_path) == []


def test_checks_that_do_not_apply_are_skipped_with_the_reason(tmp_path, data):
    frozen = audit.Model(
        "host", lambda params, x: np.zeros((len(x), 1), np.float32), outputs="logits", differentiable=False
    )
    config = {**CONFIG, "checks": {"accuracy.overall": {}, "robustness.pgd": {}},
              "policy": {"name": "p", "rules": [{"id": "R", "measure": "robustness.pgd.robust_accuracy",
                                                 "at_least": 0.1, "because": "a test"}]}}  # fmt: skip
    record = run(tmp_path, frozen, data, config)
    assert record.results[1].status == "skipped"
    assert "gradients" in record.results[1].reason
    assert record.verdict == "NOT-ESTIMABLE"


def test_a_policy_without_a_blocking_rule_is_not_estimable(tmp_path, model, data):
    record = run(tmp_path, model, data, {**CONFIG, "policy": {"name": "empty"}})
    assert (record.verdict, record.exit_code) == ("NOT-ESTIMABLE", 3)


@pytest.mark.parametrize(
    ("apply", "says"),
    [
        (lambda params, x: x[:, :1] * jnp.nan, "NaN or infinite"),
        (lambda params, x: jnp.concatenate([x, x], axis=1), "shape"),
        (lambda params, x: x[:, 0], "shape"),
    ],
)
def test_outputs_that_cannot_be_audited_are_one_line(tmp_path, data, apply, says):
    with pytest.raises(ModelError, match=says):
        run(tmp_path, audit.Model("bad", apply=apply), data)
    assert store.list_runs(tmp_path) == []


def test_logits_declared_as_probabilities_are_refused(tmp_path, data):
    bad = audit.Model("bad", apply=lambda params, x: x[:, :1] * 10, outputs="probabilities")
    with pytest.raises(ModelError, match="declared as probabilities"):
        run(tmp_path, bad, data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"checks": {"accuracy.overall": {}}}, "not configured"),
        ({"policy": {"name": "p", "rules": [{"id": "A", "measure": "accuracy.overall.acuracy", "at_least": 0.5,
                                             "because": "x"}]}}, "perhaps 'accuracy'"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_answered_is_refused_before_any_work(tmp_path, model, change, says):
    with pytest.raises(ConfigError, match=says):
        run(tmp_path, model, None, {**CONFIG, **change})


def test_neither_data_nor_model_is_one_line(tmp_path, model, data):
    with pytest.raises(ConfigError, match="data is missing"):
        run(tmp_path, model, None)
    with pytest.raises(ConfigError, match="model is missing"):
        run(tmp_path, None, data)


HOSTILE = "<script>alert(1)</script>"


def test_hostile_names_are_escaped_everywhere(tmp_path, model):
    data = dataset(classes=("no", HOSTILE), groups=(HOSTILE + "g", "\u202eb"), attribute=f"{HOSTILE}&sex")
    record = run(tmp_path, model, data, {**CONFIG, "name": HOSTILE})
    folder = tmp_path / record.volatile.run_id
    assert folder.name.count("/") == 0
    page = (folder / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_the_record_holds_no_row_of_the_data(tmp_path, model, data):
    record = run(tmp_path, model, data)
    text = record.to_bytes().decode()
    for row in data.test.id[:50]:
        assert str(row) not in text
    for value in np.asarray(data.test.x)[:50].ravel():
        assert str(float(value)) not in text


def test_unknown_attributes_in_options_are_the_users_mistake(tmp_path, model, data):
    checks = {**CHEAP, "fairness.groups": {"attributes": ["sexx"]}}
    with pytest.raises(AuditError, match="perhaps 'sex'"):
        run(tmp_path, model, data, {**CONFIG, "checks": checks})


def test_a_stored_record_is_judged_again_as_a_fresh_run_would_be(tmp_path, model, data):
    first = run(tmp_path / "a", model, data)
    fresh = run(tmp_path / "b", model, data, {**CONFIG, "policy": "four_fifths"})
    stored = open_run(tmp_path / "a" / first.volatile.run_id)
    on = fresh.volatile.judged.date()
    again = gate.judge(stored.results, load_policy("four_fifths", tmp_path), on=on)
    assert again == (fresh.decisions, fresh.verdict, fresh.exit_code)


def test_bootstrapped_and_clustered_numbers_are_judged_again_at_any_level(tmp_path, model, data):
    people = np.arange(len(data.test)) // 2
    test = dataclasses.replace(data.test, cluster=np.array([f"p{i}" for i in people]))
    clustered = dataclasses.replace(data, splits={**data.splits, "test": test})
    first = run(tmp_path / "a", model, clustered)
    stored = open_run(tmp_path / "a" / first.volatile.run_id)
    rules = [{"id": name, "measure": measure, side: limit, "because": "a test"} for name, measure, side, limit in (
        ("M", "accuracy.overall.macro_f1", "at_least", 0.6), ("F", "accuracy.overall.f1", "at_least", 0.6),
        ("C", "calibration.reliability.calibration_error", "at_most", 0.3))]  # fmt: skip
    for alpha in (0.01, 0.001):
        policy = {"name": "p", "alpha": alpha, "rules": rules}
        fresh = run(tmp_path / f"{alpha}", model, clustered, {**CONFIG, "policy": policy})
        again = gate.judge(
            stored.results, fresh.policy, on=fresh.volatile.judged.date(), concerns=fresh.concerns
        )
        assert again == (fresh.decisions, fresh.verdict, fresh.exit_code)
        by_rule = {d.rule.id: d for d in fresh.decisions}
        assert "clusters" in by_rule["C"].estimate.method and by_rule["C"].verdict != "NOT-ESTIMABLE"
        assert (by_rule["M"].verdict == "NOT-ESTIMABLE") == (alpha < 0.0025)


@pytest.mark.parametrize(("rows", "code"), [(5000, 1), (20, 3)])
def test_women_at_11_and_men_at_26_per_cent_never_pass_four_fifths(rows, code):
    women, men = round(0.11 * rows), round(0.26 * rows)
    estimate = stats.groups(["women", "men"], [women, men], [rows, rows], [rows, rows], of="ratio")
    found = Measurement(
        name="impact_ratio", label="Impact ratio", estimate=estimate, where={"attribute": "sex"}
    )
    result = CheckResult(check="fairness.groups", area="fairness", title="t", status="ok",
                         findings=Findings(measurements=(found,)))  # fmt: skip
    policy = load_policy("four_fifths", Path())
    blocking = policy.model_copy(update={"rules": tuple(r for r in policy.rules if r.severity == "blocking")})
    assert gate.judge([result], blocking, on=dt.date(2026, 1, 1))[2] == code
