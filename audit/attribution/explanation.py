"""Attributions as shap's own type, so that every shap plot draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.attribution.paths import Gradients
from audit.attribution.shapley import Attribution


def as_explanation(
    attribution: Attribution | Gradients,
    data: np.ndarray,
    names: Sequence[str] | None = None,
    *,
    groups: np.ndarray | None = None,
) -> Any:
    """Return a shap.Explanation of values[n, ...] (a last axis for several outputs) on data[n, ...].

    Of Shapley values, or of gradients with respect to one array. For a table, names are the players'. For images
    explained by players pass `groups`, their map: each player's value is spread evenly over its inputs (pixels
    and channels), so that an example's sum stays the same.
    """
    import shap  # seconds to import, so only here

    values = attribution.values if groups is None else _spread(attribution.values, np.asarray(groups), data)
    base = np.broadcast_to(attribution.base, attribution.outputs.shape)
    if values.shape[-1] == 1:
        values, base = values[..., 0], base[..., 0]
    return shap.Explanation(
        values=values, base_values=base, data=data, feature_names=None if names is None else list(names)
    )


def _spread(values: np.ndarray, groups: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Return values[n, *example, outputs]: each player's share divided evenly among its inputs."""
    depth = int(np.prod(data.shape[1 + groups.ndim :]))
    each = values / (np.bincount(groups.ravel()) * depth)[:, None]
    spread = each[:, groups].reshape(len(values), *groups.shape, *(1,) * (data.ndim - 1 - groups.ndim), -1)
    return np.broadcast_to(spread, (*data.shape, values.shape[-1]))
