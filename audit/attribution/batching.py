"""Run a function over many rows in batches of one size, so that it is compiled once and memory is bounded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from audit.outputs import passed

BLOCK = 2**23  # numbers held on the host at once, while examples are worked through in blocks


def in_batches(f: Callable[..., Any], shared: Any, rows: Any, *, batch: int) -> Any:
    """Return f(shared, rows), jitted and run in batches over the leading axis, as NumPy arrays."""
    return _batches(jax.jit(f), jax.device_put(shared), rows, batch)


def eagerly(f: Callable[..., Any], shared: Any, rows: Any, *, batch: int) -> Any:
    """Return f(shared, rows) in batches without tracing f, for a model that is an ordinary function."""
    return _batches(f, shared, rows, batch)


def collect(over: Callable[..., Any], f: Any, shared: Any, rows: tuple[Any, ...], batch: int) -> Any:
    """Run f over rows filled up to whole batches, so that f is compiled for one size only.

    Rows of which a number is NaN are counted for the check that asks (audit.outputs); infinity may be an answer.
    """
    n = len(rows[0])
    filled = tuple(np.concatenate([a, np.repeat(a[:1], -n % batch, axis=0)]) for a in rows)
    out = over(f, shared, filled, batch=batch)
    found = jax.tree.map(lambda a: np.asarray(a[:n], np.float64), out)
    broken = [np.isnan(a).any(axis=tuple(range(1, a.ndim))) for a in jax.tree.leaves(found)]
    passed(np.where(np.any(broken, axis=0), np.nan, 0.0))
    return found


def items_per_batch(batch: int, evaluations: int, items: int) -> int:
    """Return how many items, each of so many evaluations, make a batch: a power of two."""
    return 2 ** int(math.log2(max(1, min(batch // evaluations, items))))


def blocks(rows: np.ndarray, numbers: int) -> list[np.ndarray]:
    """Split example indices so that a block holds at most BLOCK numbers, at so many an example."""
    step = max(1, BLOCK // numbers)
    return [rows[i : i + step] for i in range(0, len(rows), step)]


def _batches(f: Callable[..., Any], shared: Any, rows: Any, batch: int) -> Any:
    """Apply f to slices of the rows and join the results."""
    starts = range(0, len(jax.tree.leaves(rows)[0]), batch)
    parts = [f(shared, jax.tree.map(lambda a, i=i: a[i : i + batch], rows)) for i in starts]
    return jax.tree.map(lambda *chunks: np.concatenate([np.asarray(c) for c in chunks]), *parts)
