"""A small causal transformer over a history of items, after SASRec (Kang and McAuley 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from models.histories import Items, check_whole, without_gaps
from models.network import check_rate, problem


@dataclass(frozen=True)
class SequentialOptions:
    """Options of `sequential`: embeddings' width, attention heads, blocks, the dropout rate."""

    width: int = 64
    heads: int = 2
    blocks: int = 2
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_whole(width=self.width, heads=self.heads, blocks=self.blocks)
        check_rate("dropout", self.dropout)
        if self.width % self.heads:
            raise problem(
                f"width={self.width}, heads={self.heads}", "a width that the heads divide", "mend one"
            )


class Block(nnx.Module):
    """Causal self-attention that knows distances, and a hidden layer, each added to its normed input."""

    def __init__(self, steps: int, options: SequentialOptions, *, rngs: nnx.Rngs) -> None:
        width = options.width
        self.heads = options.heads
        self.project = nnx.Linear(width, 3 * width, rngs=rngs)
        self.merge = nnx.Linear(width, width, rngs=rngs)
        self.distance = nnx.Param(jnp.zeros((options.heads, steps)))
        self.first, self.second = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
        self.hidden = nnx.Linear(width, 2 * width, rngs=rngs)
        self.back = nnx.Linear(2 * width, width, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)

    def __call__(self, h: jax.Array, real: jax.Array) -> jax.Array:
        """Return states[n, steps, width] of h, where step t heeds the real[n, steps] steps up to t."""
        h = h + self.dropout(self.merge(self._attend(self.first(h), real)))
        return h + self.dropout(self.back(nnx.relu(self.hidden(self.second(h)))))

    def _attend(self, h: jax.Array, real: jax.Array) -> jax.Array:
        """Return what each step takes from the steps up to it, [n, steps, width]."""
        n, steps, width = h.shape
        parts = self.project(h).reshape(n, steps, 3, self.heads, width // self.heads)
        query, key, value = (parts[:, :, i] for i in range(3))
        age = jnp.arange(steps)[:, None] - jnp.arange(steps)[None]
        near = self.distance[...][:, jnp.maximum(age, 0)]
        logits = jnp.einsum("nthd,nshd->nhts", query, key) / jnp.sqrt(width // self.heads) + near[None]
        allowed = (age >= 0)[None, None] & (real[:, None, None] | (age == 0)[None, None])
        share = nnx.softmax(jnp.where(allowed, logits, -1e9), axis=-1)
        return jnp.einsum("nhts,nshd->nthd", share, value).reshape(n, steps, width)


class Sequential(nnx.Module):
    """Scores[n, items] of what comes after a history; in training scores[n, steps, items] after each step.

    SASRec with distances in the place of absolute positions, so that a step means the same wherever the history is
    cut, and with the softmax over all items as its loss (Klenitskiy and Vasilev 2023), not sampled negatives.
    """

    def __init__(self, steps: int, items: int, options: SequentialOptions, *, rngs: nnx.Rngs) -> None:
        self.items = Items(items, options.width, rngs=rngs)
        self.blocks = nnx.List([Block(steps, options, rngs=rngs) for _ in range(options.blocks)])
        self.norm = nnx.LayerNorm(options.width, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)

    def __call__(self, x: Any) -> jax.Array:
        """Return scores of every item after x["history"][n, steps], in training after each of its steps."""
        history = without_gaps(x["history"])
        real = history > 0
        h = self.dropout(self.items(history) * self.norm.num_features**0.5)
        for block in self.blocks:
            h = block(h, real)
        if self.dropout.deterministic:
            h = h[:, -1]
        return self.items.scores(self.norm(h))
