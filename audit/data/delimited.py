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
    """Return the file's cells as text; DataError for ragged rows, another number of columns or bad bytes."""
    path = str(file.path)
    content, width = files.read_bytes(file.path), len(file.names)
    quoting = csv.QUOTE_MINIMAL if file.separator == "," else csv.QUOTE_NONE
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            sep=file.separator,
            header=None if width else 0,
            dtype=str,
            keep_default_na=False,
            encoding=file.encoding,
            quoting=quoting,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError, LookupError) as error:
        expected = f"{file.encoding} text separated by {file.separator!r}, as many cells in every row"
        raise DataError(f"path={path!r}: {str(error).strip()}", expected) from error
    if width and table.shape[1] != width:
        raise DataError(
            f"path={path!r} has {table.shape[1]} columns separated by {file.separator!r}",
            f"{width}, as names says",
            "mend separator or names",
        )
    if table.isna().to_numpy().any():
        short = int(table.isna().any(axis=1).sum())
        raise DataError(f"path={path!r}: {short} rows lack cells", f"{table.shape[1]} cells in every row")
    if not len(table):
        raise DataError(f"path={path!r} holds no rows", "at least one row")
    if width:
        table.columns = list(file.names)
    return table
