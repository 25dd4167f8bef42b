"""Where each rule stands: the line of its own file, else the line that names the policy, else nowhere."""

import pytest

from audit.config import load

HEAD = "name: x\ndata: {source: embedded, dataset: diabetes}\nchecks:\n  accuracy.overall: {}\n"
RULE = "  - {id: ID, measure: accuracy.overall.accuracy, at_least: 0.5, because: a test}\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rules_of_the_configuration_and_of_included_files_have_their_own_lines(here):
    (here / "policies").mkdir()
    (here / "policies/base.yaml").write_text(f"name: base\nrules:\n{RULE.replace('ID', 'B1')}")
    own = f"policy:\n  include: policies/base.yaml\n  rules:\n  {RULE.replace('ID', 'A1')}"
    (here / "audit.yaml").write_text(HEAD + own)
    assert load("audit.yaml").places == {"A1": "audit.yaml:8", "B1": "policies/base.yaml:3"}


def test_a_rule_of_a_shipped_policy_stands_where_the_policy_is_named(here):
    (here / "audit.yaml").write_text(HEAD + "policy: default\n")
    assert set(load("audit.yaml").places.values()) == {"audit.yaml:5"}
    assert set(load("audit.yaml", ("policy=four_fifths",)).places.values()) == {"audit.yaml:5"}


def test_what_is_not_below_the_working_folder_has_no_place(here):
    assert load("quickstart").places == {}
