"""A whole audit of texts from its configuration: what the run folder holds, and what it must not hold."""

import json

import numpy as np
import pandas as pd
import pytest

import audit
from audit.verify import verify

pytest.importorskip("tokenizers")
WANTS = {"card": "my card is lost", "rate": "the exchange rate is wrong", "pin": "the pin does not work"}


def test_texts_go_from_the_configuration_to_the_report(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (f"{rng.choice(['hello', 'please', 'sorry'])} {want} zq{i}zq", label)
        for i in range(60)
        for label, want in WANTS.items()
    ]
    pd.DataFrame(rows, columns=["text", "intent"]).to_csv(tmp_path / "texts.csv", index=False)
    pd.DataFrame({"said": [f"rain and snow zq{i}zq" for i in range(20)]}).to_csv(
        tmp_path / "weather.csv", index=False
    )
    record = audit.run(
        {
            "name": "requests",
            "data": {
                "source": "text",
                "path": str(tmp_path / "texts.csv"),
                "columns": {"text": "text", "target": "intent"},
                "tokens": {"size": 400, "length": 16},
                "outside": {"path": str(tmp_path / "weather.csv"), "text": "said"},
            },
            "model": {
                "network": "transformer",
                "options": {"layers": 0, "width": 16, "heads": 1},
                "train": {"epochs": 4, "batch": 16, "learning_rate": 0.02},
            },
            "checks": {
                "accuracy.overall": {},
                "robustness.text": {"edits": [1]},
                "robustness.pgd": {},
                "explanation.tokens": {},
                "calibration.scope": {},
            },
            "policy": {
                "name": "p",
                "rules": [
                    {"id": "A", "measure": "accuracy.overall.accuracy", "at_least": 0.6, "because": "x"}
                ],
            },
        },
        out=tmp_path / "runs",
        quick=True,
        reuse=False,
    )
    accuracy, edits, pgd, words, scope = record.results
    assert [r.status for r in (accuracy, edits, pgd, words, scope)] == ["ok", "ok", "skipped", "ok", "ok"]
    assert {m.where.get("explainer") for m in words.findings.measurements} == {"shapley", "integrated", None}
    assert all(m.estimate.value is not None for m in words.findings.measurements)
    assert scope.findings.measurements[0].estimate.value > 0.9
    assert record.facts.data.splits["outside"] == 20
    assert any("20 texts outside the classes, of weather.csv" in note for note in record.facts.data.notes)
    assert accuracy.findings.measurements[0].estimate.value > 0.9
    assert record.facts.data.modality == "text"
    assert any("byte-pair encoding of bytes" in note for note in record.facts.data.notes)
    (folder,) = [f for f in (tmp_path / "runs").iterdir() if (f / "evidence.json").exists()]
    saved = folder / "tokens" / "vocabulary.json"
    assert json.loads(saved.read_text())["model"]["type"] == "BPE"
    assert record.digests["tokens/vocabulary.json"]
    assert not verify(folder).problems
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"card is lost zq" not in path.read_bytes(), path
            assert b"rain and snow" not in path.read_bytes(), path
    saved.write_text("{}")
    assert any("vocabulary.json" in problem for problem in verify(folder).problems)
