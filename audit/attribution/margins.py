"""What of a model's outputs[rows, k] is explained: an additive scale, per output (pure JAX)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

SMALLEST = 1e-7  # a probability nearer to 0 or 1 is read as this far from it: a log-odds of at most 16


def identity(outputs: Any) -> Any:
    """Return the outputs[rows, k] themselves, for values such as a regression's."""
    return outputs


def log_odds(logits: Any) -> Any:
    """Return the log-odds[rows, k] of each class against all others: z_c - log sum_{j != c} exp(z_j).

    A single column is already the log-odds of class 1. Unlike a raw logit, it is unchanged by adding a
    constant to every logit, and so is a function of the probabilities alone.
    """
    if logits.shape[1] == 1:
        return logits
    first = jnp.arange(logits.shape[1])[None] == logits.argmax(axis=1, keepdims=True)
    everyone = jax.nn.logsumexp(logits, axis=1, keepdims=True)
    runners_up = jax.nn.logsumexp(jnp.where(first, -jnp.inf, logits), axis=1, keepdims=True)
    below = jnp.where(first, -1.0, logits - everyone)  # at most -log 2 for every class but the first
    return logits - jnp.where(first, runners_up, everyone + jnp.log1p(-jnp.exp(below)))


def log_odds_of_probabilities(probabilities: Any) -> Any:
    """Return the log-odds[rows, k] of each probability, those within 1e-7 of 0 or 1 held there."""
    p = jnp.clip(probabilities, SMALLEST, 1 - SMALLEST)
    return jnp.log(p) - jnp.log1p(-p)


@lru_cache(maxsize=32)
def chance(margin: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the function from outputs to each class's probability[rows, k], the same object for one margin."""
    return lambda outputs: jax.nn.sigmoid(margin(outputs))
