"""A policy's `requires`: what must have been measured, whatever the rules say."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml

from audit import gate, stats
from audit.config import load
from audit.errors import ConfigError
from audit.evidence import CheckResult, Column, Findings, Measurement, Policy, Rule, Table, Waiver
from audit.policies import load_policy

DAY = dt.date(2026, 3, 1)
BASE = Path(__file__).parent
GOOD, BAD, OPEN = stats.rate_of(99, 100), stats.rate_of(5, 100), stats.rate_of(50, 100)


def result(check="fairness.ll144", status="ok", *, estimate=GOOD, rows=(("F",),), **more):
    column = Column(name="category", label="Category", kind="text")
    findings = Findings(
        measurements=(Measurement(name="rate", label="Rate", estimate=estimate),),
        tables=(Table(name="sex", title="Sex", columns=(column,), rows=rows),),
    )
    findings = findings if status == "ok" else Findings()
    return CheckResult(check=check, area="fairness", title="t", status=status, findings=findings, **more)


def policy(*requires, limit=None, severity="blocking", **more):
    rule = Rule(id="r", measure="fairness.ll144.rate", at_least=limit or 0.5, because="b", severity=severity)
    return Policy(name="p", requires=requires, rules=(rule,) if limit else (), **more)


def judge(results, asked, **more):
    decisions, verdict, code = gate.judge(results, asked, on=DAY, **more)
    return [d.verdict for d in decisions], verdict, code


# ---------------------------------------------------------------- the verdict


@pytest.mark.parametrize("name", ["fairness.ll144", "fairness.ll144.sex", "fairness.ll144.rate"])
def test_what_was_measured_is_met(name):
    assert gate.unmet([result()], policy(name)) == ()
    assert judge([result()], policy(name, limit=0.5)) == (["PASS"], "PASS", 0)


def test_a_policy_without_a_limit_is_not_estimable_though_all_was_measured():
    assert judge([result()], policy("fairness.ll144")) == ([], "NOT-ESTIMABLE", 3)
    advised = policy("fairness.ll144", limit=0.5, severity="advisory")
    assert judge([result()], advised) == (["PASS"], "NOT-ESTIMABLE", 3)


MISSING = {
    "absent": ([result("accuracy.overall")], "fairness.ll144", "the check fairness.ll144 did not run"),
    "absent, named by a table": ([], "fairness.ll144.sex", "fairness.ll144.sex did not run"),
    "skipped": (
        [result(status="skipped", reason="it needs a sensitive attribute")],
        "fairness.ll144",
        "the check fairness.ll144 was skipped: it needs a sensitive attribute",
    ),
    "crashed": (
        [result(status="error", reason="ValueError: x")],
        "fairness.ll144.sex",
        "the check fairness.ll144 ended in an error: ValueError: x",
    ),
    "no such table": ([result()], "fairness.ll144.race", "the check fairness.ll144 found no race"),
    "an empty table": ([result(rows=())], "fairness.ll144.sex", "the check fairness.ll144 found no sex"),
    "a measure without a value": (
        [result(estimate=stats.not_estimable("nobody is in it"))],
        "fairness.ll144.rate",
        "nobody is in it",
    ),
    "a check without a number": (
        [result(estimate=stats.not_estimable("nobody is in it"), rows=())],
        "fairness.ll144",
        "nobody is in it",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_bars_a_pass_and_says_which(case):
    results, name, why = MISSING[case]
    assert gate.unmet(results, policy(name)) == (f"The policy requires {name}, but {why}.",) or (
        why in gate.unmet(results, policy(name))[0]
    )
    other = result("accuracy.overall", estimate=GOOD)
    rule = Rule(id="a", measure="accuracy.overall.rate", at_least=0.5, because="b")
    asked = Policy(name="p", rules=(rule,), requires=(name,))
    results = [*(r for r in results if r.check != "accuracy.overall"), other]
    assert judge(results, asked) == (["PASS"], "NOT-ESTIMABLE", 3)
    assert judge(results[::-1], asked) == (["PASS"], "NOT-ESTIMABLE", 3)


@pytest.mark.parametrize(
    ("estimate", "whole", "code"), [(BAD, "FAIL", 1), (OPEN, "NOT-ESTIMABLE", 3), (GOOD, "NOT-ESTIMABLE", 3)]
)
def test_a_missing_requirement_is_worst_of_with_the_rules(estimate, whole, code):
    asked = policy("accuracy.overall", limit=0.5)
    assert judge([result(estimate=estimate)], asked)[1:] == (whole, code)
    assert judge([result(estimate=estimate)], asked, quick=True)[1:] == (whole, code)


def test_a_waiver_of_the_rule_does_not_waive_the_requirement():
    waiver = Waiver(rule="r", who="A. Person", why="known", until=DAY)
    asked = policy("accuracy.overall", limit=0.5, waivers=(waiver,))
    assert judge([result(estimate=BAD)], asked)[1:] == ("FAIL", 3)


# ---------------------------------------------------------------- refused before work


KNOWN = {"accuracy.overall": ("accuracy",), "fairness.groups": ("impact_ratio",)}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("accuracy.overal", "perhaps 'accuracy.overall'"),
        ("fairness.ll144.sex", "of a check that is not configured"),
        ("zzz", "one of accuracy.overall, fairness.groups"),
    ],
)
def test_a_requirement_of_no_configured_check_is_refused(name, says):
    with pytest.raises(ConfigError) as error:
        gate.refuse(policy(name), KNOWN)
    assert says in str(error.value) and f"requires={name!r}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_requirement_of_a_configured_check_is_not_refused():
    gate.refuse(policy("accuracy.overall", "fairness.groups.groups"), KNOWN)


# ---------------------------------------------------------------- policies as data


def test_the_shipped_policy_asks_for_the_three_tables_and_sets_no_limit():
    from audit.registry import checks

    shipped = load_policy("nyc_ll144", BASE)
    tables = ("sex", "race_ethnicity", "intersection")
    assert shipped.requires == tuple(f"fairness.ll144.{name}" for name in tables)
    assert shipped.rules == ()
    gate.refuse(shipped, {name: [m.name for m in check.measures] for name, check in checks().items()})
    assert judge([], shipped) == ([], "NOT-ESTIMABLE", 3)


def test_the_check_makes_the_tables_that_the_shipped_policy_asks_for():
    from audit.checks.fairness_ll144 import BOTH, RACE, SEX

    assert load_policy("nyc_ll144", BASE).requires == tuple(f"fairness.ll144.{t}" for t in (SEX, RACE, BOTH))


@pytest.mark.parametrize("order", [["four_fifths", "nyc_ll144"], ["nyc_ll144", "four_fifths"]])
def test_included_requirements_and_rules_add_up_and_keep_their_levels(order):
    checks = {"fairness.groups": {}, "fairness.ll144": {}}
    both = load({"name": "n", "checks": checks, "policy": {"include": order}}).policy
    alone = load_policy("four_fifths", BASE)
    assert both.rules == alone.rules
    assert both.requires == load_policy("nyc_ll144", BASE).requires
    assert both.minimum_group_share == alone.minimum_group_share == 0.02
    assert both.name == " + ".join(load_policy(name, BASE).name for name in order)


def test_a_file_adds_its_own_requirements_and_repeats_none(tmp_path):
    own = {"name": "own", "alpha": 0.01, "requires": ["accuracy.overall", "fairness.ll144.sex"]}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"include": "nyc_ll144", **own}))
    made = load_policy(str(path), BASE)
    assert made.requires == (*load_policy("nyc_ll144", BASE).requires, "accuracy.overall")
    assert (made.name, made.alpha) == ("own", 0.01)
    (tmp_path / "outer.yaml").write_text(yaml.safe_dump({"name": "outer", "include": "own.yaml"}))
    outer = load_policy(str(tmp_path / "outer.yaml"), BASE)
    assert (outer.requires, outer.alpha) == (made.requires, 0.01)


def test_a_policy_without_a_name_or_an_include_is_still_refused():
    with pytest.raises(ConfigError, match="policy.name is missing"):
        load({"name": "n", "checks": {"accuracy.overall": {}}, "policy": {"requires": ["accuracy.overall"]}})
