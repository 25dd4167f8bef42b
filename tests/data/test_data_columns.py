import numpy as np
import pytest

from audit.data import columns
from audit.data.roles import Roles
from audit.errors import DataError

TRAIN = np.array([True, True, True, False])


def _encode(numeric=None, categorical=None, **roles):
    numeric = {k: np.array(v, float) for k, v in (numeric or {}).items()}
    categorical = {k: np.array(v, object) for k, v in (categorical or {}).items()}
    declared = Roles("y", numeric=tuple(numeric), categorical=tuple(categorical), **roles)
    return columns.encode(numeric, categorical, declared, TRAIN)


def test_numbers_keep_their_unit_and_are_described_on_train_alone():
    found = _encode({"age": [20, 30, 40, 90]}, units={"age": "years"})
    (age,) = found.features
    assert found.x.dtype == np.float32
    assert found.x[:, 0].tolist() == [20, 30, 40, 90]
    assert (age.low, age.high, age.unit) == (20.0, 40.0, "years")
    assert age.scale == pytest.approx(np.std([20, 30, 40]))
    assert found.scale[0] == pytest.approx(age.scale)


def test_the_bounds_hold_every_clean_row():
    found = _encode({"age": [20, 30, 40, 90], "hours": [20, 30, 40, 10]})
    assert found.low.tolist() == [20, 10]
    assert found.high.tolist() == [90, 40]


def test_a_declared_range_is_the_bound_and_must_hold_every_row():
    found = _encode({"age": [20, 30, 40, 90]}, ranges={"age": (0.0, 120.0)})
    assert (found.features[0].low, found.features[0].high) == (0, 120)
    assert (found.low[0], found.high[0]) == (0, 120)
    with pytest.raises(DataError, match="'age' has 1 values outside its range 0 to 80"):
        _encode({"age": [20, 30, 40, 90]}, ranges={"age": (0.0, 80.0)})


def test_categories_are_numbered_on_train_and_0_is_the_unseen():
    found = _encode(categorical={"job": ["b", "a", "(missing)", "new"]})
    (job,) = found.features
    assert job.categories == ("(missing)", "a", "b")
    assert found.x[:, 0].tolist() == [3, 2, 1, 0]
    assert [job.categories[int(code) - 1] for code in found.x[:3, 0]] == ["b", "a", "(missing)"]
    assert (job.low, job.high) == (None, None)
    assert (found.low[0], found.high[0], found.scale[0]) == (0, 3, 0)
    assert found.notes == ("job: 1 rows hold a value that train does not",)


def test_numeric_columns_come_first_and_fixed_ones_have_scale_0():
    found = _encode(
        {"age": [20, 30, 40, 50], "flat": [1, 1, 1, 2], "bmi": [20, 21, 22, 23]},
        {"job": ["a", "b", "a", "b"]},
        immutable=("age", "job"),
    )
    assert [f.name for f in found.features] == ["age", "flat", "bmi", "job"]
    assert [f.mutable for f in found.features] == [False, True, True, False]
    assert found.scale[[0, 1, 3]].tolist() == [0, 0, 0]
    assert found.scale[2] > 0
    assert found.features[0].scale > 0
    assert found.notes == ("flat is constant in train",)


def test_gaps_become_the_median_of_train():
    found = _encode({"age": [20, np.nan, 40, 90]}, missing_numeric="median")
    assert found.x[:, 0].tolist() == [20, 30, 40, 90]
    assert found.notes == ("age: 1 missing values became the train median 30",)
    with pytest.raises(DataError, match="'age' has no value in the train rows"):
        _encode({"age": [np.nan, np.nan, np.nan, 1]}, missing_numeric="median")


def test_a_number_too_large_for_float32_is_refused():
    with np.errstate(over="ignore"), pytest.raises(DataError, match="'b' exceeds float32"):
        _encode({"a": [1, 2, 3, 4], "b": [1, 2, 1e39, 4]})


@pytest.mark.parametrize(
    ("values", "edges", "groups"),
    [
        (["39", "40", "59", "60"], (40.0, 60.0), ["under 40", "40 to 59", "40 to 59", "60 and over"]),
        (["39.5", "40", "(missing)"], (40.0, 60.0), ["under 40", "40 to under 60", "(missing)"]),
        (["1", "2"], (2.0,), ["under 2", "2 and over"]),
        (["18", "20"], (18.0, 19.0), ["18", "19 and over"]),
        (["999999", "1000000"], (1e6,), ["under 1000000", "1000000 and over"]),
    ],
)
def test_bands_turn_numbers_into_named_groups(values, edges, groups):
    roles = Roles("y", sensitive=("age",), bands={"age": edges})
    assert columns.groups(np.array(values, object), "age", roles).tolist() == groups


def test_groups_without_bands_are_the_texts():
    found = columns.groups(np.array(["f", "(missing)"], object), "sex", Roles("y", sensitive=("sex",)))
    assert found.dtype.kind == "U"
    assert found.tolist() == ["f", "(missing)"]


def test_weights_and_times():
    assert columns.weights(np.array(["0", "2.5"], object), "w").tolist() == [0, 2.5]
    for bad in (["-1", "1"], ["0", "0"]):
        with pytest.raises(DataError, match="weight column 'w'"):
            columns.weights(np.array(bad, object), "w")
    assert columns.times(np.array(["1", "2.5"], object), "t").tolist() == [1, 2.5]
    times = columns.times(np.array(["2024-01-01", "2024-01-01T01:00:00+01:00"], object), "t")
    assert (times == np.datetime64("2024-01-01")).all()
    with pytest.raises(DataError, match="time column 't' holds 'soon'"):
        columns.times(np.array(["2024-01-01", "soon"], object), "t")
