import numpy as np
import pandas as pd
import pytest

from audit.data import scores, tables
from audit.data.arrays import from_arrays
from audit.data.roles import Roles, SplitPlan
from audit.errors import DataError

FRAME = pd.DataFrame({"key": [f"k{i}" for i in range(50)], "x": range(50), "y": ["a", "b"] * 25})
KEYED = Roles("y", positive="b", numeric=("x",), id="key")
NUMBERED = Roles("y", positive="b", numeric=("x",), drop=("key",))


def _data(roles=KEYED, test=None):
    return tables.from_frame("d", "binary", FRAME, test, roles, SplitPlan())


def _scored(tmp_path, frame, data, **more):
    frame.to_csv(tmp_path / "scores.csv", index=False)
    return scores.load(tmp_path / "scores.csv", data, **more)


def test_scores_follow_the_ids_whatever_the_order(tmp_path):
    data = _data()
    file = pd.DataFrame({"id": FRAME["key"], "p": FRAME["x"] / 100}).sample(frac=1, random_state=1)
    found = _scored(tmp_path, file, data)
    assert set(found) == {"train", "validation", "calibration", "test"}
    for name, split in data.splits.items():
        np.testing.assert_allclose(found[name][:, 0], split.x[:, 0] / 100, rtol=1e-6)


def test_a_file_of_test_rows_alone_gives_test_alone(tmp_path):
    data = _data()
    rows = data.test.x[:, 0].astype(int)
    found = _scored(tmp_path, pd.DataFrame({"id": FRAME["key"][rows], "p": rows / 100}), data)
    assert set(found) == {"test"}
    np.testing.assert_allclose(found["test"][:, 0], rows / 100)


def test_rows_without_ids_are_those_of_the_whole_file_or_of_the_test_file(tmp_path):
    data = _data(NUMBERED)
    found = _scored(tmp_path, pd.DataFrame({"p": FRAME["x"] / 100}), data)
    np.testing.assert_allclose(found["test"][:, 0], data.test.x[:, 0] / 100, rtol=1e-6)
    held = _data(NUMBERED, test=FRAME[:20])
    found = _scored(tmp_path, pd.DataFrame({"p": FRAME["x"][:20] / 100}), held)
    assert found["test"][:, 0].tolist() == (FRAME["x"][:20] / 100).tolist()
    assert set(found) == {"test"}


def test_as_many_rows_as_test_are_not_taken_for_the_test_rows(tmp_path):
    data = _data(NUMBERED)
    with pytest.raises(DataError, match="of 10 test rows"):
        _scored(tmp_path, pd.DataFrame({"p": [0.5] * len(data.test)}), data)


def test_columns_named_as_the_classes_are_put_in_class_order(tmp_path):
    file = pd.DataFrame({"id": FRAME["key"], "b": 0.25, "a": 0.75})
    found = _scored(tmp_path, file, _data())
    assert found["test"][0].tolist() == [0.75, 0.25]
    again = _scored(tmp_path, file, _data(), columns=("b",))
    assert again["test"][0].tolist() == [0.25]


def test_npz_scores(tmp_path):
    data = _data()
    np.savez(tmp_path / "s.npz", scores=FRAME["x"] / 100, id=FRAME["key"].to_numpy(str))
    found = scores.load(tmp_path / "s.npz", data)
    np.testing.assert_allclose(found["test"][:, 0], data.test.x[:, 0] / 100, rtol=1e-6)
    np.savez(tmp_path / "t.npz", score=1)
    with pytest.raises(DataError, match="did you mean 'score'"):
        scores.load(tmp_path / "t.npz", data)


def test_scores_of_dropped_rows_are_passed_over(tmp_path):
    frame = FRAME.assign(y=["", *FRAME["y"][1:]])
    data = tables.from_frame("d", "binary", frame, None, KEYED, SplitPlan())
    found = _scored(tmp_path, pd.DataFrame({"id": FRAME["key"], "p": FRAME["x"] / 100}), data)
    for name, split in data.splits.items():
        np.testing.assert_allclose(found[name][:, 0], split.x[:, 0] / 100, rtol=1e-6)


def test_arrays_in_python_take_scores_in_row_order(tmp_path):
    x = np.arange(60.0).reshape(30, 2)
    data = from_arrays("d", "multiclass", x, np.arange(30) % 3)
    file = pd.DataFrame({str(k): x[:, 0] + k for k in range(3)})
    found = _scored(tmp_path, file, data, outputs="logits")
    np.testing.assert_array_equal(found["test"], data.test.x[:, :1] + [[0, 1, 2]])


@pytest.mark.parametrize(
    ("file", "more", "words"),
    [
        ({"id": FRAME["key"][:5], "p": 0.5}, {}, "of 10 test rows"),
        ({"id": FRAME["key"], "p": 1.5}, {}, "as span: [0, 100]"),
        ({"id": FRAME["key"], "p": -1.5}, {}, "set outputs: logits"),
        ({"id": FRAME["key"], "a": 0.5, "b": 0.6}, {}, "adding up to 1"),
        ({"id": FRAME["key"], "p": "x"}, {}, "no number"),
        ({"id": FRAME["key"], "p": ["", *["0.5"] * 49]}, {}, "lacks a value in 1 rows"),
        ({"id": FRAME["key"], "p": 0.5, "q": 0.5}, {}, "one named as each class"),
        ({"id": FRAME["key"], "p": 0.5}, {"columns": ("pp",)}, "did you mean 'p'?"),
        ({"id": ["k1"] * 50, "p": 0.5}, {}, "49 repeated ids"),
        ({"id": [*FRAME["key"], "k50"], "p": 0.5}, {}, "1 rows that the data lack"),
        ({"p": [0.5] * 50}, {}, "has no ids"),
    ],
)
def test_scores_that_do_not_match_are_refused(tmp_path, file, more, words):
    with pytest.raises(DataError) as error:
        _scored(tmp_path, pd.DataFrame(file), _data(), **more)
    assert words in str(error.value)


def test_a_span_of_the_scores_own_is_drawn_to_0_and_1(tmp_path):
    data = _data()
    file = pd.DataFrame({"id": FRAME["key"], "risk": FRAME["x"] % 10 + 1, "other": 7})
    found = _scored(tmp_path, file, data, columns=["risk"], span=(0, 10))
    plain = _scored(tmp_path, file, data, columns=["risk"], outputs="logits")
    np.testing.assert_allclose(found["test"], plain["test"] / 10)
    assert len(np.unique(plain["test"])) > 2
    with pytest.raises(DataError, match="from 2 to 10, as the span says"):
        _scored(tmp_path, file, data, columns=["risk"], span=(2, 10))
