"""The COMPAS tool's own score, a column of the data in a model's place, has the error rates ProPublica published."""

import pytest

import audit
from audit.errors import ConfigError

# Angwin, Larson, Mattu and Kirchner (2016), notebook "Compas Analysis": false positive and false negative rates, %
PUBLISHED = {"African-American": (44.85, 27.99), "Caucasian": (23.45, 47.72)}


def test_the_published_error_rates_are_found(data_root, tmp_path):
    record = audit.run("compas_tool", out=tmp_path)
    found = {
        (m.name, m.where["group"]): m.estimate
        for result in record.results
        for m in result.findings.measurements
        if m.where.get("attribute") == "race" and "group" in m.where
    }
    for group, (false_positive, false_negative) in PUBLISHED.items():  # ours are of the favourable outcome
        true_positive = found["true_positive_rate", group]
        assert 100 * (1 - true_positive.value) == pytest.approx(false_positive, abs=0.005)
        assert 100 * found["false_positive_rate", group].value == pytest.approx(false_negative, abs=0.005)
        assert true_positive.low < true_positive.value < true_positive.high
    assert record.facts.data.splits["test"] == 7214 and record.facts.data.splits["train"] == 0
    assert "decile_score" in record.facts.model.origin and "0 to 10" in record.facts.model.notes[0]
    assert record.verdict == "FAIL"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"network": "mlp", "columns": ["a"]}, "columns and span without scores"),
        ({"scores": "s.csv", "span": [0, 10]}, "outputs other than probabilities"),
        ({"scores": "s.csv", "span": [10, 0], "outputs": "probabilities"}, "lowest value first"),
    ],
)
def test_a_span_or_column_of_nothing_is_refused(model, says):
    data = {"source": "embedded", "dataset": "diabetes"}
    config = {"name": "x", "data": data, "model": model, "checks": {"accuracy.overall": {}}}
    with pytest.raises(ConfigError, match=says):
        audit.run(config)
