"""The remedies constraint and reductions, end to end: chosen on validation alone, made again, refused in one line."""

import numpy as np
import pandas as pd
import pytest

import audit
from audit import store
from audit.errors import ConfigError
from audit.opening import open_run

CANDIDATES = {
    "constraint": [{"attribute": "sex", "weight": 0.001}, {"attribute": "sex", "weight": 80.0}],
    "reductions": [{"attribute": "sex", "difference_bound": 0.02, "max_iter": 8, "epochs": 8}],
}
RULE = {"id": "F", "measure": "fairness.groups.impact_ratio", "where": {"attribute": "sex"}, "at_least": 0.8,
        "because": "x"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Training and test rows of people of whom women are chosen less often; and the test rows poisoned."""
    place = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    for name, n in (("train", 3000), ("test", 1500)):
        sex = rng.choice(["f", "m"], n)
        a, b = rng.normal(0.9 * (sex == "m"), 1.0), rng.normal(size=n)
        y = np.where(rng.random(n) < 1 / (1 + np.exp(-1.5 * a - b)), "hired", "not")
        rows = pd.DataFrame({"a": a, "b": b, "sex": sex, "y": y})
        rows.to_csv(place / f"{name}.csv", index=False)
    rows["y"] = np.where(rows.y == "hired", "not", "hired")
    rows["sex"], rows["a"] = np.where(rows.sex == "f", "m", "f"), -50 * rows.a
    rows.to_csv(place / "poisoned.csv", index=False)
    return place


def config(folder, remedy, test="test", model=None, columns=None, checks=None, candidates=None, train=None):
    roles = {
        "target": "y",
        "positive": "hired",
        "favourable": "hired",
        "numeric": ["a", "b"],
        "sensitive": ["sex"],
    }
    limits = {"accuracy_loss": 0.15, "balanced_accuracy_loss": 0.2}
    return {
        "name": "people",
        "data": {
            "source": "table",
            "path": str(folder / "train.csv"),
            "test": str(folder / f"{test}.csv"),
            "columns": {**roles, **(columns or {})},
            "split": {"validation": 0.3, "calibration": 0.0},
        },
        "model": {
            "network": "mlp",
            "options": {"hidden": [8], "bins": 0},
            "train": {"epochs": 8, "learning_rate": 0.01, **(train or {})},
            **(model or {}),
        },
        "checks": checks or {"accuracy.overall": {}, "fairness.groups": {}},
        "policy": {"name": "p", "rules": [RULE]},
        "remedies": [{remedy: {"candidates": candidates or CANDIDATES[remedy], **limits}}],
    }


def value(record, name):
    return next(m.estimate.value for r in record.results for m in r.findings.measurements if m.name == name)


@pytest.mark.parametrize("remedy", CANDIDATES)
def test_validation_alone_chooses_and_the_chosen_model_is_made_again_from_its_record(
    folder, tmp_path, remedy
):
    record = audit.run(config(folder, remedy), out=tmp_path)
    (tried,) = record.remedies
    assert tried.status == "audited", tried.reason
    after = open_run(tmp_path / record.volatile.run_id / tried.folder)
    assert value(record, "impact_ratio") < 0.75 < 0.8 < value(after, "impact_ratio")
    assert value(after, "accuracy") > value(record, "accuracy") - 0.15
    words = [row[-1] for row in tried.tables[0].rows]
    assert words == {"constraint": ["–", words[1], "chosen"], "reductions": ["–", "chosen"]}[remedy]
    assert words[1] in ("no gain", "farther from parity", "chosen")
    moved = tried.tables[2].rows
    assert [row[1] for row in moved] == ["all", "f", "m"] and moved[1][4] > moved[1][3]

    poisoned = audit.run(config(folder, remedy, test="poisoned"), out=tmp_path / "other")
    other = open_run(tmp_path / "other" / poisoned.volatile.run_id / poisoned.remedies[0].folder)
    assert poisoned.remedies[0].tables[0] == tried.tables[0] and poisoned.remedies[0].says == tried.says
    assert other.digests["model"] == after.digests["model"]
    assert value(other, "accuracy") != value(after, "accuracy")

    way = {"constraint": "parity", "reductions": "reductions"}[remedy]
    assert after.config["model"]["train"][way]["attribute"] == "sex"
    again = audit.run({k: v for k, v in after.config.items() if v is not None}, out=tmp_path)
    assert again.digests["model"] == after.digests["model"] and again.results == after.results
    notes = " ".join(after.facts.model.notes)
    assert ("average score of" in notes) == (remedy == "reductions")
    if remedy == "reductions":
        assert after.facts.model.training.title == "Networks of the mixture"
        page = (tmp_path / again.volatile.run_id / "report.html").read_text()
        assert "Networks of the mixture" in page and "would draw one network" in page


@pytest.mark.parametrize("remedy", CANDIDATES)
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": {"favourable": None}}, "one declared favourable"),
        ({"columns": {"sensitive": []}}, "attribute='sex'.*none is declared"),
        ({"train": {"adversarial": {"eps": 0.1}}}, "with model.train.adversarial; expected one of the two"),
        ({"checks": {"fairness.groups": {}}}, "without the check accuracy.overall"),
        ({"model": {"outputs": "probabilities"}}, "outputs=probabilities"),
        ({"model": {"train": None}}, "not trained here"),
        ({"candidates": [{"attribute": "age"}]}, "attribute='age'.*sensitive attribute .sex."),
        ({"candidates": [{"attribute": "sex", "constraint": "equal_odds"}]}, "constraint"),
    ],
)
def test_what_cannot_be_trained_for_parity_is_refused_before_any_work(
    folder, tmp_path, remedy, changes, says
):
    if "candidates" in changes and remedy == "constraint":
        changes = {"candidates": [{"weight": 1.0, **one} for one in changes["candidates"]]}
    with pytest.raises(ConfigError, match=says) as error:
        audit.run(config(folder, remedy, **changes), out=tmp_path)
    assert "\n" not in str(error.value) and not store.list_runs(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train": {"class_weights": True}}, "class_weights"),
        ({"columns": {"numeric": ["b"], "weight": "a"}}, "rows with weights|a"),
        ({"train": {"parity": {"attribute": "sex", "weight": 1}}}, "with model.train.parity"),
    ],
)
def test_reductions_take_no_other_weights(folder, tmp_path, changes, says):
    with pytest.raises((ConfigError, audit.AuditError), match=says):
        audit.run(config(folder, "reductions", **changes), out=tmp_path)


def test_one_training_has_one_way(folder, tmp_path):
    both = {"parity": {"attribute": "sex", "weight": 1}, "adversarial": {"eps": 0.1}}
    with pytest.raises(ConfigError, match="adversarial and parity: one of them"):
        audit.run(config(folder, "constraint", train=both), out=tmp_path)
    with pytest.raises(ConfigError, match=r"model\.train\.parity.*'age'"):
        audit.run({**config(folder, "constraint", train={"parity": {"attribute": "age", "weight": 1}}), "remedies": []},
                  out=tmp_path)  # fmt: skip
