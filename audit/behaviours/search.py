"""Rows searched, by gradient, for what a behavioural test forbids; what is found is confirmed elsewhere (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.devices import map_examples
from audit.subject import Model

STEPS = 20
LEAST = 1e-12


@lru_cache(maxsize=64)
def _score(apply: Callable[..., Any], outputs: str, classes: tuple[int, ...] | None) -> Callable[..., Any]:
    """Return f(params, x[m, d]) -> the log-probability[m] of the classes together, or the output itself."""

    def score(params: Any, x: Any) -> Any:
        out = apply(params, x)
        if classes is None:
            return out[:, 0]
        if outputs == "logits":
            out = jnp.concatenate([jnp.zeros_like(out), out], axis=1) if out.shape[1] == 1 else out
            logs = jax.nn.log_softmax(out, axis=1)
        else:
            out = jnp.concatenate([1 - out, out], axis=1) if out.shape[1] == 1 else out
            logs = jnp.log(jnp.maximum(out, LEAST))
        return jax.nn.logsumexp(logs[:, list(classes)], axis=1)

    return score


@lru_cache(maxsize=64)
def _slopes(apply: Callable[..., Any], outputs: str, classes: tuple[int, ...] | None) -> Callable[..., Any]:
    """Return f(shared, rows) -> the gradient[m, d] of the score."""
    score = _score(apply, outputs, classes)
    return lambda params, x: jax.grad(lambda z: score(params, z).sum())(x)


@lru_cache(maxsize=64)
def _walk(apply: Callable[..., Any], outputs: str, classes: tuple[int, ...] | None) -> Callable[..., Any]:
    """Return f(shared, (x[m, d], low, high)) -> x after signed steps that raise sign * score, from low to high.

    Also which rows[m] met a gradient that is not finite; they stand still there.
    """
    score = _score(apply, outputs, classes)

    def walk(shared: Any, rows: Any) -> Any:
        params, sign, reach = shared
        x, low, high = rows

        def step(i: Any, state: Any) -> Any:
            at, blind = state
            slope = jax.grad(lambda z: sign * score(params, z).sum())(at)
            blind |= ~jnp.isfinite(slope).all(axis=1)
            size = reach * jnp.where(i < STEPS // 2, 0.25, 0.05)
            return jnp.clip(at + size * jnp.sign(jnp.nan_to_num(slope)), low, high), blind

        return jax.lax.fori_loop(0, STEPS, step, (x, jnp.zeros(len(x), bool)))

    return walk


def slopes(model: Model, x: np.ndarray, classes: tuple[int, ...] | None) -> np.ndarray:
    """Return the gradient[m, d] of the score of x[m, d]."""
    assert model.apply is not None
    return map_examples(_slopes(model.apply, model.outputs, classes), model.params, x)


def worst(
    model: Model,
    x: np.ndarray,
    classes: tuple[int, ...] | None,
    sign: float,
    reach: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Return x[m, d] moved within ends[m, d] so that sign times the score is high, in steps of parts of reach[d].

    Also which rows[m] met a gradient that is not finite.
    """
    low, high = (np.asarray(end, np.float32) for end in ends)
    assert model.apply is not None
    shared = (model.params, np.float32(sign), np.asarray(reach, np.float32)[None])
    return map_examples(_walk(model.apply, model.outputs, classes), shared, (x, low, high))
