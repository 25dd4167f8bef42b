"""A model's outputs with one feature of every row set to a value: the curves of individual expectation (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import collect, in_batches, items_per_batch


def with_feature_set(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: np.ndarray,
    feature: np.ndarray,
    value: np.ndarray,
    *,
    margin: Callable[[Any], Any],
    batch: int = 2048,
    over: Callable[..., Any] | None = None,
) -> np.ndarray:
    """Return margin(apply(params, x with feature[c] at value[c]))[n, c, outputs] for every row of x[n, d].

    Goldstein et al. (2015); its mean over rows is Friedman's (2001) partial dependence. `over` as `shapley`
    takes it. Raises ValueError where features and values do not fit together.
    """
    x, feature, value = np.asarray(x), np.asarray(feature, np.int32), np.asarray(value, np.float32)
    if x.ndim != 2 or not len(x) or not len(feature) or feature.shape != value.shape:
        raise ValueError(f"x{x.shape}, feature{feature.shape}, value{value.shape}: expected [n, d], [c], [c]")
    if feature.min() < 0 or feature.max() >= x.shape[1]:
        raise ValueError(f"feature={feature.max()}: expected 0 to {x.shape[1] - 1}")
    size = items_per_batch(batch, len(feature), len(x))
    return collect(over or in_batches, _changed(apply, margin), (params, feature, value), (x,), size)


@lru_cache(maxsize=32)
def _changed(apply: Callable[..., Any], margin: Callable[..., Any]) -> Callable[..., Any]:
    """Return f((params, feature, value), (x,)) -> margins[rows, c, outputs], the same object for the same functions."""

    def f(shared: Any, rows: Any) -> Any:
        params, feature, value = shared
        x = jnp.asarray(rows[0])
        here = jnp.asarray(feature)[:, None] == jnp.arange(x.shape[1])[None]
        every = jnp.where(here[None], jnp.asarray(value)[None, :, None], x[:, None])
        out = margin(apply(params, every.reshape(-1, x.shape[1])))
        return out.reshape(len(x), len(feature), -1)

    return f
