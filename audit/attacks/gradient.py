"""Gradient attacks on any differentiable `apply(params, x) -> outputs[n, k]`: one step, and many."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import TINY, Ball, Norm, ball, size
from audit.attacks.losses import Loss
from audit.attacks.slope import CLEAN, Apply, Cost, fold, look, slope

_INF = float("inf")
# How far the steps from one start reach, in eps. Madry et al. 2018 take 2.5; for L2 that ends 1.3 % short of
# a linear model's optimum from a start at a right angle to it, 5 ends within 0.01 %.
TRAVEL: dict[Norm, float] = {"linf": 2.5, "l2": 5.0, "l1": 2.5}


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
    cuts off is spent on the features still free; for L1 on the entry of largest slope, then the next. eps is in
    units of scale; one compilation serves every eps.
    """
    b = ball(x, eps, norm, scale, low, high)
    return b.place(b.maximiser(slope(apply, params, b, jnp.zeros_like(x), y, None, loss=loss).g))


class Search(NamedTuple):
    """Where the search stands, its velocity, and the worst point seen with its margin[n]."""

    u: Array
    velocity: Array
    worst: Array
    margin: Array


@partial(jax.jit, static_argnames=("apply", "norm", "loss", "steps", "restarts", "targets", "draws"))
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
    momentum: ArrayLike | None = None,
    targets: int = 0,
    draws: int = 0,
) -> Array:
    """Return, for each x[n, ...], the worst point met by projected gradient ascent from random starts.

    Madry et al. 2018. step_size is relative to eps, by default TRAVEL[norm] / steps. The worst point is the one of
    smallest margin over all steps, restarts and x itself, so it is misclassified where any point met was.
    keys[n] are JAX keys, one an example: the result does not depend on the other examples. One
    compilation serves every eps, step_size and momentum. momentum: what is kept of the running sum of
    gradients of unit L1 norm (MI-FGSM, Dong et al. 2018). targets > 0: every restart is run towards each
    of the so many most likely wrong classes at x. draws > 0: apply(params, x, keys[n]) is randomised, and
    gradients and margins are means over so many draws.
    """
    b = ball(x, eps, norm, scale, low, high)
    step = b.eps * (TRAVEL[norm] / steps if step_size is None else jnp.asarray(step_size, x.dtype))
    zero = jnp.zeros_like(x)
    margin, outputs = look(apply, params, b, zero, y, fold(keys, CLEAN), loss=loss, draws=draws)
    towards = loss.targets(outputs, y, targets) if targets else None
    runs = restarts * (1 if towards is None else towards.shape[1])

    def run(i: Array, s: Search) -> Search:
        own = fold(keys, i)
        target = None if towards is None else jnp.take(towards, i % towards.shape[1], axis=1)

        def one(k: Array, s: Search) -> Search:
            drawn = fold(own, k + 2)  # 1 drew the start
            return climb(apply, params, b, y, s, step, loss, target, momentum, keys=drawn, draws=draws)

        s = jax.lax.fori_loop(0, steps, one, s._replace(u=b.inner(own), velocity=zero))
        last = look(apply, params, b, s.u, y, fold(own, steps + 2), loss=loss, draws=draws)
        return _seen(s, last[0])

    found = Search(zero, zero, zero, margin)
    return b.place(jax.lax.fori_loop(0, runs, run, found).worst)


def climb(
    apply: Apply,
    params: Any,
    b: Ball,
    y: Array,
    s: Search,
    step: Array,
    loss: Loss,
    target: Array | None,
    momentum: ArrayLike | None,
    *,
    keys: Array | None = None,
    draws: int = 0,
) -> Search:
    """Return the search after one step of this length[n, 1, ...]; the point it leaves is remembered if the worst."""
    here = slope(apply, params, b, s.u, y, keys, loss=loss, target=target, draws=draws)
    s, g = _seen(s, here.margin), here.g
    if momentum is not None:
        g = jnp.asarray(momentum, g.dtype) * s.velocity + g / jnp.maximum(size(g, "l1"), TINY)
        s = s._replace(velocity=g)
    return s._replace(u=b.climb(s.u, g, step))


def _seen(s: Search, margin: Array) -> Search:
    """Return the search that has seen this margin[n] where it stands."""
    worse = (margin < s.margin).reshape(-1, *[1] * (s.u.ndim - 1))
    return s._replace(worst=jnp.where(worse, s.u, s.worst), margin=jnp.minimum(margin, s.margin))


def pgd_cost(*, steps: int, restarts: int = 1, targets: int = 0, draws: int = 0) -> Cost:
    """Return the evaluations of pgd an example, where it has at least `targets` wrong classes."""
    runs, each = restarts * max(targets, 1), max(draws, 1)
    return Cost(forward=(runs + 1) * each, gradient=runs * steps * each)


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
