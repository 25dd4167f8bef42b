"""Policies that prove nothing: refused before any work, or said on the first screen."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from audit import gate, policy_refused, policy_weakened, stats
from audit.config import load
from audit.errors import ConfigError
from audit.evidence import CheckResult, Findings, Measurement, Policy, Rule, Waiver
from audit.registry import checks

TODAY = dt.date(2026, 11, 30)


def refused(measure: str, **limit):
    rule = Rule(id="r", measure=measure, because="b", **limit)
    policy_refused.refuse(Policy(name="p", rules=(rule,)), checks(), TODAY)


@pytest.mark.parametrize(
    ("measure", "limit", "says"),
    [
        ("accuracy.overall.accuracy", {"at_least": -5}, "every value keeps"),
        ("accuracy.overall.accuracy", {"at_least": 0}, "every value keeps"),
        ("accuracy.overall.accuracy", {"at_least": 1e308}, "no value keeps"),
        ("accuracy.overall.accuracy", {"at_most": 0.9}, "of which higher is better"),
        ("fairness.groups.selection_rate_difference", {"at_most": 1}, "every value keeps"),
        ("fairness.groups.impact_ratio", {"at_most": 0.8}, "of which higher is better"),
        ("calibration.reliability.brier", {"at_most": 2}, "every value keeps"),
        ("accuracy.overall.log_loss", {"at_least": 0.1}, "of which lower is better"),
        ("accuracy.overall.r2", {"at_least": 1.5}, "no value keeps"),
    ],
)
def test_a_rule_that_proves_nothing_is_refused(measure, limit, says):
    with pytest.raises(ConfigError, match=says):
        refused(measure, **limit)


@pytest.mark.parametrize(
    ("measure", "limit"),
    [
        ("accuracy.overall.accuracy", {"at_least": 1}),
        ("accuracy.overall.r2", {"at_least": -0.5}),
        ("accuracy.overall.log_loss", {"at_most": 50}),
        ("behaviour.tests.violation_rate", {"at_most": 0}),
        ("fairness.groups.selection_rate", {"at_most": 0.5}),
        ("calibration.reliability.confidence_gap", {"at_most": 0.05}),
    ],
)
def test_an_honest_limit_is_not(measure, limit):
    refused(measure, **limit)


def test_the_gate_judges_no_such_rule_of_a_stored_record():
    for least, better in ((0.0, "higher"), (0.5, "lower")):
        m = Measurement(name="accuracy", label="A", estimate=stats.rate(np.ones(99, bool)), better=better)
        result = CheckResult(
            check="accuracy.overall", area="accuracy", title="t", status="ok",
            findings=Findings(measurements=(m,)),
        )  # fmt: skip
        rule = Rule(id="r", measure="accuracy.overall.accuracy", at_least=least, because="b")
        assert gate.judge([result], Policy(name="p", rules=(rule,)), on=TODAY)[1] == "NOT-ESTIMABLE"


def waived(**change) -> Waiver:
    return Waiver(**{"rule": "r", "who": "A. Person", "why": "known", "until": "2027-03-01", **change})


@pytest.mark.parametrize("empty", [{"who": ""}, {"who": "  "}, {"why": ""}])
def test_a_waiver_names_a_person_and_a_reason(empty):
    with pytest.raises(ValueError, match="not an empty text"):
        waived(**empty)


def test_a_waiver_ends_within_a_year():
    rule = Rule(id="r", measure="accuracy.overall.accuracy", at_least=0.9, because="b")
    policy = Policy(name="p", rules=(rule,), waivers=(waived(until="2999-01-01"),))
    with pytest.raises(ConfigError, match="within a year"):
        policy_refused.refuse(policy, checks(), TODAY)
    m = Measurement(name="accuracy", label="A", estimate=stats.rate(np.zeros(99, bool)), better="higher")
    result = CheckResult(
        check="accuracy.overall",
        area="accuracy",
        title="t",
        status="ok",
        findings=Findings(measurements=(m,)),
    )
    assert (
        gate.judge([result], policy, on=TODAY)[2] == 1
    )  # a stored record's endless waiver counts for nothing
    lasting = policy.model_copy(update={"waivers": (waived(),)})
    assert gate.judge([result], lasting, on=TODAY)[2] == 0


def including(tmp_path, text: str) -> Policy:
    (tmp_path / "base.yaml").write_text(
        "name: base\nalpha: 0.05\nminimum_group_share: 0.02\nrules:\n"
        "- {id: A, measure: accuracy.overall.accuracy, at_least: 0.9, because: b}\n"
        "- {id: F, measure: fairness.groups.impact_ratio, where: {attribute: sex}, at_least: 0.8, because: b}\n"
    )
    (tmp_path / "c.yaml").write_text(
        f"name: c\nchecks: {{accuracy.overall: {{}}}}\npolicy:\n  include: base.yaml\n  name: mine\n{text}"
    )
    return load(tmp_path / "c.yaml").policy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  alpha: 0.2\n", "base: alpha is 0.2 here, 0.05 there"),
        (
            "  minimum_group_share: 0.3\n",
            "base: groups below 0.3 of the rows are left out here, below 0.02 there",
        ),
        (
            "  rules: [{id: A, measure: accuracy.overall.accuracy, at_least: 0.5, because: b}]\n",
            "A of base asks for at least 0.5 here, at least 0.9 there",
        ),
        (
            "  rules: [{id: A, measure: accuracy.overall.accuracy, at_least: 0.9, because: b, severity: advisory}]\n",
            "A of base is advisory here, blocking there",
        ),
        (
            "  rules: [{id: A, measure: accuracy.overall.auc, at_least: 0.9, because: b}]\n",
            "A of base is on accuracy.overall.auc here, on accuracy.overall.accuracy there",
        ),
        (
            "  rules: [{id: A, measure: accuracy.overall.accuracy, at_least: 0.9, where: {class: a}, because: b}]\n",
            "A of base speaks of class a here, of everything there",
        ),
        ("  rules: [{id: A, measure: accuracy.overall.accuracy, at_least: 0.95, because: b}]\n", ""),
        ("  looks: 2\n", ""),
    ],
)
def test_what_is_weaker_than_included_is_said(tmp_path, text, says):
    assert including(tmp_path, text).weakened == ((says,) if says else ())


def test_it_cannot_be_declared(tmp_path):
    with pytest.raises(ConfigError, match="found, not declared"):
        including(tmp_path, "  weakened: []\n")


def test_a_weaker_rule_is_said_through_several_includes():
    rule = Rule(id="A", measure="a.b.c", at_least=0.9, because="b")
    low = rule.model_copy(update={"at_least": 0.5})
    first, last = Policy(name="one", rules=(rule,)), Policy(name="two", rules=(low,))
    assert policy_weakened.found(last, (first, last)) == (
        "A of one asks for at least 0.5 here, at least 0.9 there",
    )
