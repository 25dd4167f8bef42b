"""What the columns of interaction files are for: users, items, ratings, times, and who users and items are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.data.delimited import Delimited
from audit.errors import DataError


@dataclass(frozen=True)
class UserRoles:
    """A file of users: its id column, the sensitive attributes, and edges that band numbers (as for tables)."""

    file: Delimited
    id: str
    sensitive: tuple[str, ...]
    bands: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class ItemRoles:
    """A file of items: its id column, attributes in one column each, and attributes in several 0/1 columns.

    columns: attributes with one value an item (a provider). flags: attribute -> its 0/1 columns (genres).
    """

    file: Delimited
    id: str
    columns: tuple[str, ...] = ()
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        both = sorted(set(self.columns) & set(self.flags))
        if both:
            raise DataError(f"items: {both[0]!r} is in columns and in flags", "one of the two")
        for attribute, columns in self.flags.items():
            if len(columns) < 2:
                raise DataError(f"items: flags {attribute}={list(columns)}", "two or more 0/1 columns")


@dataclass(frozen=True)
class InteractionRoles:
    """A file of interactions: who took what and when, and which of them count as liked.

    positive: the lowest rating that counts as liked; without it every interaction does. held_out: how many of a
    user's last liked items are held out for test, and as many before them for validation. window: how many liked
    items a history shows at most, the most recent ones.
    """

    file: Delimited
    user: str = "user"
    item: str = "item"
    time: str = "time"
    rating: str | None = None
    positive: float | None = None
    held_out: int = 1
    window: int = 50

    def __post_init__(self) -> None:
        if (self.rating is None) != (self.positive is None):
            raise DataError(
                f"rating={self.rating!r}, positive={self.positive}",
                "both, or neither",
                "positive is the lowest rating that counts as liked",
            )
        named = [column for column in (self.user, self.item, self.time, self.rating) if column]
        twice = [column for i, column in enumerate(named) if column in named[:i]]
        if twice:
            raise DataError(f"column={twice[0]!r} has two roles", "a column for each role")
        if self.held_out < 1 or self.window < 1:
            raise DataError(f"held_out={self.held_out}, window={self.window}", "1 or more")
