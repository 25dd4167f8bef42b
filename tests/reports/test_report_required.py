"""What a policy requires: named where it is missing, and a table where nothing is judged."""

from __future__ import annotations

import pytest

from audit.evidence import Policy
from reports import consistency, front, html, markdown, words
from reports.summary import summary

NAME = "fairness.ll144.sex"
MISSING = f"The policy requires {NAME}, but the check fairness.ll144 found no sex."


def _policy(record, *requires):
    return record.policy.model_copy(update={"requires": requires})


def test_what_is_missing_is_named_first_and_contradicts_no_pass(make):
    good = make.passing()
    record = good.model_copy(
        update={
            "policy": _policy(good, NAME),
            "unmet": (MISSING,),
            "verdict": "NOT-ESTIMABLE",
            "exit_code": 3,
        }
    )
    assert consistency.contradiction(record) == ""
    assert front.lead(record) == MISSING
    assert f"  NOT-ESTIMABLE {MISSING}" in summary(record).splitlines()
    assert ("NOT-ESTIMABLE", "1 NOT MEASURED", MISSING) in front.tally(record)
    assert front.to_do(record)[0].what == "Measure what is required:"
    assert dict(front.unmeasured(record))["Required by the policy"] == [MISSING]
    assert words.overall(record) == "NOT-ESTIMABLE"
    for made in (html.render(record).decode(), markdown.render(record).decode().replace("\\", "")):
        assert MISSING in made
    assert "It requires to be measured" in html.render(record).decode()


def test_a_pass_that_lacks_what_is_required_is_refused(make):
    record = make.passing(unmet=(MISSING,))
    assert "verdict=PASS" in consistency.contradiction(record)
    with pytest.raises(ValueError, match="NOT-ESTIMABLE"):
        html.render(record)


def test_a_fail_stays_the_lead_and_what_is_missing_is_named_beside(make):
    record = make.failing(unmet=(MISSING,))
    assert consistency.contradiction(record) == ""
    assert record.verdict == "FAIL" and MISSING not in front.lead(record)
    assert MISSING in summary(record) and MISSING in html.render(record).decode()


def test_several_missing_are_counted_in_the_lead_and_listed_below(make):
    other = MISSING.replace("sex", "race")
    record = make.record((), (), "NOT-ESTIMABLE", 3, unmet=(MISSING, other))
    assert front.lead(record) == f"{MISSING} (1 more like it.)"
    assert summary(record).count("The policy requires") == 3


def test_a_policy_without_a_limit_reads_as_a_table_not_as_a_judgement(make):
    policy = Policy(name="nyc-ll144", requires=(NAME,))
    record = make.record((make.fairness(),), (), "NOT-ESTIMABLE", 3, policy=policy)
    assert "a table, not a judgement" in summary(record)
    assert [step.what for step in front.to_do(record)][0] == "Read the tables."
    made = html.render(record).decode()
    assert "a table, not a judgement" in made and "Add a blocking rule" not in made
    assert "there is nothing to pass" in summary(make.record((), (), "NOT-ESTIMABLE", 3))
