"""The nearest input with another decision, for many rows of a table at once (JAX).

Wachter, Mittelstadt and Russell (2018): the smallest change after which the model decides otherwise; with
what cannot change, ranges, directions and categories kept (as Mothilal et al. 2020 and Pawelczyk et al. 2020
ask for). A gradient says nothing of a category's code, so categories, and numbers besides, are tried value by
value; gradient steps then trade one number for another, and what is not needed is given back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import collect, in_batches, items_per_batch
from audit.attribution.moves import Ground, walk
from audit.attribution.pull import HALVINGS, descend, give_back, pull
from audit.attribution.recourse import Space, cost

INSIDE = 1e-4  # log-odds past the boundary that count as turned: more than single precision loses
INPUTS = 2**14  # inputs run through the model at a time


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """What the search found: found[n], x[n, d] (the row itself where nothing was found), distance[n].

    changed[n, d] says which features differ, evaluations[n] on how many inputs the model was run (a gradient
    counts as two). A distance is that of the nearest one found: there may be a nearer one, and where none
    was found there may be one.
    """

    found: np.ndarray
    x: np.ndarray
    distance: np.ndarray
    changed: np.ndarray
    evaluations: np.ndarray


def counterfactuals(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: np.ndarray,
    space: Space,
    *,
    toward: Callable[[Any], Any],
    starts: int = 4,
    rounds: int = 12,
    steps: int = 60,
    over: Callable[..., Any] | None = None,
) -> Counterfactuals:
    """Return the nearest rows found that are decided otherwise, for x[n, d] within the space.

    toward(outputs[rows, k]) -> margin[rows] is above 0 where the decision is the one wanted. Each row is
    searched from `starts` starts: by single changes beginning with the best feature, the second best and so
    on, the last by gradient alone (with two or more). A row's result does not depend on the others. What is
    returned obeys the space bit for bit and was turned when the search met it; decide anew with the model
    itself before relying on it. Raises ValueError for empty or ill-shaped inputs.
    """
    x = np.asarray(x, np.float32)
    if x.ndim != 2 or not len(x) or x.shape[1] != len(space.values):
        raise ValueError(f"x{x.shape}: expected at least one row of {len(space.values)} features")
    feature, value = space.moves()
    if not len(feature):
        return _nothing(x)
    ranks = np.array([0] if starts < 2 else [*range(starts - 1), -1], np.int32)
    low, high = space.ends(x)
    rows = tuple(np.repeat(a, len(ranks), axis=0) for a in (x, low, high)) + (np.tile(ranks, len(x)),)
    ground = Ground(np.asarray(space.numeric, bool), space.weight, feature, value)
    f = _search(apply, toward, rounds, steps)
    batch = items_per_batch(INPUTS, len(feature), len(rows[0]))
    found = collect(over or in_batches, f, (params, ground), rows, batch)
    return _nearest(x, space, *(a.reshape(len(x), len(ranks), *a.shape[1:]) for a in found))


@lru_cache(maxsize=32)
def _search(
    apply: Callable[..., Any], toward: Callable[[Any], Any], rounds: int, steps: int
) -> Callable[..., Any]:
    """Return f(shared, rows) -> (row, price, evaluations) of each start, the same object for the same functions."""

    def f(shared: Any, rows: Any) -> tuple[Any, Any, Any]:
        params, ground = shared
        x, low, high, rank = rows
        ground = Ground(*(jnp.asarray(a) for a in ground))

        def margin(z: Any) -> Any:
            return toward(apply(params, z)) - INSIDE

        there = walk(margin, ground, x, (low, high), rank, rounds)
        start = jnp.where(jnp.isfinite(there.price)[:, None], there.best, there.now)
        nearest = descend(margin, ground, x, (low, high), pull(margin, ground, x, start), steps)
        nearest = pull(margin, ground, x, give_back(margin, ground, x, nearest))
        price = cost(ground.numeric, ground.weight, x, nearest)
        tried = there.tried + 2 * steps + x.shape[1] * (1 + 2 * HALVINGS) + 8
        return nearest, jnp.where(margin(nearest) >= 0, price, jnp.inf), tried

    return f


def _nearest(
    x: np.ndarray, space: Space, new: np.ndarray, price: np.ndarray, tried: np.ndarray
) -> Counterfactuals:
    """Return each row's nearest of its starts."""
    best = price.argmin(axis=1)
    found = np.isfinite(price.min(axis=1))
    nearest = np.where(found[:, None], new[np.arange(len(x)), best], x).astype(np.float32)
    distance = np.where(found, space.distance(x, nearest), np.inf)
    return Counterfactuals(found, nearest, distance, nearest != x, tried.sum(axis=1))


def _nothing(x: np.ndarray) -> Counterfactuals:
    """Return that nothing was found, for a table in which nothing may change."""
    n = len(x)
    return Counterfactuals(
        np.zeros(n, bool), x, np.full(n, np.inf), np.zeros(x.shape, bool), np.zeros(n, int)
    )
