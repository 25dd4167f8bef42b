"""Expected gradients: integrated gradients averaged over a background, drawn with standard errors (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import in_batches
from audit.attribution.paths import Functions, Gradients, Paths, between, ends, slopes, total

ROWS = 8  # background rows an item
PAIRS = 2  # antithetic pairs of points on the path from each background row, a round


def expected_gradients(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: Any,
    background: Any,
    *,
    margin: Callable[[Any], Any],
    key: Any = None,
    column: np.ndarray | None = None,
    moves: Any = None,
    rounds: int = 8,
    target_error: float = 0.05,
    batch: int = 256,
    over: Callable[..., Any] | None = None,
) -> Gradients:
    """Return expected gradients of margin(apply(params, x)) for x[n, ...] against background[b, ...].

    The mean over background rows of integrated gradients from that row (Erion et al. 2021): Aumann-Shapley values,
    which are not Shapley values where features interact. A round takes the gradient at two antithetic pairs
    of uniform points (alpha and 1 - alpha) on the path from every background row; the pairs' difference gives
    the standard error. A row is done when its largest standard error is at most target_error times its mean
    |value|, or `rounds` are spent. A row's draws come from `key` and its index. Other arguments as for
    `integrated_gradients`. Raises ValueError for empty, ill-shaped or integer inputs, or no rounds.
    """
    if rounds < 1:
        raise ValueError(f"rounds={rounds}: expected at least 1")
    key = jax.random.key(0) if key is None else key
    paths = Paths((apply, margin), params, x, background, moves, column, batch, over or in_batches)
    n, b = len(paths), paths.starts
    own = np.arange(n)
    outputs, base = paths.margins(1.0, own, np.zeros(n, int)), _base(paths)
    summed, square = paths.empty(outputs.shape[1]), paths.empty(outputs.shape[1])
    drawn, active, values, errors = np.zeros(n, int), own, summed, square
    for draw in range(rounds):
        for rows in paths.groups_of(active, 2 * -(-b // ROWS), outputs.shape[1]):
            mean, spread = _round(paths, key, draw, rows)
            _add(summed, rows, mean)
            _add(square, rows, spread)
        drawn[active] += 1
        values = jax.tree.map(lambda a: a / _beside(drawn, a), summed)
        errors = jax.tree.map(lambda a: np.sqrt(a) / _beside(drawn, a), square)
        active = active[_largest(errors)[active] > target_error * _mean_size(values)[active]]
        if not len(active):
            break
    steps = 2 * PAIRS * b * drawn
    return Gradients(
        values,
        outputs,
        base,
        np.abs(total(values) - (outputs - base)),
        steps,
        errors,
        "expected gradients (Aumann-Shapley)",
        int(steps.sum()) + n + (b if moves is None else n * b),
    )


def _base(paths: Paths) -> np.ndarray:
    """Return the mean margin[n, outputs] of the starts of each row's paths."""
    n, b = len(paths), paths.starts
    if paths.moves is None:
        own = np.arange(b)
        mean = replace(paths, x=paths.z, column=None).margins(1.0, own, own).mean(axis=0)
        column = None if paths.column is None else np.asarray(paths.column)[:, None]
        return np.tile(mean, (n, 1)) if column is None else mean[column]
    i, j = np.repeat(np.arange(n), b), np.tile(np.arange(b), n)
    found = paths.margins(0.0, i, j)
    return found.reshape(n, b, -1).mean(axis=1)


def _round(paths: Paths, key: Any, draw: int, rows: np.ndarray) -> tuple[Any, Any]:
    """Return the rows' means over the background, and those means' sampling variances, of one round."""
    b, items = paths.starts, -(-paths.starts // ROWS)
    places = np.arange(items * ROWS).reshape(items, ROWS)
    weight = np.where(places < b, 1 / b, 0.0).astype(np.float32)
    given = np.repeat(rows, items), *(np.tile(a, (len(rows), 1)) for a in (np.minimum(places, b - 1), weight))
    shared = (paths.shared, key, draw)
    found = paths.run(_pairs(*paths.functions), shared, given, len(paths) * items)
    return jax.tree.map(lambda a: a.reshape(len(rows), items, *a.shape[1:]).sum(axis=1), found)


def _add(summed: Any, rows: np.ndarray, found: Any) -> None:
    """Add what was found of some rows."""
    for whole, part in zip(jax.tree.leaves(summed), jax.tree.leaves(found), strict=True):
        whole[rows] += part


def _beside(drawn: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return drawn[n] with as many axes as a."""
    return drawn.reshape(-1, *(1,) * (a.ndim - 1))


def _flat(tree: Any) -> np.ndarray:
    """Return every number of a row side by side, [n, numbers]."""
    return np.concatenate([np.abs(a).reshape(len(a), -1) for a in jax.tree.leaves(tree)], axis=1)


def _largest(errors: Any) -> np.ndarray:
    """Return a row's largest standard error."""
    return _flat(errors).max(axis=1)


def _mean_size(values: Any) -> np.ndarray:
    """Return a row's mean |value|."""
    return _flat(values).mean(axis=1)


@lru_cache(maxsize=32)
def _pairs(apply: Callable[..., Any], margin: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(shared, (i, j[b, c], weight[b, c])) -> weighted sums over j of two pairs' means, and variances."""
    functions: Functions = (apply, margin)

    def f(given: Any, rows: Any) -> tuple[Any, Any]:
        shared, key, draw = given
        i, j, weight = rows

        def pair(start: Any, stop: Any, alpha: Any) -> Any:
            half = jnp.full_like(alpha, 0.5)
            one, other = (
                slopes(functions, shared, i, between(start, stop, a), half) for a in (alpha, 1 - alpha)
            )
            return jax.tree.map(lambda a, b, g, h: (b - a)[..., None] * (g + h), start, stop, one, other)

        def step(so_far: Any, at: Any) -> tuple[Any, None]:
            place, share = at
            start, stop = ends(shared, i, place)
            alpha = _points(key, i, place, draw)
            first, second = (pair(start, stop, alpha[:, p]) for p in range(PAIRS))
            mean = jax.tree.map(lambda a, b: _scaled(share, (a + b) / 2), first, second)
            spread = jax.tree.map(lambda a, b: _scaled(share, (a - b) / 2) ** 2, first, second)
            return jax.tree.map(jnp.add, so_far, (mean, spread)), None

        shape = jax.eval_shape(lambda: slopes(functions, shared, i, ends(shared, i, i * 0)[1], weight[:, 0]))
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), (shape, shape))
        return jax.lax.scan(step, zero, (jnp.asarray(j).T, jnp.asarray(weight).T))[0]

    return f


def _points(key: Any, i: Any, j: Any, draw: Any) -> Any:
    """Return alpha[b, pairs], uniform in [0, 1), from the key and the numbers of row, background row and round."""

    def of_item(i: Any, j: Any) -> Any:
        return jax.random.uniform(reduce(jax.random.fold_in, (i, j, draw), key), (PAIRS,))

    return jax.vmap(of_item)(i, j)


def _scaled(share: Any, leaf: Any) -> Any:
    """Return share[b] times the leaf."""
    return share.reshape(share.shape + (1,) * (leaf.ndim - 1)) * leaf
