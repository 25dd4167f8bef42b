"""What networks of histories share: gaps closed, and scores of every item from a state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from models.network import problem


class Items(nnx.Module):
    """The items' embeddings and biases; row 0 of the embeddings is the pad's and scores nothing."""

    def __init__(self, items: int, width: int, *, rngs: nnx.Rngs) -> None:
        small = nnx.initializers.normal(0.05)
        self.embed = nnx.Embed(items + 1, width, embedding_init=small, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(items))

    def __call__(self, codes: jax.Array) -> jax.Array:
        """Return embeddings[..., width] of codes, 0 for pads."""
        return self.embed(codes) * (codes > 0)[..., None]

    def scores(self, states: jax.Array) -> jax.Array:
        """Return scores[..., items] of states[..., width]."""
        scores = states @ self.embed.embedding[...][1:].T
        return scores + jnp.broadcast_to(self.bias[...], scores.shape)


def without_gaps(history: jax.Array) -> jax.Array:
    """Return history[n, steps] with all pads in front: an item taken out leaves no gap."""
    order = jnp.argsort(history > 0, axis=1, stable=True)
    return jnp.take_along_axis(history, order, axis=1)


def check_whole(**sizes: int) -> None:
    """Raise ValueError unless every size is a whole number of at least 1."""
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise problem(f"{name}={size!r}", "a whole number of at least 1", "for example 64")
