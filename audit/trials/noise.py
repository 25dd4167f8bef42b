"""Random noise in a table's features, and features that fall out: inputs that differ from the rows' own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.metrics.robustness import movable_scale
from audit.stats.bootstrap import keys, mixed
from audit.subject import Dataset, Feature, Split
from audit.subject_unit import eps_scale


def noisy(data: Dataset, split: Split, size: float, draw: int, seed: int) -> np.ndarray:
    """Return x[n, d] with normal noise of `size` of eps's unit in every mutable numeric feature, within the bounds.

    A row's noise is a function of its id, the feature's name, the draw and the seed alone. Features that are
    fixed, categorical or constant keep their values.
    """
    x, row, scale = np.array(split.x, np.float32), keys(split.id), scales(data)
    for j, feature in enumerate(data.features):
        if scale[j] > 0:
            z = _normal(row, f"{seed}:{draw}:{feature.name}")
            low, high = _ends(data, j)
            x[:, j] = np.clip(x[:, j] + size * scale[j] * z, low, high)
    return x


def scales(data: Dataset) -> np.ndarray:
    """Return how far noise of size 1 moves each feature[d] of a table: 0 where it may not move."""
    return movable_scale(eps_scale(data), data.columns, (len(data.columns),))[: len(data.features)]


def usual(train: Split, feature: Feature, j: int) -> float:
    """Return what stands in for a value that is not there: the train rows' median, or commonest category."""
    column = np.asarray(train.x)[:, j]
    if feature.kind == "numeric":
        return float(np.median(column))
    codes, counts = np.unique(column, return_counts=True)
    return float(codes[counts.argmax()])


def previous(split: Split, j: int, otherwise: float) -> np.ndarray:
    """Return the feature's value[n] of the latest row strictly before each in time; `otherwise` where none is.

    Of several rows of one time, the one with the smallest id counts.
    """
    assert split.time is not None
    order = np.lexsort((split.id, split.time))
    moments, first = np.unique(split.time[order], return_index=True)
    values = np.concatenate([[otherwise], np.asarray(split.x)[order[first], j]])
    return values[np.searchsorted(moments, split.time)].astype(np.float32)


def without(x: np.ndarray, j: int, values: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """Return x[n, d] with feature j replaced."""
    out = np.array(x, np.float32)
    out[:, j] = values
    return out


def _ends(data: Dataset, j: int) -> tuple[float, float]:
    """Return the lowest and highest value that feature j may take."""
    feature = data.features[j]
    if data.low is not None and data.high is not None:
        shape = (len(data.columns),)
        return (
            float(np.broadcast_to(data.low, shape)[j]),
            float(np.broadcast_to(data.high, shape)[j]),
        )
    low = -np.inf if feature.low is None else feature.low
    return low, np.inf if feature.high is None else feature.high


def _key(text: str) -> np.uint64:
    """Return a 64-bit key of a text."""
    return keys([text])[0]


def _normal(row: np.ndarray, stream: str) -> np.ndarray:
    """Return a standard normal number for each row key[n] in a stream (Box and Muller 1958)."""
    radius, turn = (_uniform(row, f"{stream}:{part}") for part in ("radius", "turn"))
    return np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * turn)


def _uniform(row: np.ndarray, stream: str) -> np.ndarray:
    """Return a number in (0, 1] for each row key[n] in a stream."""
    word = mixed(mixed(row ^ _key(stream)))
    return ((word >> np.uint64(11)).astype(np.float64) + 1) * 2.0**-53
