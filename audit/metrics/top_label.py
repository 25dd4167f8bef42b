"""The most probable class of many logits and its probability, in one compiled pass over the rows (JAX)."""

from __future__ import annotations

import jax
import jax.numpy as jnp


@jax.jit
def top_label(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the softmax probability[n] of the largest of logits[n, classes], and its class[n].

    The other classes' probabilities are never written down. Of equal logits the first class counts, as argmax
    has it.
    """
    columns = [logits[:, c] for c in range(logits.shape[1])]
    highest, label = columns[0], jnp.zeros(len(logits), jnp.int32)
    for c, column in enumerate(columns[1:], start=1):
        label = jnp.where(column > highest, c, label)
        highest = jnp.maximum(highest, column)
    total = sum((jnp.exp(column - highest) for column in columns), jnp.zeros_like(highest))
    return 1 / total, label
