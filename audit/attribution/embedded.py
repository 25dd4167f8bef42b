"""Attributions of tokens: integrated gradients in the space of their embeddings (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from audit.attribution.batching import collect, in_batches, items_per_batch
from audit.attribution.gradients import integrated_gradients
from audit.attribution.paths import Gradients


def token_gradients(
    embed: Callable[[Any, Any], Any],
    rest: Callable[[Any, Any], Any],
    params: Any,
    tokens: Any,
    baseline: Any,
    *,
    margin: Callable[[Any], Any],
    column: np.ndarray | None = None,
    steps: int = 16,
    most: int = 512,
    tolerance: float = 0.01,
    batch: int = 256,
    over: Callable[..., Any] | None = None,
) -> Gradients:
    """Return integrated gradients of tokens[n, t], values[n, t, outputs], from baseline tokens[1 or n, t].

    The network is rest(params, embed(params, tokens)) with embeddings [n, t, dimensions]; the path runs straight
    from the baseline's embeddings (padding, say) to the tokens', and a token's value is the sum over its
    dimensions. Points on it are the embeddings of no tokens. tokens may be a tree of arrays that embed
    understands. Other arguments, and errors, as for `integrated_gradients`.
    """
    over = over or in_batches
    to, start = (_embedded(embed, params, given, batch, over) for given in (tokens, baseline))
    if to.ndim != 3:
        raise ValueError(f"embeddings{to.shape}: expected [n, tokens, dimensions]")
    found = integrated_gradients(
        rest,
        params,
        to,
        start,
        margin=margin,
        column=column,
        steps=steps,
        most=most,
        tolerance=tolerance,
        batch=batch,
        over=over,
    )
    return replace(found, values=found.values.sum(axis=2), method=f"{found.method}, of embeddings")


def _embedded(
    embed: Callable[..., Any], params: Any, tokens: Any, batch: int, over: Callable[..., Any]
) -> np.ndarray:
    """Return the embeddings[n, t, dimensions] of tokens (float32)."""
    leaves, tree = jax.tree.flatten(tokens)
    rows = tuple(np.asarray(leaf) for leaf in leaves)
    f, size = _on_leaves(embed, tree), items_per_batch(batch, 1, len(rows[0]))
    return np.asarray(collect(over, f, params, rows, size), np.float32)


@lru_cache(maxsize=32)
def _on_leaves(embed: Callable[..., Any], tree: Any) -> Callable[..., Any]:
    """Return f(params, leaves) -> embed(params, tokens)."""
    return lambda params, leaves: embed(params, jax.tree.unflatten(tree, leaves))
