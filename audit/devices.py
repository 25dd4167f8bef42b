"""Batch, pad and shard examples over the devices; the only file that counts devices."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

AXIS = "example"
# On CPUs attacks compile in a third to a half of the usual time and run as fast (measured: networks of images, PGD,
# Auto-PGD, FAB and Square) at LLVM's first level of optimisation, without MLIR's emitters of fusions.
COMPILER = {"cpu": {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}}


def mesh() -> Mesh:
    """Return the one-axis mesh over every device."""
    return Mesh(np.asarray(jax.devices()), (AXIS,))


@lru_cache(maxsize=64)
def compiled(f: Callable[..., Any]) -> Any:
    """Return f jitted, with what the compiler is told on this backend."""
    return jax.jit(f, compiler_options=_understood(jax.default_backend()))


@cache
def _understood(backend: str) -> dict[str, Any]:
    """Return of COMPILER what this version of XLA understands; options come and go."""
    known: dict[str, Any] = {}
    for option, value in COMPILER.get(backend, {}).items():
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.jit(lambda: 0, compiler_options={option: value}).lower().compile()
            known[option] = value
    return known


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
    jitted = compiled(f)
    parts = []
    for start in range(0, n, size):
        stop = min(start + size, n)
        part = jax.tree.map(lambda a, i=start, j=stop: _pad(np.asarray(a[i:j]), size), rows)
        out = jitted(shared, jax.device_put(part, split))
        parts.append(jax.tree.map(lambda a, m=stop - start: np.asarray(a)[:m], out))
    return jax.tree.map(lambda *chunks: np.concatenate(chunks), *parts)


def queue_examples(f: Callable[..., Any], shared: Any, rows: Any, *, batch: int) -> Any:
    """Return f(shared, rows, real[n]) for rows, as `map_examples`; f takes them one after the other from a queue.

    real: False for padding, which comes last on each device; it costs no work. Each device has a queue of its own,
    to which rows are dealt in turn, and all queues together have `batch` places, whatever the number of rows.
    """
    leaves = jax.tree.leaves(rows)
    n = len(leaves[0])
    if n == 0:
        raise ValueError("queue_examples needs at least one row")
    devices = mesh()
    size = -(-batch // devices.size) * devices.size
    deal = np.arange(size).reshape(-1, devices.size).T.reshape(-1)
    split, whole = NamedSharding(devices, P(AXIS)), NamedSharding(devices, P())
    shared = jax.device_put(shared, whole)
    queued = _on_each(f, devices)
    parts = []
    for start in range(0, n, size):
        stop = min(start + size, n)
        part = jax.tree.map(lambda a, i=start, j=stop: _pad(np.asarray(a[i:j]), size)[deal], rows)
        real = (np.arange(size) < stop - start)[deal]
        out = queued(shared, jax.device_put(part, split), jax.device_put(real, split))
        parts.append(jax.tree.map(lambda a, m=stop - start: np.asarray(a)[np.argsort(deal)[:m]], out))
    return jax.tree.map(lambda *chunks: np.concatenate(chunks), *parts)


@lru_cache(maxsize=64)
def _on_each(f: Callable[..., Any], devices: Mesh) -> Callable[..., Any]:
    """Return f jitted, run by every device on its own rows."""
    if devices.size == 1:
        return compiled(f)
    own = P(AXIS)
    return compiled(jax.shard_map(f, mesh=devices, in_specs=(P(), own, own), out_specs=own, check_vma=False))


def _pad(a: np.ndarray, size: int) -> np.ndarray:
    """Repeat the first row until the batch is full, so that padding is always a valid example."""
    missing = size - len(a)
    return a if missing == 0 else np.concatenate([a, np.repeat(a[:1], missing, axis=0)])
