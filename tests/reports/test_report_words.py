"""reports.words and reports.front: sentences follow the record's numbers; change a number and they change."""

from __future__ import annotations

import pytest

from audit import stats
from audit.evidence import Decision
from reports import front, phrases, words
from reports.definitions import DEFINED


def _decision(record, id_: str) -> Decision:
    return next(d for d in record.decisions if d.rule.id == id_)


def test_impact_ratio_names_who_and_how_many(make):
    text = words.sentence(_decision(make.failing(), "F1"))
    assert text == (
        "Rows with sex = Female are selected 0.418 times as often as rows with sex = Male [0.384, 0.455]; "
        "the policy asks for at least 0.80. 557 of 4,913 rows with sex = Female are selected; "
        "at the limit it would be 1,065."
    )
    assert 1065 / 4913 / (2749 / 10147) >= 0.8 > 1064 / 4913 / (2749 / 10147)


def test_sentence_follows_the_numbers(make):
    other = make.fairness({"Female": (2749, 10147), "Male": (557, 4913)})
    r = _decision(make.failing(), "F1").rule
    d = make.decide(r, make.find(other, "impact_ratio"), "FAIL")
    assert words.sentence(d).startswith("Rows with sex = Male are selected 0.418 times as often")


def test_groups_that_do_not_make_the_value_are_not_named(make):
    d = _decision(make.failing(), "F1")
    changed = d.estimate.model_copy(update={"value": 0.5})
    text = words.sentence(d.model_copy(update={"estimate": changed}))
    assert text.startswith("Impact ratio by sex is 0.500") and "Female" not in text


def test_excluded_groups_are_not_named_as_extremes(make):
    f = make.fairness({"A": (1, 4), "B": (300, 1000), "C": (400, 1000)})
    kept = stats.groups(("B", "C"), (300, 400), (1000, 1000), (1000, 1000), of="ratio")
    d = make.decide(
        make.rule("F", "fairness.groups.impact_ratio", at_least=0.9), make.find(f, "impact_ratio"), "FAIL"
    )
    d = d.model_copy(update={"estimate": kept, "excluded_groups": ("A",)})
    assert "Rows with sex = B are selected 0.750 times" in words.sentence(d)
    assert "Left out as too small: A." in words.follows(d, 0.8)


def test_inconclusive_says_rows_and_that_the_interval_crosses(make):
    d = _decision(make.inconclusive(), "R1")
    text = words.follows(d, 0.8)
    assert (
        "The interval crosses the limit. 1,000 rows now; about 8,100 more would decide it with power 0.8"
        in text
    )


def test_the_truths_that_would_be_shown_are_one_sentence(make):
    d = _decision(make.inconclusive(), "R1")
    assert words.detectable(d, 0.8) == ""  # an older record says neither
    limit = d.rule.limit
    both = d.model_copy(update={"passes_at": limit + 0.0612, "fails_at": limit - 0.1})
    assert words.detectable(both, 0.8) == (
        f"With these rows a PASS needs a truth of {limit + 0.0612:.3f} or more; a truth of {limit - 0.1:.3f} or "
        "less would be shown as FAIL (power 80\u00a0%)."
    )
    assert words.detectable(both, 0.8) in words.follows(both, 0.8)
    never = d.model_copy(update={"fails_at": limit - 0.1})
    assert words.detectable(never, 0.8).startswith("With these rows no truth is likely to PASS; a truth of ")


def test_the_groups_with_too_few_rows_are_named_smallest_first(make):
    d = _decision(make.failing(), "F1")
    small = d.model_copy(
        update={"verdict": "INCONCLUSIVE", "rows_needed": 90_000, "rows_by_group": {"Female": 6137}}
    )
    assert words.by_group(small).endswith("6,200 rows in each group that has fewer: Female has 4,913.")
    assert words.by_group(small) in words.needed(small, 0.8)
    assert words.by_group(d) == ""


def test_inconclusive_beyond_the_limit_does_not_claim_to_cross(make):
    d = _decision(make.inconclusive(), "R1")
    far = make.rule("R1", "robustness.pgd.robust_accuracy", at_least=0.75)
    text = words.undecided(d.model_copy(update={"rule": far}))
    assert "crosses" not in text and "lies beyond the limit, but not once it is adjusted" in text


def test_one_sided_number_beyond_its_limit_proves_nothing(make):
    d = _decision(make.inconclusive(), "R1")
    r = make.rule("X", "robustness.pgd.attack_success", at_most=0.5)
    shown = d.estimate.model_copy(update={"side": "at most"})
    text = words.undecided(d.model_copy(update={"rule": r, "estimate": shown}))
    assert text == "The truth is at most this number, so it may keep the limit."


def test_not_estimable_gives_the_reason(make):
    d = _decision(make.failing(), "F3")
    said = (
        "True positive rate difference by sex x race can’t be computed: 41 rows, none with income above 50k."
    )
    assert words.sentence(d) == said
    bare = d.model_copy(update={"estimate": None, "reason": "x cannot be judged: the check y did not run."})
    assert words.reason(bare) == "the check y did not run"


def test_pass_of_an_attack_names_its_budget(make):
    record = make.passing()
    assert "against these attacks with this budget" in words.decided(_decision(record, "R1"), 0.8)
    assert "against these attacks" not in words.decided(_decision(record, "A1"), 0.8)
    assert "against these attacks with this budget" in front.lead(record)


def test_decided_reads_the_bound_not_the_verdict(make):
    d = _decision(make.passing(), "A1")
    assert "lies inside the limit" in words.decided(d, 0.8)
    broken = d.model_copy(update={"bound": 0.5})
    assert "lies beyond the limit" in words.decided(broken, 0.8)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("passing", "All 5 blocking requirements are met: every bound lies inside its limit."),
        ("failing", "Rows with sex = Female are selected 0.418 times"),
        (
            "inconclusive",
            "Against PGD within L-infinity ε = 0.05, 0.690 of the rows stay correct (interval 0.660 to",
        ),
        ("empty_policy", "The policy has no blocking requirement, so nothing was judged"),
        ("quick", "All 5 blocking requirements are met at this size, but a quick run cannot PASS."),
    ],
)
def test_lead(make, name, start):
    assert front.lead(make.EVERY[name]()).startswith(start)


def test_tally_counts_only_blocking(make):
    rows = front.tally(make.failing())
    assert [(v, said) for v, said, _ in rows] == [
        ("FAIL", "1 FAILS"),
        ("NOT-ESTIMABLE", "1 NOT-ESTIMABLE"),
        ("INCONCLUSIVE", "1 INCONCLUSIVE"),
        ("PASS", "2 PASS"),
    ]
    assert front.advisory(make.failing()) == "Advisory besides: 1 inconclusive."


def test_waivers_and_expired_ones(make):
    record = make.waived()
    assert front.waivers(record) == ["F1: Waived by A. Person until 31 January 2027: pilot with ten users."]
    assert front.exit_line(record) == "exit code 3, 1 waived"
    waiver = record.decisions[1].waiver
    policy = record.policy.model_copy(update={"waivers": (waiver,)})
    expired = make.failing(policy=policy)
    assert "ended on 31 January 2027 and counts for nothing" in front.waivers(expired)[0]


def test_to_do_starts_with_the_worst(make):
    assert [s.what for s in front.to_do(make.failing())] == [
        "Hold the release.",
        "Mend the model, then audit again.",
        "Make it measurable:",
        "Decide on what was not measured.",
    ]
    assert front.to_do(make.inconclusive())[0].what == "Collect rows."
    assert front.to_do(make.quick())[0].what == "Run the audit in full."
    assert front.to_do(make.empty_policy())[0].what == "Mend the crashed checks:"


def test_unmeasured_lists_lost_checks_gaps_and_areas(make):
    rows = dict(front.unmeasured(make.empty_policy()))
    assert rows["Group fairness (fairness.groups)"] == ["Crashed: ValueError: no group has two rows."]
    assert rows["Explanation (explanation.shapley)"] == ["Skipped: the model is a file of scores."]
    assert rows["Robustness"] == ["No check of this area was configured."]
    assert rows["Privacy"] == [
        "Privacy (membership inference) was not measured: no check of it was configured."
    ]


def test_unknown_measure_falls_back_to_its_label(make):
    e = stats.rate_of(3, 4)
    case = phrases.Case("plugin.x", "odd", "share of odd rows", {"side": "left"}, e)
    assert phrases.claim(case, "0.750") == "Share of odd rows (side = left) is 0.750"


def test_every_built_in_measure_is_defined():
    from audit.registry import checks

    built_in = {f"{c.name}.{m.name}" for c in checks().values() for m in c.measures if "." in c.name}
    assert built_in <= set(DEFINED)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("Rows that break the test “a that”, searched", "0.1 of the rows break the test “a that”, searched"),
        ("Written examples that fail the test “x”", "0.1 of the written examples fail the test “x”"),
    ],
)
def test_a_behaviour_is_said_of_those_that_break_it(label, says):
    case = phrases.Case("behaviour.tests", "violation_rate", label, {}, None, (), "")
    assert phrases.claim(case, "0.1") == says
