"""Tables as text: read from CSV or Parquet, every cell a stripped string or '(missing)'."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.csv as arrow_csv

from audit.data import files, names
from audit.errors import DataError
from audit.names import MISSING, name_of

SEPARATORS = {".csv": ",", ".tsv": "\t"}


class Found(NamedTuple):
    """The table of the rows, that of test where it has its own, the files' names and their digest."""

    frame: pd.DataFrame
    test_frame: pd.DataFrame | None
    source: str
    sha256: str


def load(path: str | Path, test: str | Path | None, obtain: str, sha256: str | None) -> Found:
    """Return the tables in one file, or in two where test has its own; DataError for another digest."""
    paths = [files.find(one, obtain) for one in (path, test) if one is not None]
    files.refuse_same(paths[0], paths[1] if len(paths) == 2 else None)
    found, source = files.digest(*paths), ", ".join(one.name for one in paths)
    files.verify(found, sha256, source)
    tables = [read(one) for one in paths]
    for table, one in zip(tables, paths, strict=True):
        refuse_one_column(table, one)
    return Found(tables[0], tables[1] if len(tables) == 2 else None, source, found)


def read(path: Path) -> pd.DataFrame:
    """Return the table in a CSV, TSV (both also gzipped) or Parquet file; CSV cells stay text."""
    kinds = [part.lower() for part in path.suffixes if part.lower() != ".gz"]
    kind = kinds[-1] if kinds else ""
    if kind in (".parquet", ".pq"):
        frame = _read_parquet(path)
    elif kind in SEPARATORS:
        frame = _read_text(path, SEPARATORS[kind])
    else:
        raise DataError(f"path={str(path)!r}", "a name ending in .csv, .csv.gz, .tsv, .tsv.gz or .parquet")
    if not len(frame):
        raise DataError(f"path={str(path)!r} has a header and no rows", "at least one row")
    return frame


def refuse_one_column(frame: pd.DataFrame, path: Path) -> None:
    """Raise DataError where a table has a single column, naming the separator that its header shows."""
    if len(frame.columns) > 1:
        return
    header = str(frame.columns[0])
    seen = next((mark for mark in ";\t|" if mark in header), None)
    todo = (
        f"its header holds {seen!r}: save it with commas"
        if seen
        else "check that commas separate the columns"
    )
    raise DataError(f"path={str(path)!r} has one column, {header[:60]!r}", "two or more columns", todo)


def as_text(
    frame: pd.DataFrame, columns: Iterable[str], markers: Iterable[str], *, raw: bool = False
) -> dict[str, np.ndarray]:
    """Return these columns as names[n]; empty cells, nulls and the markers become '(missing)'.

    raw: text keeps the way it is written, but for outer blanks.
    """
    gone = {MISSING, *markers, *map(name_of, markers)}
    return {column: _text(pd.Series(frame[column]), gone, raw=raw) for column in columns}


def refuse_alike(frame: pd.DataFrame, columns: Iterable[str], origin: str) -> None:
    """Raise DataError where one of these columns writes a value in two ways that read alike."""
    for column in columns:
        cells = pd.Series(frame[column])
        if cells.dtype == object or isinstance(cells.dtype, pd.StringDtype):
            names.refuse_alike(pd.unique(cells.dropna()), f"column {column!r}{origin}")


def numbers(text: np.ndarray, column: str) -> np.ndarray:
    """Return float64[n] with NaN where text is '(missing)'; DataError for other words and infinities."""
    cells = text.copy()
    cells[text == MISSING] = None
    values = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    bad = np.isnan(values) & (text != MISSING)
    if bad.any():
        raise DataError(
            f"column {column!r} holds {bad.sum()} values that are no number, such as {text[bad][0]!r}",
            "numbers",
            "list it as categorical, or add the text to missing",
        )
    if np.isinf(values).any():
        raise DataError(
            f"column {column!r} holds {np.isinf(values).sum()} infinite values",
            "finite numbers",
            "mend them, or add their text to missing",
        )
    return values


def _text(cells: pd.Series, gone: set[str], *, raw: bool) -> np.ndarray:
    """Return one column as names, or as the text that it is."""
    codes, distinct = pd.factorize(cells, use_na_sentinel=False)
    words = [str(v).strip() if raw and isinstance(v, str) else name_of(v) for v in distinct]
    words = [MISSING if not word or word in gone else word for word in words]
    return np.asarray(np.array(words, object)[codes]) if words else np.zeros(0, object)


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    """Return a delimited file's cells as text, refusing ragged rows and repeated names."""
    data = files.read_bytes(path)
    header = _header(data, path, separator)
    if b"\n" not in data.strip():
        return pd.DataFrame(columns=header)
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(data),
            read_options=arrow_csv.ReadOptions(column_names=header, skip_rows=1),
            parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header, arrow.string()), strings_can_be_null=False
            ),
        )
    except arrow.ArrowInvalid as error:
        without_row = re.sub(r"(got \d+):.*", r"\1", str(error), flags=re.DOTALL)
        raise DataError(
            f"path={str(path)!r}: {without_row}", f"UTF-8 text with {len(header)} cells in every row"
        ) from error
    return table.to_pandas()


def _header(data: bytes, path: Path, separator: str) -> list[str]:
    """Return the names in a delimited file's first line."""
    try:
        line = data.partition(b"\n")[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"path={str(path)!r}: {error.reason}", "UTF-8 text") from error
    if not line.strip():
        raise DataError(f"path={str(path)!r} is empty or starts with a blank line", "a header line and rows")
    header = [name.strip() for name in next(csv.reader([line], delimiter=separator))]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"path={str(path)!r} has two columns named {repeated[0]!r}", "distinct names")
    return header


def _read_parquet(path: Path) -> pd.DataFrame:
    """Return a Parquet file's table."""
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"path={str(path)!r} is no Parquet file ({error})", "a whole Parquet file") from error
