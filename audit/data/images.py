"""Images with class labels, in IDX or NPZ files -> Dataset of float32 NHWC in [0, 1]."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audit.data import files
from audit.data.image_arrays import Arrays, beside, class_names
from audit.data.pixels import Beside, from_images
from audit.data.roles import SplitPlan
from audit.errors import DataError
from audit.subject import Dataset

_UINT8 = 0x08  # the IDX type code of unsigned bytes


def load(
    name: str,
    path: str | Path | None,
    labels: str | Path | None,
    test: str | Path | None,
    test_labels: str | Path | None,
    classes: Sequence[str],
    plan: SplitPlan,
    *,
    obtain: str = "",
    licence: str = "",
    favourable: str | None = None,
    arrays: Arrays | None = None,
    sha256: str | None = None,
) -> Dataset:
    """Return the dataset in IDX files (images and labels apart; gzip or not) or in NPZ files.

    An NPZ file holds x and y, or x_train, y_train, x_test, y_test. Without test rows of their own the plan
    draws them. `arrays` names what else an NPZ file holds. `sha256` is the expected `files.digest` of the files
    in the order given. Without `path` the images of `test` are all there are.
    """
    alone = "test" if path is None else "train"
    if path is None:
        path, labels, test, test_labels = test, test_labels, None, None
    named = (path, labels, test, test_labels)
    found = [None if one is None else files.find(one, obtain) for one in named]
    paths = [one for one in found if one is not None]
    files.refuse_same(found[0], found[2])
    digest, source = files.digest(*paths), ", ".join(one.name for one in paths)
    files.verify(digest, sha256, source)
    (x, y), held = _pair(found[0], found[1], alone), None
    if found[2] is not None:
        held = _pair(found[2], found[3], "test")
    elif found[1] is None and alone == "train":
        whole = files.read_npz(paths[0])
        held = (whole["x_test"], whole["y_test"]) if {"x_test", "y_test"} <= set(whole) else None
    further: dict[str, Beside] = {}
    if arrays is not None:
        stored = {"data": found[0], "test": (found[2] or found[0]) if held is not None else None}
        further = beside(
            arrays, {origin: one for origin, one in stored.items() if one is not None}, alone=alone
        )
        classes = classes or class_names(arrays, paths[0])
    return from_images(
        name, x, y, held, classes, plan, source=source, licence=licence, sha256=digest, favourable=favourable,
        beside=further,
    )  # fmt: skip


def read_idx(path: Path) -> np.ndarray:
    """Return the array in an IDX file of unsigned bytes (gzip or not); DataError where it is something else."""
    data = files.read_bytes(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UINT8 or len(data) < 4 + 4 * data[3]:
        raise DataError(
            f"path={str(path)!r} is no IDX file", "IDX of unsigned bytes, or a name ending in .npz"
        )
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if values.size != np.prod(shape, dtype=np.int64):
        raise DataError(
            f"path={str(path)!r} holds {values.size} values", f"{shape}, as its header says", "fetch it again"
        )
    return values.reshape(shape)


def _pair(path: Path | None, labels: Path | None, origin: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of one file or of two."""
    if path is None:
        raise DataError(f"no {origin} images", "a file")
    if path.suffix.lower() == ".npz":
        arrays = files.read_npz(path)
        for x, y in ((f"x_{origin}", f"y_{origin}"), ("x", "y")):
            if x in arrays and y in arrays:
                return arrays[x], arrays[y]
        raise DataError(
            f"path={str(path)!r} holds {sorted(arrays)}", f"x_{origin} and y_{origin}, or x and y"
        )
    if labels is None:
        raise DataError(f"path={str(path)!r} without its labels", "an IDX file of labels", "name it")
    return read_idx(path), read_idx(labels)
