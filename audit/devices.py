"""Batch, pad and shard examples over the devices; the only file that counts devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

AXIS = "example"


def mesh() -> Mesh:
    """Return the one-axis mesh over every device."""
    return Mesh(np.asarray(jax.devices()), (AXIS,))


def batch_size(rows: int, batch: int, devices: int) -> int:
    """Return the least power of two covering min(rows, batch), rounded up to a multiple of the devices."""
    size = 1
    while size < min(rows, batch):
        size *= 2
    return -(-size // devices) * devices


def map_examples(f: Callable[..., Any], shared: Any, rows: Any, *, batch: int = 512) -> Any:
    """Return f(shared, rows) for rows (a tree of arrays with leading axis n), as NumPy arrays with axis n.

    f is jitted once, must treat examples independently, and sees padded batches of one size; `shared`
    (parameters, radii) is copied to every device and each batch is split over them. Pass the same function
    object to reuse its compiled code. Raises ValueError when rows is empty.
    """
    leaves = jax.tree.leaves(rows)
    n = len(leaves[0])
    if n == 0:
        raise ValueError("map_examples needs at least one row")
    devices = mesh()
    size = batch_size(n, batch, devices.size)
    split, whole = NamedSharding(devices, P(AXIS)), NamedSharding(devices, P())
    shared = jax.device_put(shared, whole)
    jitted = jax.jit(f)
    parts = []
    for start in range(0, n, size):
        stop = min(start + size, n)
        part = jax.tree.map(lambda a, i=start, j=stop: _pad(np.asarray(a[i:j]), size), rows)
        out = jitted(shared, jax.device_put(part, split))
        parts.append(jax.tree.map(lambda a, m=stop - start: np.asarray(a)[:m], out))
    return jax.tree.map(lambda *chunks: np.concatenate(chunks), *parts)


def _pad(a: np.ndarray, size: int) -> np.ndarray:
    """Repeat the first row until the batch is full, so that padding is always a valid example."""
    missing = size - len(a)
    return a if missing == 0 else np.concatenate([a, np.repeat(a[:1], missing, axis=0)])
