"""Text columns as model inputs and as groups; whatever is fitted is fitted on train rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.data.frames import numbers
from audit.data.roles import Roles
from audit.errors import DataError
from audit.names import MISSING
from audit.subject import Feature


@dataclass(frozen=True, eq=False)
class Inputs:
    """x[n, d] float32 with its features, bounds and scales[d], and remarks."""

    x: np.ndarray
    features: tuple[Feature, ...]
    low: np.ndarray
    high: np.ndarray
    scale: np.ndarray
    notes: tuple[str, ...] = ()


def encode(
    numeric: Mapping[str, np.ndarray],
    categorical: Mapping[str, np.ndarray],
    roles: Roles,
    train: np.ndarray,
    rows_of: str = "train",
) -> Inputs:
    """Return the inputs: numeric columns in their own units, then the codes of categorical ones.

    A category's code is 1 + its index in Feature.categories, which lists the values seen in train; 0 stands
    for every other. low and high hold every row, so that no clean input lies outside them; a categorical, immutable
    or constant column has scale 0, which means that no attack moves it. rows_of: what the rows of `train` are called
    ('judged' where there are no training rows).
    """
    filled, notes = _fill(numeric, train, rows_of)
    features = [_numeric(name, column, roles, train) for name, column in filled.items()]
    columns = list(filled.values())
    for name, text in categorical.items():
        feature, codes = _categorical(name, text, roles, train)
        features.append(feature)
        columns.append(codes)
        if not codes.all():
            notes.append(f"{name}: {int((codes == 0).sum())} rows hold a value that train does not")
    x = np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(train), 0), np.float32)
    if not np.isfinite(x).all():
        name = features[int(np.argmin(np.isfinite(x).all(axis=0)))].name
        raise DataError(f"column {name!r} exceeds float32", "magnitudes below 3e38", "use a larger unit")
    where = "train" if rows_of == "train" else "the judged rows"
    notes += [f"{f.name} is constant in {where}" for f in features if f.kind == "numeric" and f.scale == 0]
    scale = [f.scale if f.mutable and f.kind == "numeric" else 0.0 for f in features]
    low, high = _bounds(features, x)
    return Inputs(x, tuple(features), low, high, np.array(scale, np.float32), tuple(notes))


def refuse_unseen(
    categorical: Mapping[str, np.ndarray], features: tuple[Feature, ...], test: np.ndarray
) -> None:
    """Raise DataError where no test row of its own file holds a value of a column that the training rows hold."""
    for feature in features:
        if feature.kind != "categorical":
            continue
        known = set(feature.categories) - {MISSING}
        met = set(categorical[feature.name][test].tolist()) - {MISSING}
        if known and met and not known & met:
            raise DataError(
                f"column {feature.name!r}: {_some(met)} in the test file, {_some(known)} in training",
                "values that both files hold",
                "write them one way in both files, or derive one from the other",
            )


def _some(values: set[str]) -> str:
    """Return a few of the values, quoted."""
    first = sorted(values)[:3]
    return ", ".join(map(repr, first)) + (f" and {len(values) - 3} more" if len(values) > 3 else "")


def coded(
    numeric: Mapping[str, np.ndarray],
    categorical: Mapping[str, np.ndarray],
    features: Sequence[Feature],
    n: int,
) -> np.ndarray:
    """Return x[n, d] of further rows, their categories numbered as the features number them."""
    columns = list(numeric.values())
    for name, text in categorical.items():
        known = next(f.categories for f in features if f.name == name)
        code = {category: i + 1 for i, category in enumerate(known)}
        columns.append(np.array([code.get(value, 0) for value in text.tolist()], np.float64))
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((n, 0), np.float32)


def groups(text: np.ndarray, column: str, roles: Roles) -> np.ndarray:
    """Return the group[n] of each row as text: the column's value, or the band its number lies in."""
    if column not in roles.bands:
        return text.astype(str)
    values, edges = numbers(text, column), roles.bands[column]
    known = values[~np.isnan(values)]
    whole = all(edge == round(edge) for edge in edges) and bool((known == known.round()).all())
    names = np.array([*band_names(edges, whole), MISSING])
    return names[np.where(np.isnan(values), len(edges) + 1, np.digitize(values, edges))]


def band_names(edges: tuple[float, ...], whole: bool) -> list[str]:
    """Return the bands' names: 'under 40', '40 to 59' ('40 to under 60' unless whole), '60 and over'."""
    shown = [f"{edge:.15g}" for edge in edges]
    ends = [f"{edge - 1:.15g}" if whole else f"under {edge:.15g}" for edge in edges]
    middle = [f"{a} to {b}" if a != b else a for a, b in zip(shown, ends[1:], strict=False)]
    return [f"under {shown[0]}", *middle, f"{shown[-1]} and over"]


def _fill(
    numeric: Mapping[str, np.ndarray], train: np.ndarray, rows_of: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the columns with NaN replaced by the train (or judged) median, and a remark for each such column."""
    filled, notes = dict(numeric), []
    for name, column in numeric.items():
        gone = np.isnan(column)
        if not gone.any():
            continue
        if gone[train].all():
            raise DataError(
                f"column {name!r} has no value in the {rows_of} rows", "some to take a median of", "drop it"
            )
        median = float(np.median(column[train & ~gone]))
        filled[name] = np.where(gone, median, column)
        notes.append(f"{name}: {int(gone.sum())} missing values became the {rows_of} median {median:.6g}")
    return filled, notes


def _numeric(name: str, column: np.ndarray, roles: Roles, train: np.ndarray) -> Feature:
    """Return a numeric column's facts: declared range, else that of train; standard deviation on train."""
    low, high = map(float, roles.ranges.get(name, (column[train].min(), column[train].max())))
    outside = int(((column < low) | (column > high)).sum())
    if name in roles.ranges and outside:
        raise DataError(
            f"column {name!r} has {outside} values outside its range {low:g} to {high:g}",
            "every value inside",
            "widen the range or mend the values",
        )
    mutable = name not in roles.immutable
    return Feature(name, "numeric", roles.units.get(name, ""), low, high, float(column[train].std()), mutable)


def _categorical(name: str, text: np.ndarray, roles: Roles, train: np.ndarray) -> tuple[Feature, np.ndarray]:
    """Return a categorical column's facts and its codes[n]; 0 is a value not seen in train."""
    categories = tuple(sorted(set(text[train].tolist())))
    code = {category: i + 1 for i, category in enumerate(categories)}
    codes = np.array([code.get(value, 0) for value in text.tolist()], np.float64)
    mutable = name not in roles.immutable
    return Feature(name, "categorical", mutable=mutable, categories=categories), codes


def _bounds(features: list[Feature], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return low[d] and high[d]: a category's codes, else the feature's range widened to every row."""
    low = [0.0 if f.low is None else min(f.low, x[:, i].min()) for i, f in enumerate(features)]
    high = [
        float(len(f.categories)) if f.high is None else max(f.high, x[:, i].max())
        for i, f in enumerate(features)
    ]
    return np.array(low, np.float32), np.array(high, np.float32)


def weights(text: np.ndarray, column: str) -> np.ndarray:
    """Return the row weights[n]; DataError where one is negative or all are 0."""
    values = numbers(text, column)
    if (values < 0).any() or not values.any():
        raise DataError(f"weight column {column!r} holds negative values or only 0", "weights of 0 or more")
    return values


def times(text: np.ndarray, column: str) -> np.ndarray:
    """Return the times[n]: float64 where all are numbers, else datetime64[s] (UTC) of ISO 8601 texts."""
    values = np.asarray(pd.to_numeric(text, errors="coerce"), np.float64)
    if np.isfinite(values).all():
        return values
    moments = pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce"))
    bad = np.asarray(moments.isna())
    if bad.any():
        raise DataError(
            f"time column {column!r} holds {text[bad][0]!r}", "numbers, or ISO 8601 such as 2024-05-31T12:00"
        )
    return np.asarray(moments.tz_localize(None), "datetime64[s]")
