import datetime as dt
import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from audit import gate, stats
from audit.errors import ConfigError
from audit.evidence import (
    CheckResult,
    Estimate,
    Findings,
    GroupRates,
    Measurement,
    Policy,
    Rate,
    Rule,
    Waiver,
)

DAY = dt.date(2026, 3, 1)
POLICIES = Path(__file__).parent.parent / "configs" / "policies"


def measured(name="accuracy", estimate=None, label="Accuracy", **where):
    return Measurement(name=name, label=label, estimate=estimate or stats.rate_of(90, 100), where=where)


def result(*measurements, check="accuracy.overall", status="ok", reason=""):
    findings = Findings(measurements=measurements)
    return CheckResult(
        check=check, area="accuracy", title="t", status=status, reason=reason, findings=findings
    )


def rule(id="r", measure="accuracy.overall.accuracy", **more):
    return Rule(id=id, measure=measure, because="it matters", **more)


def policy(*rules, **more):
    return Policy(name="p", rules=rules, **more)


def judge_one(estimate, *, quick=False, policy_more=None, **limit):
    decisions, verdict, code = gate.judge(
        [result(measured(estimate=estimate))],
        policy(rule(**limit), **(policy_more or {})),
        on=DAY,
        quick=quick,
    )
    return decisions[0], verdict, code


# ---------------------------------------------------------------- one decision


@given(st.integers(0, 200), st.floats(0.02, 0.98))
def test_a_rate_passes_and_fails_exactly_where_the_binomial_tails_say(k, limit):
    decision, verdict, code = judge_one(stats.rate_of(k, 200), at_least=limit)
    above, below = binom.sf(k - 1, 200, limit), binom.cdf(k, 200, limit)
    if min(abs(above - 0.05), abs(below - 0.05)) < 1e-6:
        return
    word = "PASS" if above < 0.05 else "FAIL" if below < 0.05 else "INCONCLUSIVE"
    assert (decision.verdict, verdict) == (word, word)
    assert code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[word]
    if word == "FAIL":
        assert decision.p_fail == pytest.approx(below, rel=1e-4, abs=1e-14)
        assert decision.bound < limit
    if word == "PASS":
        assert decision.bound >= limit


def test_at_most_mirrors_at_least():
    for k in (5, 20, 40):
        up = judge_one(stats.rate_of(k, 100), at_most=0.2)[0]
        down = judge_one(stats.rate_of(100 - k, 100), at_least=0.8)[0]
        assert up.verdict == down.verdict and up.bound == pytest.approx(1 - down.bound)


def test_a_pass_says_the_number_its_interval_and_the_bound_that_decides():
    decision = judge_one(stats.rate_of(900, 1000), at_least=0.85)[0]
    assert decision.reason == (
        "Accuracy is 0.90 [0.88, 0.92]; its 95 % lower bound 0.88 is not below the required 0.85."
    )
    assert decision.bound_level == 0.95 and decision.rows_needed is None


def test_a_fail_says_its_level_and_p():
    decision = judge_one(stats.rate_of(400, 1000), at_least=0.5)[0]
    assert decision.verdict == "FAIL" and "is below the required 0.50 (p < 0.0001)" in decision.reason


def test_inconclusive_says_the_rows_that_would_decide_and_for_what():
    good, bad = (judge_one(stats.rate_of(k, 100), at_least=0.85)[0] for k in (88, 82))
    assert good.verdict == bad.verdict == "INCONCLUSIVE"
    assert good.rows_needed > 100 and f"{good.rows_needed:,} rows in place of 100" in good.reason
    assert "show PASS with 80 % power" in good.reason and "show FAIL with 80 % power" in bad.reason
    at_limit = judge_one(stats.rate_of(85, 100), at_least=0.85)[0]
    assert at_limit.rows_needed is None and "no realistic number of rows" in at_limit.reason


def test_the_sentence_shows_enough_digits_to_tell_bound_and_limit_apart():
    limit = stats.low_bound(stats.rate_of(900, 1000).statistic, 0.05) + 0.0004
    decision = judge_one(stats.rate_of(900, 1000), at_least=round(limit, 4))[0]
    assert f"{decision.bound:.4f}" in decision.reason and f"{round(limit, 4):.4f}" in decision.reason


@given(st.integers(2, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.05, 0.95))
def test_the_shown_interval_never_contradicts_the_word(counts, limit):
    estimate = stats.rate_of(*counts)
    decision = judge_one(estimate, at_least=limit)[0]
    if decision.verdict == "PASS":
        assert estimate.high >= limit
    if decision.verdict == "FAIL":
        assert estimate.low <= limit
    if estimate.low > limit:
        assert decision.verdict == "PASS"
    if estimate.high < limit:
        assert decision.verdict == "FAIL"


# ---------------------------------------------------------------- what these rows could show


def test_every_decision_says_from_which_truths_on_its_rows_show_a_word():
    decision = judge_one(stats.rate_of(85, 100), at_least=0.8)[0]
    s = decision.estimate.statistic
    assert decision.verdict == "INCONCLUSIVE"
    assert decision.passes_at == stats.detectable(s, 0.8, "PASS", at_least=True)
    assert decision.fails_at == stats.detectable(s, 0.8, "FAIL", at_least=True)
    assert decision.fails_at < 0.8 < decision.passes_at < 1
    strict = judge_one(stats.rate_of(85, 100), at_least=0.8, policy_more={"alpha": 0.01, "power": 0.9})[0]
    assert strict.fails_at < decision.fails_at and strict.passes_at > decision.passes_at
    for k in (99, 20):
        other = judge_one(stats.rate_of(k, 100), at_least=0.8)[0]
        assert (other.passes_at, other.fails_at) == (
            decision.passes_at,
            decision.fails_at,
        )  # whatever was found


def test_fail_is_read_at_holms_level_and_never_from_a_number_that_the_truth_may_beat():
    found = [result(measured(estimate=stats.rate_of(85, 100)))]
    rules = policy(rule("x", at_least=0.8), rule("y", at_least=0.7))
    decision = gate.judge(found, rules, on=DAY)[0][0]
    expected = stats.detectable(Rate(k=85, n=100), 0.8, "FAIL", at_least=True, alpha=0.025)
    assert decision.fails_at == pytest.approx(expected)
    one_sided = judge_one(stats.rate_of(85, 100, side="at least"), at_least=0.8)[0]
    assert one_sided.fails_at is None and one_sided.passes_at is not None
    assert judge_one(stats.not_estimable("nothing"), at_least=0.8)[0].passes_at is None


def test_inconclusive_groups_name_the_rows_that_each_needs():
    estimate = stats.groups(
        ["big", "mid", "tiny"], [1500, 300, 12], [5000, 1000, 40], [5000, 1000, 40], of="difference"
    )
    decision = judge_one(estimate, at_most=0.1)[0]
    assert decision.verdict == "INCONCLUSIVE" and set(decision.rows_by_group) == {"tiny"}
    rows = decision.rows_by_group["tiny"]
    assert f", or {rows:,} in each group that has fewer (now tiny 40), would show PASS" in decision.reason
    assert decision.rows_needed > 3 * rows
    assert judge_one(stats.rate_of(85, 100), at_least=0.8)[0].rows_by_group == {}


def replicated(value=0.75, n=900, draws=2000, seed=0):
    rng = random.Random(seed)
    true = [i % 2 for i in range(n)]
    predicted = [t if rng.random() < value else 1 - t for t in true]
    return stats.macro_f1(predicted, true, 2, draws=draws)


def test_a_level_that_the_stored_replicates_cannot_support_is_not_estimable():
    estimate = replicated()
    assert judge_one(estimate, at_least=0.7)[0].verdict == "PASS"
    sharp = judge_one(estimate, at_least=0.7, policy_more={"alpha": 0.01})[0]
    assert sharp.verdict == "NOT-ESTIMABLE"
    assert (
        "PASS is judged at 0.01 here, and its stored replicates support no level below 0.025" in sharp.reason
    )
    assert judge_one(replicated(draws=20_000), at_least=0.7, policy_more={"alpha": 0.01})[0].verdict == "PASS"
    assert judge_one(estimate, at_least=0.9)[0].verdict == "FAIL"
    three = policy(*(rule(name, at_least=limit) for name, limit in (("a", 0.9), ("b", 0.2), ("c", 0.3))))
    decisions = gate.judge([result(measured(estimate=estimate))], three, on=DAY)[0]
    assert [d.verdict for d in decisions] == ["NOT-ESTIMABLE", "PASS", "PASS"]
    assert "FAIL is judged at 0.017 here" in decisions[0].reason
    more = gate.judge([result(measured(estimate=replicated(draws=20_000)))], three, on=DAY)[0]
    assert [d.verdict for d in more] == ["FAIL", "PASS", "PASS"]


@pytest.mark.parametrize(
    "make",
    [
        replicated,
        lambda: stats.f1([1] * 60 + [0] * 20, [1] * 70 + [0] * 10),
        lambda: stats.root_mean([0.1 * i for i in range(50)]),
        lambda: stats.calibration_error([0.5] * 400, [i % 2 for i in range(400)], cluster=[i // 4 for i in range(400)]),
        lambda: stats.macro_auc([[i % 7, i % 5] for i in range(80)], [[i % 2, i % 3 > 0] for i in range(80)]),
    ],
    ids=["replicates", "f1", "root", "clustered calibration", "mean of AUCs"],
)  # fmt: skip
@pytest.mark.parametrize("alpha", [0.05, 0.003, 1e-6])
def test_a_stored_estimate_is_judged_at_any_level_as_a_fresh_one(make, alpha):
    fresh = make() if make is not replicated else make(draws=20_000)
    stored = Measurement.model_validate_json(measured(estimate=fresh).model_dump_json())
    for limit in ({"at_least": 0.3}, {"at_most": 0.3}):
        rules = policy(rule(**limit), rule("s", at_least=0.0), alpha=alpha)
        again = gate.judge([result(stored)], rules, on=DAY)
        assert again == gate.judge([result(measured(estimate=fresh))], rules, on=DAY)
        if make is replicated and alpha < 0.0025:
            assert {d.verdict for d in again[0]} == {"NOT-ESTIMABLE"}


# ---------------------------------------------------------------- what cannot be judged


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ([], "did not run"),
        ([result(status="skipped", reason="no gradient")], "was skipped: no gradient"),
        ([result(measured(), status="error", reason="boom")], "ended in an error: boom"),
        ([result(measured(), status="skipped")], "no reason given"),
        ([result()], "found no accuracy"),
        ([result(measured(attribute="sex"))], "only at attribute=sex"),
        ([result(measured(where=1), check="other.check")], "did not run"),
    ],
)
def test_what_nothing_answers_is_not_estimable_and_blocks(results, says):
    decisions, verdict, code = gate.judge(results, policy(rule(where={"eps": 0.1}, at_least=0.1)), on=DAY)
    assert [d.verdict for d in decisions] == ["NOT-ESTIMABLE"] and (verdict, code) == ("NOT-ESTIMABLE", 3)
    assert says in decisions[0].reason


def forged(**changes):
    return stats.rate_of(90, 100).model_copy(update=changes)


@pytest.mark.parametrize(
    ("estimate", "says"),
    [
        (stats.not_estimable("no positives"), "no positives"),
        (stats.descriptive(0.99, 100, "ECE"), "never judged"),
        (forged(value=0.99), "not that of its own statistics"),
        (forged(statistic=Rate(k=12, n=10), value=1.2), "impossible"),
        (forged(statistic=Rate(k=0, n=0)), "impossible"),
        (stats.groups(["a", "b"], [3, 0], [5, 0], [5, 5], of="ratio"), "empty in group b"),
    ],
)
@pytest.mark.parametrize("limit", [{"at_least": -1.0}, {"at_most": 2.0}])
def test_strange_estimates_are_not_estimable_even_under_a_limit_that_all_keep(estimate, says, limit):
    decision, verdict, code = judge_one(estimate, **limit)
    assert (decision.verdict, verdict, code) == ("NOT-ESTIMABLE", "NOT-ESTIMABLE", 3)
    assert says in decision.reason


def test_a_policy_without_a_blocking_rule_is_not_estimable():
    good = [result(measured())]
    assert gate.judge(good, policy(), on=DAY) == ((), "NOT-ESTIMABLE", 3)
    decisions, verdict, code = gate.judge(good, policy(rule(at_least=0.5, severity="advisory")), on=DAY)
    assert decisions[0].verdict == "PASS" and (verdict, code) == ("NOT-ESTIMABLE", 3)


# ---------------------------------------------------------------- matching


def test_a_rule_decides_every_measurement_that_it_matches():
    found = result(*(measured(norm=norm, eps=eps) for norm in ("linf", "l2") for eps in (0.1, 0.2)))
    everywhere = gate.judge([found], policy(rule(at_least=0.5)), on=DAY)[0]
    assert [d.where for d in everywhere] == [
        {"norm": norm, "eps": eps} for norm, eps in (("l2", 0.1), ("linf", 0.1), ("l2", 0.2), ("linf", 0.2))
    ]
    one = gate.judge([found], policy(rule(where={"eps": 0.1 + 1e-15, "norm": "l2"}, at_least=0.5)), on=DAY)[0]
    assert [d.where for d in one] == [{"norm": "l2", "eps": 0.1}]


@pytest.mark.parametrize("asked", [1, 1.0, "1", "1.0", " 1"])
def test_what_reads_alike_is_the_same_place(asked):
    found = result(measured(**{"class": "1"}))
    assert gate.judge([found], policy(rule(where={"class": asked}, at_least=0.5)), on=DAY)[1] == "PASS"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("01", "'01' (text)"), (1.5, "1.5 (a number)"), (2, "2 (a number)"), (True, "'True' (text)")],
)
def test_what_was_asked_and_is_not_there_is_said_with_its_type(asked, shown):
    found = result(measured(**{"class": "1"}))
    decisions, verdict, _ = gate.judge([found], policy(rule(where={"class": asked}, at_least=0.5)), on=DAY)
    assert verdict == "NOT-ESTIMABLE"
    assert f"class={shown}, only at class=1." in decisions[0].reason


@given(st.randoms())
def test_order_never_matters(shuffle: random.Random):
    accuracies = [measured(estimate=stats.rate_of(k, 100), eps=k) for k in (55, 60, 70, 80, 95)]
    recalls = [measured("recall", stats.rate_of(k, 30), "Recall", **{"class": str(k)}) for k in (3, 9, 29)]
    rules = policy(
        rule("a", at_least=0.7), rule("b", "accuracy.overall.recall", at_least=0.5), rule("c", at_most=0.99)
    )
    mixed = shuffle.sample(accuracies + recalls, 8)
    split = [result(*mixed[:4]), result(*mixed[4:])]
    assert gate.judge(split, rules, on=DAY) == gate.judge([result(*accuracies, *recalls)], rules, on=DAY)


# ---------------------------------------------------------------- many rules


def test_fail_is_judged_by_holm_over_blocking_decisions_alone():
    """p = 0.0284 (k = 40 of 100 at 0.5): alone a FAIL at 5 %, among two not; an advisory rule is not counted."""
    estimate = stats.rate_of(40, 100)
    assert stats.p_fail(estimate.statistic, 0.5, at_least=True) == pytest.approx(0.0284, abs=1e-4)
    found = [result(measured(estimate=estimate))]
    again, good = rule("x", at_least=0.5), rule("y", at_least=0.1)
    alone = gate.judge(found, policy(again), on=DAY)[0]
    beside = gate.judge(found, policy(again, good), on=DAY)[0]
    advised = gate.judge(found, policy(again, rule("y", at_least=0.1, severity="advisory")), on=DAY)[0]
    assert [d.verdict for d in alone] == ["FAIL"]
    assert [d.verdict for d in beside] == ["INCONCLUSIVE", "PASS"]
    assert [d.verdict for d in advised] == ["FAIL", "PASS"]
    advisory = gate.judge(found, policy(rule("x", at_least=0.5, severity="advisory"), good), on=DAY)
    assert [d.verdict for d in advisory[0]] == ["FAIL", "PASS"] and advisory[1:] == ("PASS", 0)


def test_holm_steps_down():
    found = [
        result(measured(estimate=stats.rate_of(40, 100)), measured("recall", stats.rate_of(1, 100), "Recall"))
    ]
    rules = policy(rule("x", at_least=0.5), rule("y", "accuracy.overall.recall", at_least=0.5))
    decisions, verdict, code = gate.judge(found, rules, on=DAY)
    assert [d.verdict for d in decisions] == ["FAIL", "FAIL"] and (verdict, code) == ("FAIL", 1)
    assert [d.bound_level for d in decisions] == [pytest.approx(0.95), pytest.approx(0.975)]


@pytest.mark.parametrize(
    ("words", "whole", "code"),
    [
        ("PASS PASS", "PASS", 0),
        ("PASS INCONCLUSIVE", "INCONCLUSIVE", 3),
        ("INCONCLUSIVE NOT-ESTIMABLE", "NOT-ESTIMABLE", 3),
        ("NOT-ESTIMABLE FAIL", "FAIL", 1),
        ("PASS FAIL", "FAIL", 1),
    ],
)
def test_the_worst_blocking_word_is_the_verdict(words, whole, code):
    estimates = {
        "PASS": stats.rate_of(99, 100),
        "FAIL": stats.rate_of(5, 100),
        "INCONCLUSIVE": stats.rate_of(50, 100),
        "NOT-ESTIMABLE": stats.not_estimable("nothing there"),
    }
    for order in (words.split(), words.split()[::-1]):
        found = result(*(measured(estimate=estimates[w], label=w, i=i) for i, w in enumerate(order)))
        decisions, verdict, exit_code = gate.judge([found], policy(rule(at_least=0.5)), on=DAY)
        assert [d.verdict for d in decisions] == order and (verdict, exit_code) == (whole, code)


# ---------------------------------------------------------------- groups


def test_groups_under_the_declared_share_are_left_out_and_named():
    estimate = stats.groups(
        ["big", "tiny", "wide"], [300, 0, 290], [1000, 9, 1000], [1000, 9, 1000], of="ratio"
    )
    kept = judge_one(estimate, at_least=0.8, policy_more={"minimum_group_share": 0.0})[0]
    left = judge_one(estimate, at_least=0.8, policy_more={"minimum_group_share": 0.02})[0]
    assert kept.excluded_groups == () and kept.estimate.value == 0 and kept.verdict != "PASS"
    assert left.excluded_groups == ("tiny",) and left.estimate.value == pytest.approx(290 / 300)
    assert left.verdict == "PASS" and left.estimate.n == 2000


def test_impossible_group_counts_are_not_estimable_and_end_no_audit():
    counts = GroupRates(of="ratio", groups=("a", "b", "c"), k=(9, 9, 1), n=(4, 10, 1), sizes=(4, 10, 0.01))
    estimate = forged(statistic=counts)
    decision = judge_one(estimate, at_least=0.1, policy_more={"minimum_group_share": 0.02})[0]
    assert decision.verdict == "NOT-ESTIMABLE" and "a rate of 9.0 of 4.0" in decision.reason


def test_leaving_out_an_empty_group_makes_the_rest_estimable_and_leaving_one_group_nothing():
    empty = stats.groups(["a", "b", "c"], [300, 0, 290], [1000, 0, 1000], [1000, 9, 1000], of="difference")
    assert judge_one(empty, at_most=0.2)[0].verdict == "NOT-ESTIMABLE"
    assert judge_one(empty, at_most=0.2, policy_more={"minimum_group_share": 0.02})[0].verdict == "PASS"
    pair = stats.groups(["a", "b"], [300, 1], [1000, 9], [1000, 9], of="difference")
    decision = judge_one(pair, at_most=0.9, policy_more={"minimum_group_share": 0.02})[0]
    assert decision.verdict == "NOT-ESTIMABLE" and decision.excluded_groups == ("b",)


def test_balanced_accuracy_never_loses_a_rare_class():
    estimate = stats.groups(["common", "rare"], [990, 0], [1000, 10], [1000, 10], of="mean")
    decision = judge_one(estimate, at_least=0.9, policy_more={"minimum_group_share": 0.02})[0]
    assert decision.excluded_groups == () and decision.verdict == "FAIL"


# ---------------------------------------------------------------- one-sided numbers, quick runs, waivers


def test_an_attacks_number_passes_only_against_these_attacks():
    attacked = stats.rate_of(95, 100, side="at most")
    assert "against these attacks with this budget" in judge_one(attacked, at_least=0.8)[0].reason
    assert judge_one(stats.rate_of(30, 100, side="at most"), at_least=0.8)[0].verdict == "FAIL"
    assert "attacks" not in judge_one(stats.rate_of(95, 100), at_least=0.8)[0].reason


@pytest.mark.parametrize(("side", "limit"), [("at most", {"at_most": 0.5}), ("at least", {"at_least": 0.97})])
def test_a_number_that_the_truth_may_beat_cannot_fail(side, limit):
    decision = judge_one(stats.rate_of(80, 100, side=side), **limit)[0]
    assert decision.verdict == "INCONCLUSIVE" and f"only {side} the truth" in decision.reason


@pytest.mark.parametrize(
    ("k", "word", "code"), [(99, "INCONCLUSIVE", 3), (10, "FAIL", 1), (50, "INCONCLUSIVE", 3)]
)
def test_a_quick_run_is_never_pass(k, word, code):
    decision, verdict, exit_code = judge_one(stats.rate_of(k, 100), at_least=0.5, quick=True)
    assert (decision.verdict, verdict, exit_code) == (word, word, code)


def test_a_doubt_about_the_measuring_bars_pass_and_never_undoes_a_fail():
    doubt = {"doubt": "1 of 8 signs that the attack works are missing"}
    good = stats.rate_of(95, 100, side="at most").model_copy(update=doubt)
    decision, verdict, exit_code = judge_one(good, at_least=0.5)
    assert (verdict, exit_code) == ("INCONCLUSIVE", 3)
    assert "1 of 8 signs" in decision.reason
    bad = stats.rate_of(5, 100, side="at most").model_copy(update=doubt)
    assert judge_one(bad, at_least=0.5)[1] == "FAIL"


def test_a_quick_run_whose_only_rule_is_waived_is_still_not_zero():
    waiver = Waiver(rule="r", who="A. Person", why="known", until=DAY)
    assert (
        judge_one(stats.rate_of(10, 100), at_least=0.5, quick=True, policy_more={"waivers": (waiver,)})[2]
        == 3
    )


@pytest.mark.parametrize(
    ("until", "code"), [(DAY, 0), (DAY + dt.timedelta(1), 0), (DAY - dt.timedelta(1), 1)]
)
def test_a_waiver_changes_the_exit_code_until_its_date_and_never_the_word(until, code):
    waiver = Waiver(rule="r", who="A. Person", why="a retraining is due", until=until)
    decision, verdict, exit_code = judge_one(
        stats.rate_of(10, 100), at_least=0.5, policy_more={"waivers": (waiver,)}
    )
    assert (decision.verdict, verdict, exit_code) == ("FAIL", "FAIL", code)
    assert decision.waiver == (waiver if code == 0 else None)


def test_a_waiver_for_one_rule_does_not_cover_another():
    waiver = Waiver(rule="x", who="A. Person", why="known", until=DAY)
    rules = policy(rule("x", at_least=0.99), rule("y", at_least=0.98), waivers=(waiver,))
    found = [result(measured(estimate=stats.rate_of(10, 100)))]
    assert gate.judge(found, rules, on=DAY)[1:] == ("FAIL", 1)
    advisory = policy(rule("x", at_least=0.1, severity="advisory"), waivers=(waiver,))
    assert gate.judge(found, advisory, on=DAY)[1:] == ("NOT-ESTIMABLE", 3)


# ---------------------------------------------------------------- refusing a policy


KNOWN = {"accuracy.overall": ("accuracy", "auc"), "fairness.groups": ("impact_ratio",)}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (policy(rule(measure="accuracy.overal.accuracy", at_least=1)), "perhaps 'accuracy.overall'"),
        (policy(rule(measure="accuracy.overall.acuracy", at_least=1)), "perhaps 'accuracy'"),
        (policy(rule(measure="zzz.q", at_least=1)), "one of accuracy.overall, fairness.groups"),
        (policy(rule(at_least=1), rule(at_most=1)), "id='r' twice"),
        (
            policy(rule(at_least=1), waivers=(Waiver(rule="rr", who="a", why="b", until=DAY),)),
            "rule='rr', which is no rule; expected perhaps 'r'",
        ),
    ],
)
def test_a_policy_that_the_configured_checks_cannot_answer_is_refused(bad, says):
    with pytest.raises(ConfigError) as error:
        gate.refuse(bad, KNOWN)
    assert says in str(error.value)


@pytest.mark.parametrize("name", ["default", "four_fifths"])
def test_the_shipped_policies_name_measures_that_there_are_and_say_where_limits_come_from(name):
    from audit.registry import checks

    shipped = Policy.model_validate(yaml.safe_load((POLICIES / f"{name}.yaml").read_text()))
    gate.refuse(shipped, {key: [m.name for m in check.measures] for key, check in checks().items()})
    assert any(r.severity == "blocking" for r in shipped.rules)
    ratio = next(r for r in shipped.rules if r.name == "impact_ratio")
    assert ratio.at_least == 0.8 and "29 CFR 1607.4(D)" in ratio.source
    gate.refuse(
        shipped, {r.check: [x.name for x in shipped.rules if x.check == r.check] for r in shipped.rules}
    )


def test_every_estimate_of_a_decision_is_the_one_that_was_judged():
    estimate = stats.groups(["a", "b", "c"], [9, 8, 0], [100, 100, 1], [100, 100, 1], of="ratio")
    decision = judge_one(estimate, at_least=0.8, policy_more={"minimum_group_share": 0.02})[0]
    assert isinstance(decision.estimate, Estimate) and decision.estimate.statistic.groups == ("a", "b")
