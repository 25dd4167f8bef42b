"""Behavioural tests against functions whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from audit.behaviours.rows import Judged
from audit.checks.behaviour_tests import BehaviourOptions, behaviour_tests
from audit.errors import ConfigError
from audit.registry import Context
from audit.subject import Model, Subject, observe

CONTEXT = Context(key=None, seed=0)


def _found(subject: Subject, *tests, **more):
    options = BehaviourOptions.model_validate({"tests": tests, "rows": None, **more})
    findings = behaviour_tests(subject, options, CONTEXT)
    return {(m.name, m.where["test"]): m.estimate for m in findings.measurements}, findings


def _with(subject: Subject, apply) -> Subject:
    """The subject's data under another function of income, debt, years, savings, region (its code)."""
    return observe(Model("f", apply, {}, outputs="logits"), subject.data)


def _linear(params, x):
    return (x[:, 0] - 0.5 * x[:, 1])[:, None]


def test_who_changes_under_a_linear_model_is_known_exactly(table_subject):
    subject, x = _with(table_subject, _linear), np.asarray(table_subject.data.test.x)
    z = x[:, 0] - 0.5 * x[:, 1]
    moved = np.clip(x[:, 0] + 1, -4, 4)
    flips = (z >= 0) != (moved - 0.5 * x[:, 1] >= 0)
    about = moved != x[:, 0]
    found, findings = _found(
        subject,
        {"name": "richer", "kind": "invariance", "add": {"income": 1}},
        {"name": "unread", "kind": "invariance", "set": {"savings": 2.0}},
        {"name": "up", "kind": "direction", "add": {"income": 1}, "expect": "not_lower"},
        {"name": "down", "kind": "direction", "add": {"income": 1}, "expect": "not_higher"},
        score_of="default",
    )
    assert found["violation_rate", "richer"].value == pytest.approx(flips[about].mean())
    assert found["violation_rate", "richer"].n == about.sum()
    assert 0 < (found["violation_rate", "richer"].value or 0) < 1
    assert found["violation_rate", "unread"].value == 0
    assert found["violation_rate", "up"].value == 0
    assert found["violation_rate", "down"].value == 1
    assert all(m.better == "lower" for m in findings.measurements)
    table = findings.tables[0]
    assert [row[0] for row in table.rows] == ["richer", "unread", "up", "down"]


def test_what_is_added_stays_within_the_features_range(table_subject):
    """The score falls where no income can be, and a row at the end of the range is not counted."""
    x = np.array(table_subject.data.test.x)
    x[:7, 0] = 4.0
    data = replace(table_subject.data, splits={"test": replace(table_subject.data.test, x=x)})
    subject = observe(
        Model("f", lambda p, x: jnp.where(x[:, :1] > 4.0, -9.0, x[:, :1]), {}, outputs="logits"), data
    )
    test = {"name": "t", "kind": "direction", "add": {"income": 6}, "expect": "not_lower"}
    estimate = _found(subject, test, score_of="default")[0]["violation_rate", "t"]
    assert (estimate.value, estimate.n) == (0, len(x) - 7)


def test_the_score_is_the_favourable_classes_unless_another_is_named(table_subject):
    subject = _with(table_subject, _linear)
    test = {"name": "t", "kind": "direction", "add": {"income": 1}, "expect": "not_lower"}
    assert subject.data.favourable == 0
    assert _found(subject, test)[0]["violation_rate", "t"].value == 1
    assert _found(subject, test, score_of="default")[0]["violation_rate", "t"].value == 0


def test_only_rows_that_the_test_is_about_and_changes_count(table_subject):
    subject, x = _with(table_subject, _linear), np.asarray(table_subject.data.test.x)
    categories = table_subject.data.features[4].categories
    south = 1.0 + categories.index("south")
    found, _ = _found(
        subject,
        {
            "name": "move",
            "kind": "invariance",
            "set": {"region": "south"},
            "when": {"income": {"at_least": 1}},
        },
        {"name": "nobody", "kind": "invariance", "set": {"income": 0}, "when": {"income": {"at_least": 99}}},
    )
    assert found["violation_rate", "move"].n == ((x[:, 0] >= 1) & (x[:, 4] != south)).sum()
    assert found["violation_rate", "nobody"].value is None
    assert "no row" in found["violation_rate", "nobody"].reason


def test_a_dent_that_an_even_grid_steps_over_is_found_with_a_gradient_and_without(table_subject):
    test = {"name": "m", "kind": "monotone", "feature": "income", "expect": "rising", "points": 33}
    smooth, _ = _found(_with(table_subject, _linear), test, score_of="default")
    assert smooth["violation_rate", "m"].value == 0 and smooth["violation_rate", "m"].side == "at least"
    x = np.asarray(table_subject.data.splits["train"].x)[:, 0]
    grid = np.linspace(x.min(), x.max(), 33)
    middle = float((grid[20] + grid[21]) / 2)  # falls at the grid's values, and rises back between them

    def dented(params, x):
        return (x[:, 0] + 0.05 * jnp.sin(2 * jnp.pi * (x[:, 0] - middle) / (grid[1] - grid[0])))[:, None]

    subject = _with(table_subject, dented)
    blind = replace(subject, model=replace(subject.model, differentiable=False))
    assert _found(blind, test, score_of="default")[0]["violation_rate", "m"].value == 1
    assert _found(subject, test, score_of="default")[0]["violation_rate", "m"].value == 1


def _counts(subject: Subject, apply) -> Subject:
    """The subject with whole numbers from 0 to 640 for its income, and a function."""
    rng = np.random.default_rng(5)

    def counted(split):
        x = np.array(split.x)
        x[:, 0] = rng.integers(0, 641, len(x))
        x[:2, 0] = 0, 640
        return replace(split, x=x)

    data = subject.data
    features = (replace(data.features[0], low=0.0, high=640.0, scale=20.0), *data.features[1:])
    splits = {name: counted(split) for name, split in data.splits.items()}
    return observe(Model("f", apply, {}, outputs="logits"), replace(data, features=features, splits=splits))


@pytest.fixture
def seen(monkeypatch):
    """The incomes of every row that a test has the model score, the gradient's own rows apart."""
    kept, score = [], Judged.outputs

    def spied(self, x):
        kept.append(np.asarray(x)[:, 0])
        return score(self, x)

    monkeypatch.setattr(Judged, "outputs", spied)
    return kept


def test_whole_numbers_between_the_grid_are_tried_and_no_others(table_subject, seen):
    """A wave falls at every twentieth value, and rises back between: an even grid of 33 sees it rise alone."""
    subject = _counts(
        table_subject, lambda p, x: (x[:, :1] / 20 - 1.2 * jnp.sin(jnp.pi * x[:, :1] / 10)) / 16 - 1
    )
    blind = replace(subject, model=replace(subject.model, differentiable=False))
    test = {"name": "m", "kind": "monotone", "feature": "income", "expect": "rising", "points": 33}
    assert _found(blind, test, score_of="default")[0]["violation_rate", "m"].value == 1
    assert _found(subject, test, score_of="default")[0]["violation_rate", "m"].value == 1
    assert all((x == np.round(x)).all() for x in seen)


def test_a_rule_is_searched_at_whole_numbers_of_its_region_alone(table_subject, seen):
    """A decision that turns on fractions only is never turned; a region without a whole number has no row."""
    subject = _counts(table_subject, lambda p, x: 50 * jnp.abs(jnp.sin(jnp.pi * x[:, :1])) - 1)
    then = {"then": {"decision": ["repaid"]}, "kind": "rule"}
    found, _ = _found(
        subject,
        {"name": "moved", "when": {"savings": {"at_least": -4}}, "reach": 0.52, **then},
        {"name": "placed", "when": {"income": {"at_least": 99.5, "at_most": 300.5}}, **then},
        {"name": "nowhere", "when": {"income": {"at_least": 99.2, "at_most": 99.8}}, **then},
    )
    assert found["searched_violation_rate", "moved"].value == 0
    assert found["searched_violation_rate", "placed"].value == 0
    assert found["searched_violation_rate", "placed"].n == len(subject.data.test)
    assert found["searched_violation_rate", "nowhere"].value is None
    assert all((x == np.round(x)).all() for x in seen)


def test_a_falling_score_breaks_rising_and_keeps_falling(table_subject):
    subject = _with(table_subject, lambda p, x: -x[:, :1])
    rising = {"name": "r", "kind": "monotone", "feature": "income", "expect": "rising"}
    falling = {"name": "f", "kind": "monotone", "feature": "income", "expect": "falling"}
    found, _ = _found(subject, rising, falling, score_of="default")
    assert found["violation_rate", "r"].value == 1
    assert found["violation_rate", "f"].value == 0


def test_a_rule_that_moved_rows_keep_is_broken_by_none(table_subject):
    """Poor rows are repaid, but for those with savings above 3.5, of whom no test row is one."""
    subject = _with(
        table_subject,
        lambda p, x: jnp.where((x[:, 0] < -1) & (x[:, 3] <= 3.5), -5.0, 5.0 + 0 * x[:, 3])[:, None],
    )
    rows = subject.data.test
    kept = rows.take(np.asarray(rows.x)[:, 3] < 3.0)
    data = replace(subject.data, splits={**subject.data.splits, "test": kept})
    subject = observe(subject.model, data)
    rule = {
        "name": "poor",
        "kind": "rule",
        "when": {"income": {"at_most": -1.01}},
        "then": {"decision": ["repaid"]},
    }
    found, _ = _found(subject, rule)
    assert found["violation_rate", "poor"].value == 0
    assert found["violation_rate", "poor"].n == (np.asarray(kept.x)[:, 0] <= -1.01).sum()
    assert found["searched_violation_rate", "poor"].value == 0


def test_a_search_reaches_what_a_gradient_points_to(table_subject):
    subject = _with(table_subject, lambda p, x: (x[:, 0] + x[:, 3] - 3.0)[:, None])
    x = np.asarray(table_subject.data.test.x, np.float64)
    rule = {"name": "r", "kind": "rule", "when": {"income": {"at_most": 0}}, "then": {"decision": ["repaid"]}}
    still, _ = _found(subject, rule)
    moved, findings = _found(subject, {**rule, "reach": 1.0})
    poor = np.minimum(x[:, 0], 0)
    far = np.minimum(x[:, 3] + table_subject.data.features[3].scale, 4.0)
    assert still["searched_violation_rate", "r"].value == pytest.approx((poor + x[:, 3] >= 3).mean())
    assert moved["searched_violation_rate", "r"].value == pytest.approx((poor + far >= 3).mean(), abs=0.005)
    assert (moved["searched_violation_rate", "r"].value or 0) > (
        still["searched_violation_rate", "r"].value or 0
    )
    assert moved["searched_violation_rate", "r"].side == "at least"
    assert findings.cost["gradient"] > 0


def test_bounds_on_the_score_and_regression(regression_subject):
    features = [f.name for f in regression_subject.data.features]
    y = regression_subject.outputs["test"][:, 0]
    limit = float(np.median(y))
    low = min(float(np.asarray(regression_subject.data.test.x)[:, 0].min()), 0.0) - 1
    rule = {
        "name": "r",
        "kind": "rule",
        "when": {features[0]: {"at_least": low}},
        "then": {"score_at_most": limit},
    }
    found, _ = _found(regression_subject, rule)
    assert found["violation_rate", "r"].value == pytest.approx((y > limit).mean(), abs=0.01)


def test_no_test_is_no_pass(table_subject):
    found, _ = _found(table_subject)
    assert [e.value for e in found.values()] == [None]


GIVEN = {"name": "t", "kind": "invariance", "set": {"income": 1.0}}


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ({**GIVEN, "set": {"incom": 1.0}}, "'income'"),
        ({**GIVEN, "set": {"region": "sout"}}, "'south'"),
        ({**GIVEN, "set": {"income": 40}}, "-4 to 4"),
        ({**GIVEN, "set": {"income": "much"}}, "a number"),
        (
            {
                "name": "t",
                "kind": "rule",
                "when": {"income": {"at_least": 40}},
                "then": {"decision": ["repaid"]},
            },
            "-4 to 4",
        ),
        ({**GIVEN, "set": {}, "add": {"region": 1}}, "a numeric feature"),
        ({**GIVEN, "when": {"region": {"at_least": 1}}}, "a numeric feature"),
        ({"name": "t", "kind": "monotone", "feature": "region", "expect": "rising"}, "a numeric feature"),
        (
            {
                "name": "t",
                "kind": "rule",
                "when": {"income": {"at_most": 0}},
                "then": {"decision": ["repayed"]},
            },
            "'repaid'",
        ),
    ],
)
def test_what_the_data_have_not_is_one_line(table_subject, test, says):
    with pytest.raises(ConfigError, match=says) as refused:
        _found(table_subject, test)
    assert "\n" not in str(refused.value)


def test_two_tests_of_one_name_are_refused(table_subject):
    with pytest.raises(ConfigError, match="two tests named 't'"):
        _found(table_subject, GIVEN, GIVEN)


@pytest.mark.parametrize(
    "test",
    [
        {**GIVEN, "set": {}},
        {**GIVEN, "add": {"income": 1}},
        {**GIVEN, "when": {"income": {}}},
        {"name": "t", "kind": "rule", "then": {"decision": ["repaid"]}},
        {"name": "t", "kind": "rule", "when": {"income": {"at_most": 0}}, "then": {}},
    ],
)
def test_a_test_that_says_nothing_is_refused(test):
    with pytest.raises(ValidationError):
        BehaviourOptions.model_validate({"tests": [test]})
