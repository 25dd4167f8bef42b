"""Delimited files as text columns: any separator and encoding, with a header line or declared names."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from audit.data import files
from audit.errors import DataError


@dataclass(frozen=True)
class Delimited:
    """A delimited file (gzip or not); without names its first line is the header."""

    path: Path
    separator: str = ","
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"


def read(file: Delimited) -> pd.DataFrame:
    """Return the file's cells as text, '' where a row ends early.

    DataError for rows of more cells than the first, another number of columns than names, and bad bytes.
    """
    path = str(file.path)
    content, width = files.read_bytes(file.path), len(file.names)
    quoting = csv.QUOTE_MINIMAL if file.separator == "," else csv.QUOTE_NONE
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            sep=file.separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            encoding=file.encoding,
            quoting=quoting,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError, LookupError) as error:
        expected = (
            f"{file.encoding} text separated by {file.separator!r}, no row of more cells than the first"
        )
        raise DataError(f"path={path!r}: {str(error).strip()}", expected) from error
    if width and table.shape[1] != width:
        raise DataError(
            f"path={path!r} has {table.shape[1]} columns separated by {file.separator!r}",
            f"{width}, as names says",
            "mend separator or names",
        )
    names = file.names or tuple(str(name).strip() for name in table.iloc[0])
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"path={path!r} has two columns named {repeated[0]!r}", "distinct names")
    rows = table if width else table.iloc[1:].reset_index(drop=True)
    if not len(rows):
        raise DataError(f"path={path!r} holds no rows", "at least one row")
    return rows.set_axis(list(names), axis=1)
