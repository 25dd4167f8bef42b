"""Columns made of other columns before anything is read: declared, in order, and noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from audit.data import columns, frames
from audit.data.roles import Roles, require
from audit.errors import DataError
from audit.names import MISSING, name_of

Part = Literal["hour", "weekday", "month", "year", "date"]
WAYS = ("part", "map", "prefix", "within", "lag", "over")


@dataclass(frozen=True)
class Derived:
    """A new column made of the column `of` in one way; a missing value stays missing.

    part: the hour (0 to 23), weekday, month (1 to 12), year or date of a time. map: the value that each value
    becomes; `rest` is that of all others (none: they stay). prefix: the first so many characters. within: the
    number where it lies in this range, else missing. lag: the value so much earlier by columns.time (hours where
    times are dates, else in the times' own unit), missing where no row has that time. over: the value other
    than `blank` that any row with the same value of this column holds.
    """

    of: str
    part: Part | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    rest: str | None = None
    prefix: int | None = None
    within: tuple[float, float] | None = None
    lag: float | None = None
    over: str | None = None
    blank: str = ""

    @property
    def way(self) -> str:
        """Return the one way in which it is made; DataError where none or several are given."""
        given = [way for way in WAYS if getattr(self, way) not in (None, {})]
        if len(given) != 1:
            raise DataError(f"derive of {self.of!r} by {' and '.join(given) or 'nothing'}", f"one of {WAYS}")
        return given[0]


def add(
    frame: pd.DataFrame, test_frame: pd.DataFrame | None, derive: Mapping[str, Derived], roles: Roles
) -> tuple[pd.DataFrame, pd.DataFrame | None, tuple[str, ...]]:
    """Return both tables with the derived columns, in their order, and a remark for each that lost values."""
    if not derive:
        return frame, test_frame, ()
    parts = [frame] if test_frame is None else [frame, test_frame]
    for i, part in enumerate(parts):
        for one in derive:
            if one in part.columns:
                where = "test file" if i else "file"
                raise DataError(f"derive: {one!r} is a column of the {where}", "a new name", "rename it")
    whole = pd.concat(parts, ignore_index=True)
    notes = []
    for name, one in derive.items():
        values, lost = _made(whole, name, one, roles)
        whole = whole.assign(**{name: values})
        if lost:
            notes.append(f"{name}: {lost} rows have no value, {_why(one)}")
    n = len(frame)
    return whole.iloc[:n], None if test_frame is None else whole.iloc[n:].reset_index(drop=True), tuple(notes)


def sources(derive: Mapping[str, Derived]) -> set[str]:
    """Return the columns that others are made of."""
    return {column for one in derive.values() for column in (one.of, one.over) if column}


def _made(whole: pd.DataFrame, name: str, one: Derived, roles: Roles) -> tuple[np.ndarray, int]:
    """Return a derived column as text, '' where missing, and how many rows lost the value they had."""
    for column in (one.of, *([one.over] if one.over else [])):
        require(column, whole.columns, f"derive {name}: column")
    make = {"part": _part, "map": _map, "prefix": _prefix, "within": _within, "over": _over, "lag": _lag}
    text = frames.as_text(whole, [one.of], roles.missing, raw=True)[one.of]
    made = make[one.way](text, one, whole, roles)
    lost = made == MISSING if one.way == "lag" else (made == MISSING) & (text != MISSING)
    return np.where(made == MISSING, "", made), int(lost.sum())


def _why(one: Derived) -> str:
    """Return why a row has no value."""
    if one.within:
        return f"their {one.of} lies outside {one.within[0]:g} to {one.within[1]:g}"
    return f"no row's time is {one.lag:g} earlier" if one.lag else f"made of {one.of}"


def _known(text: np.ndarray, make: np.ndarray) -> np.ndarray:
    """Return what was made, missing where the text was."""
    return np.where(text == MISSING, MISSING, make).astype(object)


def _part(text: np.ndarray, one: Derived, whole: pd.DataFrame, roles: Roles) -> np.ndarray:
    """Return a part of each time."""
    known = text != MISSING
    found = columns.times(text[known], one.of)
    if found.dtype.kind != "M":
        raise DataError(f"derive {one.part} of {one.of!r}: plain numbers", "ISO 8601 times")
    moment = pd.DatetimeIndex(found)
    words = {
        "hour": lambda: moment.hour.astype(str),
        "weekday": lambda: moment.day_name(),
        "month": lambda: moment.month.astype(str),
        "year": lambda: moment.year.astype(str),
        "date": lambda: moment.strftime("%Y-%m-%d"),
    }
    made = np.full(len(text), MISSING, object)
    assert one.part is not None
    made[known] = np.asarray(words[one.part](), object)
    return made


def _map(text: np.ndarray, one: Derived, whole: pd.DataFrame, roles: Roles) -> np.ndarray:
    """Return each value's own; DataError where a mapped value is no value of the column."""
    met, of = set(text.tolist()), dict(one.map)
    for value in one.map:
        alike = [] if value in met else [other for other in met if name_of(other) == name_of(value)]
        if not alike:
            require(value, sorted(met), f"derive: value of {one.of}")
        of |= dict.fromkeys(alike, one.map[value])
    rest = one.rest
    return _known(text, np.array([of.get(v, v if rest is None else rest) for v in text], object))


def _prefix(text: np.ndarray, one: Derived, whole: pd.DataFrame, roles: Roles) -> np.ndarray:
    """Return the first characters of each value."""
    if one.prefix is None or one.prefix < 1:
        raise DataError(f"derive of {one.of!r}: prefix={one.prefix}", "1 character or more")
    return _known(text, np.array([v[: one.prefix] for v in text], object))


def _within(text: np.ndarray, one: Derived, whole: pd.DataFrame, roles: Roles) -> np.ndarray:
    """Return each number that lies in the range."""
    assert one.within is not None
    values, (low, high) = frames.numbers(text, one.of), one.within
    if not low < high:
        raise DataError(f"derive of {one.of!r}: within=({low}, {high})", "a low below a high")
    return np.where((values >= low) & (values <= high), text, MISSING).astype(object)


def _over(text: np.ndarray, one: Derived, whole: pd.DataFrame, roles: Roles) -> np.ndarray:
    """Return the value other than blank of all rows that share a column's value; DataError where two differ."""
    assert one.over is not None
    shared = frames.as_text(whole, [one.over], roles.missing)[one.over]
    told = (text != MISSING) & (text != one.blank)
    of: dict[str, str] = {}
    for key, value in sorted(set(zip(shared[told].tolist(), text[told].tolist(), strict=True))):
        if key in of:
            raise DataError(
                f"derive of {one.of!r}: {one.over}={key!r} holds {of[key]!r} and {value!r}", "one"
            )
        of[key] = value
    return np.array([of.get(key, own) for key, own in zip(shared, text, strict=True)], object)


def _lag(text: np.ndarray, one: Derived, whole: pd.DataFrame, roles: Roles) -> np.ndarray:
    """Return the number that a row had so much earlier; the mean where several rows have that time."""
    if roles.time is None or one.lag is None or one.lag <= 0:
        raise DataError(
            f"derive of {one.of!r}: lag={one.lag}", "a lag above 0 and a time column", "columns: time"
        )
    require(roles.time, whole.columns, "time column")
    when = columns.times(frames.as_text(whole, [roles.time], ())[roles.time], roles.time)
    step = np.timedelta64(round(one.lag * 3600), "s") if when.dtype.kind == "M" else one.lag
    values, (moments, place) = frames.numbers(text, one.of), np.unique(when, return_inverse=True)
    known, n = ~np.isnan(values), len(moments)
    total, count = np.bincount(place[known], values[known], n), np.bincount(place[known], minlength=n)
    mean = np.divide(total, count, out=np.full(n, np.nan), where=count > 0)
    at = np.minimum(np.searchsorted(moments, when - step), n - 1)
    earlier = np.where(moments[at] == when - step, mean[at], np.nan)
    return np.where(np.isnan(earlier), MISSING, [f"{v:.12g}" for v in earlier]).astype(object)
