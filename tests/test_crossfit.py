"""Audits by folds, the whole way: who trained on whom, what each row is answered by, and what nothing may touch."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

import audit
import models.train
from audit import crossfit, row_outcomes
from audit.assemble import read_data, read_model
from audit.attacks.walks import pgd_walk
from audit.attribution import margins, players
from audit.attribution.gradients import integrated_gradients
from audit.attribution.shapley import shapley
from audit.check_run import context, run_check
from audit.clock import Clock
from audit.config import load
from audit.digests import dataset_digest
from audit.errors import AuditError, ConfigError
from audit.networks import Order, started
from audit.opening import open_run
from audit.policies import load_policy
from audit.registry import checks, find
from audit.subject import observe, run_model
from audit.trials.search import search, walk_rows

CHECKS = {"accuracy.overall": {}, "calibration.reliability": {}}
POLICY = {
    "name": "p",
    "rules": [{"id": "A", "measure": "accuracy.overall.accuracy", "at_least": 0.5, "because": "x"}],
}
TRAIN = {"epochs": 4, "batch": 32}
MODEL = {"network": "mlp", "options": {"hidden": [6], "bins": 0}, "train": TRAIN}
COLUMNS = {"target": "y", "positive": "good", "favourable": "good", "numeric": ["a", "b"], "categorical": ["kind"],
           "sensitive": ["kind"], "id": "id"}  # fmt: skip
FOLDS = {"by": "folds", "folds": 3, "validation": 0.2}


def _rows(n=150, noise=False):
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, n))
    y = rng.random(n) < 0.5 if noise else a - b + rng.logistic(size=n) > 0
    return pd.DataFrame({"id": [f"p{i}" for i in range(n)], "a": a, "b": b, "kind": rng.choice(["u", "v"], n),
                         "y": np.where(y, "good", "bad")})  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("folds")
    _rows().to_csv(place / "rows.csv", index=False)
    _rows().assign(y=lambda f: (f.y == "good").astype(int), z=1 - np.arange(150) % 2).to_csv(
        place / "labels.csv"
    )
    return place


def _config(folder, **changes):
    data = {"source": "table", "path": "rows.csv", "columns": COLUMNS, "split": FOLDS}
    whole = {"name": "n", "data": data, "model": MODEL, "checks": CHECKS, "policy": POLICY}
    path = folder / "config.yaml"
    path.write_text(json.dumps({**whole, **changes}))
    return path


def _made(loaded):
    data = read_data(loaded)
    return data, read_model(loaded, data, dataset_digest(data), None, lambda done, total: None)


@pytest.fixture(scope="module")
def trained(folder):
    """The configuration, its data, its model, and the rows (train, validation) that each network was given."""
    given, fit = [], models.train.fit

    def spied(network, train, validation, *rest, **more):
        given.append((np.asarray(train[0]), np.asarray(validation[0])))
        return fit(network, train, validation, *rest, **more)

    loaded = load(_config(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.train, "fit", spied)
        data, whole = _made(loaded)
    return loaded, data, whole, given


@pytest.fixture(scope="module")
def subject(trained):
    return observe(trained[2].model, trained[1])


def _contents(x):
    return {row.tobytes() for row in np.asarray(x, np.float32)}


def test_no_network_is_given_a_row_of_its_fold(trained):
    _, data, _, given = trained
    assert len(given) == len(data.folds) == 3
    x = data.test.x[:, :-1]
    for part, (train, validation) in zip(data.folds, given, strict=True):
        assert _contents(train) == _contents(x[part == "train"]) and len(train) == 80
        assert _contents(validation) == _contents(x[part == "validation"])
        assert not _contents(x[part == "test"]) & (_contents(train) | _contents(validation))


def test_each_row_is_answered_by_the_network_of_its_fold_alone(trained):
    loaded, data, whole, _ = trained
    order = Order(loaded, loaded.config.model, whole.model.decision, None, lambda done, total: None)
    one = started(order, crossfit.seen_by(data, 0), 0)
    outputs = run_model(whole.model, data.test.x)
    for k, part in enumerate(data.folds):
        params = jax.tree.map(lambda leaf, k=k: leaf[k], whole.model.params)
        expected = np.asarray(one.apply(params, data.test.x[part == "test", :-1]))
        np.testing.assert_allclose(outputs[part == "test"], expected, rtol=1e-4, atol=1e-5)
    constants = jax.tree_util.tree_leaves_with_path(whole.model.params["constants"])
    (mean,) = (leaf for path, leaf in constants if "mean" in jax.tree_util.keystr(path))
    np.testing.assert_allclose(
        mean, [data.test.x[part == "train", :2].mean(0) for part in data.folds], rtol=1e-4
    )


def test_networks_that_memorise_random_labels_are_judged_at_chance(folder):
    _rows(160, noise=True).to_csv(folder / "noise.csv", index=False)
    data = {
        "source": "table",
        "path": "noise.csv",
        "columns": {**COLUMNS, "categorical": [], "sensitive": []},
    }
    data["split"] = {**FOLDS, "validation": 0}
    train = {"epochs": 300, "batch": 128, "learning_rate": 0.02, "weight_decay": 0, "patience": None}
    model = {"network": "mlp", "options": {"hidden": [64, 64], "dropout": 0, "bins": 16}, "train": train}
    loaded = load(_config(folder, data=data, model=model))
    found, whole = _made(loaded)
    judged = observe(whole.model, found)
    assert abs((judged.predictions() == found.test.y).mean() - 0.5) < 0.15
    others = np.array(found.test.x)
    others[:, -1] = (others[:, -1] + 1) % 3  # a network that was trained on the row
    known = observe(whole.model, replace(found, splits={"test": replace(found.test, x=others)}))
    assert (known.predictions() == found.test.y).mean() > 0.9


def test_an_attack_leaves_the_fold_as_it_is(subject):
    for norm in ("linf", "l2", "l1"):
        ctx = context("robustness.pgd", 0, True, None, {}, lambda done, total: None)
        s = search(subject, None, "margin", ctx)
        assert s.target.scale[-1] == 0 and (s.target.scale[:2] > 0).all()
        attack = pgd_walk(subject.model.apply, norm, s.loss, 3, 1)
        found = walk_rows(s, attack, norm, 0.5, np.arange(40), 0.2)
        assert (found.moved[:, -1] == s.target.x[:40, -1]).all() and (
            found.moved[:, :2] != s.target.x[:40, :2]
        ).any()


@pytest.mark.parametrize("most", [10, 1])
def test_shapley_values_are_those_of_each_rows_own_network(subject, trained, most):
    loaded, data, whole, _ = trained
    order = Order(loaded, loaded.config.model, whole.model.decision, None, lambda done, total: None)
    one, x, background = started(order, crossfit.seen_by(data, 0), 0), data.test.x[:12], data.test.x[20:27]
    told = {"margin": margins.log_odds, "exact_up_to": most, "rounds": 400, "target_error": 0.0}
    found = shapley(
        whole.model.apply, whole.model.params, x, background, groups=players.columns(3, 1), **told
    )
    assert found.values.shape == (12, 3, 1) and found.base.shape == (12, 1)
    np.testing.assert_allclose(found.values.sum(axis=1), found.outputs - found.base, atol=1e-4)
    told["exact_up_to"] = 10
    for i, row in enumerate(x):
        params = jax.tree.map(lambda leaf, k=int(row[-1]): leaf[k], whole.model.params)
        alone = shapley(
            one.apply, params, row[None, :-1], background[:, :-1], groups=players.columns(3), **told
        )
        np.testing.assert_allclose(found.values[i], alone.values[0], atol=2e-4 if most == 10 else 0.05)


def test_gradients_along_a_path_stay_with_each_rows_own_network(subject, trained):
    loaded, data, whole, _ = trained
    order = Order(loaded, loaded.config.model, whole.model.decision, None, lambda done, total: None)
    one, x, start = started(order, crossfit.seen_by(data, 0), 0), data.test.x[:9], data.test.x[20:21]
    held = np.array([True, True, False, False])
    told = {"margin": margins.log_odds, "tolerance": 1e-3}
    found = integrated_gradients(whole.model.apply, whole.model.params, x, start, moves=held, **told)
    assert (found.values[:, 2:] == 0).all()
    for i, row in enumerate(x):
        params = jax.tree.map(lambda leaf, k=int(row[-1]): leaf[k], whole.model.params)
        alone = integrated_gradients(
            one.apply, params, row[None, :-1], start[:, :-1], moves=held[:-1], **told
        )
        np.testing.assert_allclose(found.values[i, :-1], alone.values[0], atol=2e-3)


def test_shap_agrees_and_is_never_asked_about_the_fold(subject):
    result = _run(subject, "explanation.shapley", rows=6, background=8, agreement_rows=3)
    assert {m.where.get("feature") for m in result.findings.measurements if m.name == "importance"} == {
        "a",
        "b",
        "kind",
    }
    (apart,) = (m.estimate.value for m in result.findings.measurements if m.name == "shap_difference")
    assert apart < 1e-3


def _run(subject, name, refit=None, quick=False, **options):
    check, clock = find(name), Clock(lambda stage, done, total: None, {})
    given = check.options(**options)
    return run_check(
        check, subject, given, 0, quick, refit, {}, None, clock, load_policy("default", Path.cwd())
    )[0]


def test_what_fits_a_model_of_its_own_says_why_it_does_not(subject):
    (known,) = (
        m.estimate
        for m in _run(subject, "fairness.proxies").findings.measurements
        if m.name == "balanced_accuracy"
    )
    assert known.value is None and "split by folds" in known.reason
    assert "split by folds" in _run(subject, "calibration.conformal").reason


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(n for n, c in checks().items() if "binary" in c.tasks))
def test_no_check_speaks_of_the_fold_or_fails_at_it(subject, trained, name):
    result = _run(subject, name, refit=trained[2].refit, quick=True)
    assert result.status in ("ok", "skipped"), result.reason
    said = [*(str(v) for m in result.findings.measurements for v in m.where.values())]
    said += [str(v) for table in result.findings.tables for row in table.rows for v in row]
    assert "fold" not in said


def test_the_record_says_who_judged_rebuilds_and_is_the_same_again(folder):
    told = {"record": {"row_outcomes": True}}
    first = audit.run(_config(folder, **told), out=folder / "a")
    place = folder / "a" / first.volatile.run_id
    assert open_run(place) == first
    facts = first.facts
    assert facts.data.splits == {"test": 150} and facts.data.folds == 3 and len(facts.data.features) == 3
    assert facts.model.training is not None and len(facts.model.training.rows) == 3
    assert any("network to be released was not judged" in line for line in first.not_measured)
    assert "150 test rows, each judged by one of 3 networks" in (place / "report.html").read_text()
    again = audit.run(_config(folder, **told), out=folder / "a")
    assert again.volatile.reused == tuple(CHECKS)
    assert again.to_bytes(volatile=False) == first.to_bytes(volatile=False)
    anew = audit.run(_config(folder, **told), out=folder / "b", reuse=False)
    assert (
        anew.digests["weights"]
        == first.digests["weights"]
        == json.loads((place / "weights/digest.json").read_text())["sha256"]
    )
    assert anew.to_bytes(volatile=False) == first.to_bytes(volatile=False)
    outcomes = row_outcomes.read(place, first)
    assert outcomes is not None and np.bincount(outcomes.values["fold"]).tolist() == [50, 50, 50]


def test_training_again_is_of_every_network_from_other_seeds(trained, subject):
    _, data, whole, _ = trained
    other = whole.refit(seed=9)
    assert other.apply is whole.model.apply
    moved = np.abs(run_model(other, data.test.x) - subject.outputs["test"])[:, 0]
    assert all((moved[part == "test"] > 1e-4).all() for part in data.folds)
    assert np.array_equal(run_model(whole.refit(), data.test.x), subject.outputs["test"])


def test_networks_with_bins_of_their_own_stand_side_by_side(folder):
    model = {**MODEL, "options": {"hidden": [4], "bins": 8}}
    data, whole = _made(load(_config(folder, model=model)))
    outputs = observe(whole.model, data).outputs["test"]
    assert outputs.shape == (150, 1) and np.isfinite(outputs).all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": {"scores": "s.csv"}}, "model.scores with data.split.by=folds"),
        (
            {"model": {**MODEL, "weights": "w", "train": {**MODEL["train"], "start": "weights"}}},
            "model.weights with data.split.by=folds",
        ),
        ({"model": {**MODEL, "scaling": "temperature"}}, "model.scaling with data.split.by=folds"),
        ({"model": {"network": "mlp"}}, "without model.train"),
        ({"decision": {"parity": {"attribute": "kind"}}}, "decision.parity with data.split.by=folds"),
        ({"remedies": [{"scaling": {}}]}, "remedies: scaling with data.split.by=folds"),
        ({"data": {"source": "embedded", "dataset": "digits", "split": FOLDS}}, "no table"),
        (
            {"data": {"source": "embedded", "dataset": "diabetes", "split": {**FOLDS, "calibration": 0.1}}},
            "calibration",
        ),
        (
            {"data": {"source": "embedded", "dataset": "diabetes", "split": {"folds": 3}}},
            "folds without by: folds",
        ),
        ({"data": {"source": "embedded", "dataset": "diabetes", "split": {"by": "fold"}}}, "folds"),
        (
            {
                "data": {
                    "source": "table",
                    "task": "multilabel",
                    "path": "labels.csv",
                    "split": FOLDS,
                    "columns": {"target": "y, z", "numeric": ["a", "b"], "sensitive": ["kind"], "id": "id"},
                }
            },
            "for a multilabel task",
        ),
        (
            {
                "checks": {
                    **CHECKS,
                    "behaviour.tests": {
                        "tests": [
                            {
                                "name": "w",
                                "kind": "minimum",
                                "examples": [{"set": {"a": 1}, "expect": "good"}],
                            }
                        ]
                    },
                }
            },
            "written rows with data.split.by=folds",
        ),
    ],
)
def test_what_cannot_be_cross_fitted_is_one_line_before_any_training(folder, changes, says, monkeypatch):
    monkeypatch.setattr(models.train, "fit", None)
    with pytest.raises(AuditError, match=says) as error:
        audit.run(_config(folder, **changes), out=folder / "no")
    assert "\n" not in str(error.value)


def test_a_model_of_ones_own_cannot_stand_for_all_networks(folder, subject):
    with pytest.raises(ConfigError, match="a Model given to audit.run"):
        audit.run(_config(folder), model=subject.model, out=folder / "no")
