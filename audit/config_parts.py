"""Parts of a configuration's data block: columns made of others, arrays beside images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from audit.evidence import Frozen


class DerivedColumn(Frozen, coerce_numbers_to_str=True):
    """A new column made of another one, in exactly one way."""

    of: str
    part: Literal["hour", "weekday", "month", "year", "date"] | None = Field(
        default=None, description="that part of a time"
    )
    map: dict[str, str] = Field(default_factory=dict, description="the value that each value becomes")
    rest: str | None = Field(default=None, description="map: what every other value becomes; null: it stays")
    prefix: int | None = Field(default=None, ge=1, description="so many first characters")
    within: tuple[float, float] | None = Field(
        default=None, description="the number where it lies in this range, else missing"
    )
    lag: float | None = Field(
        default=None, gt=0, description="the value so much earlier: hours, or the unit of a numeric time"
    )
    over: str | None = Field(
        default=None, description="the value other than blank of any row with the same value of this column"
    )
    blank: str = Field(default="", description="over: the value that stands for none")


class ImageArrays(Frozen):
    """Names of further arrays in an NPZ file; NAME stands for NAME_train and NAME_test where those are there."""

    classes: str | None = Field(default=None, description="the classes' names, in the order of the labels")
    cluster: str | None = Field(default=None, description="what images share: a track, a patient, a camera")
    groups: dict[str, str] = Field(
        default_factory=dict,
        description="attribute: array of texts or numbers; of several a row the smallest",
    )
    bands: dict[str, tuple[float, ...]] = Field(
        default_factory=dict, description="edges that turn an attribute's numbers into groups"
    )
