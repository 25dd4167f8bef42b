"""explanation.counterfactual: costs in closed form, censored rows said, groups compared, nobody's row shown."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from audit.checks.explanation_counterfactual import CounterfactualOptions, recourse
from audit.errors import ConfigError
from audit.registry import Context
from audit.subject import Dataset, Feature, Model, Split, Subject, observe

CONTEXT = Context(key=jax.random.key(3), seed=3)
NAMES = ("income", "age", "debt", "region")
W = np.array([1.0, 0.5, -0.8], np.float32)


def scored(params, x):
    return (x[:, :3] @ params)[:, None] - 3.0


def split(name, n, seed):
    rng = np.random.default_rng(seed)
    sex = np.where(rng.random(n) < 0.5, "female", "male")
    x = np.clip(rng.normal(size=(n, 4)), -3, 3)
    x[:, 0] -= 1.0 * (sex == "female")
    x[:, 3] = rng.integers(1, 3, n)
    x = np.clip(x, -4, 4).astype(np.float32)
    rare = np.where(np.arange(n) < 4, "few", "many")
    ids = np.array([f"{name}-secret-{i:04d}" for i in range(n)])
    return Split(x, (x[:, 0] > 0).astype(np.int32), ids, groups={"sex": sex, "rare": rare})


def subject(**options) -> Subject:
    features = tuple(Feature(name, low=-4.0, high=4.0, mutable=name != "age") for name in NAMES[:3])
    features += (Feature("region", kind="categorical", categories=("north", "south")),)
    splits = {"train": split("train", 300, 0), "test": split("test", 300, 1)}
    told = {"classes": ("no", "yes"), "favourable": 1, "features": features} | options
    return observe(
        Model("toy", scored, W, outputs="logits"), Dataset("toy", "binary", "table", splits, **told)
    )


def one(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def table(findings, name):
    return next(t for t in findings.tables if t.name == name)


@pytest.fixture(scope="module")
def found():
    return recourse(subject(), CounterfactualOptions(), CONTEXT)


def test_success_and_cost_of_a_linear_model_are_in_closed_form(found):
    test = subject().data.test
    margin = test.x[:, :3] @ W - 3
    bad = margin < 0
    need = -margin[bad]  # income is the best feature, up to 4, then debt, down to -4
    first = np.minimum(need, 4 - test.x[bad, 0])
    best = first + (need - first) / 0.8
    able = (need - first) / 0.8 <= test.x[bad, 2] + 4
    success, cost = one(found, "recourse_success"), one(found, "recourse_cost")
    assert (success.n, success.side) == (bad.sum(), "at least")
    assert success.value == pytest.approx(able.mean()) and able.all()
    assert cost.value == pytest.approx(best.mean(), rel=0.01) and cost.low < best.mean() < cost.high
    assert one(found, "changed", feature="income").value > 0.95
    assert one(found, "changed", feature="region").value == 0
    assert not [m for m in found.measurements if m.where == {"feature": "age"}]
    sex = test.groups["sex"][bad]
    means = {name: best[sex == name].mean() for name in ("female", "male")}
    gap = one(found, "recourse_cost_difference", attribute="sex")
    assert gap.value == pytest.approx(means["female"] - means["male"], rel=0.02)
    assert 0 < gap.low < gap.value < gap.high  # who earns less has farther to go
    assert one(found, "group_recourse_cost", attribute="sex", group="male").value == pytest.approx(
        means["male"], rel=0.01
    )
    assert one(found, "recourse_success_difference", attribute="sex").value == 0


def test_small_groups_are_named_and_left_out_and_no_row_is_shown(found):
    assert any("rare few was not compared" in said for said in found.not_measured)
    assert one(found, "recourse_cost_difference", attribute="rare").value is None
    assert "secret" not in found.model_dump_json()
    rows = table(found, "changed").rows
    assert [row[0] for row in rows][0] == "income" and rows[0][4] > 0
    assert [row[0] for row in table(found, "plausibility").rows][0] == "counterfactuals"
    assert found.cost["rows_searched"] == one(found, "recourse_success").n


def test_rows_that_cannot_be_turned_have_no_cost_and_bar_a_pass():
    options = CounterfactualOptions(actions={"income": "up", "debt": "fixed"})
    found = recourse(subject(), options, CONTEXT)
    test = subject().data.test
    margin = test.x[:, :3] @ W - 3
    bad = margin < 0
    able = -margin[bad] <= 4 - test.x[bad, 0]
    assert one(found, "recourse_success").value == pytest.approx(able.mean()) and 0.5 < able.mean() < 0.95
    cost = one(found, "recourse_cost")
    assert cost.n == able.sum() and cost.value == pytest.approx((-margin[bad])[able].mean(), rel=0.01)
    assert "no counterfactual" in cost.doubt and "no counterfactual" in cost.note
    assert "no counterfactual" in one(found, "recourse_cost_difference", attribute="sex").doubt
    assert any(f"{(~able).sum()} of {bad.sum()}" in said for said in found.not_measured)
    changed = {m.where["feature"] for m in found.measurements if m.name == "changed"}
    assert changed == {"income", "region"}


def test_everyone_decided_favourably_needs_no_recourse():
    toy = subject()
    outputs = {name: np.abs(out) + 1 for name, out in toy.outputs.items()}
    found = recourse(Subject(toy.model, toy.data, outputs), CounterfactualOptions(), CONTEXT)
    assert (
        one(found, "recourse_success").value is None and "favourable" in one(found, "recourse_success").reason
    )


@pytest.mark.parametrize(
    ("actions", "said"), [({"incom": "up"}, "income"), ({"region": "down"}, "no order")], ids=str
)
def test_actions_that_mean_nothing_are_refused_in_words(actions, said):
    with pytest.raises(ConfigError, match=said):
        recourse(subject(), CounterfactualOptions(actions=actions), CONTEXT)


def test_median_deviations_are_another_unit():
    toy = subject()
    features = tuple(replace(f, scale=2.0) for f in toy.data.features)
    toy = replace(toy, data=replace(toy.data, features=features))
    sd, mad = (recourse(toy, CounterfactualOptions(unit=unit), CONTEXT) for unit in ("sd", "mad"))
    train = toy.data.splits["train"].x[:, 0]
    unit = 1.4826 * np.median(np.abs(train - np.median(train)))
    ratio = one(mad, "recourse_cost").value / one(sd, "recourse_cost").value
    assert ratio == pytest.approx(2 / unit, rel=0.1)
