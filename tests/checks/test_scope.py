"""calibration.scope against counts by hand, and outside texts from a file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp, softmax

from audit.checks.calibration_scope import ScopeOptions, outside_scope
from audit.data import outside
from audit.errors import DataError
from audit.metrics.scope import scores, threshold
from audit.subject import Subject, run_model

FULL = ScopeOptions()


def _found(subject: Subject, context, options: ScopeOptions = FULL):
    findings = outside_scope(subject, options, replace(context, quick=False))
    return {(m.name, *m.where.values()): m.estimate for m in findings.measurements}, findings


def _by_score(subject: Subject) -> dict[str, tuple[np.ndarray, ...]]:
    """Each score of the test, calibration and outside rows, by its own formula."""
    data = subject.data.splits
    z = [np.asarray(run_model(subject.model, data[k].x), float) for k in ("test", "calibration", "outside")]
    found = {
        "probability": [softmax(one, axis=1).max(axis=1) for one in z],
        "logit": [one.max(axis=1) for one in z],
        "energy": [logsumexp(one, axis=1) for one in z],
    }
    return {name: tuple(np.float32(one) for one in each) for name, each in found.items()}


def test_every_number_is_that_of_pairs_and_counts(text_subject, context):
    found, findings = _found(text_subject, context)
    for name, (test, fitted, other) in _by_score(text_subject).items():
        pairs = test[:, None] - other[None]
        area = ((pairs > 1e-6).sum() + 0.5 * (np.abs(pairs) <= 1e-6).sum()) / pairs.size
        assert found["outside_auroc", name].value == pytest.approx(area, abs=1e-9)
        assert found["outside_auroc", name].n == 160
        least = np.sort(fitted)[::-1][int(np.ceil(0.95 * len(fitted))) - 1]
        accepted = found["outside_accepted", name, 0.95]
        assert accepted.value == pytest.approx((other >= least - 1e-7).mean())
        assert accepted.n == 40
    sure = found["surely_answered", 0.5]
    assert sure.value == pytest.approx((_by_score(text_subject)["probability"][2] >= 0.5).mean())
    assert 0.5 < found["outside_auroc", "energy"].low < found["outside_auroc", "energy"].value < 1
    curve = findings.tables[0]
    assert curve.rows[0][:3] == ("test rows", 0.0, 1.0)
    assert {row[5] for row in curve.rows} == {120, 40}


def test_the_threshold_lets_no_less_through_than_asked():
    rng = np.random.default_rng(0)
    for n, share in ((7, 0.95), (20, 0.95), (100, 0.9), (1, 0.5)):
        x = rng.normal(size=n)
        at = threshold(x, share)
        assert (x >= at).mean() >= share > (x > at).mean()


def test_probabilities_have_no_logits_to_score_by():
    p = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert list(scores(p, p, logits=False)) == ["probability"]
    assert list(scores(np.array([[1.0], [2.0]]), p, logits=True)) == ["probability"]
    assert list(scores(p, p, logits=True)) == ["probability", "logit", "energy"]


def test_without_calibration_rows_there_is_no_threshold(text_subject, context):
    kept = {k: v for k, v in text_subject.data.splits.items() if k != "calibration"}
    outputs = {"test": text_subject.outputs["test"]}
    subject = Subject(text_subject.model, replace(text_subject.data, splits=kept), outputs)
    found, _ = _found(subject, context)
    assert "no calibration rows" in found["outside_accepted", "energy", 0.95].reason
    assert found["outside_auroc", "energy"].value is not None


def test_writers_of_the_test_rows_count_as_clusters_and_never_join_outside_ones(text_subject, context):
    test = replace(text_subject.data.test, cluster=np.arange(120) // 10)
    data = replace(text_subject.data, splits={**text_subject.data.splits, "test": test})
    found, clustered = _found(Subject(text_subject.model, data, text_subject.outputs), context)
    assert "52 clusters" in found["outside_auroc", "energy"].method
    _, alone = _found(text_subject, context)
    bands = [[r for r in f.tables[0].rows if r[0] == "test rows"] for f in (alone, clustered)]
    assert [r[2] for r in bands[0]] == [r[2] for r in bands[1]]
    assert all(
        b[3] < a[3] for a, b in zip(*bands, strict=True) if a[2] == 1
    )  # ten texts of one writer are fewer


def _written(tmp_path, texts, column="text"):
    path = tmp_path / "outside.csv"
    pd.DataFrame({column: texts, "label": "x"}).to_csv(path, index=False)
    return path


def test_texts_of_a_file_are_outside_once_and_only_where_the_data_lack_them(text_subject, tmp_path):
    own = str(text_subject.data.test.text[0])
    path = _written(tmp_path, ["Rain in May", "rain  in may", own.upper(), "", "Snow"])
    data = replace(text_subject.data, splits={"test": text_subject.data.test})
    found = outside.added(data, path, "text", licence="CC0")
    split = found.splits["outside"]
    assert sorted(one.lower().split()[0] for one in split.text) == ["rain", "snow"]
    assert (split.y == -1).all() and len(set(split.id)) == 2
    np.testing.assert_array_equal(split.x, data.tokens.encode(split.text.tolist()))
    note = found.provenance.notes[-1]
    assert "2 texts outside" in note and "1 more are texts of the data" in note and "CC0" in note


def test_a_file_without_the_column_or_a_text_is_one_line(text_subject, tmp_path):
    path = _written(tmp_path, ["Snow"])
    with pytest.raises(DataError, match="'words' is not there"):
        outside.added(text_subject.data, path, "words")
    with pytest.raises(DataError, match="no text"):
        outside.added(text_subject.data, _written(tmp_path, [text_subject.data.test.text[3]]), "text")
    with pytest.raises(DataError, match="fetch it"):
        outside.added(text_subject.data, tmp_path / "none.csv", "text", obtain="fetch it")
