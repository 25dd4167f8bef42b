"""Arrays that users' code may read and not write: the rows that are judged are those that were handed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def read_only(tree: Any) -> Any:
    """Return an array, or a dictionary of arrays, as views that refuse to be written to; all else as it is."""
    if type(tree) is dict:  # another mapping may be more than its items
        return {key: read_only(value) for key, value in tree.items()}
    if not isinstance(tree, np.ndarray):
        return tree
    view = tree.view()
    view.flags.writeable = False
    return view


def owned(tree: Any, given: Any) -> Any:
    """Return an array, or a mapping of arrays, copied where it may share memory with what was given."""
    if isinstance(tree, Mapping):
        return {key: owned(value, given[key]) if key in given else value for key, value in tree.items()}
    if isinstance(tree, np.ndarray) and isinstance(given, np.ndarray) and np.may_share_memory(tree, given):
        return tree.copy()
    return tree
