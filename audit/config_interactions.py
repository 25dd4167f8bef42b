"""The data block of interactions: files of interactions, users and items, and what their columns are for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from audit.evidence import Frozen


class DelimitedFile(Frozen):
    """A delimited text file, gzipped or not."""

    path: str
    separator: str = Field(default=",", min_length=1, max_length=1)
    names: tuple[str, ...] = Field(default=(), description="the columns, where the file has no header line")
    encoding: str = "utf-8"


class InteractionColumns(Frozen):
    """What the columns of the interactions are for."""

    user: str = "user"
    item: str = "item"
    time: str = "time"
    rating: str | None = None


class UserFile(Frozen, coerce_numbers_to_str=True):
    """Who the users are: attributes that recommendations are compared by, one row a user."""

    file: DelimitedFile
    id: str
    sensitive: tuple[str, ...] = Field(min_length=1)
    bands: dict[str, tuple[float, ...]] = Field(default_factory=dict, description="edges of numeric groups")
    missing: tuple[str, ...] = ()


class ItemFile(Frozen):
    """What the items are: groups whose exposure is measured, one row an item."""

    file: DelimitedFile
    id: str
    columns: tuple[str, ...] = Field(default=(), description="attributes of one value an item (a provider)")
    flags: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="attribute: its 0/1 columns (genres)"
    )


class InteractionData(Frozen):
    """Interactions of users with items in time: each user's last liked items are held out."""

    source: Literal["interactions"]
    name: str = ""
    file: DelimitedFile
    columns: InteractionColumns = InteractionColumns()
    positive: float | None = Field(
        default=None, description="the lowest rating that counts as liked; null: every interaction does"
    )
    held_out: int = Field(
        default=1, ge=1, description="liked items held out a user for test, and for validation"
    )
    window: int = Field(default=50, ge=1, description="liked items a history shows at most, the latest")
    users: UserFile | None = None
    items: ItemFile | None = None
    obtain: str = ""
    licence: str = ""
    sha256: str | None = Field(default=None, description="expected digest of the files, refused if other")
