"""explanation.gradients: closed forms on a linear model, honest gaps, Grad-CAM by patch, no row unless asked."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attribution.gradcam import grad_cam, upsampled
from audit.attribution.margins import log_odds
from audit.attribution.players import patches, totals
from audit.checks.explanation_gradients import GradientsOptions, gradients
from audit.errors import DataError
from audit.registry import Context
from audit.subject import Dataset, Feature, Model, Split, observe

CONTEXT = Context(key=jax.random.key(3), seed=3)
W = np.array([[1.0], [-2.0], [0.5], [0.0]], np.float32)
NAMES = ("income", "debt", "region", "unused")
FEW = {"rows": 60, "background": 20, "agreement_rows": 0}


def linear_scores(params, x):
    return x @ params


def stairs(params, x):
    return jnp.floor(x) @ params


def averaged(params, a):
    return a.mean(axis=(1, 2)) @ params["w"]


def maps_of(params, x):
    return jax.nn.relu(x * params["scale"])


def cam_network(params, x):
    return averaged(params, maps_of(params, x))


def rows_of(name, n, seed, shape=(4,)):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, *shape)).astype(np.float32)
    return Split(
        x, rng.integers(0, 2, n).astype(np.int32), np.array([f"{name}-secret-{i:04d}" for i in range(n)])
    )


def scored_table(apply=linear_scores, task="binary", **model):
    splits = {"train": rows_of("train", 60, 0), "test": rows_of("test", 90, 1)}
    features = tuple(
        Feature(n, kind="categorical" if n == "region" else "numeric", categories=("a", "b")) for n in NAMES
    )
    data = Dataset("toy", task, "table", splits, classes=("no", "yes"), features=features)
    return observe(Model("toy", apply, W, **{"outputs": "logits", **model}), data)


def scored_images(**model):
    splits = {"train": rows_of("train", 30, 2, (6, 6, 3)), "test": rows_of("test", 40, 3, (6, 6, 3))}
    data = Dataset("pictures", "multiclass", "image", splits, classes=("a", "b", "c"))
    rng = np.random.default_rng(4)
    params = {"w": rng.normal(size=(3, 3)).astype(np.float32), "scale": np.ones((1, 1, 1, 3), np.float32)}
    return observe(Model("cam", cam_network, params, **{"outputs": "logits", **model}), data)


def estimate_of(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def table_of(findings, name):
    (found,) = [t for t in findings.tables if t.name == name]
    return found


@pytest.mark.parametrize("method", ["integrated", "expected"])
def test_linear_importance_is_weight_times_distance_and_a_code_has_none(method):
    toy = scored_table()
    options = GradientsOptions(rows=90, background=60, agreement_rows=0, method=method, target_error=0.02)
    found = gradients(toy, options, CONTEXT)
    x, z = toy.data.test.x.astype(float), toy.data.splits["train"].x.astype(float)
    size = np.abs((x - z.mean(axis=0)) * W[:, 0]).mean(axis=0)
    for p in (0, 1):
        importance = estimate_of(found, "importance", feature=NAMES[p])
        assert importance.value == pytest.approx(size[p], rel=1e-3)
        assert importance.low < importance.value < importance.high and importance.n == 90
    assert estimate_of(found, "importance", feature="unused").kind == "descriptive"
    region = estimate_of(found, "importance", feature="region")
    assert region.value is None and "no gradient" in region.reason
    assert estimate_of(found, "completeness_error").value < 1e-5
    assert any("Categorical columns" in said for said in found.not_measured)
    assert any("Aumann" in said for said in found.not_measured) == (method == "expected")


def test_rank_agreement_of_a_linear_model_is_one_and_bounded():
    found = gradients(scored_table(), GradientsOptions(rows=90, background=30, agreement_rows=12), CONTEXT)
    rank = estimate_of(found, "rank_agreement")
    assert rank.kind == "bounded" and rank.n == 12
    assert rank.value > 0.9 and rank.low <= rank.value <= rank.high <= 1
    assert found.cost["shapley_evaluations"] > 0


def test_values_that_do_not_add_up_are_counted_and_said():
    options = GradientsOptions(**FEW, most_steps=32)
    found = gradients(scored_table(apply=stairs), options, CONTEXT)
    assert estimate_of(found, "completeness_error").value > 1
    table = table_of(found, "completeness")
    row = dict(zip([c.name for c in table.columns], table.rows[0], strict=True))
    assert row["above"] > 40 and row["most_steps"] == 32
    assert any(f"{row['above']} of 60 rows do not add up" in said for said in found.not_measured)


def test_low_baseline_needs_bounds_and_starts_there():
    toy = scored_table()
    options = GradientsOptions(**FEW, baseline="low")
    with pytest.raises(DataError, match="baseline=low"):
        gradients(toy, options, CONTEXT)
    low = np.full(4, -3.0, np.float32)
    bounded = replace(toy, data=replace(toy.data, low=low, high=-low))
    found = gradients(bounded, GradientsOptions(**FEW | {"rows": 90}, baseline="low"), CONTEXT)
    expected = np.abs(toy.data.test.x[:, 1] + 3).mean() * 2
    assert estimate_of(found, "importance", feature="debt").value == pytest.approx(expected, rel=1e-4)


def test_grad_cam_by_patch_is_the_mean_share_of_heat():
    toy = scored_images(parts=(maps_of, averaged))
    found = gradients(toy, GradientsOptions(**FEW | {"rows": 40}, patches=2), CONTEXT)
    column = toy.outputs["test"].argmax(axis=1)
    made = grad_cam(maps_of, averaged, toy.model.params, toy.data.test.x, margin=log_odds, column=column)
    heat = totals(upsampled(made.maps, 6, 6), patches(6, 6, 2))[:, :, 0]
    heat = heat[heat.sum(axis=1) > 0]
    share = (heat / heat.sum(axis=1, keepdims=True)).mean(axis=0)
    rows = {row[0]: row[1:] for row in table_of(found, "grad_cam").rows}
    for p, name in enumerate(f"patch row {i}, column {j}" for i in (1, 2) for j in (1, 2)):
        value, low, high = rows[name]
        assert value == pytest.approx(share[p], rel=1e-4) and 0 <= low < value < high <= 1
    assert sum(row[0] for row in rows.values()) == pytest.approx(1)
    assert not any("Grad-CAM" in said for said in found.not_measured)
    assert "secret" not in found.model_dump_json() and "data:image" not in found.model_dump_json()


def test_parts_that_do_not_give_the_outputs_are_an_error():
    toy = scored_images(parts=(maps_of, lambda params, a: 2 * averaged(params, a)))
    with pytest.raises(RuntimeError, match="features and head"):
        gradients(toy, GradientsOptions(**FEW, patches=2), CONTEXT)


def test_pictures_are_shown_only_where_asked_for_and_a_network_in_one_piece_has_no_heat():
    found = gradients(scored_images(), GradientsOptions(**FEW, patches=2, pictures=3), CONTEXT)
    shown = table_of(found, "pictures")
    assert len(shown.rows) == 3
    assert all(str(cell).startswith("data:image/png") for row in shown.rows for cell in row[1:])
    assert [c.name for c in shown.columns] == ["explained", "input", "gradients"]
    assert not [t for t in found.tables if t.name == "grad_cam"]
    assert any("Grad-CAM does not apply" in said for said in found.not_measured)


def test_a_table_of_codes_only_and_other_modalities_are_refused():
    toy = scored_table()
    features = tuple(replace(f, kind="categorical") for f in toy.data.features)
    codes = replace(toy, data=replace(toy.data, features=features))
    with pytest.raises(DataError, match="categorical columns only"):
        gradients(codes, GradientsOptions(**FEW), CONTEXT)
    with pytest.raises(DataError, match="remove the checks named explanation"):
        gradients(replace(toy, data=replace(toy.data, modality="text")), GradientsOptions(**FEW), CONTEXT)
