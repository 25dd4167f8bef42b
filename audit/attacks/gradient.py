"""Gradient attacks on any differentiable `apply(params, x) -> outputs[n, k]`: one step, and many."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import Ball, Norm, ball, size
from audit.attacks.losses import Loss

Apply = Callable[[Any, Array], Array]
_INF = float("inf")
# How far the steps from one start reach, in eps. Madry et al. 2018 take 2.5; for L2 that ends 1.3 % short of
# a linear model's optimum from a start at a right angle to it, 5 ends within 0.01 %.
TRAVEL: dict[Norm, float] = {"linf": 2.5, "l2": 5.0}


@partial(jax.jit, static_argnames=("apply", "norm", "loss"))
def fgsm(
    apply: Apply,
    params: Any,
    x: Array,
    y: Array,
    *,
    eps: ArrayLike,
    norm: Norm = "linf",
    scale: ArrayLike = 1.0,
    low: ArrayLike = -_INF,
    high: ArrayLike = _INF,
    loss: Loss = Loss(),  # noqa: B008  (frozen)
) -> Array:
    """Return x[n, ...] moved to where the linearised loss is largest in the ball and the box, in one step.

    For L-infinity this is the fast gradient sign method, x + eps * scale * sign(gradient), clipped
    (Goodfellow, Shlens and Szegedy 2015); for L2 the step lies along the scaled gradient, and what the box
    cuts off is spent on the features still free. eps is in units of scale; one compilation serves every eps.
    """
    b = ball(x, eps, norm, scale, low, high)
    g, _ = _scaled_gradient(apply, params, b, jnp.zeros_like(x), y, loss)
    return b.place(b.maximiser(g))


class _Search(NamedTuple):
    """Where the search stands, and the worst point seen with its margin[n]."""

    u: Array
    worst: Array
    margin: Array


@partial(jax.jit, static_argnames=("apply", "norm", "loss", "steps", "restarts"))
def pgd(
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
    steps: int = 40,
    restarts: int = 1,
    step_size: ArrayLike | None = None,
) -> Array:
    """Return, for each x[n, ...], the worst point met by projected gradient ascent from random starts.

    Madry et al. 2018. step_size is relative to eps, by default TRAVEL[norm] / steps. The worst point is the one of
    smallest margin over all steps, restarts and x itself, so it is misclassified where any point met was.
    keys[n] are JAX keys, one an example: the result does not depend on the other examples. One
    compilation serves every eps and step_size.
    """
    b = ball(x, eps, norm, scale, low, high)
    step = b.eps * (TRAVEL[norm] / steps if step_size is None else jnp.asarray(step_size, x.dtype))

    def look(s: _Search, margin: Array) -> _Search:
        worse = (margin < s.margin).reshape(b.eps.shape)
        return _Search(s.u, jnp.where(worse, s.u, s.worst), jnp.minimum(margin, s.margin))

    def climb(_: int, s: _Search) -> _Search:
        g, margin = _scaled_gradient(apply, params, b, s.u, y, loss)
        s = look(s, margin)
        return s._replace(u=b.project(s.u + step * b.direction(g, s.u)))

    def restart(i: Array, s: _Search) -> _Search:
        start = b.uniform(jax.vmap(jax.random.fold_in, (0, None))(keys, i))
        s = jax.lax.fori_loop(0, steps, climb, s._replace(u=start))
        return look(s, _margin(apply, params, b, s.u, y, loss))

    zero = jnp.zeros_like(x)
    found = _Search(zero, zero, _margin(apply, params, b, zero, y, loss))
    return b.place(jax.lax.fori_loop(0, restarts, restart, found).worst)


@partial(jax.jit, static_argnames=("norm",))
def noise(
    x: Array,
    keys: Array,
    *,
    eps: ArrayLike,
    norm: Norm = "linf",
    scale: ArrayLike = 1.0,
    low: ArrayLike = -_INF,
    high: ArrayLike = _INF,
) -> Array:
    """Return x[n, ...] moved at random, uniformly in the ball: what an attack must beat."""
    b = ball(x, eps, norm, scale, low, high)
    return b.place(b.uniform(keys))


@partial(jax.jit, static_argnames=("apply", "loss"))
def gradient_size(
    apply: Apply,
    params: Any,
    x: Array,
    y: Array,
    *,
    scale: ArrayLike = 1.0,
    loss: Loss = Loss(),  # noqa: B008
) -> Array:
    """Return the largest absolute scaled input derivative[n] of the loss at x; NaN where not finite."""
    unit = jnp.broadcast_to(jnp.asarray(scale, x.dtype), x.shape[1:])[None]
    g = jax.grad(lambda x: jnp.sum(loss(apply(params, x), y)))(x)
    largest = size(unit * g, "linf").reshape(-1)
    return jnp.where(jnp.isfinite(largest), largest, jnp.nan)


def _scaled_gradient(
    apply: Apply, params: Any, b: Ball, u: Array, y: Array, loss: Loss
) -> tuple[Array, Array]:
    """Return the gradient in u (what is not finite set to 0) and the margin[n], from one backward pass."""

    def total(x: Array) -> tuple[Array, Array]:
        outputs = apply(params, x)
        return jnp.sum(loss(outputs, y)), loss.margin(outputs, y)

    g, margin = jax.grad(total, has_aux=True)(b.place(u))
    return jnp.nan_to_num(b.scale * g, nan=0.0, posinf=0.0, neginf=0.0), margin


def _margin(apply: Apply, params: Any, b: Ball, u: Array, y: Array, loss: Loss) -> Array:
    """Return the margin[n] at u."""
    return loss.margin(apply(params, b.place(u)), y)
