"""Straight paths between inputs and the gradients on them, in batches of one padded size (JAX).

An input is an array [n, ...] or a tree of such arrays. Work is cut into items of a few points each, so that rows with
many points and rows with few fill the same batches, and no more than `batch` inputs are in the model at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import BLOCK, collect, items_per_batch

Functions = tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]


@dataclass(frozen=True, eq=False)
class Gradients:
    """What a gradient method gives every input: values[n, ..., outputs], x's own shape and the outputs.

    outputs[n, outputs] is the explained margin and base[n, outputs] what values add up from: exact ones would
    sum to outputs - base, and completeness[n, outputs] is by how much these do not. steps[n] is the points at
    which a row's gradient was taken; standard_errors those of sampling (None where nothing is drawn; the choice of
    background rows is not in them); evaluations how often the model was run, once a gradient. Where x is a
    tree of arrays, values and standard_errors are trees.
    """

    values: Any
    outputs: np.ndarray
    base: np.ndarray
    completeness: np.ndarray
    steps: np.ndarray
    standard_errors: Any
    method: str
    evaluations: int


@dataclass(frozen=True, eq=False)
class Paths:
    """Rows x[n, ...], starts z[b, ...], the inputs that move (None: all), and how the model is run.

    column[n] names the one output of each row that is explained; None: all of them.
    """

    functions: Functions  # apply, margin
    params: Any
    x: Any
    z: Any
    moves: Any
    column: np.ndarray | None
    batch: int
    over: Callable[..., Any]

    def __post_init__(self) -> None:
        """Raise ValueError unless rows, starts and columns fit together."""
        shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (self.x, self.z)]
        own, starts = shapes
        if not own or [s[1:] for s in own] != [s[1:] for s in starts] or 0 in (*own[0][:1], *starts[0][:1]):
            raise ValueError(f"x {own} and its start {starts}: expected rows of one shape in both")
        kinds = [np.result_type(leaf) for leaf in jax.tree.leaves(self.x)]
        if not all(np.issubdtype(kind, np.floating) for kind in kinds):
            raise ValueError(f"x of {kinds}: expected floating-point inputs, which have a gradient")
        if self.column is not None and np.shape(self.column) != (len(self),):
            raise ValueError(
                f"column{np.shape(self.column)}: expected one output for each of {len(self)} rows"
            )

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.x)[0])

    @property
    def starts(self) -> int:
        """Return how many rows z has."""
        return len(jax.tree.leaves(self.z)[0])

    @property
    def shared(self) -> tuple[Any, ...]:
        """Return what every batch is given."""
        return self.params, self.x, self.z, self.moves, self.column

    def run(self, f: Callable[..., Any], shared: Any, rows: tuple[np.ndarray, ...], most: int = 0) -> Any:
        """Return f(shared, rows) for items, `batch` of them at a time, fewer where there are never so many."""
        return collect(self.over, f, shared, rows, items_per_batch(self.batch, 1, most or len(rows[0])))

    def margins(self, alpha: float, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the explained margins[items, outputs] at z[j] + alpha (x[i] - z[j])."""
        rows = np.asarray(i), np.asarray(j), np.full(len(i), alpha, np.float32)
        return self.run(_margins_on(*self.functions), self.shared, rows)

    def empty(self, outputs: int) -> Any:
        """Return zeros of the values' shape (float64), a tree where x is one."""
        return jax.tree.map(lambda leaf: np.zeros((*np.shape(leaf), outputs)), self.x)

    def groups_of(self, rows: np.ndarray, items: int, outputs: int) -> list[np.ndarray]:
        """Split rows so that the answers of so many items a row stay small enough for the host."""
        size = sum(int(np.prod(np.shape(leaf)[1:])) for leaf in jax.tree.leaves(self.x))
        step = max(1, BLOCK // (items * outputs * size))
        return [rows[start : start + step] for start in range(0, len(rows), step)]


def ends(shared: Any, i: Any, j: Any) -> tuple[Any, Any]:
    """Return x[i] and the path's start: z[j], or x[i] itself where an input does not move."""
    _, x, z, moves, _ = shared
    stop = jax.tree.map(lambda leaf: jnp.asarray(leaf)[i], x)
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf)[j], z)
    if moves is None:
        return start, stop

    def held(mask: Any, a: Any, b: Any) -> Any:
        return jnp.where(jnp.broadcast_to(jnp.asarray(mask), a.shape[1:])[None], a, b)

    return jax.tree.map(held, moves, start, stop), stop


def between(start: Any, stop: Any, alpha: Any) -> Any:
    """Return start + alpha[b] (stop - start)."""
    return jax.tree.map(lambda a, b: a + _beside(alpha, b) * (b - a), start, stop)


def slopes(functions: Functions, shared: Any, i: Any, point: Any, weight: Any) -> Any:
    """Return weight[b] times the margins' gradients[b, ..., outputs] at a point, a tree where x is one."""
    apply, margin = functions
    params, _, _, _, column = shared
    out, pull = jax.vjp(lambda inputs: margin(apply(params, inputs)), point)
    if column is not None:
        chosen = jax.nn.one_hot(jnp.asarray(column)[i], out.shape[1], dtype=out.dtype)
        return jax.tree.map(lambda g: g[..., None], pull(chosen * _beside(weight, out))[0])
    if out.shape[1] == 1:
        return jax.tree.map(lambda g: g[..., None], pull(_beside(weight, out) * jnp.ones_like(out))[0])
    each = jnp.eye(out.shape[1], dtype=out.dtype)
    found = jax.lax.map(lambda one: pull(_beside(weight, out) * one[None])[0], each)
    return jax.tree.map(lambda g: jnp.moveaxis(g, 0, -1), found)


def total(values: Any) -> np.ndarray:
    """Return the sum[n, outputs] of values[n, ..., outputs] over every input."""
    sums = [a.reshape(len(a), -1, a.shape[-1]).sum(axis=1) for a in jax.tree.leaves(values)]
    return np.sum(sums, axis=0)


def _beside(scale: Any, leaf: Any) -> Any:
    """Return scale[b] with as many axes as the leaf."""
    return scale.reshape(scale.shape + (1,) * (leaf.ndim - 1)).astype(leaf.dtype)


@lru_cache(maxsize=32)
def _margins_on(apply: Callable[..., Any], margin: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(shared, (i, j, alpha)) -> the explained margins[items, outputs] on the paths."""

    def f(shared: Any, rows: Any) -> Any:
        i, j, alpha = rows
        out = margin(apply(shared[0], between(*ends(shared, i, j), alpha)))
        if shared[4] is None:
            return out
        return jnp.take_along_axis(out, jnp.asarray(shared[4])[i][:, None], axis=1)

    return f
