"""The lean attack that training repeats: projected gradient ascent of any score of one example, from one start."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import Ball


def ascend(b: Ball, score: Callable[[Array], Array], keys: Array, *, steps: int, step: ArrayLike) -> Array:
    """Return the inputs[n, ...] of largest score among a uniform random start in the ball and each step from it.

    score: inputs[n, ...] -> [n], examples independent. step: the length of one, relative to the radius.
    keys[n]: a JAX key an example.
    """

    def climb(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        u, worst, most = state
        g, found = jax.grad(lambda x: _with_total(score(x)), has_aux=True)(b.place(u))
        worst, most = _look(u, found, worst, most)
        g = jnp.nan_to_num(b.scale * g, nan=0.0, posinf=0.0, neginf=0.0)
        return b.project(u + step * b.eps * b.direction(g, u)), worst, most

    start = b.uniform(keys)
    low = jnp.full(len(start), -jnp.inf, start.dtype)
    u, worst, most = jax.lax.fori_loop(0, steps, climb, (start, start, low))
    return b.place(_look(u, score(b.place(u)), worst, most)[0])


def divergence(before: Array, after: Array) -> Array:
    """Return KL(softmax(before) || softmax(after))[n] of logits[n, k]; k = 1 is the log-odds of class 1."""
    p, q = (jax.nn.log_softmax(_pair(logits), axis=1) for logits in (before, after))
    return jnp.sum(jnp.exp(p) * (p - q), axis=1)


def _with_total(scores: Array) -> tuple[Array, Array]:
    """Return the sum, whose gradient is each example's own, and the scores."""
    return jnp.sum(scores), scores


def _look(u: Array, found: Array, worst: Array, most: Array) -> tuple[Array, Array]:
    """Return the worst displacement so far and its score."""
    more = (found > most).reshape(-1, *[1] * (u.ndim - 1))
    return jnp.where(more, u, worst), jnp.maximum(found, most)


def _pair(logits: Array) -> Array:
    """Return logits of two columns or more."""
    return logits if logits.shape[1] > 1 else jnp.concatenate([jnp.zeros_like(logits), logits], axis=1)
