"""Which candidate for parity validation chooses, told with made-up figures: near, but not by one answer to all."""

import pytest

from audit import remedies, stats
from audit.evidence import CheckResult, Findings, Measurement
from audit.remedies import Bench
from audit.remedies.options import Constraint, ParityPenalty
from audit.subject import Model, Subject

ROWS = 1000
CANDIDATES = tuple(ParityPenalty(attribute="sex", weight=w) for w in (1.0, 2.0, 3.0))


def result(check, *found):
    """The check's result with these counts of ROWS by name and place."""
    measured = tuple(
        Measurement(name=name, label=name, estimate=stats.rate_of(k, ROWS), where=where)
        for name, k, where in found
    )
    return CheckResult(
        check=check, area="fairness", title="t", status="ok", findings=Findings(measurements=measured)
    )


def choose(*figures, judged=("sex",), **limits):
    """Return the choice among models of these (accuracy, balanced accuracy, sex gap, age gap), the first that asked."""
    models = [Model(f"m{i}", apply=None, outputs="logits") for i in range(len(figures))]
    of, waiting = dict(zip([m.name for m in models], figures, strict=True)), iter(models[1:])

    def measure(model, check):
        right, balanced, sex, age = of[model.name]
        gaps = [("selection_rate_difference", k, {"attribute": a}) for a, k in (("sex", sex), ("age", age))]
        shares = [("accuracy", right, {}), ("balanced_accuracy", balanced, {})]
        return result(check, *(gaps if check == "fairness.groups" else shares))

    def named(found):
        return tuple(m for m in found.findings.measurements if m.where.get("attribute") in judged)

    def unused(*_):
        raise AssertionError

    bench = Bench(
        key=None,
        train=lambda how: next(waiting),
        scale=unused,
        equalise=unused,
        measure=measure,
        judged=named,
    )
    options = Constraint(candidates=CANDIDATES[: len(figures) - 1], **limits)
    return remedies.find("constraint").function(Subject(models[0], None, {}), options, bench)


BEFORE = (900, 800, 300, 100)


def words(choice):
    return [row[-1] for row in choice.candidates.rows]


def test_the_nearest_to_parity_of_those_that_keep_both_accuracies_is_chosen():
    choice = choose(BEFORE, (890, 790, 200, 100), (885, 780, 150, 100), (870, 790, 0, 0))
    assert choice.model.name == "m2" and words(choice) == [
        "–", "farther from parity", "chosen", "loses too much accuracy"
    ]  # fmt: skip
    assert choice.says == str(CANDIDATES[1]) and "0.02 below" in choice.rule and "0.05 below" in choice.rule


def test_one_answer_to_everybody_is_not_chosen_though_it_has_no_gap_and_little_error():
    choice = choose(BEFORE, (895, 500, 0, 0), (890, 790, 250, 100))
    assert choice.model.name == "m2" and words(choice)[1] == "loses too much balanced accuracy"
    allowed = choose(BEFORE, (895, 500, 0, 0), balanced_accuracy_loss=0.3)
    assert allowed.model.name == "m1"
    assert "balanced accuracy within 0.05" in choose(BEFORE, (895, 500, 0, 0)).reason


@pytest.mark.parametrize(("judged", "name"), [(("sex",), "m1"), (("age",), "m2"), ((), "m1")])
def test_nearness_is_by_the_gaps_that_the_policy_judges_or_by_all_of_the_attributes(judged, name):
    assert choose(BEFORE, (900, 800, 100, 90), (900, 800, 290, 10), judged=judged).model.name == name


def test_one_that_is_no_nearer_is_not_chosen():
    choice = choose(BEFORE, (950, 900, 300, 0))
    assert choice.model is None and "nearer to parity" in choice.reason and words(choice) == ["–", "no gain"]
