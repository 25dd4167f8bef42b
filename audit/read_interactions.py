"""Configuration to the dataset of interactions."""

from __future__ import annotations

from typing import Any

from audit.config import InteractionData, Loaded
from audit.config_interactions import DelimitedFile, ItemFile, UserFile
from audit.data import interactions
from audit.data.delimited import Delimited
from audit.data.interaction_roles import InteractionRoles, ItemRoles, UserRoles
from audit.subject import Dataset


def read(loaded: Loaded, data: InteractionData) -> Dataset:
    """Return the dataset of interactions, with what is known of users and items."""

    def file(given: DelimitedFile) -> Delimited:
        path = loaded.path(given.path, data.obtain)
        return Delimited(path, given.separator, given.names, given.encoding)

    def roles(kind: Any, given: UserFile | ItemFile | None) -> Any:
        return given and kind(**{**given.model_dump(exclude={"file"}), "file": file(given.file)})

    how = data.model_dump(include={"positive", "held_out", "window"})
    return interactions.load(
        data.name or loaded.config.name,
        InteractionRoles(file(data.file), **data.columns.model_dump(), **how),
        roles(UserRoles, data.users),
        roles(ItemRoles, data.items),
        seed=loaded.config.seed,
        obtain=data.obtain,
        licence=data.licence,
        sha256=data.sha256,
    )
