"""The suite as a check: exact on a logistic model, its stages in order, its limits said."""

from dataclasses import replace

import numpy as np
import pytest

from audit.checks import robustness_autoattack
from audit.checks.robustness_autoattack import AutoAttackOptions, autoattack

OPTIONS = AutoAttackOptions(eps=(0.1, 0.3), rows=None, probes=False)


@pytest.fixture
def full(context):
    return replace(context, quick=False)


def _robust(findings):
    return [m.estimate for m in findings.measurements if m.name == "robust_accuracy"]


def _standing(subject, eps):
    """Return how many rows a logistic model keeps right at their worst in L-infinity (the box apart)."""
    w, b = np.asarray(subject.model.params["w"], float), float(subject.model.params["b"])
    test = subject.data.test
    sign, x = np.where(test.y == 1, 1.0, -1.0), test.x.astype(float)
    free = w * np.array([1, 1, 0, 1, 0])  # years is immutable, region categorical
    moved = np.clip(x - eps * sign[:, None] * np.sign(free), -4, 4)
    return int((sign * (x @ w + b) - sign * ((x - moved) @ free) > 0).sum())


def test_on_a_logistic_model_the_suite_finds_exactly_the_rows_that_can_fall(table_subject, full):
    found = autoattack(table_subject, OPTIONS, full)
    for estimate, eps in zip(_robust(found), OPTIONS.eps, strict=True):
        assert (round(estimate.value * estimate.n), estimate.n) == (_standing(table_subject, eps), 400)
        assert "not put to the proof" in estimate.doubt
    stages = next(t for t in found.tables if t.name == "stages")
    names = [row[2] for row in stages.rows]
    assert names == ["APGD-CE", "APGD-T", "FAB-T", "Square", "Annealed"] * 2
    rows, felled = ([row[i] for row in stages.rows] for i in (4, 5))
    right = int((table_subject.predictions() == table_subject.data.test.y).sum())
    assert rows[0] == right and rows[1] == right - felled[0]
    assert sum(felled) == right - _standing(table_subject, 0.3)


def test_stages_stop_where_no_verdict_can_change_and_say_so(table_subject, full):
    found = autoattack(table_subject, OPTIONS, replace(full, settled=lambda m: m.where["eps"] == 0.3))
    stages = next(t for t in found.tables if t.name == "stages")
    left_out = [(row[1], row[2]) for row in stages.rows if "no rule's verdict" in str(row[8])]
    assert left_out == [(0.3, name) for name in ("APGD-T", "FAB-T", "Square", "Annealed")]
    assert sum("no rule's verdict can change" in line for line in found.not_measured) == 4
    assert all("time" not in e.doubt for e in _robust(found))


def test_what_the_time_budget_left_undone_cannot_pass(table_subject, full):
    calls = iter([False, True])
    found = autoattack(table_subject, OPTIONS, replace(full, expired=lambda: next(calls, True)))
    assert all("time budget ended" in e.doubt for e in _robust(found))
    stages = next(t for t in found.tables if t.name == "stages")
    assert [bool(row[4]) for row in stages.rows] == [True] + [False] * 9


@pytest.mark.slow
def test_what_an_attack_claims_but_may_not_do_is_not_counted(table_subject, full, monkeypatch):
    def cheat(*static, **how):
        made = real(*static, **how)
        return tuple(replace(s, walk=s.walk._replace(finish=lambda s, rows, a: rows.x + 50.0)) for s in made)

    real = robustness_autoattack.stages
    monkeypatch.setattr(robustness_autoattack, "stages", cheat)
    found = autoattack(table_subject, OPTIONS, full)
    clean = next(m.estimate.value for m in found.measurements if m.name == "clean_accuracy")
    assert {e.value for e in _robust(found)} == {clean}


def test_too_few_classes_for_dlr_are_said(table_subject, full):
    found = autoattack(table_subject, OPTIONS.model_copy(update={"eps": (0.1,)}), full)
    budgets = {row[2]: row[3] for row in next(t for t in found.tables if t.name == "stages").rows}
    assert budgets["APGD-T"] == "100 steps, 1 start, 1 target, on the margin loss (too few classes for DLR)"
