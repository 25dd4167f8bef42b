"""What an attack raises: the loss of each example, and the margin that its decision turns on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

LossName = Literal["cross-entropy", "margin", "dlr"]
LEAST = 1e-30  # the least probability that a logarithm sees
EDGE = 1e-7  # a threshold nearer to 0 or 1 is the end itself in float32
APART = 1e-12  # added to a difference of logits that divides (Croce and Hein 2020)
DLR_CLASSES = {False: 3, True: 4}  # the fewest classes for which DLR is defined; True: targeted


@dataclass(frozen=True)
class Loss:
    """Which loss to raise on a model's outputs[n, k], and how those outputs decide.

    outputs: 'logits' (k = 1: the log-odds of class 1) or 'probabilities' (k = 1: that of class 1).
    threshold: class 1 where its probability is at least this; None: the largest output decides.
    """

    name: LossName = "cross-entropy"
    outputs: Literal["logits", "probabilities"] = "logits"
    threshold: float | None = None

    def __call__(self, outputs: Array, y: Array, target: Array | None = None) -> Array:
        """Return what an attack raises[n], against classes y[n] or towards target[n], without a ceiling.

        margin: minus the margin (Carlini and Wagner 2017); targeted z(target) - z(y). cross-entropy:
        log((1 - p(y)) / p(y)), of which the cross-entropy is the softplus; targeted log(p(t) / (1 - p(t))).
        It rises in the same direction, so that steps by sign or of unit length are the same, but its
        gradient does not vanish in float32 where the model is certain. dlr: the margin's loss divided by
        z(1st) - z(3rd), targeted by z(1st) - (z(3rd) + z(4th)) / 2, of the logits in descending order
        (Croce and Hein 2020); with too few classes for that the margin's loss, as `resolved` says.
        """
        scores = self.scores(outputs)
        name = self.resolved(scores.shape[1], targeted=target is not None).name
        if name == "cross-entropy":
            return -_log_odds(scores, y) if target is None else _log_odds(scores, target)
        lead = _lead(scores, y) if target is None else _of_class(scores, y) - _of_class(scores, target)
        return -lead if name == "margin" else -lead / (_spread(scores, target is not None) + APART)

    def resolved(self, classes: int, *, targeted: bool = False) -> Loss:
        """Return the loss that is raised with so many classes: margin for DLR below 3, targeted below 4."""
        undefined = self.name == "dlr" and classes < DLR_CLASSES[targeted]
        return replace(self, name="margin") if undefined else self

    def margin(self, outputs: Array, y: Array) -> Array:
        """Return the logit margin[n]: class y minus the best other one; below 0 the decision is not y.

        Where an output is NaN or infinite it is minus infinity: such a row is decided for no class.
        """
        scores = self.scores(outputs)
        return jnp.where(jnp.isfinite(scores).all(axis=1), _lead(scores, y), -jnp.inf)

    def targets(self, outputs: Array, y: Array, count: int) -> Array:
        """Return the wrong classes[n, count] of largest score, the most likely first.

        There are as many columns as wrong classes where count is larger.
        """
        others = _others(self.scores(outputs), y)
        return jax.lax.top_k(others, min(count, others.shape[1] - 1))[1]

    def scores(self, outputs: Array) -> Array:
        """Return scores[n, classes], in logits, of which the largest decides; NaN where an output is not finite."""
        finite = jnp.isfinite(outputs).all(axis=1, keepdims=True)
        logits = jnp.where(finite, _logits(outputs, self.outputs), jnp.nan)
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


def _lead(scores: Array, y: Array) -> Array:
    """Return each row's score of its class y[n] minus the best other one."""
    return _of_class(scores, y) - jnp.max(_others(scores, y), axis=1)


def _log_odds(scores: Array, y: Array) -> Array:
    """Return log(p / (1 - p)) of each row's class y[n]."""
    return _of_class(scores, y) - jax.nn.logsumexp(_others(scores, y), axis=1)


def _spread(scores: Array, targeted: bool) -> Array:
    """Return what DLR divides by: the first score minus the third, or minus the mean of third and fourth."""
    top = jax.lax.top_k(scores, DLR_CLASSES[targeted])[0]
    return top[:, 0] - jnp.mean(top[:, 2:], axis=1)


def _of_class(scores: Array, y: Array) -> Array:
    """Return each row's score of its class y[n]."""
    return jnp.take_along_axis(scores, y[:, None], axis=1)[:, 0]


def _others(scores: Array, y: Array) -> Array:
    """Return the scores with each row's class y[n] set to minus infinity."""
    return jnp.where(jnp.arange(scores.shape[1])[None] == y[:, None], -jnp.inf, scores)
