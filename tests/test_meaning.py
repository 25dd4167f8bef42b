"""What outputs mean: what could be two things is refused with the word to write, what could not is logits."""

import dataclasses

import numpy as np
import pytest

from audit.errors import ModelError
from audit.meaning import declared, given, of_decisions, probabilities, undeclared
from audit.subject import Dataset, DecisionRule, Model, Split, Subject, decide, observe, with_meaning

LOGITS = np.linspace(-3, 3, 40)[:, None]
CHANCE = 1 / (1 + np.exp(-LOGITS))
THREE = np.random.default_rng(0).normal(0, 3, (40, 3))
SOFTMAX = np.exp(THREE) / np.exp(THREE).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("outputs", "task", "word"),
    [
        (CHANCE, "binary", "outputs: probabilities"),
        (CHANCE + 1e-7, "binary", "outputs: probabilities"),
        (0.5 + 0.2 * LOGITS, "binary", "in \\[0, 1\\], like probabilities"),
        (CHANCE > 0.5, "binary", "outputs: decisions"),
        ((CHANCE > 0.5).astype(int), "binary", "outputs: decisions"),
        (10 * CHANCE, "binary", "points or percentages.*outputs: probabilities \\(with span"),
        (np.log(CHANCE), "binary", "log-probabilities"),
        (np.hstack([-LOGITS, LOGITS]), "binary", "could be either.*expected outputs: logits"),
        (np.hstack([1 - CHANCE, CHANCE]), "binary", "outputs: probabilities"),
        (SOFTMAX, "multiclass", "outputs: probabilities"),
        (100 * SOFTMAX, "multiclass", "adds up to 100"),
        (SOFTMAX * 0.5, "multiclass", "outputs: probabilities"),
        (THREE - THREE.mean(axis=1, keepdims=True) + 1 / 3, "multiclass", "adds up to 1"),
        (np.eye(3)[THREE.argmax(axis=1)], "multiclass", "outputs: decisions"),
        (THREE.argmax(axis=1)[:, None], "multiclass", "outputs: decisions"),
        (1 / (1 + np.exp(-THREE)), "multilabel", "outputs: probabilities"),
        (THREE > 0, "multilabel", "outputs: decisions"),
    ],
)
def test_outputs_that_could_be_two_things_are_refused_with_the_word_to_write(outputs, task, word):
    with pytest.raises(ModelError, match=word) as error:
        undeclared(outputs, task, {"binary": 2}.get(task, 3), "m")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("outputs", "task"),
    [(LOGITS, "binary"), (THREE, "multiclass"), (np.log(SOFTMAX), "multiclass"), (THREE, "multilabel")],
)
def test_outputs_that_can_be_nothing_else_are_logits(outputs, task):
    assert "range from" in undeclared(outputs, task, {"binary": 2}.get(task, 3), "m")
    assert "range from" in undeclared(np.vstack([outputs, outputs[:1] * np.nan]), task, outputs.shape[1], "m")


@pytest.mark.parametrize("shape", [(40,), (40, 4), (0, 1)])
def test_a_wrong_shape_is_left_to_what_refuses_it(shape):
    assert "range" not in undeclared(np.zeros(shape), "binary", 2, "m")


def test_the_task_may_leave_no_choice():
    assert [declared(None, task, "m") for task in ("regression", "ranking", "binary")] == [
        "values",
        "values",
        None,
    ]
    for word, task in (("logits", "regression"), ("values", "binary"), ("proba", "binary")):
        with pytest.raises(ModelError, match=word):
            declared(word, task, "m")


@pytest.mark.parametrize(
    ("outputs", "each", "says"),
    [
        ([[0], [2]], False, ""),
        ([[0], [3]], False, "0 to 2"),
        ([[0.5], [1]], False, "class's number"),
        ([[0, 1, 0], [1, 0, 0]], False, ""),
        ([[0, 1, 1], [1, 0, 0]], False, "1 rows of no single 1"),
        ([[0, 1, 1], [0, 0, 0]], True, ""),
        ([[0, 0.4, 1], [0, 0, 0]], True, "0 or 1"),
    ],
)
def test_decisions_are_told_from_what_is_none(outputs, each, says):
    found = of_decisions(np.array(outputs, float), 3, each=each)
    assert says in found and bool(says) == bool(found)


def test_decisions_decide_by_themselves_and_nonsense_is_no_class():
    out = np.array([[1.0], [2.0], [0.5], [np.nan], [-1.0]])
    assert given(out, each=False).tolist() == [1, 2, -1, -1, -1]
    assert given(np.array([[0, 1.0], [1, 1], [0, 0]]), each=False).tolist() == [1, -1, -1]
    assert given(np.array([[0, 1.0], [1, 1]]), each=True).tolist() == [[0, 1], [1, 1]]


def _data(task="binary"):
    split = Split(LOGITS.astype(np.float32), (LOGITS[:, 0] > 0).astype(int), np.arange(40).astype(str))
    return Dataset("d", task, "table", {"test": split}, classes=("no", "yes"))


def test_a_subject_always_knows_what_its_outputs_are():
    subject = observe(Model("m", lambda p, x: x), _data())
    assert subject.model.outputs == "logits" and "not declared" in subject.model.notes[0]
    assert with_meaning(subject.model, _data()) is subject.model
    with pytest.raises(ValueError, match="not settled"):
        Subject(Model("m", lambda p, x: x), _data(), {})
    with pytest.raises(ValueError, match="not settled"):
        decide(LOGITS, Model("m", None))
    for kind in (None, "values", "decisions"):
        with pytest.raises(ValueError, match="probabilities of outputs that are"):
            probabilities(LOGITS, kind)


def test_a_subject_of_decisions_has_neither_scores_nor_gradients():
    decided = Model("m", lambda p, x: x > 0, outputs="decisions")
    subject = observe(decided, _data())
    assert not subject.has & {"probabilities", "scores", "gradient"} and "function" in subject.has
    assert str(subject.model.decision) == "the class that the model gives"
    assert (subject.predictions() == subject.data.test.y).all()
    with pytest.raises(ModelError, match="its rule is"):
        observe(dataclasses.replace(decided, decision=DecisionRule("threshold")), _data())
