"""The section Crosswalk: the worst of the mapped decisions, and never a PASS without evidence."""

from __future__ import annotations

import re

import pytest

from audit.evidence import Control, Crosswalk
from reports import crosswalk, html


def walked(record, *evidence: str, id_: str = "2.11"):
    """A record whose policy maps one clause of one standard, and that clause as reported."""
    control = Control(id=id_, title="Evaluate it.", evidence=evidence)
    walk = Crosswalk(name="NIST AI RMF MEASURE", title="A standard", controls=(control,))
    policy = record.policy.model_copy(update={"crosswalk": (walk,)})
    record = record.model_copy(update={"policy": policy})
    return record, crosswalk.clauses(record, walk)[0]


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (("accuracy.overall",), "PASS"),
        (("accuracy.overall.accuracy",), "PASS"),
        (("accuracy", "robustness"), "INCONCLUSIVE"),
        (("fairness.groups.true_positive_rate_difference", "accuracy"), "NOT-ESTIMABLE"),
        (("accuracy", "robustness", "fairness"), "FAIL"),
        (("explanation",), "INCONCLUSIVE"),  # of an advisory rule
    ],
)
def test_a_status_is_the_worst_of_the_mapped(make, evidence, verdict):
    _, clause = walked(make.failing(), *evidence, id_="other")
    assert (clause.verdict, clause.status) == (verdict, crosswalk.JUDGED)


def test_a_rule_names_its_controls_itself(make):
    record, clause = walked(make.failing(), "accuracy")
    assert clause.verdict == "FAIL" and clause.lines[0].startswith("FAIL: Rows with sex = Female")
    assert walked(make.failing(), "accuracy", id_="2.10")[1].verdict == "PASS"


@pytest.mark.parametrize(
    ("evidence", "status", "says"),
    [
        ((), crosswalk.NONE, None),
        (("privacy",), crosswalk.NONE, "No evidence: no check of privacy ran."),
        (("explanation.shapley",), crosswalk.NONE, "Skipped: the model is a file of scores."),
        (("fairness.groups",), crosswalk.NONE, "Crashed: ValueError: no group has two rows."),
        (("accuracy.overall.auc",), crosswalk.NONE, "No evidence: accuracy.overall.auc found nothing."),
        (("facts.system.provider",), crosswalk.NONE, "Not provided: provider."),
        (("facts.data.source",), crosswalk.DECLARED, "Source of the data: UCI Adult."),
        (("accuracy", "privacy"), crosswalk.MEASURED, "No evidence: no check of privacy ran."),
        (("accuracy.overall.confusion",), crosswalk.MEASURED, "Table “Confusion matrix"),
    ],
)
def test_without_a_rule_nothing_reads_pass(make, evidence, status, says):
    record, clause = walked(make.empty_policy(), *evidence)
    assert (clause.verdict, clause.status) == (None, status)
    assert says is None or says in " ".join(clause.lines)
    shown = html.render(record).decode().split('id="crosswalk"')[1].split("</section>")[0]
    assert status in shown and "#m-p" not in shown
    assert not clause.lines or re.search("not judged|No evidence|Not provided|Source|Table", clause.lines[0])


def test_numbers_carry_n_and_interval(make):
    record, clause = walked(make.failing(), "accuracy", "robustness", id_="other")
    numbered = [line for line in clause.lines if re.search(r"\d\.\d", line)]
    assert len(numbered) >= 3
    assert all(re.search(r"\[.*\]", line) and re.search(r"[\d,]+ rows", line) for line in numbered)


def test_a_crash_leaves_a_pass_no_ground(make):
    passing = make.passing()
    lost = make.empty_policy().results[1]
    record = passing.model_copy(
        update={"results": (*passing.results, lost.model_copy(update={"check": "fairness.x"}))}
    )
    _, clause = walked(record, "fairness")
    assert clause.verdict == "NOT-ESTIMABLE" and "Crashed" in " ".join(clause.lines)
    assert walked(passing, "fairness")[1].verdict == "PASS"


def test_the_section_is_the_regulators_and_no_opinion(make):
    record, _ = walked(make.passing(), "accuracy")
    text = html.render(record).decode()
    section = text.split('<section id="crosswalk"')[1].split("</section>")[0]
    assert 'data-for="reg"' in section.split(">")[0] + ">"
    assert "Evidence, not a legal opinion." in section
    assert "not that the clause is complied with" in section
    assert "crosswalk" not in html.render(make.passing()).decode().split("<main")[1]
