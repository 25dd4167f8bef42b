"""What arrays must be before they become splits; each function raises DataError or returns them ready."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit.data import names, splits
from audit.data.labels import numbered, refuse_one_class
from audit.errors import DataError, users_code
from audit.names import MISSING, name_of
from audit.subject import Feature, Modality, Split, Task, Tokens


def plain(split: Split, where: str) -> Split:
    """Return a split made of lists, arrays or pandas columns as arrays, its groups, ids and clusters as names.

    DataError where an attribute has not one value a row, or a cluster is missing.
    """
    x, n = split.x, len(split.y)
    cluster = None if split.cluster is None else names.of(split.cluster)
    if cluster is not None and (cluster == MISSING).any():
        gone = int((cluster == MISSING).sum())
        raise DataError(f"{where}: cluster lacks a value in {gone} rows", "one in every row")
    return Split(
        x={key: _array(value) for key, value in x.items()} if isinstance(x, Mapping) else _array(x),
        y=_array(split.y),
        id=names.of(split.id),
        groups=names.named(split.groups, n, f"{where}: groups"),
        cluster=cluster,
        weight=None if split.weight is None else _array(split.weight),
        time=None if split.time is None else np.asarray(split.time),
        legitimate=names.named(split.legitimate, n, f"{where}: legitimate"),
        text=None if split.text is None else np.asarray(split.text, object),
    )


def _array(values: Any) -> np.ndarray:
    """Return values of any kind as an array, a pandas column of numbers as numbers."""
    array = np.asarray(values)
    if array.dtype == object and array.ndim == 1:
        return pd.Series(array).infer_objects().to_numpy()
    return array


def refuse_lengths(split: Split, where: str) -> None:
    """Raise DataError where an array of the split has another number of rows than y."""
    n = len(split.y)
    for name, array in arrays_of(split).items():
        if array.ndim == 0 or len(array) != n:
            raise DataError(f"{where}: {name} has shape {array.shape}", f"{n} rows, as y has")


def refuse_values(split: Split, where: str) -> None:
    """Raise DataError where an input or weight is no finite number."""
    for name, array in arrays_of(split).items():
        if not (name == "x" or name.startswith("x[") or name == "weight"):
            continue
        if array.dtype.kind not in "fiub":
            raise DataError(f"{where}: {name} holds {array.dtype}", "numbers", "encode text as numbers first")
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise DataError(f"{where}: {name} holds {bad} NaN or infinite values", "finite numbers")
    if split.weight is not None and (split.weight < 0).any():
        raise DataError(f"{where}: weight holds negative values", "weights of 0 or more")


def refuse_labels(y: np.ndarray, task: Task, classes: int, where: str) -> None:
    """Raise DataError where y does not fit the task; `classes` is 0 where they are not named."""
    if task in ("regression", "ranking"):
        if y.ndim != 1 or y.dtype.kind not in "fiu" or not np.isfinite(y).all():
            raise DataError(f"{where}: y is {y.dtype}{list(y.shape)} for {task}", "finite numbers [n]")
        return
    wanted, most = {"multilabel": (2, 2), "binary": (1, 2)}.get(task, (1, classes or 2**31))
    if y.ndim != wanted or y.dtype.kind not in "iub":
        raise DataError(f"{where}: y is {y.dtype}{list(y.shape)} for {task}", f"whole numbers, {wanted}-d")
    if y.size and (y.min() < 0 or y.max() >= most):
        raise DataError(f"{where}: y from {y.min()} to {y.max()}", f"0 to {most - 1}", "mend y or classes")


def refuse_tokens(given: Mapping[str, Split], tokens: Tokens) -> None:
    """Raise DataError where a split's inputs are not what `tokens` makes of its texts."""
    for where, split in given.items():
        if split.text is None:
            raise DataError(f"{where}: no text", "the texts beside their tokens", "Split(..., text=texts)")
        with users_code("tokens.encode", DataError):
            same = np.asarray(tokens.encode([str(one) for one in split.text]))
        if same.shape != np.shape(split.x) or (same != split.x).any():
            raise DataError(
                f"{where}: x differs from what tokens.encode makes of text", "x = tokens.encode(text)"
            )
        if same.size and (same.min() < 0 or same.max() >= tokens.vocabulary):
            raise DataError(
                f"{where}: ids from {same.min()} to {same.max()}", f"0 to {tokens.vocabulary - 1}"
            )


def class_names(given: Mapping[str, Split], task: Task, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes' names, their numbers where none are given; refuses a train split of one class.

    A number below the largest that no row has is refused unless classes are declared.
    """
    classes = tuple(map(name_of, classes))
    if len(set(classes)) < len(classes):
        raise DataError(f"classes={classes[:6]}", "names that differ")
    if task in ("regression", "ranking"):
        if classes:
            raise DataError(f"classes={tuple(classes)} for {task}", "none: it has no classes")
        return ()
    largest = max((int(split.y.max()) for split in given.values() if split.y.size), default=0)
    found = {"binary": 2, "multilabel": given["test"].y.shape[-1]}.get(task, largest + 1)
    if classes and len(classes) != found and not (task == "multiclass" and len(classes) > found):
        raise DataError(f"{len(classes)} classes for {task}", f"{found}")
    if task != "multilabel":
        trains = "train" in given and len(given["train"]) > 0
        where, of = ("the train split", "train") if trains else ("the test split", "test")
        refuse_one_class(given[of].y, where)
    if task == "multiclass":
        return numbered([split.y for split in given.values()], classes)
    return tuple(classes) or tuple(map(str, range(found)))


def ready(split: Split, task: Task, salt: str, *, tokens: bool = False) -> Split:
    """Return the split with float32 inputs (tokens and a dict's whole numbers are int32) and hashed ids."""
    x = split.x
    numbers = task in ("regression", "ranking")
    return Split(
        x={key: _tensor(value) for key, value in x.items()}
        if isinstance(x, Mapping)
        else x.astype(np.int32 if tokens else np.float32),
        y=split.y.astype(np.float64 if numbers else np.int32),
        id=splits.hash_ids(split.id.astype(str), salt),
        groups=dict(split.groups),
        cluster=None if split.cluster is None else splits.hash_ids(split.cluster.astype(str), salt),
        weight=None if split.weight is None else split.weight.astype(np.float64),
        time=split.time,
        legitimate=dict(split.legitimate),
        text=None if split.text is None else split.text.astype(object),
    )


def described(made: Mapping[str, Split], features: Sequence[Feature]) -> tuple[Feature, ...]:
    """Return a table's features, x0, x1, ... with their range on train where none are given.

    A numeric one without a scale of its own has its deviation on train, or on the judged rows without training rows.
    """
    x = made["train"].x if len(made["train"]) else made["test"].x
    if isinstance(x, Mapping) or x.ndim != 2:
        if features:
            raise DataError(f"{len(features)} features", "none: only a table [n, d] has features")
        return ()
    if features and len(features) != x.shape[1]:
        raise DataError(f"{len(features)} features for x of {x.shape[1]} columns", "one a column")
    deviation = [float(c.std(dtype=np.float64)) for c in x.T]
    if features:
        own = zip(features, deviation, strict=True)
        return tuple(replace(f, scale=s) if f.kind == "numeric" and not scaled([f]) else f for f, s in own)
    return tuple(
        Feature(f"x{i}", low=float(c.min()), high=float(c.max()), scale=s)
        for i, (c, s) in enumerate(zip(x.T, deviation, strict=True))
    )


def scaled(features: Sequence[Feature]) -> bool:
    """Tell whether a numeric feature declares a scale: not 1, which stands for its deviation on train."""
    return any(f.kind == "numeric" and f.scale != 1 for f in features)


def modality_of(x: Any) -> Modality:
    """Return what x is by its shape: table [n, d] or image [n, h, w, c]; DataError where that says nothing."""
    if not isinstance(x, Mapping) and x.ndim in (2, 4):
        return "table" if x.ndim == 2 else "image"
    shape = sorted(x) if isinstance(x, Mapping) else x.shape
    raise DataError(f"modality not given, x={shape}", "table, image, text, series or interactions", "name it")


def content(given: Mapping[str, Split]) -> bytes:
    """Return digests of every row's id, inputs and label, sorted, so whatever the order of rows."""
    rows = []
    for split in given.values():
        parts = [split.id.astype(str), *(a for n, a in arrays_of(split).items() if n[0] in "xy")]
        for row in zip(*parts, strict=True):
            rows.append(hashlib.sha256(b"".join(np.asarray(cell).tobytes() for cell in row)).digest())
    return b"".join(sorted(rows))


def arrays_of(split: Split) -> dict[str, np.ndarray]:
    """Return every array of a split by a readable name."""
    x = split.x
    named = {f"x[{key!r}]": value for key, value in x.items()} if isinstance(x, Mapping) else {"x": x}
    named |= {"y": split.y, "id": split.id}
    named |= {f"groups[{key!r}]": value for key, value in split.groups.items()}
    named |= {f"legitimate[{key!r}]": value for key, value in split.legitimate.items()}
    single = {"cluster": split.cluster, "weight": split.weight, "time": split.time, "text": split.text}
    return named | {key: value for key, value in single.items() if value is not None}


def _tensor(values: np.ndarray) -> np.ndarray:
    """Return floats as float32 and whole numbers (tokens, item numbers) as int32."""
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int32)
