"""What networks of token ids[n, t] share: embeddings with token dropout, and pooling over the real tokens."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from models.network import problem

PAD, UNKNOWN = 0, 1  # the ids of padding and of a piece outside the vocabulary


class Embedding(nnx.Module):
    """Embeddings[n, t, width] of ids; in training a share of the tokens is read as unknown ones."""

    def __init__(self, vocabulary: int, width: int, dropout: float, *, rngs: nnx.Rngs) -> None:
        self.table = nnx.Embed(vocabulary, width, embedding_init=nnx.initializers.normal(0.1), rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the embeddings of ids x[n, t]; an id outside the vocabulary counts as unknown."""
        kept = self.dropout(jnp.ones(x.shape, jnp.float32)) > 0
        known = (x < self.table.num_embeddings) & (kept | (x == PAD))
        return self.table(jnp.where(known, x, UNKNOWN))


def pooled(states: jax.Array, x: jax.Array) -> jax.Array:
    """Return the mean and the maximum [n, 2 width] of states[n, t, width] over the tokens that are not padding.

    A text without any token gives zeros.
    """
    real = (x != PAD)[:, :, None]
    count = jnp.maximum(real.sum(axis=1), 1)
    mean = jnp.where(real, states, 0.0).sum(axis=1) / count
    highest = jnp.where(real, states, -jnp.inf).max(axis=1)
    return jnp.concatenate([mean, jnp.where(real.any(axis=1), highest, 0.0)], axis=1)


def length_of(network: str, shape: tuple[int, ...], vocabulary: int | None) -> tuple[int, int]:
    """Return the number of tokens and the vocabulary's size, or say what the network cannot do without."""
    if len(shape) != 1 or vocabulary is None:
        raise problem(
            f"shape={shape}, vocabulary={vocabulary} for network {network!r}",
            "token ids of shape (length,) and a vocabulary",
            "use it with texts (data: source: text)",
        )
    return shape[0], vocabulary
