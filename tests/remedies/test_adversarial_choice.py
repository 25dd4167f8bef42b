"""Which candidate validation chooses, told with made-up figures; and what options are refused."""

import pytest
from pydantic import ValidationError

from audit import remedies, stats
from audit.errors import ConfigError, DataError
from audit.evidence import CheckResult, Findings, Measurement
from audit.remedies import Bench
from audit.remedies.options import Adversarial, AdversarialTraining
from audit.subject import Model, Subject

ROWS = 100
CANDIDATES = tuple(Adversarial(eps=eps) for eps in (0.1, 0.2, 0.3))


def unused(options):
    """No candidate here is made by this."""
    raise AssertionError(options)


def result(clean, robust):
    """The check's result with these counts of ROWS; robust maps a radius to a count."""
    found = [Measurement(name="clean_accuracy", label="clean", estimate=stats.rate_of(clean, ROWS))]
    for eps, k in robust.items():
        where = {"norm": "linf", "eps": eps}
        found.append(
            Measurement(name="robust_accuracy", label="r", estimate=stats.rate_of(k, ROWS), where=where)
        )
    return CheckResult(check="robustness.pgd", area="robustness", title="t", status="ok",
                       findings=Findings(measurements=tuple(found)))  # fmt: skip


def choose(figures, judged=(0.1,), accuracy_loss=0.02):
    """Return the choice among models of these (clean, {eps: robust}) figures, the first the one asked about."""
    models = [Model(f"m{i}", apply=None, outputs="logits") for i in range(len(figures))]
    results = dict(zip([m.name for m in models], [result(*f) for f in figures], strict=True))
    waiting = iter(models[1:])

    def named(found):
        return tuple(m for m in found.findings.measurements if m.where.get("eps") in judged)

    bench = Bench(key=None, train=lambda options: next(waiting), scale=unused, equalise=unused,
                  measure=lambda m, check: results[m.name], judged=named)  # fmt: skip
    options = AdversarialTraining(candidates=CANDIDATES[: len(figures) - 1], accuracy_loss=accuracy_loss)
    choice = remedies.find("adversarial_training").function(Subject(models[0], None, {}), options, bench)
    return choice, None if choice.model is None else choice.model.name


BEFORE = (98, {0.1: 40, 0.2: 10})


def test_the_most_robust_of_those_that_keep_their_accuracy_is_chosen():
    choice, name = choose([BEFORE, (97, {0.1: 60, 0.2: 0}), (96, {0.1: 70, 0.2: 0}), (95, {0.1: 90, 0.2: 0})])
    assert name == "m2" and choice.says == str(CANDIDATES[1])
    words = [row[-1] for row in choice.candidates.rows]
    assert words == ["–", "less robust", "chosen", "loses too much accuracy"]
    assert "100 validation rows is at most 0.02 below" in choice.rule and "eps 0.1" in choice.rule
    assert "0.2" not in choice.rule.replace("0.02", "")


def test_robustness_is_the_mean_over_the_places_that_the_policy_judges_or_over_all():
    figures = [BEFORE, (98, {0.1: 60, 0.2: 10}), (98, {0.1: 50, 0.2: 30})]
    assert choose(figures, judged=(0.1,))[1] == "m1"
    assert choose(figures, judged=(0.2,))[1] == "m2"
    both, name = choose(figures, judged=())
    assert name == "m2"
    means = both.candidates.rows
    at = [c.name for c in both.candidates.columns].index("mean")
    assert [row[at] for row in means] == pytest.approx([0.25, 0.35, 0.40])


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ([BEFORE, (90, {0.1: 90, 0.2: 0})], "kept its accuracy"),
        ([BEFORE, (98, {0.1: 40, 0.2: 90})], "more robust"),
    ],
)
def test_without_a_candidate_that_is_fit_and_better_none_is_chosen(figures, reason):
    choice, name = choose(figures)
    assert name is None and reason in choice.reason and choice.says == ""


def test_the_first_of_equals_and_a_loss_at_the_limit_count():
    assert choose([BEFORE, (96, {0.1: 70}), (97, {0.1: 70})])[1] == "m1"


def test_a_check_without_numbers_is_no_ground_for_a_choice():
    bench = Bench(key=None, train=lambda options: None, scale=unused, equalise=unused, judged=lambda found: (),
                  measure=lambda m, check: CheckResult(check=check, area="robustness", title="t", status="error",
                                                       reason="out of cheese"))  # fmt: skip
    function = remedies.find("adversarial_training").function
    with pytest.raises(DataError, match="out of cheese"):
        function(
            Subject(Model("m", None, outputs="logits"), None, {}),
            AdversarialTraining(candidates=CANDIDATES),
            bench,
        )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "eps"),
        ({"eps": 0.0}, "greater than 0"),
        ({"eps": 0.1, "beta": 6.0}, "beta without method: trades"),
        ({"eps": 0.1, "replays": 2}, "replays without method: free"),
        ({"eps": 0.1, "method": "trades", "replays": 2}, "replays without method: free"),
        ({"eps": 0.1, "norm": "l7"}, "norm"),
        ({"eps": 0.1, "stepz": 3}, "stepz"),
    ],
)
def test_options_that_make_no_sense_are_refused(given, says):
    with pytest.raises(ValidationError, match=says):
        Adversarial(**given)


def test_options_read_back_as_they_were_written():
    for options in (Adversarial(eps=0.1), Adversarial(eps=0.1, method="trades"),
                    Adversarial(eps=0.2, method="free", replays=3)):  # fmt: skip
        assert Adversarial(**options.model_dump(mode="json")) == options


def test_an_unknown_remedy_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="perhaps 'adversarial_training'"):
        remedies.find("adversarial_trainin")
