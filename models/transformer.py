"""A small transformer encoder for texts: pre-norm blocks, learned positions, masked pooling (NNX)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from models.network import check_rate, check_units, problem
from models.tokens import PAD, Embedding, pooled


@dataclass(frozen=True)
class TransformerOptions:
    """Options of `transformer`.

    width: dimensions of a token. layers: blocks; 0 pools the embeddings themselves. heads: of attention, which
    divide the width. hidden: units of a block's feed-forward part. dropout: rate after each part and before the
    last layer. token_dropout: share of the tokens that training reads as unknown ones. norm: normalise before
    pooling; without it and without blocks a rare token, whose embedding is still small, says little.
    """

    width: int = 128
    layers: int = 2
    heads: int = 4
    hidden: int = 256
    dropout: float = 0.2
    token_dropout: float = 0.1
    norm: bool = True

    def __post_init__(self) -> None:
        for name in ("width", "heads", "hidden"):
            check_units(name, (getattr(self, name),), 1)
        check_rate("dropout", self.dropout)
        check_rate("token_dropout", self.token_dropout)
        if type(self.layers) is not int or self.layers < 0:
            raise problem(f"layers={self.layers!r}", "a whole number of at least 0", "for example 2")
        if not isinstance(self.norm, bool):
            raise problem(f"norm={self.norm!r}", "true or false", "true normalises before pooling")
        if self.width % self.heads:
            raise problem(
                f"width={self.width}, heads={self.heads}", "heads that divide the width", "change one"
            )


class Block(nnx.Module):
    """Self-attention and a feed-forward part, each normalised before and added to what came in (pre-norm)."""

    def __init__(self, options: TransformerOptions, *, rngs: nnx.Rngs) -> None:
        width = options.width
        self.norms = nnx.List(nnx.LayerNorm(width, rngs=rngs) for _ in range(2))
        self.attention = nnx.MultiHeadAttention(options.heads, width, decode=False, rngs=rngs)
        self.wide = nnx.Linear(width, options.hidden, rngs=rngs)
        self.narrow = nnx.Linear(options.hidden, width, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)

    def __call__(self, h: jax.Array, mask: jax.Array) -> jax.Array:
        """Return states[n, t, width] of states h, attending where mask[n, 1, t, t]."""
        h = h + self.dropout(self.attention(self.norms[0](h), mask=mask))
        return h + self.dropout(self.narrow(nnx.gelu(self.wide(self.norms[1](h)))))


class Transformer(nnx.Module):
    """Token ids[n, t] -> embeddings and positions -> blocks -> mean and maximum over the tokens -> outputs[n, k]."""

    def __init__(
        self, length: int, vocabulary: int, outputs: int, options: TransformerOptions, *, rngs: nnx.Rngs
    ) -> None:
        self.embedding = Embedding(vocabulary, options.width, options.token_dropout, rngs=rngs)
        self.positions = nnx.Param(0.02 * jax.random.normal(rngs.params(), (length, options.width)))
        self.blocks = nnx.List(Block(options, rngs=rngs) for _ in range(options.layers))
        self.norm = nnx.LayerNorm(options.width, rngs=rngs) if options.norm else None
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.last = nnx.Linear(2 * options.width, outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs[n, k] of ids x[n, t]; padding is neither attended to nor pooled."""
        real = x != PAD
        mask = jnp.broadcast_to(real[:, None, None, :], (len(x), 1, x.shape[1], x.shape[1]))
        h = self.dropout(self.embedding(x) + self.positions[...][None])
        for block in self.blocks:
            h = block(h, mask)
        return self.last(self.dropout(pooled(h if self.norm is None else self.norm(h), x)))
