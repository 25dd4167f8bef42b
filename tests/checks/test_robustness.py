"""The robustness checks on models whose worst case is known, on broken ones, and on attacks that cheat."""

import dataclasses
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from audit.checks import robustness_fgsm, robustness_pgd
from audit.checks.robustness_fgsm import FgsmOptions, fgsm
from audit.checks.robustness_pgd import PgdOptions, pgd
from audit.registry import Context
from audit.subject import DecisionRule, Split, observe

EPS = (0.1, 0.3, 1.0)
FGSM = FgsmOptions(eps=EPS, rows=None)
PGD = PgdOptions(eps=EPS, rows=None, steps=20, step_size=0.2, probes=False)
LINF = {"norms": ("linf",)}
BOTH = pytest.mark.parametrize(("check", "options"), [(fgsm, FGSM), (pgd, PGD)], ids=["fgsm", "pgd"])


@pytest.fixture
def full(context) -> Context:
    return replace(context, quick=False)


def _values(findings, name):
    """Return {(norm, eps): estimate} of a measure."""
    found = [m for m in findings.measurements if m.name == name]
    return {(m.where.get("norm"), m.where.get("eps")): m.estimate for m in found}


def _robust(subject, norm, eps):
    """Return which test rows a logistic model of `table_subject` keeps right at their worst, exactly."""
    w, bias = np.asarray(subject.model.params["w"], float), float(subject.model.params["b"])
    test = subject.data.test
    sign = np.where(test.y == 1, 1.0, -1.0)
    margin = sign * (test.x.astype(float) @ w + bias)
    free = w * np.array([1, 1, 0, 1, 0])  # years is immutable, region categorical
    x = test.x.astype(float)
    if norm == "linf":
        moved = np.clip(x - eps * sign[:, None] * np.sign(free), -4, 4)
        moved[:, [2, 4]] = x[:, [2, 4]]
        return margin - sign * ((x - moved) @ free) > 0
    assert np.abs(x[:, [0, 1, 3]]).max() <= 4
    return margin - _l2_gain(x, -sign[:, None] * free, eps) > 0


def _l2_gain(x, g, eps):
    """Return each row's largest <g, u> over ||u|| <= eps with x + u within [-4, 4]."""
    gains = []
    for row, direction in zip(x, g, strict=True):
        least, most = 0.0, 1e6
        for _ in range(100):
            t = (least + most) / 2
            short = np.linalg.norm(np.clip(t * direction, -4 - row, 4 - row)) <= eps
            least, most = (t, most) if short else (least, t)
        gains.append(direction @ np.clip(least * direction, -4 - row, 4 - row))
    return np.array(gains)


@BOTH
def test_on_a_logistic_model_both_attacks_find_exactly_the_rows_that_can_fall(
    check, options, table_subject, full
):
    found = check(table_subject, options, full)
    robust, success = _values(found, "robust_accuracy"), _values(found, "attack_success")
    right = int((table_subject.predictions() == table_subject.data.test.y).sum())
    for norm in ("linf", "l2"):
        for eps in EPS:
            exact = int(_robust(table_subject, norm, eps).sum())
            e, s = robust[norm, eps], success[norm, eps]
            assert (round(e.value * e.n), e.n, e.side) == (exact, 400, "at most")
            assert (round(s.value * s.n), s.n, s.side) == (right - exact, right, "at least")
    clean = _values(found, "clean_accuracy")[None, None]
    assert (round(clean.value * 400), clean.side) == (right, "two-sided")
    assert all(row[2] in ("pass", "not applicable") for row in found.tables[1].rows), found.tables[1].rows


@BOTH
def test_the_curve_starts_clean_and_agrees_with_the_measures(check, options, image_subject, full):
    found = check(image_subject, options, full)
    curve = found.tables[0]
    assert curve.kind == "curve" and [c.name for c in curve.columns] == [
        "series",
        "x",
        "value",
        "low",
        "high",
        "n",
    ]
    clean = _values(found, "clean_accuracy")[None, None].value
    for norm, name in (("linf", "L-infinity"), ("l2", "L2")):
        rows = [row for row in curve.rows if row[0] == name]
        robust = _values(found, "robust_accuracy")
        assert [row[1] for row in rows] == [0.0, *EPS]
        assert [row[2] for row in rows] == [clean, *(robust[norm, eps].value for eps in EPS)]
        assert rows[-1][2] < rows[0][2]
        if check is pgd:
            assert (np.diff([row[2] for row in rows]) <= 0).all()


@BOTH
def test_what_an_attack_claims_but_may_not_do_is_not_counted(
    check, options, table_subject, full, monkeypatch
):
    def cheat(shared, rows):
        return rows.x + 50.0

    for module in (robustness_fgsm, robustness_pgd):
        for name in ("fgsm_rows", "noise_rows"):
            if name in vars(module):
                monkeypatch.setattr(module, name, lambda *static: cheat)
    honest = robustness_pgd.pgd_walk

    def far(*static):
        return honest(*static)._replace(finish=lambda s, rows, a: cheat(s, rows))

    monkeypatch.setattr(robustness_pgd, "pgd_walk", far)
    found = check(table_subject, options, full)
    clean = _values(found, "clean_accuracy")[None, None].value
    assert {e.value for e in _values(found, "robust_accuracy").values()} == {clean}


@BOTH
def test_a_model_without_a_slope_makes_the_attack_warn(check, options, table_subject, full):
    def stepped(params, x):
        logit = jnp.sign(x @ params["w"] + params["b"])
        return jnp.stack([jnp.zeros_like(logit), logit], axis=1)

    subject = observe(replace(table_subject.model, apply=stepped), table_subject.data)
    if check is pgd:
        options = options.model_copy(update={"probes": True})
    found = check(subject, options.model_copy(update=LINF), full)
    vanish = next(row for row in found.tables[1].rows if "vanish" in str(row[0]))
    assert vanish[2:4] == ("warn", 1.0)
    assert all(
        "signs that the attack works are missing" in e.doubt
        for e in _values(found, "robust_accuracy").values()
    )
    if check is pgd:  # what blind noise felled is proof, so it counts, and PGD's own share is shown to lag
        clean = _values(found, "clean_accuracy")[None, None].value
        assert _values(found, "robust_accuracy")["linf", 1.0].value < clean


@BOTH
def test_results_are_the_same_again_and_in_any_order_of_rows(check, options, table_subject, full):
    data = table_subject.data
    order = np.random.default_rng(0).permutation(len(data.test))
    shuffled = replace(data, splits={**data.splits, "test": data.test.take(order)})
    first, again = (check(table_subject, options, full) for _ in range(2))
    other = check(observe(table_subject.model, shuffled), options, full)
    assert first == again
    assert first.measurements == other.measurements


@BOTH
def test_no_more_compilations_for_more_radii(check, options, table_subject, full):
    traces = []

    def apply(params, x):
        traces.append(1)
        return table_subject.model.apply(params, x)

    subject = replace(table_subject, model=replace(table_subject.model, apply=apply))
    for eps in (EPS[:1], EPS):
        check(subject, options.model_copy(update={"eps": eps, **LINF}), full)
        if eps == EPS[:1]:
            first = len(traces)
    assert len(traces) == first > 0


@BOTH
def test_the_decision_that_is_attacked_is_the_models_own(check, options, table_subject, full):
    lenient = replace(table_subject.model, decision=DecisionRule("threshold", 0.9))
    found = check(observe(lenient, table_subject.data), options.model_copy(update=LINF), full)
    w, b = np.asarray(lenient.params["w"], float), float(lenient.params["b"])
    test, edge = table_subject.data.test, np.log(9)
    reach = 0.3 * np.abs(w[[0, 1, 3]]).sum()
    assert np.abs(test.x).max() <= 4
    odds = test.x.astype(float) @ w + b - edge
    sign = np.where(test.y == 1, 1.0, -1.0)
    unboxed = int((sign * odds - reach > 0).sum())  # the box spares a few more
    robust = _values(found, "robust_accuracy")["linf", 0.3]
    assert unboxed <= round(robust.value * robust.n) <= unboxed + 3


@BOTH
def test_a_quick_run_says_how_few_rows_it_tried(check, options, table_subject, context):
    found = check(table_subject, options.model_copy(update=LINF), context)
    assert {m.estimate.n for m in found.measurements if m.name != "attack_success"} == {200}
    assert any("200 test rows that were not drawn" in line for line in found.not_measured)


@BOTH
def test_nothing_to_attack_and_nothing_right_are_said_not_scored(check, options, table_subject, full):
    data = table_subject.data
    fixed = replace(data, features=tuple(replace(f, mutable=False) for f in data.features))
    found = check(observe(table_subject.model, fixed), options, full)
    assert all(e.value is None and e.reason for e in _values(found, "robust_accuracy").values())
    wrong = Split(data.test.x, 1 - table_subject.predictions(), data.test.id)
    found = check(
        observe(table_subject.model, replace(data, splits={**data.splits, "test": wrong})), options, full
    )
    assert {e.value for e in _values(found, "robust_accuracy").values()} == {0.0}
    assert all(e.value is None for e in _values(found, "attack_success").values())


def test_clustered_rows_widen_the_interval(table_subject, full):
    data = table_subject.data
    cluster = np.sort(table_subject.predictions() != data.test.y).astype(int) * 100 + np.arange(400) // 20
    people = replace(data, splits={**data.splits, "test": dataclasses.replace(data.test, cluster=cluster)})
    plain, grouped = (
        _values(fgsm(observe(table_subject.model, d), FGSM, full), "robust_accuracy")["linf", 0.3]
        for d in (data, people)
    )
    assert grouped.value == pytest.approx(plain.value) and "cluster" in grouped.method


def test_the_cost_of_pgd_is_counted(table_subject, full):
    options = PGD.model_copy(update={"eps": (0.5,), "norms": ("linf",), "steps": 7, "restarts": 3})
    right = int((table_subject.predictions() == table_subject.data.test.y).sum())
    cost = pgd(table_subject, options, full).cost
    assert cost == {"gradient": right * ((7 + 1) * 3 + 1), "forward": right * (1 + 3)}


@pytest.mark.parametrize("bad", [{"eps": (0.0,)}, {"eps": ()}, {"norms": ("l7",)}, {"rows": 0}, {"steps": 5}])
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="validation error"):
        FgsmOptions(**bad)
