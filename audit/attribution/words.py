"""Texts as words that may be left out, and a network of tokens cut open behind its embeddings (JAX)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PAD, UNKNOWN = 0, 1


def packed(texts: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
    """Return x[n, words, pieces] (int32) of texts given as words of token ids; what is not there is 0.

    A word is then one entry of the second axis, so that `shapley` and `masked` take words for players: an example
    with zeros in a word's place is the text without that word.
    """
    words = max((len(text) for text in texts), default=0)
    pieces = max((len(word) for text in texts for word in text), default=0)
    x = np.zeros((len(texts), max(words, 1), max(pieces, 1)), np.int32)
    for i, text in enumerate(texts):
        for w, word in enumerate(text):
            x[i, w, : len(word)] = word
    return x


@lru_cache(maxsize=32)
def on_words(apply: Callable[[Any, Any], Any], length: int) -> Callable[[Any, Any], Any]:
    """Return f(params, x[n, words, pieces]) -> the outputs of apply on the ids[n, length] that are there.

    Words that are left out leave no gap: the others close up, and a text without any is one unknown token.
    """
    return lambda params, x: apply(params, closed_up(x, length))


def closed_up(x: Any, length: int) -> Any:
    """Return ids[n, length] (int32) of x[n, words, pieces]: those that are not 0, in their order, 0 after them."""
    flat = jnp.asarray(x, jnp.int32).reshape(len(x), -1)
    so_far = jnp.cumsum(flat != PAD, axis=1)
    at = jax.vmap(lambda row: jnp.searchsorted(row, jnp.arange(1, length + 1)))(so_far)
    ids = jnp.take_along_axis(flat, jnp.minimum(at, flat.shape[1] - 1), axis=1)
    ids = jnp.where(at < flat.shape[1], ids, PAD)
    return ids.at[:, 0].set(jnp.where(ids[:, 0] == PAD, UNKNOWN, ids[:, 0]))


def table_of(params: Any, vocabulary: int) -> int | None:
    """Return which leaf of params is the table of embeddings: the only matrix with a row for each token, else None."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(params)]
    found = [i for i, shape in enumerate(shapes) if len(shape) == 2 and shape[0] == vocabulary]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=32)
def opened(
    apply: Callable[[Any, Any], Any], leaf: int
) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return embed(params, ids[n, t]) -> h[n, t, dimensions + 1] and rest(params, h) -> outputs, apply cut in two.

    The table of embeddings is that leaf of params. For each text rest gives the network a table of its own, which
    holds the text's embeddings in their order behind that of padding, and asks for the tokens 1, 2, 3, ...: any
    network that looks its tokens up in one table is opened so, whatever else it does. The last entry of h says
    whether a token is there; its path's ends must agree on it. The ids themselves are lost to rest: a network that
    reads more of them than the table's rows and what is padding has other outputs, which the caller compares.
    """

    def embed(params: Any, ids: Any) -> Any:
        table = jax.tree.leaves(params)[leaf]
        ids = jnp.asarray(ids)
        return jnp.concatenate([table[ids], (ids != PAD)[..., None].astype(table.dtype)], axis=-1)

    def rest(params: Any, h: Any) -> Any:
        leaves, tree = jax.tree.flatten(params)

        def one(own: Any) -> Any:
            table = jnp.concatenate([leaves[leaf][:1], own[:, :-1]])
            ids = jnp.where(own[:, -1] > 0.5, jnp.arange(1, len(own) + 1), PAD)
            changed = [*leaves[:leaf], table, *leaves[leaf + 1 :]]
            return apply(jax.tree.unflatten(tree, changed), ids[None].astype(jnp.int32))[0]

        return jax.vmap(one)(h)

    return embed, rest
