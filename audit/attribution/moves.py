"""Single changes by exact evaluation: every value of every feature tried, the most gain for its cost taken (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from audit.attribution.recourse import cost

LEAST = 1e-6  # a smaller gain of margin is rounding
FREE = 0.02  # a change that costs less (or gives back) counts as if it cost this much
FARTHER = 1e-3  # of equally efficient values the farther one, and of all the one that turns the decision


class Ground(NamedTuple):
    """What is the same for every row: numeric[d], weight[d], and the changes to try, feature[c] and value[c]."""

    numeric: Any
    weight: Any
    feature: Any
    value: Any


class Walk(NamedTuple):
    """Where each row stands: now[b, d] with its margin, the cheapest turned row met and its estimated cost."""

    now: Any
    margin: Any
    best: Any
    price: Any
    active: Any
    tried: Any


def walk(
    margin: Callable[[Any], Any], ground: Ground, x: Any, ends: tuple[Any, Any], rank: Any, rounds: int
) -> Walk:
    """Return the walk of x[b, d] by single changes until its decision turns, no change helps or rounds are spent.

    In each round the change with the highest gain of margin per cost is made; a number's gain is that of its
    secant, so on a linear model the walk solves the fractional knapsack, which is the nearest counterfactual
    in L1. rank[b]: the first change is made in the rank-th best feature (0 the best), for other starts; -1
    makes none. Every value tried that turns the decision is noted with the cost at which its secant crosses.
    """
    start = margin(x)
    state = Walk(
        x, start, x, jnp.full(len(x), jnp.inf), (start < 0) & (rank >= 0), jnp.zeros(len(x), jnp.int32)
    )

    def again(carry: tuple[Any, Walk]) -> Any:
        return (carry[0] < rounds) & carry[1].active.any()

    def body(carry: tuple[Any, Walk]) -> tuple[Any, Walk]:
        done, state = carry
        return done + 1, _round(margin, ground, x, ends, jnp.where(done == 0, rank, 0), state)

    return jax.lax.while_loop(again, body, (0, state))[1]


def _round(
    margin: Callable[[Any], Any], ground: Ground, x: Any, ends: tuple[Any, Any], rank: Any, state: Walk
) -> Walk:
    """Try every single change of every row, note the cheapest that turns it, make the most efficient one."""
    tried = _changed(ground, ends, state.now)
    b, c, d = tried.shape
    found = margin(tried.reshape(b * c, d)).reshape(b, c)
    before = cost(ground.numeric, ground.weight, x, state.now)[:, None]
    extra = cost(ground.numeric, ground.weight, x[:, None], tried) - before
    gain, lack = found - state.margin[:, None], -state.margin[:, None]
    number = ground.numeric[ground.feature][None]
    part = jnp.where(number, jnp.clip(lack / jnp.maximum(gain, LEAST), 0, 1), 1.0)
    price = jnp.where(found >= 0, before + part * extra, jnp.inf)
    cheapest = price.argmin(axis=1)
    price = _at(price, cheapest)
    better = state.active & (price < state.price)
    chosen, efficient = _choose(ground, tried, state.now, jnp.where(number, gain, jnp.minimum(gain, lack)), extra,
                                found >= 0, rank)  # fmt: skip
    step = state.active & efficient
    return Walk(
        jnp.where(step[:, None], _at(tried, chosen), state.now),
        jnp.where(step, _at(found, chosen), state.margin),
        jnp.where(better[:, None], _at(tried, cheapest), state.best),
        jnp.where(better, price, state.price),
        step & (_at(found, chosen) < 0),
        state.tried + jnp.where(state.active, c, 0),
    )


def _changed(ground: Ground, ends: tuple[Any, Any], now: Any) -> Any:
    """Return now[b, d] with each change made: [b, c, d], values held between the row's ends."""
    low, high = (end[:, ground.feature] for end in ends)
    value = jnp.where(
        ground.numeric[ground.feature][None], jnp.clip(ground.value[None], low, high), ground.value[None]
    )
    here = ground.feature[:, None] == jnp.arange(now.shape[1])[None]
    return jnp.where(here[None], value[:, :, None], now[:, None])


def _choose(
    ground: Ground, tried: Any, now: Any, gain: Any, extra: Any, turned: Any, rank: Any
) -> tuple[Any, Any]:
    """Return each row's change with the most gain per cost (of the rank-th best feature), and whether it gains."""
    size = jnp.abs(extra) / (1 + jnp.abs(extra))
    rate = gain / jnp.maximum(extra, FREE) * (1 + FARTHER * (size + turned))
    rate = jnp.where((tried != now[:, None]).any(axis=2) & (gain > LEAST), rate, -jnp.inf)
    of = ground.feature[None, :, None] == jnp.arange(now.shape[1])[None, None]
    each = jnp.where(of, rate[:, :, None], -jnp.inf).max(axis=1)  # [b, d]
    feature = in_order(-each, rank)
    forced = jnp.where(ground.feature[None] == feature[:, None], rate, -jnp.inf)
    rate = jnp.where((rank > 0)[:, None], forced, rate)
    return rate.argmax(axis=1), rate.max(axis=1) > 0


def in_order(a: Any, place: Any) -> Any:
    """Return the column[b] of the place[b]-th smallest of a[b, d], the first of equals first (a sort compiles long)."""
    d = jnp.arange(a.shape[1])
    first = (a[:, :, None] > a[:, None]) | ((a[:, :, None] == a[:, None]) & (d[:, None] > d[None])[None])
    return (first.sum(axis=2) == jnp.broadcast_to(place, len(a))[:, None]).argmax(axis=1)


def _at(a: Any, index: Any) -> Any:
    """Return a[b, index[b], ...]."""
    return jnp.take_along_axis(a, index.reshape(-1, *[1] * (a.ndim - 1)), axis=1)[:, 0]
