"""Outputs that are not finite on inputs that a check makes: never a better number, never a crash, always said."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from audit import outputs
from audit.check_run import run_check
from audit.clock import Clock
from audit.evidence import CheckResult, Column, Measurement, Policy, Table
from audit.registry import Check, checks
from audit.subject import UNDECIDED, DecisionRule, Model, Subject, decide, label_probabilities, probabilities

MADE = {
    name: check for name, check in checks().items() if "function" in check.needs or "gradient" in check.needs
}
SUBJECTS = ("table_subject", "image_subject", "regression_subject", "ranking_subject", "text_subject")
OPTIONS = {
    "behaviour.tests": {
        "table_subject": {
            "tests": [
                {"name": "m", "kind": "monotone", "feature": "income", "expect": "rising"},
                {"name": "i", "kind": "invariance", "add": {"income": 0.3}},
                {"name": "d", "kind": "direction", "add": {"income": 0.3}, "expect": "not_lower"},
                {"name": "r", "kind": "rule", "when": {"income": {"at_least": 1}}, "reach": 0.5,
                 "then": {"decision": ["repaid"]}},
            ]
        },
        "text_subject": {"tests": [{"name": "t", "kind": "invariance", "before": ["please"]}]},
    },
    "explanation.dependence": {"table_subject": {"monotone": {"income": "down"}}},
}  # fmt: skip


QUIET = {  # ask about rows alone: no attribute is a feature, the inputs outside are given, no test is declared
    ("fairness.flip", "table_subject"),
    ("fairness.flip", "regression_subject"),
    ("calibration.scope", "text_subject"),
    ("behaviour.tests", "regression_subject"),
}
KINDS = {"finite": 0, "NaN": 1, "infinite": 2}


def _off(subject: Subject) -> Subject:
    """The subject under a model that may be told to break, (params, kind), on half of the inputs that no row is."""
    apply = subject.model.apply
    assert apply is not None
    known = [split.x for split in subject.data.splits.values() if len(split)]
    sums = np.unique(np.concatenate([np.asarray(_sum(x)) for x in known]))

    def off(params, x):
        own, kind = params
        out, mine = apply(own, x), _sum(x)
        at = jnp.clip(jnp.searchsorted(jnp.asarray(sums), mine), 1, len(sums) - 1)
        near = jnp.minimum(jnp.abs(jnp.asarray(sums)[at] - mine), jnp.abs(jnp.asarray(sums)[at - 1] - mine))
        strange = (near > 1e-4 * (1 + jnp.abs(mine))) & (_hash(mine) < 0.5) & (kind > 0)
        return out.at[:, 0].set(jnp.where(strange, jnp.where(kind == 1, jnp.nan, jnp.inf), out[:, 0]))

    return replace(subject, model=replace(subject.model, apply=off))


def _told(subject: Subject, kind: str) -> Subject:
    """The subject with its model told to break so."""
    return replace(
        subject, model=replace(subject.model, params=(subject.model.params, np.int32(KINDS[kind])))
    )


def _sum(x):
    """A number of each input that tells it from most others."""
    x = x["history"] if isinstance(x, dict) else x
    kind = np if isinstance(x, np.ndarray) else jnp
    flat = x.reshape(len(x), -1).astype(np.float32)
    return (flat * kind.cos(kind.arange(flat.shape[1], dtype=np.float32) * 1.7)[None]).sum(axis=1)


def _hash(s):
    """A number in [0, 1) of each sum."""
    return jnp.mod(jnp.abs(s) * 37.3, 1.0)


def _result(check: Check, subject: Subject, which: str) -> CheckResult:
    options = check.options.model_validate(OPTIONS.get(check.name, {}).get(which, {}))
    clock = Clock(lambda *_: None, {})
    return run_check(check, subject, options, 5, True, None, {}, None, clock, Policy(name="p"))[0]


def _bound(m: Measurement) -> float:
    """The bound that a rule in this measure's good direction reads: the higher, the better."""
    sign, end = (-1, m.estimate.high) if m.better == "lower" else (1, m.estimate.low)
    return -math.inf if end is None else sign * end


def _may_pass(m: Measurement) -> bool:
    """Whether any rule could PASS on the measurement."""
    e = m.estimate
    return e.value is not None and e.kind == "bounded" and not e.doubt and m.better != "neither"


def _fitting(name: str, which: str, request) -> Subject:
    """The subject, where the check is for it."""
    check, subject = MADE[name], request.getfixturevalue(which)
    if not set(check.needs) <= subject.has or subject.data.task not in check.tasks:
        pytest.skip("not for this subject")
    return subject


SLOW = ("robustness.pgd", "robustness.minimum", "robustness.autoattack", "explanation.trust")
FIRST = {"robustness.corruptions": "image_subject", "robustness.history": "ranking_subject"}
FIRST |= {"explanation.history": "ranking_subject", "explanation.tokens": "text_subject"}
FIRST |= {"robustness.text": "text_subject", "calibration.scope": "text_subject"}
CASES = [
    pytest.param(
        name,
        which,
        marks=[pytest.mark.slow] if name in SLOW or which != FIRST.get(name, "table_subject") else [],
    )
    for name in MADE
    for which in SUBJECTS
]


@pytest.mark.parametrize(("name", "which"), CASES)
def test_a_model_that_breaks_off_the_rows_is_never_better(name, which, request):
    off = _off(_fitting(name, which, request))
    clean = _result(MADE[name], _told(off, "finite"), which)
    assert clean.status == "ok", clean.reason
    for kind in ("NaN", "infinite"):
        broken = _result(MADE[name], _told(off, kind), which)
        assert broken.status == "ok", broken.reason
        before = {(m.name, tuple(sorted(m.where.items()))): m for m in clean.findings.measurements}
        for m in filter(_may_pass, broken.findings.measurements):
            was = before[m.name, tuple(sorted(m.where.items()))]
            assert was.estimate.value is not None and _bound(m) <= _bound(was) + 1e-9, (kind, m, was)
        notes = " ".join(broken.findings.not_measured)
        assert (name, which) in QUIET or "a NaN or an infinite output for" in notes, kind


def test_what_is_not_finite_is_decided_for_no_class():
    for value in (math.nan, math.inf, -math.inf):
        out = np.array([[0.2, value], [0.2, 0.9]])
        for kind in ("argmax", "threshold", "each"):
            model = Model("m", None, outputs="logits", decision=DecisionRule(kind))
            found = decide(out, model)
            assert (found[0] == UNDECIDED).all() and (found[1] != UNDECIDED).all()
        for f in (probabilities, label_probabilities):
            for outputs_kind in ("logits", "probabilities"):
                assert np.isnan(f(out, outputs_kind)[0]).all()
                assert np.isfinite(f(out, outputs_kind)[1]).all()
        one = np.array([[value], [0.9]])
        assert decide(one, Model("m", None, outputs="logits")).tolist() == [UNDECIDED, 1]
        assert np.isnan(probabilities(one, "logits")[0]).all()


def test_the_border_counts_within_its_check_alone():
    rows = np.array([[1.0, 2.0], [np.nan, 1.0], [np.inf, 0.0]])
    with outputs.counted() as one:
        outputs.passed(rows)
        with outputs.counted() as inner:
            outputs.passed(rows[:1])
        outputs.passed(rows[:2])
    outputs.passed(rows)
    assert (one.asked, one.broken, inner.asked, inner.broken) == (5, 3, 1, 0)
    assert outputs.finite(np.zeros((0, 3))).shape == (0,)


def test_a_cell_that_is_no_number_is_empty():
    column = Column(name="a", label="A")
    table = Table(name="t", title="T", columns=(column,), rows=((math.nan,), (1.0,), (np.float64("inf"),)))
    assert table.rows == ((None,), (1.0,), (None,))
