"""Gradient times departure: the first-order explanation of each player (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import collect, in_batches


def gradient_times_departure(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: np.ndarray,
    reference: np.ndarray,
    *,
    groups: np.ndarray,
    margin: Callable[[Any], Any],
    column: np.ndarray,
    batch: int = 512,
    over: Callable[..., Any] = in_batches,
) -> np.ndarray:
    """Return values[n, players] of margin column[n]: gradient times (x - reference), summed over a player's inputs.

    Gradient x input (Shrikumar et al. 2016) with a reference[...] in the place of zero. It is exact for
    linear models and blind to what a step (a category's code) changes. groups as in `shapley`.
    """
    players = int(np.asarray(groups).max()) + 1
    shared = (params, reference, np.asarray(groups))
    return collect(over, _values(apply, margin, players), shared, (x, column), min(batch, len(x)))


@lru_cache(maxsize=32)
def _values(apply: Callable[..., Any], margin: Callable[..., Any], players: int) -> Callable[..., Any]:
    """Return f(shared, (x, column)) -> values[rows, players]."""

    def f(shared: Any, rows: Any) -> Any:
        params, reference, groups = shared
        x, column = rows

        def chosen(inputs: Any) -> Any:
            out = margin(apply(params, inputs))
            return jnp.take_along_axis(out, column[:, None], axis=1).sum()

        each = jax.grad(chosen)(x) * (x - reference[None])
        each = each.reshape(*each.shape[: 1 + groups.ndim], -1).sum(axis=-1).reshape(len(x), -1)
        return jax.vmap(lambda row: jax.ops.segment_sum(row, groups.reshape(-1), players))(each)

    return f
