"""Groups of any kind of column, and names that two files write in two ways."""

import numpy as np
import pandas as pd
import pytest

import audit
from audit.data import names, tables
from audit.data.roles import Roles, SplitPlan
from audit.errors import DataError

KINDS = {
    "list": ["1", None, "2"],
    "floats": np.array([1.0, np.nan, 2.0]),
    "bytes": np.array([b"1", b"", b"2"]),
    "string dtype": pd.Series(["1", pd.NA, "2"], dtype="string"),
    "nullable": pd.Series([1, pd.NA, 2], dtype="Int64"),
    "category": pd.Categorical([1, None, 2]),
    "objects": np.array([1, np.nan, "2"], object),
}


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_columns_of_any_kind_have_one_name_for_a_value(values):
    assert names.of(values).tolist() == ["1", "(missing)", "2"]


def test_pandas_columns_are_taken_everywhere():
    n = 60
    y, sex = pd.Series([0, 1] * 30, dtype="Int64"), pd.Series(["f", "m", pd.NA] * 20, dtype="string")
    data = audit.from_arrays(
        "mine", "binary", pd.DataFrame({"a": np.arange(n)}), y, id=pd.Series(range(n)), weight=pd.Series([1.0] * n),
        groups={"sex": sex}, cluster=pd.Series(range(n)) // 2,
    )  # fmt: skip
    assert set(data.test.groups["sex"]) == {"f", "m", "(missing)"}
    assert data.test.y.dtype == np.int32 and not data.test.weighted


def _table(**changes):
    n = 200
    table = {"y": np.arange(n) % 2, "a": np.arange(n), "kind": np.arange(n) // 2 % 2}
    return pd.DataFrame({**table, **changes})


def _load(train, test):
    roles = Roles("y", positive="1", numeric=("a",), categorical=("kind",), sensitive=("kind",))
    return tables.from_frame("t", "binary", train, test, roles, SplitPlan())


def test_whole_numbers_and_floats_of_two_files_are_one_name():
    test = _table(a=np.arange(200) + 0.5)
    data = _load(_table(kind=_table().kind.astype(str)), test.assign(kind=test.kind.where(test.a > 9)))
    assert set(data.test.groups["kind"]) == {"0", "1", "(missing)"}
    assert (data.test.x[:, 1] > 0).mean() == pytest.approx(0.955, abs=0.01)


def test_a_test_file_in_other_words_is_refused():
    test = _table(kind=np.where(_table().kind, "one", "none"))
    with pytest.raises(DataError, match="'none', 'one' in the test file, '0', '1' in training"):
        _load(_table(), test)
    assert len(_load(_table(), _table(kind=1)).test) == 200


def test_one_column_that_writes_a_value_in_two_ways_is_refused():
    with pytest.raises(DataError, match="'kind' holds '0' and '0.0', which read alike"):
        _load(_table(kind=["0", "0.0", "1", "1"] * 50), None)
    assert len(_load(_table(kind=["0", "00", "1", "1"] * 50), None).features[1].categories) == 3
