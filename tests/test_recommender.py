"""A recommender from its configuration to the report: trained here, checked, judged, drawn."""

from __future__ import annotations

import numpy as np
import pytest

import audit
from audit.errors import ConfigError

CHECKS = ("accuracy.ranking", "fairness.ranking", "robustness.history", "explanation.history")


def _config(folder, **model):
    rng = np.random.default_rng(0)
    rows = [f"u{u},i{i},{t}" for u in range(30) for t, i in enumerate(rng.permutation(20)[:9])]
    (folder / "events.csv").write_text("user,item,time\n" + "\n".join(rows))
    (folder / "users.csv").write_text("id,sex\n" + "\n".join(f"u{u},{'fm'[u % 2]}" for u in range(30)))
    (folder / "items.csv").write_text("id,studio\n" + "\n".join(f"i{i},{'xyz'[i % 3]}" for i in range(20)))
    file = {name: {"path": str(folder / f"{name}.csv")} for name in ("events", "users", "items")}
    return {
        "name": "films",
        "data": {
            "source": "interactions",
            "file": file["events"],
            "window": 4,
            "users": {"file": file["users"], "id": "id", "sensitive": ["sex"]},
            "items": {"file": file["items"], "id": "id", "columns": ["studio"]},
        },
        "model": {
            "network": "two_tower",
            "options": {"width": 4, "hidden": 4},
            "outputs": "values",
            "train": {"epochs": 2, "batch": 16},
            **model,
        },
        "checks": {**{check: {} for check in CHECKS}, "calibration.reliability": {}, "robustness.pgd": {}},
        "policy": {
            "name": "films",
            "rules": [
                {"id": "F", "measure": "fairness.ranking.ndcg_difference", "at_most": 0.9, "because": "x"},
                {"id": "A", "measure": "accuracy.ranking.hit_rate", "at_least": 0.99, "because": "x"},
            ],
        },
    }


def test_a_recommender_is_trained_audited_and_drawn(tmp_path):
    record = audit.run(_config(tmp_path), out=tmp_path / "runs")
    status = {result.check: (result.status, result.reason) for result in record.results}
    assert all(status[check] == ("ok", "") for check in CHECKS)
    for check in ("calibration.reliability", "robustness.pgd"):
        assert status[check][0] == "skipped"
        assert "this one is ranking" in status[check][1]
    assert any(line.startswith("Calibration was not measured") for line in record.not_measured)
    assert {d.rule.id: d.verdict for d in record.decisions} == {"F": "PASS", "A": "FAIL"}
    assert (record.facts.data.task, record.facts.data.modality) == ("ranking", "interactions")
    (page,) = (tmp_path / "runs").glob("*/report.html")
    text = page.read_text(encoding="utf-8")
    assert "Exposure of groups of items" in text
    assert not [u for u in range(30) if f"u{u}," in text]
    again = audit.run(_config(tmp_path), out=tmp_path / "runs")
    assert again.digest == record.digest


@pytest.mark.parametrize("network", ["./mine.py:build", "mlp"])
def test_networks_that_rank_nothing_are_refused(network, tmp_path):
    with pytest.raises(ConfigError, match="expected two_tower or sequential"):
        audit.run(_config(tmp_path, network=network, options={}), out=tmp_path / "runs")


def test_scores_in_place_of_a_recommender_are_refused(tmp_path):
    config = _config(tmp_path)
    config["model"] = {"scores": str(tmp_path / "events.csv"), "outputs": "values"}
    with pytest.raises(ConfigError, match="scores for a ranking task"):
        audit.run(config, out=tmp_path / "runs")
