"""calibration.reliability: a calibrated model looks calibrated, a loud one does not, groups and warnings."""

import jax
import numpy as np
import pytest

from audit.checks.calibration_reliability import ReliabilityOptions, reliability
from audit.errors import DataError
from audit.registry import Context, find
from audit.subject import Dataset, Model, Split, Subject

CONTEXT = Context(key=jax.random.key(0), seed=5)


def subject(outputs, y, kind="probabilities", groups=None, cluster=None):
    n, k = outputs.shape
    split = Split(np.zeros((n, 1), np.float32), y, np.arange(n), groups=groups or {}, cluster=cluster)
    multi = k > 2
    classes = tuple("abcd"[: k if multi else 2])
    data = Dataset("toy", "multiclass" if multi else "binary", "table", {"test": split}, classes=classes)
    return Subject(Model("toy", None, outputs=kind), data, {"test": outputs.astype(np.float32)})


def binary(seed, n, sharpen=1.0):
    """A model whose log-odds are the true ones times `sharpen`."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int32)
    return (sharpen * logit)[:, None], y


def one(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def measure(case, **options):
    return reliability(case, ReliabilityOptions(**options), CONTEXT)


def test_a_calibrated_model_has_no_gap_and_an_overconfident_one_has():
    good = measure(subject(*binary(0, 4000), "logits"))
    bad = measure(subject(*binary(0, 4000, sharpen=4.0), "logits"))
    assert one(good, "calibration_error").high < 0.04
    assert one(bad, "calibration_error").low > 0.08
    assert one(good, "perfect_calibration_p").value > 0.01
    assert one(bad, "perfect_calibration_p").value == 1 / 1000
    assert one(good, "brier").high < one(bad, "brier").low
    for name in ("ece_15", "perfect_calibration_p"):
        assert one(good, name).kind == "descriptive"
    assert one(good, "calibration_error").kind == "bounded"


def test_binary_numbers_are_about_the_probability_of_class_1():
    p = np.array([[0.2]] * 100 + [[0.9]] * 100)
    y = np.array([1] * 30 + [0] * 70 + [1] * 80 + [0] * 20)  # .3 came true of .2, .8 of .9
    found = measure(subject(p, y), bins=2)
    assert one(found, "confidence_gap").value == pytest.approx(0.55 - 110 / 200, abs=1e-6)
    assert one(found, "ece_15").value == pytest.approx(0.1)
    brier = (30 * 0.64 + 70 * 0.04 + 80 * 0.01 + 20 * 0.81) / 200
    assert one(found, "brier").value == pytest.approx(brier, abs=1e-6)
    (table,) = found.tables
    assert [row[3] for row in table.rows] == [0.3, 0.8] and [row[6] for row in table.rows] == [100, 100]
    assert "probability of b" in table.title


def test_multiclass_numbers_are_about_the_most_probable_class():
    p = np.tile([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], (100, 1))
    y = np.where(np.arange(200) % 2 == 0, 0, 2)
    y[:40] = 1
    found = measure(subject(p, y), bins=2)
    assert one(found, "confidence_gap").value == pytest.approx(0.75 - 0.8)
    assert any("most probable" in said for said in found.not_measured)
    assert one(found, "brier").value == pytest.approx(
        ((80 * 0.14 + 80 * 0.06) + 20 * (0.49 + 0.64 + 0.01) + 20 * (0.01 + 0.81 + 0.64)) / 200, abs=1e-6
    )


def test_reliability_table_has_its_columns_and_an_interval_around_every_share():
    found = measure(subject(*binary(1, 1500), "logits"))
    (table,) = found.tables
    assert table.kind == "reliability" and len(table.rows) == 15
    assert [c.name for c in table.columns] == ["lower", "upper", "confidence", "accuracy", "low", "high", "n"]
    for lower, upper, confidence, accuracy, low, high, n in table.rows:
        assert lower <= confidence <= upper and low < accuracy < high and n == 100
    assert all(a[1] == b[0] for a, b in zip(table.rows[:-1], table.rows[1:], strict=True))


def test_a_group_is_found_out_though_the_whole_looks_right():
    logits, y = binary(2, 6000)
    group = np.where(np.arange(6000) % 2 == 0, "a", "b")
    logits = logits + np.where(group == "a", 0.8, -0.8)[:, None]
    found = measure(subject(logits, y, "logits", {"race": group}))
    for name, sign in (("a", 1), ("b", -1)):
        where = {"attribute": "race", "group": name}
        assert one(found, "group_calibration_error", **where).low > 0.08
        assert sign * one(found, "group_confidence_gap", **where).value > 0.08
    assert one(found, "confidence_gap").low < 0 < one(found, "confidence_gap").high


def test_a_small_group_says_that_it_is_small():
    logits, y = binary(3, 500)
    group = np.where(np.arange(500) < 12, "few", "many")
    found = measure(subject(logits, y, "logits", {"sex": group}))
    few = one(found, "group_calibration_error", attribute="sex", group="few")
    assert few.value is None and "12 rows, fewer than group_rows=100" in few.reason
    assert one(found, "group_calibration_error", attribute="sex", group="many").value is not None


def test_clusters_leave_no_bound_that_assumes_independence():
    logits, y = binary(4, 800)
    rows = np.repeat(np.arange(800), 3)
    found = measure(subject(logits[rows], y[rows], "logits", cluster=rows))
    p = one(found, "perfect_calibration_p")
    assert p.value is None and "cluster" in p.reason
    alone = measure(subject(logits, y, "logits"))
    assert one(found, "brier").high == pytest.approx(one(alone, "brier").high, abs=1e-3)
    error, of_one = one(found, "calibration_error"), one(alone, "calibration_error")
    assert "between 800 clusters" in error.method
    assert (error.value, error.high) == pytest.approx((of_one.value, of_one.high), abs=0.01)


def test_probabilities_declared_as_logits_are_called_out():
    p = 1 / (1 + np.exp(-binary(5, 400)[0]))
    both, y = np.concatenate([1 - p, p], axis=1), binary(5, 400)[1]
    assert any("squashed a second time" in said for said in measure(subject(both, y, "logits")).not_measured)
    assert not measure(subject(both, y)).not_measured


def test_rounding_beyond_1_is_forgiven_and_scores_of_7_are_not():
    p, y = np.array([[1.0000001], [0.0]] * 50), np.array([1, 0] * 50)
    assert one(measure(subject(p, y)), "brier").value == 0.0
    with pytest.raises(DataError, match="expected 0 to 1"):
        measure(subject(7 * p, y))


def test_the_order_of_rows_changes_nothing():
    logits, y = binary(6, 700)
    group = np.where(y + np.arange(700) % 3 > 1, "a", "b")
    order = np.random.default_rng(1).permutation(700)
    first = measure(subject(logits, y, "logits", {"g": group}))
    again = measure(subject(logits[order], y[order], "logits", {"g": group[order]}))
    for ours, theirs in zip(first.measurements, again.measurements, strict=True):
        assert ours.estimate.value == pytest.approx(theirs.estimate.value, abs=1e-12)


def test_registered_measures_are_those_made(table_subject, context):
    found = reliability(table_subject, ReliabilityOptions(), context)
    assert {m.name for m in found.measurements} == {m.name for m in find("calibration.reliability").measures}
    assert "199 draws" in one(found, "perfect_calibration_p").method
