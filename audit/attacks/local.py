"""Probes of an attack: what small steps along the gradient do, and the margin where it went."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import Norm, ball
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, keys_of, space_of
from audit.attacks.slope import Apply, look, slope

_INF = float("inf")
_KEPT = 32
STEPS = (1 / 64, 1 / 8)  # lengths of the small steps, in eps


class Fall(NamedTuple):
    """Per step: the fall of the margin that the gradient promises[n, steps], and the fall that comes[n, steps]."""

    promised: Array
    come: Array


@partial(jax.jit, static_argnames=("apply", "norm", "loss"))
def fall(
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
    loss: Loss = Loss("margin"),  # noqa: B008  (frozen)
) -> Fall:
    """Return the Fall over steps of STEPS times eps along the steepest descent of the margin near x[n, ...].

    The steps begin at a random point, uniform in half the ball: at x itself a model may well have a kink (a
    table's round numbers lie on the edges of its bins), where the gradient speaks for one side only.

    Where the model is smooth promise and outcome agree for small steps; where its gradient is masked
    (rounded inputs, noise, shattering) they do not (Athalye, Carlini and Wagner 2018).
    """
    b = ball(x, eps, norm, scale, low, high)
    start = b.uniform(keys) / 2
    here = slope(apply, params, b, start, y, None, loss=loss)
    axes = tuple(range(1, x.ndim))
    promised, come = [], []
    for part in STEPS:
        u = b.project(start + part * b.maximiser(here.g))
        promised.append(jnp.sum(here.g * (u - start), axis=axes))
        come.append(here.margin - look(apply, params, b, u, y, None, loss=loss)[0])
    return Fall(jnp.stack(promised, 1), jnp.stack(come, 1))


@lru_cache(maxsize=_KEPT)
def fall_rows(apply: Apply, norm: Norm, loss: Loss) -> Any:
    """Return f(shared, rows) -> Fall."""

    def measure(s: Shared, rows: Rows) -> Fall:
        return fall(apply, s.params, rows.x, rows.y, keys_of(s, rows), norm=norm, loss=loss, **space_of(s))

    return measure


@lru_cache(maxsize=_KEPT)
def margin_rows(apply: Apply, loss: Loss) -> Any:
    """Return f(params, rows) -> the margin[n] at the rows' own inputs."""

    def measure(params: Any, rows: Rows) -> Array:
        return loss.margin(apply(params, rows.x), rows.y)

    return measure
