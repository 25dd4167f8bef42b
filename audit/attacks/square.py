"""The Square attack: random search by the scores alone, so that hidden gradients do not help the model."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import Ball, Norm, ball
from audit.attacks.losses import Loss
from audit.attacks.patches import first, propose
from audit.attacks.slope import Apply, Cost, choose, fold, look

P_INIT = 0.8
HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10,000 queries
_INF = float("inf")


class Found(NamedTuple):
    """The best displacement u[n, ...] so far, its margin[n] (below 0: decided wrongly), and the queries[n] spent."""

    u: Array
    margin: Array
    queries: Array


class Searched(NamedTuple):
    """The inputs[n, ...] of smallest margin, the margin[n], and the queries[n] until it fell below 0 or ran out."""

    x: Array
    margin: Array
    queries: Array


def share(query: ArrayLike, queries: ArrayLike) -> Array:
    """Return the share p of an input that proposal number `query` (from 0) of `queries` changes.

    P_INIT, halved after each of HALVED_AFTER, which count in 10,000ths of the budget (section 4 of the paper).
    """
    at = jnp.floor(jnp.asarray(query, jnp.float32) * 10_000 / queries)
    return P_INIT / 2.0 ** jnp.sum(
        at[..., None] > jnp.asarray(HALVED_AFTER).reshape(*[1] * at.ndim, -1), axis=-1
    )


@partial(jax.jit, static_argnames=("apply", "norm", "loss"))
def square(
    apply: Apply,
    params: Any,
    x: Array,
    y: Array,
    keys: Array,
    *,
    eps: ArrayLike,
    norm: Norm = "linf",
    scale: ArrayLike = 1.0,
    low: ArrayLike = -_INF,
    high: ArrayLike = _INF,
    loss: Loss = Loss(),  # noqa: B008  (frozen)
    queries: ArrayLike = 5000,
) -> Searched:
    """Return, for each x[n, ...], the point of smallest margin that random search by scores meets, and its cost.

    Andriushchenko, Croce, Flammarion and Hein 2020. Images x[n, height, width, channels] change in squares, other
    inputs in random subsets of their movable features. One forward a query; a row stops at its first
    wrong decision, and draws from keys[n] alone. Raises ValueError on a norm other than 'linf' and 'l2'.
    """
    b = ball(x, eps, norm, scale, low, high)
    if norm == "l1":
        raise ValueError("norm='l1'; expected 'linf' or 'l2', for which Square is defined")
    found = start(apply, params, b, y, keys, loss)

    def active(s: Found) -> Array:
        return (s.queries < queries) & (s.margin >= 0)

    def query(s: Found) -> Found:
        p = share(s.queries - 1, queries)
        after = propose_one(apply, params, b, y, keys, loss, s, p)
        return choose(active(s), after, s)

    found = jax.lax.while_loop(lambda s: jnp.any(active(s)), query, found)
    return Searched(b.place(found.u), found.margin, found.queries)


def square_cost(*, queries: int = 5000) -> Cost:
    """Return the most evaluations of square an example; `queries` of its result says how many it took."""
    return Cost(forward=queries + 1, gradient=0)


def start(apply: Apply, params: Any, b: Ball, y: Array, keys: Array, loss: Loss) -> Found:
    """Return the stripes or signs to search from, at one query; x, at none, where it is decided wrongly."""
    draw = jax.vmap(partial(first, b.norm), (0, None))
    u = jnp.clip(b.eps * draw(fold(keys, 0), _movable(b)), b.lower, b.upper)
    at_x, at_u = (look(apply, params, b, point, y, None, loss=loss)[0] for point in (jnp.zeros_like(u), u))
    wrong = at_x < 0
    u = jnp.where(wrong.reshape(b.eps.shape), 0.0, u)
    return Found(u, jnp.where(wrong, at_x, at_u), jnp.where(wrong, 0, 1))


def propose_one(
    apply: Apply, params: Any, b: Ball, y: Array, keys: Array, loss: Loss, found: Found, p: Array
) -> Found:
    """Return where the search stands after each row's next query, which changes a share p[n] of its entries."""
    move = jax.vmap(partial(propose, b.norm), (0, 0, 0, 0, None))
    v = move(fold(keys, found.queries), found.u, p, b.eps, _movable(b))
    v = jnp.clip(v, b.lower, b.upper)
    margin = look(apply, params, b, v, y, None, loss=loss)[0]
    better = margin < found.margin
    u = jnp.where(better.reshape(b.eps.shape), v, found.u)
    return Found(u, jnp.where(better, margin, found.margin), found.queries + 1)


def _movable(b: Ball) -> Array:
    """Return 1 for each entry that may move, 0 for each that is frozen, in the shape of one example."""
    return (b.scale != 0)[0].astype(b.x.dtype)
