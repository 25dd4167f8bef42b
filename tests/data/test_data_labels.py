import numpy as np
import pytest

from audit.data import labels
from audit.data.roles import Roles
from audit.errors import DataError


def _encode(values, task="binary", **roles):
    return labels.encode({"y": np.array(values, object)}, Roles("y", **roles), task)


def test_the_positive_value_is_class_1_whatever_sorts_first():
    found = _encode(["b", "a", "b"], positive="a", favourable="b")
    assert found.y.tolist() == [0, 1, 0]
    assert found.classes == ("b", "a")
    assert found.favourable == 0


def test_two_declared_classes_put_the_second_at_1():
    found = _encode(["bad", "good"], classes=("good", "bad"))
    assert found.classes == ("good", "bad")
    assert found.y.tolist() == [1, 0]


def test_a_binary_positive_is_never_guessed():
    with pytest.raises(DataError, match="the value that is class 1"):
        _encode(["0", "1"])


def test_a_third_value_is_refused_unless_all_are_declared():
    with pytest.raises(DataError, match="binary target with 3 values: '<=50K', '<=50K.', '>50K'"):
        _encode(["<=50K", ">50K", "<=50K."], positive=">50K")
    found = _encode(["<30", ">30", "NO"], positive="<30", classes=("<30", ">30", "NO"), favourable="not <30")
    assert found.classes == ("not <30", "<30")
    assert found.y.tolist() == [1, 0, 0]
    assert found.favourable == 0
    assert found.notes == ("class 'not <30' joins '>30', 'NO'",)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_label_outside_the_declared_classes_is_refused_with_its_rows(task):
    with pytest.raises(DataError) as error:
        _encode(["yes", "no", "yess", "yess"], task, classes=("no", "yes"))
    assert "target 'y', 2 rows: class='yess'" in str(error.value)
    assert "did you mean 'yes'?" in str(error.value)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"positive": "yess"}, "did you mean 'yes'?"),
        ({"positive": "yes", "favourable": "nn"}, "favourable='nn'"),
    ],
)
def test_unknown_class_names_are_refused(roles, words):
    with pytest.raises(DataError) as error:
        _encode(["no", "yes"], **roles)
    assert words in str(error.value)


def test_one_value_is_no_binary_target():
    with pytest.raises(DataError, match="one value 'a'"):
        _encode(["a", "a"], positive="a")


def test_multiclass_indexes_follow_the_declared_order():
    found = _encode(["low", "high", "low"], "multiclass", classes=("low", "mid", "high"), favourable="high")
    assert found.y.tolist() == [0, 2, 0]
    assert found.favourable == 2
    assert found.notes == ("declared classes without a row: 'mid'",)
    assert _encode(["b", "a"], "multiclass").classes == ("a", "b")
    with pytest.raises(DataError, match="task: binary"):
        _encode(["b", "a"], "multiclass", positive="a")


def test_regression_gives_numbers_and_has_no_classes():
    found = _encode(["1.5", "-2"], "regression")
    assert found.y.tolist() == [1.5, -2.0]
    assert found.classes == ()
    with pytest.raises(DataError, match="it has no classes"):
        _encode(["1"], "regression", positive="1")
    with pytest.raises(DataError, match="no number"):
        _encode(["one"], "regression")


def test_multilabel_gives_a_matrix():
    text = {"a": np.array(["0", "1"], object), "b": np.array(["1", "1"], object)}
    found = labels.encode(text, Roles("a,b"), "multilabel")
    assert found.y.tolist() == [[0, 1], [1, 1]]
    assert found.classes == ("a", "b")
    text["b"][0] = "2"
    with pytest.raises(DataError, match="multilabel target 'b' holds '2'"):
        labels.encode(text, Roles("a,b"), "multilabel")
