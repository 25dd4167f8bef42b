"""What of a model's outputs[rows, k] is explained: an additive scale, per output (pure JAX)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

SMALLEST = 1e-7  # a probability nearer to 0 or 1 is read as this far from it: a log-odds of at most 16


def identity(outputs: Any) -> Any:
    """Return the outputs[rows, k] themselves, for values such as a regression's; NaN as `log_odds`."""
    return whole(outputs, outputs)


def log_odds(logits: Any) -> Any:
    """Return the log-odds[rows, k] of each class against all others: z_c - log sum_{j != c} exp(z_j).

    A single column is already the log-odds of class 1. Unlike a raw logit, it is unchanged by adding a
    constant to every logit, and so is a function of the probabilities alone. A row with an output that is not finite
    has NaN only.
    """
    if logits.shape[1] == 1:
        return whole(logits, logits)
    first = jnp.arange(logits.shape[1])[None] == logits.argmax(axis=1, keepdims=True)
    everyone = jax.nn.logsumexp(logits, axis=1, keepdims=True)
    runners_up = jax.nn.logsumexp(jnp.where(first, -jnp.inf, logits), axis=1, keepdims=True)
    below = jnp.where(first, -1.0, logits - everyone)  # at most -log 2 for every class but the first
    return whole(logits, logits - jnp.where(first, runners_up, everyone + jnp.log1p(-jnp.exp(below))))


def log_odds_of_probabilities(probabilities: Any) -> Any:
    """Return the log-odds[rows, k] of each probability, those within 1e-7 of 0 or 1 held there; NaN as `log_odds`."""
    p = jnp.clip(probabilities, SMALLEST, 1 - SMALLEST)
    return whole(probabilities, jnp.log(p) - jnp.log1p(-p))


def whole(outputs: Any, values: Any) -> Any:
    """Return values[rows, k], NaN in the rows whose outputs are not all finite."""
    return jnp.where(jnp.isfinite(outputs).all(axis=1, keepdims=True), values, jnp.nan)


@lru_cache(maxsize=32)
def chance(margin: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the function from outputs to each class's probability[rows, k], the same object for one margin."""
    return lambda outputs: jax.nn.sigmoid(margin(outputs))
