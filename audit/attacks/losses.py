"""What an attack raises: the loss of each example, and the margin that its decision turns on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

LossName = Literal["cross-entropy", "margin"]
LEAST = 1e-30  # the least probability that a logarithm sees
EDGE = 1e-7  # a threshold nearer to 0 or 1 is the end itself in float32


@dataclass(frozen=True)
class Loss:
    """Which loss to raise on a model's outputs[n, k], and how those outputs decide.

    outputs: 'logits' (k = 1: the log-odds of class 1) or 'probabilities' (k = 1: that of class 1).
    threshold: class 1 where its probability is at least this; None: the largest output decides.
    """

    name: LossName = "cross-entropy"
    outputs: Literal["logits", "probabilities"] = "logits"
    threshold: float | None = None

    def __call__(self, outputs: Array, y: Array) -> Array:
        """Return what an attack raises[n], against classes y[n], without a ceiling in float32.

        margin: minus the margin (Carlini and Wagner 2017). cross-entropy: log((1 - p(y)) / p(y)), of which
        the cross-entropy is the softplus. It rises in the same direction, so that steps by sign or of unit
        length are the same, but its gradient does not vanish where the model is certain.
        """
        if self.name == "margin":
            return -self.margin(outputs, y)
        scores = self.scores(outputs)
        return jax.nn.logsumexp(_others(scores, y), axis=1) - _of_class(scores, y)

    def margin(self, outputs: Array, y: Array) -> Array:
        """Return the logit margin[n]: class y minus the best other one; below 0 the decision is not y."""
        scores = self.scores(outputs)
        return _of_class(scores, y) - jnp.max(_others(scores, y), axis=1)

    def scores(self, outputs: Array) -> Array:
        """Return scores[n, classes], in logits, of which the largest decides."""
        logits = _logits(outputs, self.outputs)
        if self.threshold is None:
            return logits
        rest = jnp.delete(logits, 1, axis=1, assume_unique_indices=True)
        odds = logits[:, 1] - jax.nn.logsumexp(rest, axis=1)
        needed = float(np.clip(self.threshold, EDGE, 1 - EDGE))
        return jnp.stack([jnp.zeros_like(odds), odds - np.log(needed / (1 - needed)).astype(odds.dtype)], 1)


def _logits(outputs: Array, kind: str) -> Array:
    """Return logits[n, classes] of two columns or more; a probability is kept off 0."""
    if kind == "logits":
        return outputs if outputs.shape[1] > 1 else jnp.concatenate([jnp.zeros_like(outputs), outputs], 1)
    p = outputs if outputs.shape[1] > 1 else jnp.concatenate([1 - outputs, outputs], 1)
    return jnp.log(jnp.maximum(p, LEAST))


def _of_class(scores: Array, y: Array) -> Array:
    """Return each row's score of its class y[n]."""
    return jnp.take_along_axis(scores, y[:, None], axis=1)[:, 0]


def _others(scores: Array, y: Array) -> Array:
    """Return the scores with each row's class y[n] set to minus infinity."""
    return jnp.where(jnp.arange(scores.shape[1])[None] == y[:, None], -jnp.inf, scores)
