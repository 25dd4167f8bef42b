"""Texts of none of the classes, from a file of their own -> a split `outside` of a dataset of texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from audit.data import files, frames, splits
from audit.data.texts import clean, plain
from audit.errors import DataError
from audit.names import MISSING
from audit.subject import Dataset, Split

NAME = "outside"
NO_CLASS = -1


def added(data: Dataset, path: str | Path, column: str, *, obtain: str = "", licence: str = "") -> Dataset:
    """Return the dataset with the file's distinct texts as the split `outside`, whose y is -1: no class.

    Texts that some split holds as well (but for case and blanks) are not outside: they are left out, and counted in
    a note. DataError for a file without the column, or without a text that is left.
    """
    assert data.tokens is not None
    found = files.find(path, obtain)
    frame = frames.read(found)
    if column not in frame.columns:
        raise DataError(
            f"{found.name}: column {column!r} is not there", f"one of {', '.join(map(str, frame.columns))}"
        )
    inside = {
        plain(str(one)) for split in data.splits.values() if split.text is not None for one in split.text
    }
    given = {plain(text): text for text in map(clean, frame[column].astype(str)) if text and text != MISSING}
    texts = np.array([text for key, text in given.items() if key not in inside], object)
    if not len(texts):
        raise DataError(f"{found.name}: no text that the data do not hold", "at least one outside text")
    digest = files.digest(found)
    split = Split(
        x=data.tokens.encode(texts.tolist()),
        y=np.full(len(texts), NO_CLASS, np.int32),
        id=splits.hash_ids(texts, f"{data.provenance.salt}{NAME}"),
        text=texts,
    )
    known = len(given) - len(texts)
    said = f"{len(texts)} texts outside the classes, of {found.name} (SHA-256 {digest[:16]}...)"
    said += f", licence {licence}" if licence else ""
    said += f"; {known} more are texts of the data" if known else ""
    notes = (*data.provenance.notes, said)
    return replace(
        data, splits={**data.splits, NAME: split}, provenance=replace(data.provenance, notes=notes)
    )
