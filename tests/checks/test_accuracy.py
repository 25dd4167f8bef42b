"""accuracy.overall against scikit-learn, and at its edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as sklearn

from audit.checks.accuracy_overall import MEASURES, AccuracyOptions, accuracy_overall
from audit.errors import ConfigError
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject, observe

CONTEXT = Context(key=None, seed=0)
BETTER = {measure.name: measure.better for measure in MEASURES}


def _split(y, **more):
    y = np.asarray(y)
    return Split(np.zeros((len(y), 1), np.float32), y, np.arange(len(y)).astype(str), **more)


def _subject(y, scores, *, task="binary", classes=("no", "yes"), outputs="probabilities", train=None, **more):
    splits = {"test": _split(y, **more)} | ({} if train is None else {"train": _split(train)})
    data = Dataset("d", task, "table", splits, classes=classes)
    model = Model("scores", None, outputs=outputs, scores={"test": np.asarray(scores, float)})
    return observe(model, data)


def _values(subject, **options):
    findings = accuracy_overall(subject, AccuracyOptions(**options), CONTEXT)
    assert all(m.better == BETTER[m.name] for m in findings.measurements)
    return {(m.name, *m.where.values()): m.estimate for m in findings.measurements}, findings


def test_binary_figures_are_scikit_learns(table_subject):
    found, _ = _values(table_subject)
    y, predicted = table_subject.data.test.y, table_subject.predictions()
    probabilities = table_subject.probabilities()
    expected = {
        ("accuracy",): sklearn.accuracy_score(y, predicted),
        ("balanced_accuracy",): sklearn.balanced_accuracy_score(y, predicted),
        ("auc",): sklearn.roc_auc_score(y, probabilities[:, 1]),
        ("log_loss",): sklearn.log_loss(y, probabilities),
    }
    for c, name in enumerate(table_subject.data.classes):
        expected["recall", name] = sklearn.recall_score(y, predicted, pos_label=c)
        expected["precision", name] = sklearn.precision_score(y, predicted, pos_label=c)
        expected["f1", name] = sklearn.f1_score(y, predicted, pos_label=c)
    expected["macro_f1",] = sklearn.f1_score(y, predicted, average="macro")
    for key, value in expected.items():
        assert found[key].value == pytest.approx(value, abs=1e-9), key
        assert found[key].low < value < found[key].high, key
    assert set(found) == {*expected, ("majority_share",)}


def test_multiclass_figures_are_scikit_learns(image_subject):
    found, findings = _values(image_subject)
    y, predicted = image_subject.data.test.y, image_subject.predictions()
    probabilities = image_subject.probabilities()
    recalls = sklearn.recall_score(y, predicted, average=None)
    precisions = sklearn.precision_score(y, predicted, average=None)
    for c, name in enumerate(image_subject.data.classes):
        assert found["recall", name].value == pytest.approx(recalls[c])
        assert found["recall", name].n == (y == c).sum()
        assert found["precision", name].value == pytest.approx(precisions[c])
        assert found["precision", name].n == (predicted == c).sum()
        auc = sklearn.roc_auc_score(y == c, probabilities[:, c])
        assert found["auc", name].value == pytest.approx(auc)
    macro = sklearn.roc_auc_score(y, probabilities, multi_class="ovr", average="macro")
    assert found["macro_auc",].value == pytest.approx(macro)
    assert found["macro_auc",].low < macro < found["macro_auc",].high
    assert found["macro_f1",].value == pytest.approx(sklearn.f1_score(y, predicted, average="macro"))
    assert found["macro_f1",].low < found["macro_f1",].value < found["macro_f1",].high
    matrix = next(table for table in findings.tables if table.kind == "matrix")
    assert np.array_equal([row[1:] for row in matrix.rows], sklearn.confusion_matrix(y, predicted))
    assert [row[0] for row in matrix.rows] == list(image_subject.data.classes)


def test_the_baseline_guesses_the_commonest_class_of_training_not_of_the_test():
    subject = _subject([1, 1, 1, 0], np.eye(2)[[1, 1, 1, 1]], train=[0, 0, 1])
    found, _ = _values(subject)
    assert found["majority_share",].value == 0.25
    assert "no" in found["majority_share",].note
    without, _ = _values(_subject([1, 1, 1, 0], np.eye(2)[[1, 1, 1, 1]]))
    assert without["majority_share",].value == 0.75


def test_an_absent_class_has_no_recall_and_an_unpredicted_one_no_precision():
    subject = _subject(
        [0, 1, 0, 1], np.eye(3)[[0, 1, 2, 1]], task="multiclass", classes=("red", "green", "blue")
    )
    found, findings = _values(subject)
    assert found["recall", "blue"].value is None
    assert found["precision", "blue"].value == 0
    assert found["balanced_accuracy",].value is None
    assert "blue" in found["balanced_accuracy",].reason
    assert found["macro_auc",].value is None
    assert found["accuracy",].value == 0.75
    table = next(table for table in findings.tables if table.name == "classes")
    assert table.rows[2][:5] == ("blue", 0, 1, 0, None)


def test_log_loss_survives_a_probability_of_zero_and_says_so():
    subject = _subject([0, 1, 1, 0], [[1, 0], [1, 0], [0.4, 0.6], [0.7, 0.3]])
    found, _ = _values(subject)
    y, p = [0, 1, 1, 0], [[1, 0], [1, 0], [0.4, 0.6], [0.7, 0.3]]
    assert found["log_loss",].value == pytest.approx(sklearn.log_loss(y, p), rel=1e-6)
    assert found["log_loss",].note.startswith("1 rows gave")


def test_copies_of_a_person_add_nothing(table_subject):
    once, _ = _values(table_subject)
    rows = np.repeat(np.arange(len(table_subject.data.test)), 4)
    test = replace(table_subject.data.test.take(rows), cluster=rows)
    data = replace(table_subject.data, splits={**table_subject.data.splits, "test": test})
    fourfold, _ = _values(Subject(table_subject.model, data, {"test": table_subject.outputs["test"][rows]}))
    for key, estimate in once.items():
        assert fourfold[key].value == pytest.approx(estimate.value, abs=1e-9), key
        assert fourfold[key].low == pytest.approx(estimate.low, abs=0.01), key
        assert fourfold[key].high == pytest.approx(estimate.high, abs=0.01), key


def test_one_person_in_several_classes_widens_balanced_accuracy():
    person, y = np.repeat(np.arange(150), 2), np.tile([0, 1], 150)
    right = np.repeat(np.random.default_rng(0).integers(0, 2, 150), 2)
    scores = np.eye(2)[np.where(right == 1, y, 1 - y)]
    alone, _ = _values(_subject(y, scores))
    linked, _ = _values(_subject(y, scores, cluster=person))
    a, b = alone["balanced_accuracy",], linked["balanced_accuracy",]
    assert b.value == pytest.approx(a.value)
    assert b.high - b.low == pytest.approx(2**0.5 * (a.high - a.low), rel=0.1)


def test_regression_figures_are_scikit_learns():
    rng = np.random.default_rng(1)
    y = rng.normal(size=300)
    predicted = y + rng.normal(0.1, 0.5, 300)
    train = rng.normal(1, 1, 99)
    found, findings = _values(
        _subject(y, predicted[:, None], task="regression", classes=(), outputs="values", train=train)
    )
    assert found["mean_absolute_error",].value == pytest.approx(sklearn.mean_absolute_error(y, predicted))
    assert found["mean_squared_error",].value == pytest.approx(sklearn.mean_squared_error(y, predicted))
    root = found["root_mean_squared_error",]
    assert root.value == pytest.approx(sklearn.root_mean_squared_error(y, predicted))
    assert found["r2",].value == pytest.approx(sklearn.r2_score(y, predicted))
    assert (root.kind, found["r2",].kind) == ("bounded", "descriptive")
    squared = found["mean_squared_error",]
    assert (root.low, root.high) == pytest.approx((squared.low**0.5, squared.high**0.5))
    baseline = sklearn.mean_absolute_error(y, np.full(300, np.median(train)))
    assert found["baseline_mean_absolute_error",].value == pytest.approx(baseline)
    assert not any("AUC" in note for note in findings.not_measured)


def test_a_constant_target_has_no_r2():
    found, _ = _values(
        _subject([2.0, 2.0, 2.0], [[1.0], [2.0], [4.0]], task="regression", classes=(), outputs="values")
    )
    assert "constant" in found["r2",].reason


def test_one_judged_row_does_not_crash():
    found, _ = _values(_subject([1], [[0.2, 0.8]]))
    assert found["accuracy",].value == 1
    assert found["accuracy",].low < 0.03
    assert found["auc",].value is None
    assert found["log_loss",].value is None


@pytest.mark.parametrize("given", [[[0], [1], [0]], [[1, 0], [0, 1], [1, 0]]])
def test_decisions_without_probabilities_say_what_they_leave_out(given):
    found, findings = _values(_subject([0, 1, 1], given, outputs="decisions"))
    assert ("auc",) not in found and ("log_loss",) not in found
    assert found[("accuracy",)].value == pytest.approx(2 / 3)
    assert any("no probabilities" in note for note in findings.not_measured)


def test_classes_are_chosen_and_an_unknown_one_refused(image_subject):
    found, _ = _values(image_subject, classes=("left",))
    assert {key[1] for key in found if len(key) > 1} == {"left"}
    with pytest.raises(ConfigError, match="perhaps 'left'"):
        _values(image_subject, classes=("leftt",))


@pytest.mark.parametrize(("classes", "label"), [(("no", "yes"), "AUC of yes"), (("0", "1"), "AUC of y = 1")])
def test_the_class_of_the_auc_is_named_so_that_it_reads(classes, label):
    _, findings = _values(_subject([0, 1, 1, 0], [[0.2], [0.7], [0.4], [0.5]], classes=classes))
    assert label in [m.label for m in findings.measurements]
