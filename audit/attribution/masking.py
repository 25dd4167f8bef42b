"""Examples with some players' inputs replaced by those of other rows, and what a model says of them (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import collect, in_batches, items_per_batch


@jax.jit
def mix(member: Any, groups: Any, x: Any, z: Any) -> Any:
    """Return x[c, ...] where member[c, s, players] holds an input's owner, z[c or 1, s or 1, ...] elsewhere.

    An input of group -1 is no player's and keeps x's own value.
    """
    mask = member[:, :, groups] | (jnp.asarray(groups) < 0)[None, None]
    mask = mask.reshape(mask.shape + (1,) * (x.ndim + 1 - mask.ndim))
    mixed = jnp.where(mask, x[:, None], z)
    return mixed.reshape((-1, *mixed.shape[2:]))


@dataclass(frozen=True, eq=False)
class Masking:
    """Examples x[n, ...], the rows pool[b, ...] of which fills[n, m] stand in for an example's missing players.

    groups maps an example's inputs to players 0, 1, ... as in `shapley`; batch counts model evaluations.
    """

    apply: Callable[[Any, Any], Any]
    params: Any
    x: np.ndarray
    pool: np.ndarray
    fills: np.ndarray
    groups: np.ndarray
    batch: int = 2048
    over: Callable[..., Any] = in_batches


def masked(masking: Masking, member: np.ndarray, outcome: Callable[[Any], Any]) -> np.ndarray:
    """Return outcome(apply(params, .))[n, k, outputs] with the players of member[n, k, players] kept.

    All others come from the example's own rows of the pool, over which the outcome is averaged: n k m
    evaluations. Pass the same `outcome` object to reuse compiled code.
    """
    n, k, players = member.shape
    example = np.repeat(np.arange(n), k)
    shared = (masking.params, masking.x, masking.pool, masking.fills, masking.groups)
    batch = items_per_batch(masking.batch, masking.fills.shape[1], n * k)
    f = _outcomes(masking.apply, outcome)
    found = collect(masking.over, f, shared, (example, member.reshape(n * k, players)), batch)
    return found.reshape(n, k, -1)


@lru_cache(maxsize=32)
def _outcomes(apply: Callable[..., Any], outcome: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(shared, (example, member)) -> outcome[rows, outputs], the mean over the example's fills."""

    def f(shared: Any, rows: Any) -> Any:
        params, x, pool, fills, groups = shared
        example, member = rows
        z = jnp.asarray(pool)[jnp.asarray(fills)[example]]
        everywhere = jnp.repeat(jnp.asarray(member)[:, None], z.shape[1], axis=1)
        out = outcome(apply(params, mix(everywhere, groups, jnp.asarray(x)[example], z)))
        return out.reshape(len(member), z.shape[1], -1).mean(axis=1)

    return f
