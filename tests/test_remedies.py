"""Remedies from a configuration, end to end: chosen, audited again, put beside; the verdict asked for stands."""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audit
from audit import explanations, remedies, store
from audit.digests import dataset_digest
from audit.errors import ConfigError, StoreError
from audit.opening import open_run
from audit.remedies.options import Adversarial
from audit.rendering import RENDER
from audit.verify import verify

TRAIN = {"epochs": 6, "batch": 64, "learning_rate": 0.02, "patience": None}
CHECKS = {"accuracy.overall": {}, "robustness.pgd": {"norms": ["linf"], "eps": [0.15], "steps": 8}}
REMEDY = {"adversarial_training": {"candidates": [{"eps": 0.15, "steps": 3}], "accuracy_loss": 0.5}}
POLICY = {
    "name": "p",
    "rules": [
        {"id": "A", "measure": "accuracy.overall.accuracy", "at_least": 0.5, "because": "x"},
        {"id": "R", "measure": "robustness.pgd.robust_accuracy", "at_least": 0.9, "because": "x"},
    ],
}


NET = """
import jax.numpy as jnp

def build(shape, outputs, seed):
    w = jnp.zeros((shape[0] * shape[1], outputs)).at[0, 0].set(0.01)
    return (lambda p, x: x.reshape(len(x), -1) @ p["w"] + p["b"]), {"w": w, "b": jnp.zeros((1, outputs))}
"""
NETWORK = f"{tempfile.mkdtemp()}/net.py:build"


@pytest.fixture(scope="module", autouse=True)
def network():
    """A linear network of the user's own, which compiles fast."""
    path = Path(NETWORK.partition(":")[0])
    path.write_text(NET)
    yield
    shutil.rmtree(path.parent)


def config(**changes):
    return {
        "name": "digits",
        "data": {"source": "embedded", "dataset": "digits", "split": {"test": 0.3, "validation": 0.2}},
        "model": {"network": NETWORK, "train": TRAIN},
        "checks": CHECKS,
        "policy": POLICY,
        "remedies": [REMEDY],
        "formats": ["html", "markdown", "sarif", "intoto", "parquet"],
        **changes,
    }


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run with a remedy: its folder of runs and its record."""
    out = tmp_path_factory.mktemp("runs")
    return out, audit.run(config(), out=out)


def rows(table):
    names = [c.name for c in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def test_the_remedied_model_is_audited_and_the_verdict_asked_for_stands(ran):
    out, record = ran
    (tried,) = record.remedies
    assert (record.verdict, record.exit_code) == ("FAIL", 1)
    assert tried.status == "audited" and tried.verdict in ("PASS", "FAIL", "INCONCLUSIVE")
    candidates, moved = tried.tables
    assert [row["word"] for row in rows(candidates)] == ["–", "chosen"]
    (robust,) = [row for row in rows(moved) if row["measure"].startswith("Accuracy under PGD")]
    assert robust["after"] > robust["before"] + 0.1 and robust["word"] == "better"
    assert robust["verdict before"] == "FAIL"
    assert "judged 2 models" in tried.notes[0] and "0.1" in tried.notes[0]
    without = audit.run(config(remedies=[]), out=out)
    assert (without.results, without.decisions, without.verdict) == (
        record.results,
        record.decisions,
        record.verdict,
    )
    assert without.digests == record.digests
    assert without.volatile.earlier_judgements == 0  # the same model under the same policy


def test_the_remedied_model_has_a_run_folder_of_its_own_inside(ran):
    out, record = ran
    folder = out / record.volatile.run_id
    assert open_run(folder) == record
    assert verify(folder).problems == () and verify(folder).files > 20
    inner = folder / record.remedies[0].folder
    after = open_run(inner)
    assert after.digest == record.remedies[0].record and after.verdict == record.remedies[0].verdict
    assert after.volatile.run_id == f"{record.volatile.run_id}/{record.remedies[0].folder}"
    assert (record.volatile.earlier_judgements, after.volatile.earlier_judgements) == (0, 1)
    assert any("Remedied: Adversarial training" in note for note in after.facts.model.notes)
    assert "PGD with 3 steps" in after.facts.model.origin
    assert {"report.html", "summary.md", "verdict.json", "weights"} <= {path.name for path in inner.iterdir()}
    assert (inner / "report.html").read_bytes() == RENDER["html"][1](after)
    assert after.config["remedies"] == [] and after.config["model"]["train"]["adversarial"]["eps"] == 0.15


def test_the_remedied_record_names_the_configuration_that_makes_it(ran):
    out, record = ran
    after = open_run(out / record.volatile.run_id / record.remedies[0].folder)
    again = audit.run({k: v for k, v in after.config.items() if v is not None}, out=out)
    assert again.digests["model"] == after.digests["model"]
    assert again.results == after.results
    assert set(again.volatile.reused) == set(CHECKS)


def test_the_report_shows_before_and_after(ran):
    out, record = ran
    folder = out / record.volatile.run_id
    page = (folder / "report.html").read_text()
    assert 'id="remedies"' in page and "Before and after, on the test rows" in page
    assert 'href="remedies/1-adversarial-training/report.html"' in page
    assert record.remedies[0].rule.split("(")[0] in page
    assert "Remedy tried: Adversarial training" in (folder / "summary.md").read_text()


def test_equal_runs_are_equal_bytes_and_finished_work_is_taken_up(ran, tmp_path):
    out, record = ran
    again = audit.run(config(), out=out)
    assert again.to_bytes(volatile=False) == record.to_bytes(volatile=False)
    assert set(again.volatile.reused) == set(CHECKS)


def test_a_changed_remedied_record_is_refused(ran, tmp_path):
    out, _ = ran
    record = audit.run(config(), out=out)
    folder = out / record.volatile.run_id
    verdict = folder / record.remedies[0].folder / "verdict.json"
    verdict.write_text(json.dumps({**json.loads(verdict.read_text()), "record": "0" * 64}))
    with pytest.raises(StoreError, match=r"verdict\.json was changed"):
        open_run(folder)


@pytest.fixture
def replaced(monkeypatch):
    """Put another function in the remedy's place."""
    known = remedies.find("adversarial_training")

    def put(function):
        monkeypatch.setitem(remedies._remedies, known.name, dataclasses.replace(known, function=function))

    return put


def test_a_remedy_that_crashes_says_so_and_the_audit_stands(ran, replaced):
    def crash(subject, options, bench):
        raise RuntimeError("out of <b>cheese</b>")

    out, record = ran
    replaced(crash)
    crashed = audit.run(config(), out=out)
    assert (crashed.remedies[0].status, crashed.remedies[0].verdict) == ("error", None)
    assert (crashed.results, crashed.verdict, crashed.exit_code) == (record.results, record.verdict, 1)
    page = (out / crashed.volatile.run_id / "report.html").read_text()
    assert "Failed: RuntimeError: out of &lt;b&gt;cheese" in page
    assert not (out / crashed.volatile.run_id / "remedies").exists()


def test_where_none_is_chosen_the_candidates_are_shown_and_nothing_is_judged_again(ran, replaced):
    out, record = ran
    candidates = record.remedies[0].tables[0]
    replaced(lambda *_: remedies.Choice(None, "", "a rule of ours.", candidates, "none kept its accuracy"))
    none = audit.run(config(), out=out)
    (tried,) = none.remedies
    assert (tried.status, tried.verdict, tried.tables, tried.notes) == (
        "none chosen",
        None,
        (candidates,),
        (),
    )
    page = (out / none.volatile.run_id / "report.html").read_text()
    assert "none kept its accuracy" in page and "a rule of ours." in page


def test_a_remedy_is_given_the_validation_rows_in_the_test_rows_place(ran, replaced):
    out, record = ran
    seen = []
    replaced(lambda subject, *_: seen.append(subject.data))
    audit.run(config(), out=out)
    digests = dataset_digest(seen[0])
    assert digests["test"] == digests["validation"] == record.digests["validation"] != record.digests["test"]
    assert record.digests["test"] not in digests.values()


def test_training_is_adversarial_by_configuration_alone(ran):
    out, record = ran
    train = {**TRAIN, "adversarial": {"eps": 0.15, "steps": 3}}
    alone = audit.run(config(remedies=[], model={"network": NETWORK, "train": train}), out=out)
    inner = open_run(out / record.volatile.run_id / record.remedies[0].folder)
    assert alone.digests["model"] == inner.digests["model"] != record.digests["model"]
    assert "moved against" in alone.facts.model.training.note


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"remedies": [{"adversarial_trainin": {}}]}, "perhaps 'adversarial_training'"),
        ({"remedies": [{}]}, "one remedy's name"),
        ({"remedies": [{"adversarial_training": {}}]}, "remedies.0.adversarial_training.candidates is missing"),
        ({"remedies": [{"adversarial_training": {"candidates": [{"eps": 1, "stepz": 2}]}}]}, "perhaps 'steps'"),
        ({"checks": {"accuracy.overall": {}}, "policy": {**POLICY, "rules": POLICY["rules"][:1]}},
         "without the check robustness.pgd"),
        ({"model": {"network": NETWORK}}, "not trained here"),
        ({"data": {"source": "embedded", "dataset": "digits", "split": {"validation": 0.0}}}, "without validation"),
        ({"model": {"network": NETWORK, "train": {**TRAIN, "adversarial": {"eps": 0.1, "beta": 2}}}},
         "beta without method: trades"),
        ({"model": {"network": NETWORK, "outputs": "probabilities",
                    "train": {**TRAIN, "adversarial": {"eps": 0.1}}}}, "outputs=probabilities"),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_refused_in_one_line_before_any_work(tmp_path, change, says):
    with pytest.raises(ConfigError, match=says) as error:
        audit.run(config(**change), out=tmp_path / "a")
    assert "\n" not in str(error.value)
    assert not store.list_runs(tmp_path / "a")


def test_a_model_given_in_python_has_no_training_to_repeat(tmp_path):
    model = audit.Model("mine", apply=lambda params, x: x.reshape(len(x), -1)[:, :10])
    with pytest.raises(ConfigError, match="not trained here"):
        audit.run(config(), model=model, out=tmp_path)


def test_other_fixed_features_train_another_model(tmp_path):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 2))
    frame = pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "y": np.where(x @ [1, 1] + rng.logistic(size=400) > 0, "p", "n")}
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    train = {"epochs": 2, "adversarial": {"eps": 0.5, "steps": 2}}
    model = {"network": "mlp", "options": {"hidden": [4], "bins": 0}, "train": train}
    found = []
    for fixed in ([], ["b"]):
        columns = {"target": "y", "positive": "p", "numeric": ["a", "b"], "immutable": fixed}
        data = {"source": "table", "path": str(tmp_path / "rows.csv"), "columns": columns}
        checks = {"accuracy.overall": {}}
        policy = {**POLICY, "rules": POLICY["rules"][:1]}
        made = config(data=data, model=model, checks=checks, policy=policy, remedies=[])
        found.append(audit.run(made, out=tmp_path / "runs").digests["model"])
    assert found[0] != found[1]


def test_a_remedy_is_explained_with_its_options():
    text = explanations.text("adversarial_training")
    assert "(a remedy)" in text and "accuracy_loss = 0.02" in text and "    eps (required)" in text
    with pytest.raises(ConfigError, match="perhaps 'adversarial_training'"):
        explanations.text("adversarial_trainin")


def test_adversarial_options_print_what_they_are():
    assert str(Adversarial(eps=0.1)) == "PGD with 7 steps, L-infinity eps 0.1"
    assert str(Adversarial(eps=0.1, method="free", norm="l2")) == "free with 8 replays, L2 eps 0.1"
