"""explanation.trust: sound explanations pass its tests, planted defects fail them, and nothing unknown is a number."""

import datetime as dt
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit import gate, stats
from audit.attribution.ranks import spearman
from audit.checks import explanation_trust
from audit.checks.explanation_trust import trust
from audit.errors import DataError
from audit.evidence import CheckResult, Policy, Rule
from audit.games import faithful, study, tested
from audit.games.trust_options import TrustOptions
from audit.registry import Context, find
from audit.subject import Dataset, Feature, Model, Split, observe

CONTEXT = Context(key=jax.random.key(5), seed=5)
W = np.array([[1.5], [-2.0], [0.8], [0.4]], np.float32)
SMALL = TrustOptions(rows=60, tested_rows=20, background=8, fills=4, moves=2, explainers=("gradient",))


def scored_by(params, x):
    return x @ params["w"]


def _rows(name, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    groups = {"sex": np.where(rng.random(n) < 0.5, "a", "b")}
    return Split(
        x, (x[:, 0] > 0).astype(np.int32), np.array([f"{name}-{i:04d}" for i in range(n)]), groups=groups
    )


def linear_subject(task="binary", cluster=None, apply=scored_by, params=None, **model):
    test = replace(_rows("test", 120, 1), cluster=cluster)
    data = Dataset(
        "toy", task, "table", {"train": _rows("train", 80, 0), "test": test}, classes=("no", "yes"),
        features=tuple(Feature(f"f{i}") for i in range(4)),
    )  # fmt: skip
    return observe(
        Model("toy", apply, {"w": W} if params is None else params, **{"outputs": "logits", **model}), data
    )


def named(findings, name, **where):
    return [m.estimate for m in findings.measurements if m.name == name and where.items() <= m.where.items()]


@pytest.fixture(scope="module")
def sound():
    return trust(linear_subject(), SMALL.model_copy(update={"explainers": ("shapley", "gradient")}), CONTEXT)


def _planted(monkeypatch, plant):
    """Let the check explain by another function (params, x) -> values."""
    monkeypatch.setattr(study, "explainer", lambda *given: lambda params, x, *rest: plant(params, x))


def test_the_true_explanation_of_a_linear_model_beats_chance_and_depends_on_parameters(sound):
    for name in ("deletion_gain", "insertion_gain", "comprehensiveness_gain", "sufficiency_gain"):
        found = named(sound, name)
        assert len(found) == 4 and all(e.low > 0 and e.n == 60 for e in found), name
    assert all(e.value < 0.6 and e.high < 0.9 for e in named(sound, "randomisation_similarity"))
    signs = next(t for t in sound.tables if t.name == "signs").rows
    assert {row[2] for row in signs if "random orders" in row[0]} == {"shown"} and len(signs) == 2 * 9
    assert max(e.value for e in named(sound, "normalised_infidelity", baseline="mean")) < 0.5


def test_both_explainers_agree_on_a_linear_model_where_each_is_exact(sound):
    for m in sound.measurements:
        if m.name in ("normalised_infidelity", "max_sensitivity"):
            (other,) = named(sound, m.name, **{**m.where, "explainer": "gradient"})
            assert other.value == pytest.approx(m.estimate.value, rel=0.02)


def test_every_declared_measure_is_made_and_every_evaluation_is_counted(sound):
    assert {m.name for m in sound.measurements} == {m.name for m in find("explanation.trust").measures}
    n, p, bg, fills = 60, 4, 8, 4
    curves = n * 5 * 2 * (1 + 5) * (1 + fills) + n * (16 + 1) * (1 + fills)
    shapley = (n + 20 * (1 + 1 + 3)) * (
        2**p * bg + 1 + bg
    )  # once, randomised, other background, two moves and none
    gradient = n + 20 * 5
    assert sound.cost["model_evaluations"] == 2 * (n + bg + curves) + shapley + gradient
    assert "test-0" not in sound.model_dump_json()


def test_an_explanation_that_ignores_the_model_fails_the_randomisation_test(monkeypatch):
    _planted(monkeypatch, lambda params, x: np.abs(x))  # an edge detector of tables
    found = trust(linear_subject(), SMALL.model_copy(update={"tested_rows": 40}), CONTEXT)
    (e,) = named(found, "randomisation_similarity")
    assert (e.value, e.high) == (1.0, 1.0)
    rule = Rule(id="T", measure="explanation.trust.randomisation_similarity", at_most=0.5, because="a test")
    result = CheckResult(
        check="explanation.trust", area="explanation", title="x", status="ok", findings=found
    )
    ((decision,), verdict, _) = gate.judge([result], Policy(name="p", rules=(rule,)), on=dt.date(2025, 1, 1))
    assert decision.verdict == verdict == "FAIL"
    signs = {row[0]: row[2] for row in next(t for t in found.tables if t.name == "signs").rows}
    assert signs["random parameters change it: rank correlation under 0.6"] == "does not hold"


def test_an_explanation_at_random_beats_no_random_order(monkeypatch):
    rng = np.random.default_rng(0)
    _planted(monkeypatch, lambda params, x: rng.normal(size=x.shape))
    found = trust(linear_subject(), SMALL, CONTEXT)
    for name in ("deletion_gain", "insertion_gain", "comprehensiveness_gain", "sufficiency_gain"):
        assert all(e.low <= 0 <= e.high for e in named(found, name)), name
    assert all(e.value > 0.9 for e in named(found, "normalised_infidelity"))


def test_a_constant_model_has_nothing_to_be_faithful_to():
    found = trust(linear_subject(params={"w": 0 * W}), SMALL, CONTEXT)
    for name in ("deletion_gain", "normalised_infidelity", "max_sensitivity"):
        assert all(e.value is None and e.reason for e in named(found, name)), name


def test_a_function_with_a_closure_cannot_be_randomised_and_says_so():
    def closed(params, x):
        return np.asarray(x) @ W

    options = TrustOptions(rows=4, tested_rows=2, background=2, fills=1, random_orders=1, subsets=2, moves=1)
    found = trust(linear_subject(apply=closed, params=(), differentiable=False), options, CONTEXT)
    (e,) = named(found, "randomisation_similarity")
    assert e.value is None and "no floating-point array" in e.reason
    assert not [t for t in found.tables if t.name.startswith("cascade")]


def test_regression_is_judged_towards_the_side_on_which_it_lies():
    found = trust(linear_subject(task="regression", outputs="values"), SMALL, CONTEXT)
    assert all(e.low > 0 for e in named(found, "deletion_gain"))


def test_clusters_are_the_units(sound):
    x = linear_subject().data.test.x[:, 0]
    heavy = np.digitize(x, np.quantile(x, np.arange(1, 12) / 12))
    found = trust(linear_subject(cluster=heavy), SMALL, CONTEXT)
    (plain,) = named(sound, "deletion_gain", explainer="gradient", baseline="mean")
    (wide,) = named(found, "deletion_gain", baseline="mean")
    assert wide.value == pytest.approx(plain.value) and "12 clusters" in wide.method
    (again,) = named(found, "randomisation_similarity")
    assert again.n == 12  # one row of each


def test_retraining_is_shown_and_without_a_trainer_not_estimable():
    options, toy = SMALL.model_copy(update={"retrain": 2}), linear_subject()
    seeds = []

    def refit(*, seed):
        seeds.append(seed)
        return replace(toy.model, params={"w": W[::-1] if len(seeds) == 2 else W})

    found = trust(toy, options, replace(CONTEXT, refit=refit))
    (e,) = named(found, "rank_stability", against="retraining")
    assert len(set(seeds)) == 2 and e.kind == "descriptive" and e.value < 0.9
    (none,) = named(trust(toy, options, CONTEXT), "rank_stability", against="retraining")
    assert none.value is None and "not trained here" in none.reason


def test_what_cannot_be_tested_is_refused_in_one_line():
    black = linear_subject(apply=lambda p, x: np.asarray(x) @ W, differentiable=False)
    with pytest.raises(DataError, match="gradient"):
        trust(black, SMALL, CONTEXT)


def test_the_mean_row_takes_the_commonest_code_of_a_category(table_subject):
    train, typical = table_subject.data.splits["train"].x, study._typical(table_subject)
    assert typical[:4] == pytest.approx(train[:, :4].mean(axis=0), abs=1e-5)
    assert typical[4] == np.bincount(train[:, 4].astype(int)).argmax()


def test_difference_is_that_of_means_with_its_gradient():
    totals = np.array([[3.0, 2.0, 8.0, 4.0]])
    value, gradient = faithful.difference(totals)
    assert value == 0.5
    for i in range(4):
        step = np.eye(4)[i] * 1e-6
        slope = (faithful.difference(totals + step)[0] - faithful.difference(totals - step)[0]) / 2e-6
        assert gradient[0, i] == pytest.approx(slope[0], rel=1e-5)


def test_signs_speak_only_where_the_whole_interval_does():
    e = stats.mean(np.arange(10.0))
    result = explanation_trust._result
    assert result(e, 0.0, above=True) == "shown" and result(e, 20.0, above=True) == "does not hold"
    assert result(e, 4.0, above=True) == "not shown" == result(e, 5.0, above=False)
    assert result(stats.not_estimable("x"), 0.0, above=True) == "not estimable"


def test_a_moved_category_stays(table_subject):
    s = study.study("gradient", table_subject, explanation_trust.game_of(
        table_subject, rows=10, background=5, patches=4, seed=0), SMALL.effort, jax.random.key(0))  # fmt: skip
    reach = tested._reach(s, 0.1)
    assert reach[4] == 0 and (reach[:4] > 0).all()
    assert jnp.isfinite(reach).all()


@pytest.mark.slow
@pytest.mark.parametrize("rows", [(50, 50), (15, 85)])
def test_the_shortfall_of_a_group_covers_the_true_difference(rows):
    """Skewed gains of groups whose means differ: 95 % intervals hold the truth 92 to 98 times in a hundred."""
    rng, held, cases = np.random.default_rng(1), 0, 400
    ids = np.array([f"r{i}" for i in range(sum(rows))])
    own = np.repeat([True, False], rows)
    for case in range(cases):
        gain = np.where(own, 0.1 * rng.exponential(size=len(own)), 0.3 * rng.exponential(size=len(own)))
        columns = np.stack([gain * own, own, gain * ~own, ~own], axis=1)
        e = stats.smooth(columns, faithful.difference, ids=[f"{case}-{i}" for i in ids], draws=2000)
        held += e.low <= 0.2 <= e.high
    assert 0.92 <= held / cases <= 0.98, held / cases


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.05, 0.2, 1.0, 10.0])
def test_the_interval_of_mean_rank_correlation_covers(noise):
    """40 rows of correlations of ten players, from nearly 1 to nearly 0, against the mean of 100,000."""
    rng, held, cases = np.random.default_rng(2), 0, 400

    def drawn(n):
        a = rng.normal(size=(n, 10))
        return spearman(a, a + noise * rng.normal(size=a.shape))

    truth = drawn(100_000).mean()
    for _ in range(cases):
        e = tested._mean(drawn(40), np.arange(40), "draw")
        held += e.low <= truth <= e.high
    assert 0.92 <= held / cases <= 0.99, held / cases


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100, 200])
def test_the_interval_of_normalised_infidelity_covers(rows):
    """Of a ratio of means of skewed values that go together, as errors do with the changes they are of."""
    rng, held, cases = np.random.default_rng(2), 0, 300

    def ratio(totals):
        part, whole = totals.T
        return part / whole, np.stack([1 / whole, -part / whole**2], axis=1)

    for case in range(cases):
        change = rng.gamma(2, size=rows)
        part = change * 0.15 * rng.gamma(2, size=rows)
        ids = [f"{case}-{i}" for i in range(rows)]
        e = stats.smooth(np.stack([part, change], axis=1), ratio, ids=ids, draws=2000)
        held += e.low <= 0.3 <= e.high
    assert 0.92 <= held / cases <= 0.98, held / cases


def test_rows_that_all_agree_are_still_bounded_and_undefined_ones_are_left_out():
    alike = tested._mean(np.ones(40), np.arange(40), "parameters")
    assert alike.high == 1 and 0.5 < alike.low < 0.8
    some = tested._mean(np.array([np.nan, 0.2, 0.4, 0.5]), np.arange(4), "parameters")
    assert some.n == 3 and "1 rows are left out" in some.note
    none = tested._mean(np.full(4, np.nan), np.arange(4), "parameters")
    assert none.value is None and none.reason
