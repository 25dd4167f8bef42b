"""How far a model's outputs[rows, k] lie inside the decision for one class, in log-odds (pure JAX)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax.numpy as jnp

from audit.attribution.margins import SMALLEST, log_odds, log_odds_of_probabilities


@lru_cache(maxsize=32)
def toward(target: int, kind: str, threshold: float | None = None) -> Callable[[Any], Any]:
    """Return f(outputs[rows, k]) -> margin[rows], above 0 where the decision is the target class.

    kind: 'logits' or 'probabilities'. With a threshold, class 1 is decided where its probability is at least
    that; without, the largest output is (of one column: class 1 at a probability of at least a half).
    Between two classes the margin is a difference of log-odds, among more one of log-probabilities.
    """
    if kind not in ("logits", "probabilities"):
        raise ValueError(f"kind={kind!r}: expected 'logits' or 'probabilities'")
    of_class = log_odds if kind == "logits" else log_odds_of_probabilities
    limit = min(max(0.5 if threshold is None else threshold, SMALLEST), 1 - SMALLEST)
    cut = math.log(limit / (1 - limit))

    def margin(outputs: Any) -> Any:
        if threshold is not None or outputs.shape[1] == 1:
            above = of_class(outputs)[:, min(1, outputs.shape[1] - 1)] - cut
            return above if target == 1 else -above
        scores = outputs if kind == "logits" else jnp.log(jnp.maximum(outputs, SMALLEST))
        other = jnp.arange(outputs.shape[1])[None] != target
        return scores[:, target] - jnp.where(other, scores, -jnp.inf).max(axis=1)

    return margin
