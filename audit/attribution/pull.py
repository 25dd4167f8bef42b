"""Towards the nearest counterfactual: gradient steps with an L1 price, features given back, bisection (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from audit.attribution.moves import Ground, in_order
from audit.attribution.recourse import cost

WIDE, NARROW = 0.3, 0.01  # the first and the last gradient step, in units
DEARER, CHEAPER = 1.15, 0.85  # what a row that is not turned, and one that is, does to its margin's weight
WEIGHTS = (0.5, 50.0)
HALVINGS = 14


def descend(
    margin: Callable[[Any], Any], ground: Ground, x: Any, ends: tuple[Any, Any], start: Any, steps: int
) -> Any:
    """Return the cheapest turned row[b, d] met by proximal gradient steps from start[b, d], else the last one.

    The objective is Wachter et al.'s (2018), weight * hinge(margin) + L1 distance, its weight raised while the
    decision is not turned and lowered while it is. The L1 part is taken exactly (soft thresholding), so that
    a feature not worth its cost returns to its own value. Categories stay as they are at the start.
    """

    def summed(z: Any) -> tuple[Any, Any]:
        found = margin(z)
        return found.sum(), found

    def step(carry: tuple[Any, ...], size: Any) -> tuple[tuple[Any, ...], None]:
        now, weight, best, price = carry
        slope, found = jax.grad(summed, has_aux=True)(now)
        best, price = _cheaper(ground, x, now, found, best, price)
        factor = jnp.where(found < 0, DEARER, CHEAPER)
        push = jnp.where((found < 0)[:, None], weight[:, None] * _push(ground, ends, now, slope), 0.0)
        return (
            _shrunk(ground, x, ends, now, size, push),
            jnp.clip(weight * factor, *WEIGHTS),
            best,
            price,
        ), None

    sizes = WIDE * (NARROW / WIDE) ** (jnp.arange(steps) / max(steps - 1, 1))
    begin = (start, jnp.full(len(x), 1.2), start, jnp.full(len(x), jnp.inf))
    (now, _, best, price), _ = jax.lax.scan(step, begin, sizes)
    best, price = _cheaper(ground, x, now, margin(now), best, price)
    return jnp.where(jnp.isfinite(price)[:, None], best, now)


def _push(ground: Ground, ends: tuple[Any, Any], now: Any, slope: Any) -> Any:
    """Return the gradient[b, d] per unit of every number that can still follow it, the largest of them 1."""
    low, high = ends
    slope = slope * _units(ground)
    stopped = ((slope > 0) & (now >= high)) | ((slope < 0) & (now <= low))
    slope = jnp.where(stopped, 0.0, slope)
    return slope / jnp.maximum(jnp.abs(slope).max(axis=1, keepdims=True), 1e-12)


def _shrunk(ground: Ground, x: Any, ends: tuple[Any, Any], now: Any, size: Any, push: Any) -> Any:
    """Return the row after one step: numbers pushed, then drawn back to x by the step's size, then in range."""
    unit = _units(ground)
    u = (now - x) * ground.weight[None] + size * push
    u = jnp.sign(u) * jnp.maximum(jnp.abs(u) - size, 0)
    moved = jnp.where(u != 0, jnp.clip(x + u * unit, *ends), x)
    return jnp.where(unit > 0, moved, now)


def _units(ground: Ground) -> Any:
    """Return unit[1, d] of the numbers that may move, 0 of everything else."""
    free = ground.numeric & (ground.weight > 0)
    return jnp.where(free, 1 / jnp.where(free, ground.weight, 1.0), 0.0)[None]


def _cheaper(ground: Ground, x: Any, now: Any, found: Any, best: Any, price: Any) -> tuple[Any, Any]:
    """Return the best row and its price once this one was met."""
    asked = cost(ground.numeric, ground.weight, x, now)
    better = (found >= 0) & (asked < price)
    return jnp.where(better[:, None], now, best), jnp.where(better, asked, price)


def give_back(margin: Callable[[Any], Any], ground: Ground, x: Any, now: Any) -> Any:
    """Return turned rows[b, d] with features back at their own value, cheapest first, while they stay turned."""
    apart = (
        jnp.where(ground.numeric[None], jnp.abs(now - x), (now != x).astype(now.dtype)) * ground.weight[None]
    )

    turned = margin(now) >= 0  # and then it stays so

    def given_back(k: Any, z: Any) -> Any:
        return _given_back(margin, x, z, turned, in_order(jnp.where(apart > 0, apart, jnp.inf), k))

    return jax.lax.fori_loop(0, x.shape[1], given_back, now)


def pull(margin: Callable[[Any], Any], ground: Ground, x: Any, now: Any) -> Any:
    """Return turned rows[b, d] with each number as near to its own value as halving takes it, least efficient first.

    A row that is not turned stays as it is.
    """
    slope = jax.grad(lambda z: margin(z).sum())(now)
    slope = jnp.abs(slope) * _units(ground)

    def pulled(k: Any, z: Any) -> Any:
        return _halved(margin, ground, x, z, in_order(slope, k))

    return jax.lax.fori_loop(0, x.shape[1], pulled, now)


def _given_back(margin: Callable[[Any], Any], x: Any, now: Any, turned: Any, feature: Any) -> Any:
    """Return the row with one feature at its own value, where the decision stays turned."""
    here = feature[:, None] == jnp.arange(x.shape[1])[None]
    tried = jnp.where(here, x, now)
    return jnp.where(((margin(tried) >= 0) & turned)[:, None], tried, now)


def _halved(margin: Callable[[Any], Any], ground: Ground, x: Any, now: Any, feature: Any) -> Any:
    """Return the row with one number as near to its own value as halving finds it turned."""
    here = (feature[:, None] == jnp.arange(x.shape[1])[None]) & ground.numeric[None]

    def half(_: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        near, far = carry
        middle = (near + far) / 2
        tried = _between(here, x, now, middle)
        turned = margin(tried) >= 0
        return jnp.where(turned, near, middle), jnp.where(turned, middle, far)

    begin = (jnp.zeros(len(x)), jnp.ones(len(x)))
    _, share = jax.lax.fori_loop(0, HALVINGS, half, begin)
    return jnp.where((share < 1)[:, None], _between(here, x, now, share), now)


def _between(here: Any, x: Any, now: Any, share: Any) -> Any:
    """Return the row with the chosen number this share of the way from x to now."""
    return jnp.where(here & (now != x), x + share[:, None] * (now - x), now)
