"""Crosswalks as data: what the shipped ones name exists, an unknown name is refused, and they add to any policy."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml

from audit import gate, gate_crosswalk
from audit.config import SystemConfig, load
from audit.errors import ConfigError
from audit.evidence import Control, Crosswalk, Policy
from audit.policies import load_policy
from audit.registry import checks

BASE = Path(__file__).parent
SHIPPED = ("eu_ai_act", "nist_ai_rmf", "iso_42001", "us_credit")
TABLES = {f"robustness.{name}.sanity" for name in ("pgd", "autoattack", "minimum")}


def walk(*evidence: str) -> Policy:
    control = Control(id="Clause 1", title="Do it.", evidence=evidence)
    return Policy(name="p", crosswalk=(Crosswalk(name="Law", title="A law", controls=(control,)),))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_crosswalk_names_what_exists_and_sets_no_limit(name):
    policy = load_policy(name, BASE)
    gate_crosswalk.refuse(policy, checks())
    assert (policy.rules, policy.requires) == ((), ())
    made = {f"{check}.{m.name}" for check, of in checks().items() for m in of.measures}
    for control in (control for part in policy.crosswalk for control in part.controls):
        assert control.title.endswith(".") and ". " not in control.title.rstrip(".")
        for evidence in control.evidence:
            if evidence.startswith("facts.system."):
                assert evidence.removeprefix("facts.system.") in SystemConfig.model_fields
            elif evidence.count(".") == 2 and not evidence.startswith("facts."):
                assert evidence in made | TABLES


@pytest.mark.parametrize("name", SHIPPED)
def test_a_crosswalk_alone_is_not_estimable(name):
    assert gate.judge([], load_policy(name, BASE), on=dt.date(2026, 3, 1)) == ((), "NOT-ESTIMABLE", 3)


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        ("fairness.group", "perhaps 'fairness.groups'"),
        ("fairnes", "perhaps 'fairness'"),
        ("fairness.grups.impact_ratio", "perhaps 'fairness.groups'"),
        ("facts.data.sauce", "facts.data. and one of name, task"),
        ("facts.dta.source", "facts. and one of data, model"),
        ("facts.system", "facts.system.FIELD, or facts.software"),
        ("record.verdict", "record. and one of not_measured"),
    ],
)
def test_unknown_evidence_is_refused_in_one_line(evidence, says):
    with pytest.raises(ConfigError) as error:
        gate_crosswalk.refuse(walk(evidence), checks())
    text = str(error.value)
    assert f"crosswalk Law, control Clause 1: evidence={evidence!r}" in text and says in text
    assert "\n" not in text


def test_a_run_refuses_it_before_any_work(tmp_path):
    from audit.pipeline import run

    path = tmp_path / "law.yaml"
    path.write_text(
        yaml.safe_dump(walk("robustness.pgdd").model_dump(mode="json", include={"name", "crosswalk"}))
    )
    loaded = load("quickstart", (f"policy={path}",))
    with pytest.raises(ConfigError, match="perhaps 'robustness.pgd'"):
        run(loaded, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_crosswalks_add_up_and_change_no_rule(tmp_path):
    path = tmp_path / "both.yaml"
    path.write_text("include: [default, eu_ai_act, nist_ai_rmf]\n")
    both, default = load_policy(str(path), BASE), load_policy("default", BASE)
    assert [part.name for part in both.crosswalk] == ["EU AI Act", "NIST AI RMF"]
    assert both.rules == default.rules and both.minimum_group_share == default.minimum_group_share


def test_ids_of_one_crosswalk_differ():
    one = Control(id="1", title="Do it.")
    with pytest.raises(ValueError, match="control id='1' twice"):
        Crosswalk(name="Law", title="A law", controls=(one, one))
