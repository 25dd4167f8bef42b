import numpy as np
import pandas as pd
import pytest

from audit.data import frames
from audit.errors import DataError


def _read(tmp_path, content: bytes, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return frames.read(path)


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,x y\n", b"\xef\xbb\xbfa,b\r\n1,x y\r\n", b'"a"," b"\n"1","x y"', b"a,b\n1,x y\n\n"],
)
def test_csv_cells_stay_text(tmp_path, content):
    frame = _read(tmp_path, content)
    assert list(frame.columns) == ["a", "b"]
    assert frame.values.tolist() == [["1", "x y"]]


def test_words_that_pandas_takes_for_missing_stay_words(tmp_path):
    frame = _read(tmp_path, b"a,b\nNA,None\nnull,\n")
    assert frame.values.tolist() == [["NA", "None"], ["null", ""]]


def test_tsv_and_parquet_are_read(tmp_path):
    assert _read(tmp_path, b"a\tb\n1\t2\n", "a.tsv").values.tolist() == [["1", "2"]]
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    assert frames.read(tmp_path / "a.parquet")["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b", "a header and no rows"),
        (b"a,b\n", "a header and no rows"),
        (b"a,b\n1,2\n3,4,5\n", "2 cells in every row"),
        (b"a,b\n1\n", "2 cells in every row"),
        (b"a,a\n1,2\n", "two columns named 'a'"),
        (b"a,b\n\xff,2\n", "UTF-8"),
        (b"a,\xe9\n1,2\n", "UTF-8"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, words):
    with pytest.raises(DataError) as error:
        _read(tmp_path, content)
    assert words in str(error.value)


def test_an_error_shows_no_row(tmp_path):
    with pytest.raises(DataError) as error:
        _read(tmp_path, b"a,b\nJane Doe,42,1999\n")
    assert "Jane" not in str(error.value)


def test_a_damaged_parquet_and_an_unknown_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match="no Parquet file"):
        _read(tmp_path, b"PAR1 torn", "a.parquet")
    with pytest.raises(DataError, match="a name ending in"):
        _read(tmp_path, b"a", "a.xlsx")


def test_a_wrong_separator_is_named(tmp_path):
    frame = _read(tmp_path, b"a;b\n1;2\n")
    with pytest.raises(DataError, match="its header holds ';'"):
        frames.refuse_one_column(frame, tmp_path / "a.csv")


def test_text_is_stripped_and_gaps_are_named():
    frame = pd.DataFrame({"a": [" x ", "?", "", None, "nan"]})
    assert frames.as_text(frame, ["a"], ["?"])["a"].tolist() == ["x", *["(missing)"] * 3, "nan"]


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, None], ["1", "(missing)"]),
        ([1.5, np.nan], ["1.5", "(missing)"]),
        ([True, False], ["True", "False"]),
        (pd.Categorical(["b", None]), ["b", "(missing)"]),
        (pd.array([1, None], dtype="Int64"), ["1", "(missing)"]),
        ([0.1 + 0.2, 1e300], ["0.30000000000000004", "1e+300"]),
    ],
)
def test_typed_columns_become_the_same_text_as_csv(cells, text):
    assert frames.as_text(pd.DataFrame({"a": cells}), ["a"], [])["a"].tolist() == text


def test_numbers_keep_gaps_and_refuse_words_and_infinities():
    text = np.array(["1", "(missing)", "-2.5e3"], object)
    np.testing.assert_array_equal(frames.numbers(text, "a"), [1, np.nan, -2500])
    with pytest.raises(DataError, match="'a' holds 2 values that are no number, such as 'nan'"):
        frames.numbers(np.array(["1", "nan", "x"], object), "a")
    with pytest.raises(DataError, match="'a' holds 1 infinite values"):
        frames.numbers(np.array(["1", "-inf"], object), "a")
