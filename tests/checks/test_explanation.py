"""explanation.shapley: closed-form importance and reliance, honest gaps, no row in the record."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.checks import explanation_shapley
from audit.checks.explanation_shapley import ShapleyOptions, explain
from audit.errors import DataError
from audit.evidence import Estimate
from audit.games.game import game_of
from audit.registry import Context, find
from audit.subject import Dataset, Feature, Model, Split, Subject, observe

CONTEXT = Context(key=jax.random.key(3), seed=3)
W = np.array([[1.0], [-2.0], [0.5], [0.0]], np.float32)
NAMES = ("income", "sex", "age", "unused")
FEW = {"rows": 80, "background": 30, "agreement_rows": 0}


def scored(params, x):
    return x @ params


def split(name, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 1] = rng.integers(1, 3, n)
    groups = {
        "sex": np.where(x[:, 1] == 1, "female", "male"),
        "race": np.where(rng.random(n) < 0.5, "a", "b"),
    }
    ids = np.array([f"{name}-secret-{i:04d}" for i in range(n)])
    return Split(x, (x[:, 0] > 0).astype(np.int32), ids, groups=groups)


def subject(apply=scored, params=W, task="binary", **model):
    splits = {"train": split("train", 150, 0), "test": split("test", 300, 1)}
    features = tuple(Feature(name) for name in NAMES)
    data = Dataset("toy", task, "table", splits, classes=("no", "yes"), features=features)
    return observe(Model("toy", apply, params, **{"outputs": "logits", **model}), data)


def by_name(findings, name):
    return [m for m in findings.measurements if m.name == name]


def one(findings, name, **where) -> Estimate:
    (found,) = [m.estimate for m in by_name(findings, name) if m.where == where]
    return found


@pytest.fixture(scope="module")
def linear():
    return explain(subject(), ShapleyOptions(rows=300, background=150, agreement_rows=3), CONTEXT)


def test_importance_and_reliance_of_a_linear_model_are_in_closed_form(linear):
    toy = subject()
    x, z = toy.data.test.x.astype(float), toy.data.splits["train"].x.astype(float)
    size = np.abs((x - z.mean(axis=0)) * W[:, 0])  # phi = w (x - mean of the background)
    for p, name in enumerate(NAMES[:3]):
        found = one(linear, "importance", feature=name)
        assert found.value == pytest.approx(size[:, p].mean(), rel=1e-4)
        assert found.kind == "bounded" and found.low < found.value < found.high and found.n == 300
    reliance = one(linear, "reliance", attribute="sex")
    assert reliance.value == pytest.approx(size[:, 1].sum() / size.sum(), rel=1e-4)
    assert 0 < reliance.low < reliance.value < reliance.high < 1


def test_a_feature_without_effect_has_importance_zero_and_no_bound(linear):
    found = one(linear, "importance", feature="unused")
    assert (found.value, found.kind) == (0.0, "descriptive") and "no explained row" in found.note


def test_an_attribute_that_is_no_feature_is_not_estimable_rather_than_zero(linear):
    found = one(linear, "reliance", attribute="race")
    assert found.value is None and "kept out of the features" in found.reason and "prox" in found.reason


def test_shap_agrees_on_a_few_rows(linear):
    assert one(linear, "shap_difference").value < 1e-4
    assert one(linear, "shap_difference").kind == "descriptive"
    (table,) = [t for t in linear.tables if t.name == "agreement"]
    assert table.rows[0][:2] == ("ExactExplainer", 3)
    assert linear.cost["shap_evaluations"] >= 3 * 16 * 150


def test_exact_values_that_shap_contradicts_are_an_error(monkeypatch):
    def wrong(*args, **options):
        peer = explanation_shapley_peer(*args, **options)
        return replace(peer, values=peer.values + 0.1)

    explanation_shapley_peer = explanation_shapley.shap_values
    monkeypatch.setattr(explanation_shapley, "shap_values", wrong)
    with pytest.raises(RuntimeError, match="differ from shap's ExactExplainer by 0.1"):
        explain(subject(), ShapleyOptions(**FEW | {"agreement_rows": 2}), CONTEXT)


def test_ranking_is_sorted_and_holds_only_averages(linear):
    (table,) = [t for t in linear.tables if t.kind == "importance"]
    assert [c.name for c in table.columns] == ["feature", "value", "low", "high"]
    values = [row[1] for row in table.rows]
    assert values == sorted(values, reverse=True) and len(values) == 4
    assert "secret" not in linear.model_dump_json()
    assert linear.cost["model_evaluations"] == 300 * 16 * 150 + 300 + 150
    assert any("faithful" in said for said in linear.not_measured)
    assert any("proxies" in said for said in linear.not_measured)


def test_sampling_is_near_exact_and_says_when_its_error_is_too_large():
    def curved(params, x):
        return jnp.tanh(x[:, :1] * x[:, 1:2] * x[:, 2:3]) + x @ params

    exact = explain(subject(curved), ShapleyOptions(**FEW), CONTEXT)
    options = ShapleyOptions(**FEW | {"exact_up_to": 1, "rounds": 1, "target_error": 1e-6})
    sampled = explain(subject(curved), options, CONTEXT)
    for name in NAMES[:3]:
        pair = [one(found, "importance", feature=name).value for found in (exact, sampled)]
        assert pair[0] == pytest.approx(pair[1], rel=0.05)
    assert any("not explained to the standard error" in said for said in sampled.not_measured)
    assert not any("standard error" in said for said in exact.not_measured)
    assert sampled.cost["model_evaluations"] == 80 * 30 * 4 * 3 + 80 + 30


def test_a_model_that_ignores_the_attribute_has_a_bound_above_zero():
    found = one(
        explain(
            subject(params=W * np.array([[1], [0], [1], [1]], np.float32)), ShapleyOptions(**FEW), CONTEXT
        ),
        "reliance",
        attribute="sex",
    )
    assert found.value == 0 and found.low == 0 and 0.03 < found.high < 0.15


def test_a_constant_model_has_no_reliance_to_measure():
    found = one(explain(subject(params=0 * W), ShapleyOptions(**FEW), CONTEXT), "reliance", attribute="sex")
    assert found.value is None and "no feature" in found.reason


def test_kinds_of_outputs_and_black_boxes_give_one_answer():
    logits = explain(subject(), ShapleyOptions(**FEW), CONTEXT)

    def two(params, x):
        return np.concatenate([np.zeros((len(x), 1)), x @ params], axis=1)

    def probable(params, x):
        return jax.nn.sigmoid(x @ params)

    for other in (subject(two, differentiable=False), subject(probable, outputs="probabilities")):
        found = explain(other, ShapleyOptions(**FEW), CONTEXT)
        for name in NAMES[:3]:
            expected = one(logits, "importance", feature=name).value
            assert one(found, "importance", feature=name).value == pytest.approx(expected, rel=1e-3)


def test_multiclass_explains_the_predicted_class_against_the_rest():
    rng = np.random.default_rng(5)
    w = rng.normal(size=(4, 3)).astype(np.float32)
    toy = subject(params=w, task="multiclass")
    options = ShapleyOptions(**FEW | {"rows": 20})
    found = explain(toy, options, CONTEXT)
    game = game_of(toy, rows=20, background=30, patches=4, seed=CONTEXT.seed)
    logits = game.rows.x @ w
    predicted = logits.argmax(axis=1)
    rest = [np.log(np.exp(np.delete(row, c)).sum()) for row, c in zip(logits, predicted, strict=True)]
    assert (np.max(logits, axis=1) - rest > -np.log(2)).all()
    # one feature alone: its value is the whole difference, computed directly
    solo = replace(toy, model=replace(toy.model, params=w * np.array([[1], [0], [0], [0]], np.float32)))
    found = explain(solo, options, CONTEXT)
    z, x = game.background[:, :1] * w[:1], game.rows.x[:, :1] * w[:1]

    def odds(v, c):
        return v[:, c] - np.log(np.exp(np.delete(v, c, axis=1)).sum(axis=1))

    expected = [abs(odds(row[None], row.argmax())[0] - odds(z, row.argmax()).mean()) for row in x]
    assert one(found, "importance", feature="income").value == pytest.approx(np.mean(expected), rel=1e-3)


def test_images_are_explained_by_named_patches(image_subject):
    options = ShapleyOptions(rows=20, background=10, patches=2)
    found = explain(image_subject, options, CONTEXT)
    names = {m.where["feature"] for m in by_name(found, "importance")}
    assert names == {f"patch row {i}, column {j}" for i in (1, 2) for j in (1, 2)}
    assert not by_name(found, "shap_difference")
    assert any("images" in said for said in found.not_measured)


def test_clusters_widen_the_interval_and_row_order_does_not_matter():
    toy = subject()
    test = toy.data.test
    order = np.random.default_rng(0).permutation(len(test))

    def reliance(rows: Split) -> Estimate:
        data = replace(toy.data, splits={**toy.data.splits, "test": rows})
        return one(
            explain(replace(toy, data=data), ShapleyOptions(**FEW), CONTEXT), "reliance", attribute="sex"
        )

    plain = reliance(test)
    assert reliance(test.take(order)) == plain
    heavy = np.digitize(np.abs(test.x[:, 0]), np.quantile(np.abs(test.x[:, 0]), np.arange(1, 20) / 20))
    clustered = reliance(replace(test, cluster=heavy))
    assert clustered.value == pytest.approx(plain.value)
    assert clustered.high - clustered.low > 1.2 * (plain.high - plain.low)


def test_quick_spends_less_and_asks_shap_nothing(table_subject, context):
    found = explain(table_subject, ShapleyOptions(), context)
    assert found.cost["rows_explained"] == 40 and "shap_evaluations" not in found.cost
    assert all(m.estimate.value is None for m in by_name(found, "reliance"))  # sex and age are no features


def test_without_training_rows_the_judged_ones_are_the_background(table_subject, context):
    test = table_subject.data.test
    bare = replace(table_subject, data=replace(table_subject.data, splits={"test": test}))
    same = replace(table_subject, data=replace(table_subject.data, splits={"test": test, "train": test}))
    found = [explain(one, ShapleyOptions(rows=5, background=5), context) for one in (bare, same)]
    assert found[0].measurements == found[1].measurements


def test_what_cannot_be_explained_is_refused_in_one_line(table_subject):
    text = replace(table_subject, data=replace(table_subject.data, modality="text"))
    scores = Subject(replace(table_subject.model, apply=None), table_subject.data, table_subject.outputs)
    for case, message in ((text, "modality=text"), (scores, "file of scores")):
        with pytest.raises(DataError, match=message):
            explain(case, ShapleyOptions(), CONTEXT)


def test_registered_measures_are_those_made(linear):
    declared = {m.name for m in find("explanation.shapley").measures}
    assert {m.name for m in linear.measurements} == declared


@pytest.mark.parametrize("rows", [60, 200])
def test_reliance_covers_the_true_share(rows):
    """95 % intervals of the ratio of means over skewed values hold the truth 92 to 98 times in a hundred."""
    rng, held = np.random.default_rng(7), 0
    truth = 0.2 / (0.2 + 1.0)  # exponential parts of mean 0.2 and 1.0
    for _ in range(600):
        part, rest = 0.2 * rng.exponential(size=rows), rng.exponential(size=rows)
        found = explanation_shapley._bound(explanation_shapley.share(part, part + rest), rows)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 600 <= 0.98
