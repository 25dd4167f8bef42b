"""Two towers: a user's recent items averaged and transformed, against every item's own embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from models.histories import Items, check_whole, without_gaps
from models.network import check_rate


@dataclass(frozen=True)
class TwoTowerOptions:
    """Options of `two_tower`: the embeddings' width, hidden units of the user's tower, the dropout rate."""

    width: int = 64
    hidden: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_whole(width=self.width, hidden=self.hidden)
        check_rate("dropout", self.dropout)


class TwoTower(nnx.Module):
    """Scores[n, items]: the inner product of a user's state with each item (Covington, Adams and Sargin 2016).

    A user's state is the mean of the history's embeddings, recent ones weighing more by a learned rate, through
    one hidden layer beside it. In training every step of the history has a state and scores[n, steps, items].
    """

    def __init__(self, items: int, options: TwoTowerOptions, *, rngs: nnx.Rngs) -> None:
        self.items = Items(items, options.width, rngs=rngs)
        self.decay = nnx.Param(jnp.full((), -2.0))
        self.hidden = nnx.Linear(options.width, options.hidden, rngs=rngs)
        self.back = nnx.Linear(options.hidden, options.width, rngs=rngs)
        self.norm = nnx.LayerNorm(options.width, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)

    def __call__(self, x: Any) -> jax.Array:
        """Return scores of every item after x["history"][n, steps], in training after each of its steps."""
        history = without_gaps(x["history"])
        mean = self._means(history)
        if self.dropout.deterministic:
            mean = mean[:, -1]
        mean = self.dropout(mean)
        state = mean + self.back(self.dropout(nnx.relu(self.hidden(mean))))
        return self.items.scores(self.norm(state))

    def _means(self, history: jax.Array) -> jax.Array:
        """Return the weighted mean[n, steps, width] of the items up to each step; 0 where there is none."""
        steps = history.shape[1]
        age = jnp.arange(steps)[:, None] - jnp.arange(steps)[None]
        weight = jnp.where(age >= 0, jnp.exp(-nnx.softplus(self.decay[...]) * jnp.maximum(age, 0)), 0.0)
        real = (history > 0).astype(weight.dtype)
        total = jnp.einsum("ts,nsd->ntd", weight, self.items(history))
        return total / jnp.maximum(jnp.einsum("ts,ns->nt", weight, real), 1e-9)[:, :, None]
