"""The remedy scaling and model.scaling, end to end: fitted on calibration, chosen on validation, audited on test."""

import pytest

import audit
from audit.errors import ConfigError
from audit.opening import open_run

NET = """
import jax
import jax.numpy as jnp

def build(shape, outputs, seed):
    w = 9.0 * jax.random.normal(jax.random.key(seed), (shape[0] * shape[1], outputs))
    return (lambda p, x: x.reshape(len(x), -1) @ p["w"]), {"w": w}
"""
TRAIN = {"epochs": 3, "batch": 64, "learning_rate": 0.05, "patience": None}
POLICY = {
    "name": "p",
    "rules": [
        {"id": "C", "measure": "calibration.reliability.brier", "at_most": 0.6, "because": "x"},
    ],
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A linear network whose weights begin far too large, so that it is much too sure of itself."""
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(NET)
    split = {"test": 0.4, "validation": 0.15, "calibration": 0.15}

    def made(**changes):
        return {
            "name": "digits",
            "data": {"source": "embedded", "dataset": "digits", "split": split},
            "model": {"network": f"{path}:build", "train": TRAIN},
            "checks": {"accuracy.overall": {}, "calibration.reliability": {"replicates": 19}},
            "policy": POLICY,
            "remedies": [{"scaling": {}}],
            "formats": ["html"],
            **changes,
        }

    return made


@pytest.fixture(scope="module")
def ran(tmp_path_factory, config):
    """One run with the remedy: its folder of runs and its record."""
    out = tmp_path_factory.mktemp("runs")
    return out, audit.run(config(), out=out)


def _value(record, name):
    return next(
        m.estimate for r in record.results for m in r.findings.measurements if m.name == name and not m.where
    )


def test_the_chosen_scaling_is_audited_beside_the_model_asked_about(ran):
    out, record = ran
    (tried,) = record.remedies
    assert tried.status == "audited", tried.reason
    candidates = tried.tables[0]
    words = [row[-1] for row in candidates.rows]
    briers = [row[1] for row in candidates.rows]
    assert words[0] == "–" and words.count("chosen") == 1
    assert briers[words.index("chosen")] == min(briers)
    after = open_run(out / record.volatile.run_id / tried.folder)
    for name in ("brier", "log_loss", "calibration_error"):
        assert _value(after, name).value < _value(record, name).value
    assert _value(after, "brier").n == _value(record, "brier").n == after.facts.data.splits["test"]
    assert any("calibration rows" in note for note in after.facts.model.notes)
    assert (out / record.volatile.run_id / tried.folder / "weights").exists()


def test_the_remedied_record_names_the_configuration_that_makes_it(ran):
    out, record = ran
    after = open_run(out / record.volatile.run_id / record.remedies[0].folder)
    assert after.config["model"]["scaling"] in ("temperature", "vector") and after.config["remedies"] == []
    again = audit.run({k: v for k, v in after.config.items() if v is not None}, out=out)
    assert again.digests["model"] == after.digests["model"] and again.results == after.results


def test_temperature_leaves_every_decision_as_it_was(ran, config):
    out, record = ran
    model = {**config()["model"], "scaling": "temperature"}
    after = audit.run(config(model=model, remedies=[]), out=out)
    assert _value(after, "accuracy") == _value(record, "accuracy")
    assert _value(after, "brier").value < _value(record, "brier").value


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"split": {"test": 0.4, "validation": 0.2, "calibration": 0.0}}, "without calibration rows"),
        ({"scaling": "vector"}, "scaling with model.scaling"),
        ({"checks": {"accuracy.overall": {}}}, "without the check calibration.reliability"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_any_work(config, tmp_path, changes, says):
    given = config()
    if "split" in changes:
        given["data"] = {**given["data"], "split": changes["split"]}
    if "scaling" in changes:
        given["model"] = {**given["model"], "scaling": changes["scaling"]}
    given["checks"] = changes.get("checks", given["checks"])
    given["policy"] = {"name": "p", "rules": []} if "checks" in changes else given["policy"]
    with pytest.raises(ConfigError, match=says):
        audit.run(given, out=tmp_path)
