"""Shapley values of a model's outputs, exact by enumeration or sampled with standard errors (JAX).

The game of one example x: a coalition S of players keeps its own inputs, all others are filled from a
background row z, and the value is v(S) = mean over z of margin(apply(params, x_S with z elsewhere)): the
interventional game of Janzing et al. (2020). Both methods evaluate it in batches of one padded size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attribution.batching import blocks, collect, in_batches, items_per_batch
from audit.attribution.masking import mix


@dataclass(frozen=True, eq=False)
class Attribution:
    """What every player adds to a model's outputs: values[n, players, outputs] that sum to outputs - base.

    outputs[n, outputs] is the explained margin, base[n or 1, outputs] its mean over the background,
    standard_errors those of sampling (None when exact; the choice of background rows is not in them), and
    evaluations the number of inputs on which the model was run.
    """

    values: np.ndarray
    outputs: np.ndarray
    base: np.ndarray
    standard_errors: np.ndarray | None
    method: str
    evaluations: int


@dataclass(frozen=True, eq=False)
class _Game:
    """Examples, background and players, their margins at both ends, and how to run a batch of them."""

    functions: tuple[Callable[..., Any], Callable[..., Any]]
    inputs: tuple[Any, Any, Any, Any]  # params, x, background, groups
    full: np.ndarray  # margin(x)[n, outputs]
    empty: (
        np.ndarray
    )  # margin(background)[n or 1, b, outputs], of each example where it keeps inputs of no player
    players: int
    batch: int
    over: Callable[..., Any]


def shapley(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: np.ndarray,
    background: np.ndarray,
    *,
    groups: np.ndarray,
    margin: Callable[[Any], Any],
    key: Any = None,
    exact_up_to: int = 10,
    rounds: int = 8,
    target_error: float = 0.05,
    batch: int = 2048,
    over: Callable[..., Any] | None = None,
) -> Attribution:
    """Return the Shapley values of margin(apply(params, x)) for x[n, ...] against background[b, ...].

    groups maps an example's inputs to players 0, 1, ...: [d] for a table, [height, width] for images (the
    channels of a pixel stay together); an input of -1 is no player's and keeps x's own value. margin turns
    outputs[rows, k] into what is explained [rows, outputs].
    Up to `exact_up_to` players every coalition is evaluated (Shapley 1953). With more, each round draws two
    antithetic pairs of permutations for every background row (Castro et al. 2009; Mitchell et al. 2022),
    until an example's largest standard error is at most target_error times its mean |value|, or `rounds`
    are spent. An example's result does not depend on the others: its draws come from `key` and its index.
    `over(f, shared, rows, batch=)` maps batches (default one device, jitted; `eagerly` for an `apply` that
    JAX cannot trace). Raises ValueError for empty or ill-shaped inputs.
    """
    x, background, groups = np.asarray(x), np.asarray(background), np.asarray(groups)
    _check(x, background, groups)
    over = over or in_batches
    functions = (apply, margin)
    starts = background[None] if (groups >= 0).all() else _keeping(x, background, groups)
    full, empty = (
        explained(apply, params, rows, margin=margin, batch=items_per_batch(batch, 1, len(rows)), over=over)
        for rows in (x, starts.reshape(-1, *x.shape[1:]))
    )
    empty = empty.reshape(*starts.shape[:2], -1)
    game = _Game(functions, (params, x, background, groups), full, empty, int(groups.max()) + 1, batch, over)
    if game.players <= max(exact_up_to, 1):
        values, errors, evaluations = _exact(game)
        method = f"exact Shapley values over {2**game.players} coalitions"
    else:
        key = jax.random.key(0) if key is None else key
        values, errors, evaluations = _sampled(game, key, rounds, target_error)
        method = "Shapley values by paired permutation sampling, a permutation for every background row"
    evaluations += len(x) + empty.shape[0] * empty.shape[1]
    return Attribution(values, game.full, game.empty.mean(axis=1), errors, method, evaluations)


def explained(
    apply: Callable[[Any, Any], Any],
    params: Any,
    x: np.ndarray,
    *,
    margin: Callable[[Any], Any],
    batch: int = 2048,
    over: Callable[..., Any] | None = None,
) -> np.ndarray:
    """Return margin(apply(params, x))[n, outputs] (float64), run in batches of one padded size."""
    return collect(over or in_batches, _margins(apply, margin), params, (np.asarray(x),), batch)


def weights(players: int) -> np.ndarray:
    """Return weights[players, 2**players]: the Shapley values of a game are weights @ v.

    Coalition S is the integer whose bit p says that player p takes part; its weight is
    (|S|-1)! (P-|S|)! / P! for the players in S and -|S|! (P-|S|-1)! / P! for the others.
    """
    member = _members(np.arange(2**players), players)
    size = member.sum(axis=1)
    after = np.array([1 / (players * math.comb(players - 1, s)) for s in range(players)])
    joined, left = after[np.maximum(size - 1, 0)], after[np.minimum(size, players - 1)]
    return np.where(member, joined[:, None], -left[:, None]).T


def _check(x: np.ndarray, background: np.ndarray, groups: np.ndarray) -> None:
    """Raise ValueError unless examples, background rows and players fit together."""
    if len(x) == 0 or len(background) == 0 or x.shape[1:] != background.shape[1:]:
        raise ValueError(f"x{x.shape} and background{background.shape}: expected rows of one shape in both")
    if groups.shape != x.shape[1 : 1 + groups.ndim]:
        raise ValueError(f"groups{groups.shape}: expected the leading axes of an example{x.shape[1:]}")
    met = np.unique(groups[groups >= 0])
    if met.size == 0 or groups.min() < -1 or not np.array_equal(met, np.arange(groups.max() + 1)):
        raise ValueError("groups: expected every player 0, 1, ... to own at least one input")


def _keeping(x: np.ndarray, background: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the background[n, b, ...] of each example, which keeps its own inputs of no player."""
    nobody = (groups < 0).reshape(groups.shape + (1,) * (x.ndim - 1 - groups.ndim))
    return np.where(nobody, x[:, None], background[None])


def _members(coalitions: Any, players: int) -> Any:
    """Return member[coalitions, players] of coalitions written as bits."""
    return (coalitions[:, None] >> np.arange(players)[None]) & 1 == 1


@lru_cache(maxsize=32)
def _margins(apply: Callable[..., Any], margin: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(params, (x,)) -> margin[rows, outputs], the same object for the same functions."""
    return lambda params, rows: margin(apply(params, rows[0]))


def _exact(game: _Game) -> tuple[np.ndarray, None, int]:
    """Evaluate every coalition of every example against every background row."""
    (n, m), b, coalitions = game.full.shape, game.empty.shape[1], 2**game.players
    f, matrix = _coalition_values(*game.functions, game.players), weights(game.players)
    batch = items_per_batch(game.batch, b, n * coalitions)
    values = []
    for block in blocks(np.arange(n), coalitions * m):
        rows = (np.repeat(block, coalitions), np.tile(np.arange(coalitions), len(block)))
        v = collect(game.over, f, game.inputs, rows, batch).reshape(len(block), coalitions, m)
        values.append(np.einsum("ps,nsm->npm", matrix, v, optimize=True))
    return np.concatenate(values), None, n * coalitions * b


@lru_cache(maxsize=32)
def _coalition_values(
    apply: Callable[..., Any], margin: Callable[..., Any], players: int
) -> Callable[..., Any]:
    """Return f(inputs, (example, coalition)) -> v(coalition)[rows, outputs], the mean over the background."""

    def f(inputs: Any, rows: Any) -> Any:
        params, x, background, groups = inputs
        i, bits = rows
        z = jnp.asarray(background)
        member = jnp.repeat(_members(jnp.asarray(bits), players)[:, None], len(z), axis=1)
        out = margin(apply(params, mix(member, groups, jnp.asarray(x)[i], z[None])))
        return out.reshape(len(bits), len(z), -1).mean(axis=1)

    return f


def _sampled(game: _Game, key: Any, rounds: int, target_error: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw rounds of permutations for the examples whose standard errors are not yet small enough."""
    (n, m), b = game.full.shape, game.empty.shape[1]
    total, variance, drawn = (
        np.zeros((n, game.players, m)),
        np.zeros((n, game.players, m)),
        np.zeros((n, 1, 1)),
    )
    active, evaluations = np.arange(n), 0
    for draw in range(rounds):
        for block in blocks(active, 2 * b * game.players * m):
            mean, square = _round(game, key, draw, block)
            total[block] += mean
            variance[block] += square
        drawn[active] += 1
        evaluations += 4 * (game.players - 1) * b * len(active)
        error = (np.sqrt(variance[active]) / drawn[active]).max(axis=(1, 2))
        size = np.abs(total[active] / drawn[active]).mean(axis=(1, 2))
        active = active[error > target_error * size]
        if not len(active):
            break
    return total / drawn, np.sqrt(variance) / drawn, evaluations


def _round(game: _Game, key: Any, draw: int, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means over the background, and their sampling variances, of one round for these examples."""
    b = game.empty.shape[1]
    rows = (np.repeat(block, b), np.tile(np.arange(b), len(block)))
    shared = (game.inputs, game.full, game.empty, key, draw)
    batch = items_per_batch(game.batch, 4 * (game.players - 1), len(game.full) * b)
    f = _pairs(*game.functions, game.players)
    mean, square = collect(game.over, f, shared, rows, batch)
    shape = (len(block), b, game.players, -1)
    return mean.reshape(shape).mean(axis=1), square.reshape(shape).sum(axis=1) / b**2


@lru_cache(maxsize=32)
def _pairs(apply: Callable[..., Any], margin: Callable[..., Any], players: int) -> Callable[..., Any]:
    """Return f(shared, (example, background row)) -> mean of two antithetic pairs, variance of that mean."""

    def f(shared: Any, rows: Any) -> tuple[Any, Any]:
        (params, x, background, groups), full, empty, key, draw = shared
        i, j = rows
        x, z = jnp.asarray(x)[i], jnp.asarray(background)[j]
        rank = _ranks(key, i, j, draw, players)
        member = rank[:, :, None] < jnp.arange(1, players)[None, None, :, None]
        mixed = mix(member.reshape(len(i), -1, players), groups, x, z[:, None])
        inner = margin(apply(params, mixed)).reshape(len(i), 4, players - 1, -1)
        return _two_pairs(empty[jnp.minimum(i, len(empty) - 1), j], inner, full[i], rank)

    return f


@partial(jax.jit, static_argnums=4)
def _ranks(key: Any, i: Any, j: Any, draw: Any, players: int) -> Any:
    """Return ranks[rows, 4, players]: two random permutations of the players, each followed by its reverse."""

    def of_row(i: Any, j: Any) -> Any:
        bits = jax.random.bits(_fold(key, i, j, draw), (2, players))
        first, second = jnp.argsort(bits)
        return jnp.stack([first, players - 1 - first, second, players - 1 - second])

    return jax.vmap(of_row)(i, j)


def _fold(key: Any, *numbers: Any) -> Any:
    """Return the key of these numbers."""
    return reduce(jax.random.fold_in, numbers, key)


@jax.jit
def _two_pairs(empty: Any, inner: Any, full: Any, rank: Any) -> tuple[Any, Any]:
    """Return the mean[rows, players, outputs] of two antithetic pairs' contributions, and its variance."""
    start, stop = (jnp.repeat(end[:, None, None], 4, axis=1) for end in (empty, full))
    steps = jnp.diff(jnp.concatenate([start, inner, stop], axis=2), axis=2)
    phi = jnp.take_along_axis(steps, rank[..., None], axis=2)
    first, second = phi[:, :2].mean(axis=1), phi[:, 2:].mean(axis=1)
    return (first + second) / 2, ((first - second) / 2) ** 2
