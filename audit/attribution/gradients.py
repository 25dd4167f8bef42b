"""Attributions from gradients: integrated gradients with as many steps as each row needs, gradient x input (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import in_batches
from audit.attribution.paths import Functions, Gradients, Paths, between, ends, slopes, total

ROUNDING = 1e-6  # of the largest margin: a smaller completeness error is single precision's


def integrated_gradients(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: Any,
    baseline: Any,
    *,
    margin: Callable[[Any], Any],
    column: np.ndarray | None = None,
    moves: Any = None,
    steps: int = 16,
    most: int = 512,
    tolerance: float = 0.01,
    batch: int = 256,
    over: Callable[..., Any] | None = None,
) -> Gradients:
    """Return integrated gradients of margin(apply(params, x)) for x[n, ...] from baseline[1 or n, ...].

    (x - z) times the mean gradient on the straight path from the baseline z to x (Sundararajan, Taly and Yan
    2017), by Gauss-Legendre quadrature with `steps` points. A row whose completeness error is above `tolerance`
    times its sum |value| is done again with twice the points, until that is more than `most`. column[n] names the
    one output a row that is explained (default: all). moves, broadcastable to one example, is False for
    inputs that keep x's value on the whole path and so get 0. x may be a tree of arrays. A row's result does not
    depend on the others. `over(f, shared, rows, batch=)` maps batches of at most `batch` inputs (default one
    device, jitted). Raises ValueError for empty, ill-shaped or integer inputs, or no steps.
    """
    if not 1 <= steps <= most:
        raise ValueError(f"steps={steps}, most={most}: expected 1 <= steps <= most")
    paths = Paths((apply, margin), params, x, baseline, moves, column, batch, over or in_batches)
    n, own = len(paths), np.arange(len(paths))
    start = own if paths.starts == n else np.zeros(n, int)
    if paths.starts not in (1, n):
        raise ValueError(f"baseline of {paths.starts} rows: expected 1, or one for each of {n} rows")
    outputs, base = paths.margins(1.0, own, start), paths.margins(0.0, own, start)
    values, taken, evaluations = paths.empty(outputs.shape[1]), np.zeros(n, int), 2 * n
    active, points = own, steps
    while len(active) and points <= most:
        for rows in paths.groups_of(active, points // steps, outputs.shape[1]):
            _put(values, rows, _integrated(paths, rows, start[rows], steps, points // steps))
        evaluations += points * len(active)
        taken[active] = points
        error = np.abs(total(values) - (outputs - base))
        allowed = tolerance * total(jax.tree.map(np.abs, values)) + ROUNDING * np.abs(outputs).max()
        active, points = active[(error > allowed)[active].any(axis=1)], 2 * points
    completeness = np.abs(total(values) - (outputs - base))
    method = "integrated gradients, Gauss-Legendre"
    return Gradients(values, outputs, base, completeness, taken, None, method, evaluations)


def gradient_x_input(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: Any,
    *,
    margin: Callable[[Any], Any],
    column: np.ndarray | None = None,
    batch: int = 256,
    over: Callable[..., Any] | None = None,
) -> Gradients:
    """Return x times the margin's gradient at x[n, ...] (Shrikumar et al. 2016), beside a base of 0 inputs.

    Its values add up to the difference from the margin of 0 inputs only where the model is linear: the
    completeness error says how far from it. Arguments as for `integrated_gradients`.
    """
    zero = jax.tree.map(lambda leaf: np.zeros_like(leaf[:1]), x)
    paths = Paths((apply, margin), params, x, zero, None, column, batch, over or in_batches)
    own, start = np.arange(len(paths)), np.zeros(len(paths), int)
    outputs, base = paths.margins(1.0, own, start), paths.margins(0.0, own, start)
    values = jax.tree.map(lambda g, leaf: g * np.asarray(leaf)[..., None], _at_inputs(paths), x)
    completeness = np.abs(total(values) - (outputs - base))
    steps, runs = np.ones(len(own), int), 3 * len(own)
    return Gradients(values, outputs, base, completeness, steps, None, "gradient x input", runs)


def saliency(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: Any,
    *,
    margin: Callable[[Any], Any],
    column: np.ndarray | None = None,
    batch: int = 256,
    over: Callable[..., Any] | None = None,
) -> Any:
    """Return |gradient| of the margin at x[n, ...], [n, ..., outputs] (Simonyan, Vedaldi and Zisserman 2014).

    A sensitivity and no share of the output: nothing is said about a sum. Arguments as for
    `integrated_gradients`.
    """
    paths = Paths((apply, margin), params, x, x, None, column, batch, over or in_batches)
    return jax.tree.map(np.abs, _at_inputs(paths))


def _at_inputs(paths: Paths) -> Any:
    """Return the gradients[n, ..., outputs] at the inputs themselves."""
    own = np.arange(len(paths))
    return paths.run(_gradient_at(*paths.functions), paths.shared, (own,))


def _integrated(paths: Paths, rows: np.ndarray, start: np.ndarray, each: int, items: int) -> Any:
    """Return the rows' integrated gradients by a quadrature of `items` times `each` points."""
    nodes, weights = np.polynomial.legendre.leggauss(each * items)
    alpha, weight = ((a.reshape(items, each) / 2).astype(np.float32) for a in (nodes + 1, weights))
    given = np.repeat(rows, items), np.repeat(start, items)
    tiled = (np.tile(a, (len(rows), 1)) for a in (alpha, weight))
    found = paths.run(_along(*paths.functions), paths.shared, (*given, *tiled), len(paths))
    return jax.tree.map(lambda a: a.reshape(len(rows), items, *a.shape[1:]).sum(axis=1), found)


def _put(values: Any, rows: np.ndarray, found: Any) -> None:
    """Write what was found of some rows into the values."""
    for whole, part in zip(jax.tree.leaves(values), jax.tree.leaves(found), strict=True):
        whole[rows] = part


@lru_cache(maxsize=32)
def _along(apply: Callable[..., Any], margin: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(shared, (i, j, alpha[b, c], weight[b, c])) -> (x - z) times the weighted sum of gradients."""
    functions: Functions = (apply, margin)

    def f(shared: Any, rows: Any) -> Any:
        i, j, alpha, weight = rows
        start, stop = ends(shared, i, j)

        def step(so_far: Any, at: Any) -> tuple[Any, None]:
            found = slopes(functions, shared, i, between(start, stop, at[0]), at[1])
            return jax.tree.map(jnp.add, so_far, found), None

        shape = jax.eval_shape(lambda: slopes(functions, shared, i, stop, weight[:, 0]))
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shape)
        added, _ = jax.lax.scan(step, zero, (jnp.asarray(alpha).T, jnp.asarray(weight).T))
        return jax.tree.map(lambda a, b, g: (b - a)[..., None] * g, start, stop, added)

    return f


@lru_cache(maxsize=32)
def _gradient_at(apply: Callable[..., Any], margin: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(shared, (i,)) -> gradients[b, ..., outputs] at x[i]."""

    def f(shared: Any, rows: Any) -> Any:
        (i,) = rows
        x = jax.tree.map(lambda leaf: jnp.asarray(leaf)[i], shared[1])
        return slopes((apply, margin), shared, i, x, jnp.ones(len(i)))

    return f
