import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

from audit.data import embedded
from audit.data.roles import SplitPlan
from audit.errors import DataError

PLAN = SplitPlan(test=0.4)


def test_diabetes_is_a_balanced_table_of_442_patients():
    data = embedded.load("diabetes", PLAN)
    assert sum(map(len, data.splits.values())) == 442
    assert sum(int(split.y.sum()) for split in data.splits.values()) == 221
    assert (data.classes, data.favourable) == (("low", "high"), 0)
    assert len(data.test) == 176
    assert set(data.test.groups["sex"]) == {"sex 1", "sex 2"}
    assert set(data.test.groups["age"]) == {"under 40", "40 to 59", "60 and over"}
    assert {f.name: f.unit for f in data.features}["age"] == "years"
    assert [f.name for f in data.features if not f.mutable] == ["age", "sex"]
    assert any("not a clinical one" in note for note in data.provenance.notes)


def test_diabetes_rows_are_those_of_scikit_learn():
    data = embedded.load("diabetes", PLAN)
    raw = load_diabetes(scaled=False)
    known = {
        tuple(np.float32(row[[0, 2, 3, 4, 5, 6, 7, 8, 9]])): y
        for row, y in zip(raw.data, raw.target, strict=True)
    }
    for split in data.splits.values():
        for row, y in zip(split.x, split.y, strict=True):
            assert (known[tuple(row[:9])] > embedded.HIGH) == y


def test_digits_are_images_in_0_1():
    data = embedded.load("digits", PLAN)
    assert sum(map(len, data.splits.values())) == 1797
    assert data.test.x.shape == (719, 8, 8, 1)
    assert (data.test.x.min(), data.test.x.max()) == (0, 1)
    assert len(data.classes) == 10
    total = sum(float(split.x.sum(dtype=np.float64)) for split in data.splits.values())
    assert total == load_digits().images.sum() / 16


def test_equal_plans_give_equal_data_and_an_unknown_name_the_nearest():
    one, other = (embedded.load("diabetes", SplitPlan(seed=3)) for _ in range(2))
    assert (one.test.id == other.test.id).all()
    with pytest.raises(DataError, match="did you mean 'digits'"):
        embedded.load("digit", PLAN)  # pyright: ignore[reportArgumentType]
