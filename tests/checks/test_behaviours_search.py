"""The searches of behavioural tests against functions whose true share of breaking rows is known, and their probes."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from audit import gate
from audit.behaviours import monotone
from audit.behaviours.draws import spread, uniform
from audit.behaviours.path import largest
from audit.check_run import run_check
from audit.checks.behaviour_tests import BehaviourOptions, behaviour_tests
from audit.clock import Clock
from audit.evidence import CheckResult, Findings, Policy, Rule
from audit.registry import Context, find
from audit.subject import Dataset, DecisionRule, Feature, Model, Split, Subject, observe

RISING = {"name": "m", "kind": "monotone", "feature": "a", "expect": "rising", "tolerance": 0.001}
LIMIT = 0.05
ROWS = 300


def _subject(f, rows: int = ROWS, seed: int = 0, *, whole: int = 0) -> Subject:
    """A regression of two features in [0, 1] (or `a` in 0..whole) by f(a, b)."""
    rng = np.random.default_rng(seed)

    def split(name: str, n: int) -> Split:
        x = rng.random((n, 2)).astype(np.float32)
        if whole:
            x[:, 0] = rng.integers(0, whole + 1, n)
        x[:2, 0] = 0, whole or 1
        return Split(x, np.zeros(n), np.array([f"{name}-{seed}-{i}" for i in range(n)]))

    data = Dataset(
        "d", "regression", "table", {"train": split("train", 300), "test": split("test", rows)},
        features=(Feature("a", low=0.0, high=float(whole or 1)), Feature("b", low=0.0, high=1.0)),
    )  # fmt: skip
    model = Model("f", lambda p, x: f(x[:, 0], x[:, 1])[:, None], {}, "values", DecisionRule("none"))
    return observe(model, data)


def _estimate(subject: Subject, test: dict, name: str = "violation_rate", seed: int = 0):
    options = BehaviourOptions.model_validate({"tests": [test]})
    found = behaviour_tests(subject, options, Context(key=None, seed=seed))
    return next(m for m in found.measurements if m.name == name), found


def _verdict(measurement, limit: float = LIMIT) -> str:
    """What a rule that allows `limit` says of the measurement."""
    findings = Findings(measurements=(measurement,))
    result = CheckResult(check="behaviour.tests", area="behaviour", title="t", status="ok", findings=findings)
    rule = Rule(id="r", measure=f"behaviour.tests.{measurement.name}", where={}, at_most=limit, because="x")
    return gate.judge([result], Policy(name="p", rules=(rule,)), on=dt.date(2026, 1, 1))[1]


def _dipped(params, x):
    """A score that rises in a, but for a dip where b is below a share; where the dip lies differs a little by b."""
    place, width, share = params
    kind = np if isinstance(x, np.ndarray) else jnp
    a, b = x[:, 0], x[:, 1]
    dip = kind.where(b < share, 0.1, 0.0) * kind.exp(-(((a - place - 0.05 * b) / width) ** 2))
    return (0.02 * a - dip)[:, None]


def _scores(params, subject: Subject, points: int) -> np.ndarray:
    """Each test row's score[n, points] on one even grid."""
    x = np.repeat(np.asarray(subject.data.test.x), points, axis=0)
    x[:, 0] = np.tile(np.linspace(0, 1, points), len(subject.data.test))
    return _dipped(params, x)[:, 0].reshape(-1, points).astype(np.float64)


@pytest.mark.parametrize("differentiable", [True, False])
def test_narrow_dips_never_pass(differentiable):
    """Of random dips a third are invisible to 17 even values; none may PASS, and no share exceeds the truth."""
    rng, missed, shares = np.random.default_rng(3), 0, []
    tries = 12 if differentiable else 36
    for i in range(tries):
        params = (rng.uniform(0.05, 0.9), 10 ** rng.uniform(-3.3, -2), rng.uniform(0.3, 1.0))
        params = tuple(np.float32(one) for one in params)
        bare = _subject(lambda a, b: a, rows=120, seed=i)
        model = replace(bare.model, apply=_dipped, params=params, differentiable=differentiable)
        subject = observe(model, bare.data)
        missed += bool((-np.diff(_scores(params, subject, 17))).max() <= RISING["tolerance"])
        m, _ = _estimate(subject, RISING, seed=i)
        assert _verdict(m) != "PASS", (i, m.estimate)
        if i < 8:
            fine = _scores(params, subject, 20_001)
            truth = ((np.maximum.accumulate(fine, axis=1) - fine).max(axis=1) > RISING["tolerance"]).mean()
            assert m.estimate.value <= truth + 1e-9
            shares.append(m.estimate.value / truth)
    assert missed >= tries / 3
    assert np.mean(shares) > 0.8


def test_a_slow_fall_everywhere_is_a_fall():
    """Seventeen steps of .01 each within a tolerance of .02 fall by .16."""
    subject = _subject(lambda a, b: -0.16 * a)
    m, _ = _estimate(subject, {**RISING, "tolerance": 0.02, "points": 17})
    assert m.estimate.value == 1 and _verdict(m) == "FAIL"
    assert _estimate(subject, {**RISING, "tolerance": 0.17})[0].estimate.value == 0


def test_a_score_that_rises_passes_as_far_as_was_searched():
    m, found = _estimate(_subject(lambda a, b: jnp.where(a > 0.3, a, 0.3) + b), RISING)
    assert (m.estimate.value, m.estimate.side, m.estimate.doubt) == (0, "at least", "")
    assert _verdict(m) == "PASS"
    assert found.cost["forward"] > ROWS * 33 + monotone.PROBED * 33 * monotone.FINER


def test_what_the_probe_alone_finds_counts_and_bars_a_pass():
    """A dip of a thousandth of the range, in rows of b below .3: few rows meet it; the probe's do, and then all do."""

    def f(a, b):
        return a - jnp.where((jnp.abs(a - 0.4) < 2e-4) & (b < 0.3), 0.5, 0.0)

    subject = _subject(f, rows=400)
    subject = replace(subject, model=replace(subject.model, differentiable=False))
    m, _ = _estimate(subject, {**RISING, "points": 3})
    assert (m.estimate.value or 0) > 0 and "a probe of" in m.estimate.doubt
    assert _verdict(m, 0.9) == "INCONCLUSIVE"


def test_few_whole_numbers_are_all_tried_and_nothing_is_left_to_probe():
    subject = _subject(lambda a, b: a - jnp.where(a == 77, 3.0, 0.0), whole=100)
    subject = replace(subject, model=replace(subject.model, differentiable=False))
    m, _ = _estimate(subject, RISING)
    assert m.estimate.value == 1 and not m.estimate.doubt


def test_a_gradient_that_is_not_finite_is_a_doubt():
    subject = _subject(lambda a, b: a + jnp.sqrt(jnp.maximum(b - 2.0, 0.0)) * 0 + jnp.sqrt(a * 0) * 0)
    m, _ = _estimate(subject, RISING)
    assert m.estimate.value == 0 and "gradient is not finite" in m.estimate.doubt


RULE = {
    "name": "r",
    "kind": "rule",
    "when": {"a": {"at_least": 0.5}},
    "then": {"score_at_most": 1.0},
    "reach": 0.2,
}


def test_a_rule_is_searched_where_it_holds_not_at_its_edge_alone():
    subject = _subject(lambda a, b: jnp.where(a > 0.8, 2.0, 0.0) + 0 * b)
    m, _ = _estimate(subject, RULE, "searched_violation_rate")
    assert (m.estimate.value or 0) > 0.5 and _verdict(m) == "FAIL"


def test_what_a_probe_of_a_rule_finds_bars_a_pass():
    subject = _subject(lambda a, b: jnp.where(jnp.abs(a - 0.9) < 3e-4, 2.0, 0.0) + 0 * b)
    m, _ = _estimate(subject, RULE, "searched_violation_rate", seed=1)
    assert "a probe of" in m.estimate.doubt and _verdict(m, 0.9) == "INCONCLUSIVE"
    m, _ = _estimate(_subject(lambda a, b: 0.9 * a), RULE, "searched_violation_rate")
    assert m.estimate.value == 0 and not m.estimate.doubt and _verdict(m) == "PASS"


def test_an_output_that_is_not_finite_breaks_every_test():
    """NaN off the values that test rows have, from a third of the rows."""

    def f(a, b):
        return a + jnp.where((b < 0.33) & (jnp.abs(a - 0.5) < 0.1), jnp.nan, 0.0)

    subject = _subject(f, rows=400)
    at = np.asarray(subject.data.test.x)
    clean = subject.data.test.take(np.abs(at[:, 0] - 0.5) > 0.12)
    subject = observe(subject.model, replace(subject.data, splits={**subject.data.splits, "test": clean}))
    m, _ = _estimate(subject, RISING)
    assert m.estimate.value == pytest.approx((np.asarray(clean.x)[:, 1] < 0.33).mean(), abs=0.01)
    assert _verdict(m) == "FAIL"
    options = BehaviourOptions.model_validate(
        {
            "tests": [
                {"name": "i", "kind": "direction", "set": {"a": 0.5}, "expect": "not_lower", "tolerance": 9}
            ]
        }
    )
    check, clock = find("behaviour.tests"), Clock(lambda *_: None, {})
    result, _, _ = run_check(check, subject, options, 0, False, None, {}, None, clock, Policy(name="p"))
    assert result.status == "ok"
    assert result.findings.measurements[0].estimate.value == pytest.approx(
        (np.asarray(clean.x)[:, 1] < 0.33).mean()
    )
    assert any("NaN or an infinite output for" in note for note in result.findings.not_measured)


def test_the_largest_fall_is_between_any_two_values():
    values = np.tile(np.arange(5.0), (3, 1))
    score = np.array([[0, 3, 1, 2, 0.5], [0, 1, 2, 3, 4], [0, np.nan, 0, 0, 0]])
    found = largest(values, score)
    assert found.size.tolist() == [2.5, 0, np.inf]
    assert (found.start[0], found.stop[0], found.stop[2]) == (1, 4, 1)


def test_draws_belong_to_rows():
    ids = np.array([f"r{i}" for i in range(50)])
    order = np.random.default_rng(0).permutation(50)
    assert (uniform(ids, "s", 3)[order] == uniform(ids[order], "s", 3)).all()
    assert not np.allclose(uniform(ids, "s", 3), uniform(ids, "t", 3))
    strata = np.arange(50) % 25 == 0
    assert set(ids[spread(ids, strata, 4, "s")]) == set(ids[order][spread(ids[order], strata[order], 4, "s")])
    assert strata[spread(ids, strata, 4, "s")].sum() == 2
    assert len(spread(ids, strata, 99, "s")) == 50
