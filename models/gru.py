"""A recurrent network for texts: embeddings, gated recurrent units in both directions, pooled (NNX)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx

from models.network import check_rate, check_units, problem
from models.tokens import PAD, Embedding, pooled


@dataclass(frozen=True)
class GRUOptions:
    """Options of `gru`.

    embedding: dimensions of a token. hidden: units of each direction. both: read forwards and backwards.
    dropout: rate before the recurrence and before the last layer. token_dropout: share of the tokens that
    training reads as unknown ones.
    """

    embedding: int = 128
    hidden: int = 128
    both: bool = True
    dropout: float = 0.3
    token_dropout: float = 0.1

    def __post_init__(self) -> None:
        check_units("embedding", (self.embedding,), 1)
        check_units("hidden", (self.hidden,), 1)
        check_rate("dropout", self.dropout)
        check_rate("token_dropout", self.token_dropout)
        if not isinstance(self.both, bool):
            raise problem(f"both={self.both!r}", "true or false", "true reads in both directions")


class GRU(nnx.Module):
    """Token ids[n, t] -> embeddings -> GRU (Cho et al. 2014) -> mean and maximum over the tokens -> outputs[n, k]."""

    def __init__(self, vocabulary: int, outputs: int, options: GRUOptions, *, rngs: nnx.Rngs) -> None:
        self.embedding = Embedding(vocabulary, options.embedding, options.token_dropout, rngs=rngs)
        forward = nnx.RNN(nnx.GRUCell(options.embedding, options.hidden, rngs=rngs))
        self.read = (
            nnx.Bidirectional(forward, nnx.RNN(nnx.GRUCell(options.embedding, options.hidden, rngs=rngs)))
            if options.both
            else forward
        )
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        width = options.hidden * (2 if options.both else 1)
        self.last = nnx.Linear(2 * width, outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs[n, k] of ids x[n, t]; padding is neither read nor pooled."""
        lengths = (x != PAD).sum(axis=1)
        states: Any = self.read(self.dropout(self.embedding(x)), seq_lengths=lengths)
        return self.last(self.dropout(pooled(states, x)))
