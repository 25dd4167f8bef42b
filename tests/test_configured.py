"""Audits from configuration files: training, restoring, own networks, scores in a model's place, bad weights."""

import json
import textwrap

import numpy as np
import pandas as pd
import pytest

import audit
from audit import registry, store
from audit.errors import AuditError, DataError, ModelError

CHECKS = {"accuracy.overall": {}}
POLICY = {
    "name": "p",
    "rules": [{"id": "A", "measure": "accuracy.overall.accuracy", "at_least": 0.5, "because": "x"}],
}
TRAIN = {"epochs": 3, "batch": 32}
MLP = {"network": "mlp", "options": {"hidden": [8], "bins": 0}}
DIABETES = {"source": "embedded", "dataset": "diabetes", "split": {"test": 0.4}}


def config(tmp_path, **changes):
    """Write a configuration file and return its path."""
    whole = {
        "name": "n",
        "data": DIABETES,
        "model": {**MLP, "train": TRAIN},
        "checks": CHECKS,
        "policy": POLICY,
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({**whole, **changes}))  # JSON is YAML
    return path


@pytest.fixture
def table(tmp_path):
    """A CSV file of 400 rows whose label follows x, and its data block."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    frame = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(400)],
            "x": x,
            "<i>kind</i>": rng.choice(["a", "b"], 400),
            "sex": ["only one"] + ["m", "f"] * 199 + ["m"],
            "y": np.where(x + rng.logistic(size=400) > 0, "good", "bad"),
            "set": ["train"] * 200 + ["validation"] * 50 + ["calibration"] * 50 + ["test"] * 100,
        }
    )
    frame.loc[0, "set"] = "test"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    columns = {"target": "y", "positive": "good", "favourable": "good", "numeric": ["x"],
               "categorical": ["<i>kind</i>"], "sensitive": ["sex"], "id": "id"}  # fmt: skip
    split = {"by": "column", "column": "set"}
    return frame, {"source": "table", "path": "rows.csv", "columns": columns, "split": split}


def test_a_trained_model_is_restored_by_configuration(tmp_path):
    first = audit.run(config(tmp_path), out=tmp_path / "a")
    weights = tmp_path / "a" / first.volatile.run_id / "weights"
    second = audit.run(config(tmp_path, model={**MLP, "weights": str(weights)}), out=tmp_path / "b")
    assert second.digests["model"] == first.digests["model"]
    assert second.results == first.results
    assert "restored" in second.facts.model.origin
    assert first.facts.model.training is not None and len(first.facts.model.training.rows) == 3


def test_trained_weights_and_checks_are_kept_and_only_what_changed_is_redone(tmp_path):
    first = audit.run(config(tmp_path), out=tmp_path / "a")
    second = audit.run(config(tmp_path), out=tmp_path / "a")
    assert second.volatile.reused == ("accuracy.overall",)
    assert second.to_bytes(volatile=False) == first.to_bytes(volatile=False)
    both = {**CHECKS, "calibration.reliability": {}}
    third = audit.run(config(tmp_path, checks=both), out=tmp_path / "a")
    assert third.volatile.reused == ("accuracy.overall",)
    fourth = audit.run(config(tmp_path, seed=1), out=tmp_path / "a")
    assert fourth.volatile.reused == ()


def test_weights_of_another_shape_a_pickle_and_a_stray_folder_are_one_line(tmp_path):
    first = audit.run(config(tmp_path), out=tmp_path / "a")
    weights = str(tmp_path / "a" / first.volatile.run_id / "weights")
    wider = {"network": "mlp", "options": {"hidden": [9], "bins": 0}, "weights": weights}
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04.")
    (tmp_path / "stray").mkdir()
    for model, says in (
        (wider, r"float32\[.*9\]"),
        ({**MLP, "weights": "w.pkl"}, "pickle"),
        ({**MLP, "weights": "stray"}, "Orbax"),
        ({**MLP, "weights": "nowhere"}, "no such folder"),
        ({"network": "mpl", "train": TRAIN}, "perhaps 'mlp'"),
        ({"network": "mlp", "options": {"hiden": [8]}, "train": TRAIN}, "perhaps 'hidden'"),
    ):
        with pytest.raises(ModelError, match=says) as error:
            audit.run(config(tmp_path, model=model), out=tmp_path / "b")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "b").exists() or not list((tmp_path / "b").glob("2*"))


@pytest.mark.parametrize("train", [TRAIN, None])
def test_an_own_network_is_trained_or_used_as_it_is(tmp_path, train):
    (tmp_path / "models.py").write_text(
        textwrap.dedent("""
        from flax import nnx

        class Line(nnx.Module):
            def __init__(self, d, seed):
                self.layer = nnx.Linear(d, 1, rngs=nnx.Rngs(seed))

            def __call__(self, x):
                return self.layer((x - 50.0) / 50.0)

        def build(shape, outputs, seed):
            return Line(shape[0], seed)
        """)
    )
    model = {"network": "./models.py:build", "train": train, "untrained": train is None}
    record = audit.run(config(tmp_path, model=model), out=tmp_path / "a")
    assert record.results[0].status == "ok"
    assert record.facts.model.parameters == 11
    assert record.facts.model.origin == (
        "trained here" if train else "untrained: its parameters are random numbers"
    )


def test_an_own_network_whose_code_changed_is_measured_again(tmp_path):
    code = "import jax.numpy as jnp\ndef build(shape):\n    return lambda x: {sign}x[:, 1:2] + 26.0\n"
    (tmp_path / "net.py").write_text(code.format(sign="-"))
    made = config(tmp_path, model={"network": "./net.py:build", "outputs": "logits"})
    first = audit.run(made, out=tmp_path / "a")
    assert audit.run(made, out=tmp_path / "a").volatile.reused == ("accuracy.overall",)
    (tmp_path / "net.py").write_text(code.format(sign=""))
    second = audit.run(made, out=tmp_path / "a")
    assert second.volatile.reused == ()
    assert second.results != first.results


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AuditError, match="cannot be written"):
        audit.run(config(tmp_path, data={**DIABETES, "split": {"test": 0.99}}), out=tmp_path / "file")


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(tmp_path, monkeypatch):
    def interrupt(subject, options, ctx):
        raise KeyboardInterrupt

    made = config(tmp_path, checks={**CHECKS, "calibration.reliability": {}})
    known = registry.checks()["calibration.reliability"]
    broken = registry.Check(**{**vars(known), "function": interrupt})
    with monkeypatch.context() as patch:
        patch.setitem(registry._checks, "calibration.reliability", broken)
        with pytest.raises(KeyboardInterrupt):
            audit.run(made, out=tmp_path / "a")
    assert store.list_runs(tmp_path / "a") == []
    record = audit.run(made, out=tmp_path / "a")
    assert record.volatile.reused == ("accuracy.overall",)


def test_scores_in_a_models_place(tmp_path, table):
    frame, data = table
    test = frame[frame["set"] == "test"]
    pd.DataFrame({"id": test["id"], "score": 1 / (1 + np.exp(-test["x"]))}).to_csv(
        tmp_path / "s.csv", index=False
    )
    checks = {**CHECKS, "robustness.pgd": {}, "fairness.groups": {}}
    model = {"scores": "s.csv", "outputs": "probabilities"}
    record = audit.run(config(tmp_path, data=data, model=model, checks=checks), out=tmp_path / "a")
    right = np.mean((test["x"] >= 0) == (test["y"] == "good"))
    assert record.results[0].findings.measurements[0].estimate.value == pytest.approx(right)
    assert [r.status for r in record.results] == ["ok", "skipped", "ok"]
    assert record.facts.data.groups["sex"]["only one"] == 1


def test_a_group_of_one_row_is_shown_and_never_decided_by_itself(tmp_path, table):
    _, data = table
    policy = {"name": "p", "rules": [{"id": "F", "measure": "fairness.groups.selection_rate_difference",
                                      "at_most": 0.3, "because": "x"}]}  # fmt: skip
    made = config(tmp_path, data=data, checks={"fairness.groups": {}}, policy=policy)
    record = audit.run(made, out=tmp_path / "a")
    assert record.verdict in ("INCONCLUSIVE", "NOT-ESTIMABLE")
    page = (tmp_path / "a" / record.volatile.run_id / "report.html").read_text()
    assert "only one" in page
    assert "<i>kind</i>" not in page


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"path": "absent.csv", "obtain": "ask the owner"}, "ask the owner"),
        ({"columns": {"target": "yy", "positive": "good"}}, "did you mean 'y'"),
        ({"columns": {"target": "y", "positive": "great", "numeric": ["x"]}}, "great"),
        ({"columns": {"target": "y", "positive": "good", "numeric": ["sex"]}}, "sex"),
    ],
)
def test_bad_data_is_one_line_and_no_run(tmp_path, table, change, says):
    _, data = table
    with pytest.raises(DataError, match=says) as error:
        audit.run(config(tmp_path, data={**data, **change}), out=tmp_path / "a")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a").exists() or not list((tmp_path / "a").glob("2*"))


def test_the_environments_folder_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_AUDIT_DATA", raising=False)
    for config in ("adult", "fashion_mnist"):
        with pytest.raises(AuditError, match="download .* export JAX_AUDIT_DATA=FOLDER"):
            audit.run(config, out=tmp_path)
    monkeypatch.setenv("JAX_AUDIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="UCI"):
        audit.run("adult", out=tmp_path)
