"""Which checks' options are refused once the data are read, before anything is trained."""

from __future__ import annotations

from audit.config import Loaded
from audit.registry import find
from audit.subject import Dataset


def refuse(loaded: Loaded, data: Dataset) -> None:
    """Raise ConfigError for a check whose options name what the data do not have; one for other tasks is not asked."""
    for name, options in loaded.options.items():
        check = find(name)
        if data.task in check.tasks:
            check.refuse(options, data)
