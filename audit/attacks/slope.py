"""What a gradient attack asks of the model at a point, and how often it asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import Ball
from audit.attacks.losses import Loss

CLEAN = np.uint32(2**32 - 1)  # folds the keys of draws at x itself; starts and steps count from 0
T = TypeVar("T")
# apply(params, x) -> outputs[n, k]; where draws are asked for, apply(params, x, keys[n]) of a randomised model
Apply = Callable[..., Array]


class Slope(NamedTuple):
    """At a point u[n, ...]: the gradient in u of what is raised, what is raised[n], the margin[n]."""

    g: Array
    raised: Array
    margin: Array


class Cost(NamedTuple):
    """Evaluations of the model an example: forward alone, and forward with a gradient."""

    forward: int
    gradient: int


def slope(
    apply: Apply,
    params: Any,
    b: Ball,
    u: Array,
    y: Array,
    keys: Array | None,
    *,
    loss: Loss,
    target: Array | None = None,
    draws: int = 0,
) -> Slope:
    """Return the Slope at u, from one forward and backward pass; what is not finite in g is set to 0.

    With draws > 0 the model is randomised, and each part is the mean over so many draws of keys[n]
    (expectation over transformation, Athalye et al. 2018).
    """
    x = b.place(u)

    def total(x: Array, keys: Array | None) -> tuple[Array, tuple[Array, Array]]:
        outputs = _run(apply, params, x, keys)
        raised = loss(outputs, y, target)
        return jnp.sum(raised), (raised, loss.margin(outputs, y))

    def once(keys: Array | None) -> Slope:
        g, (raised, margin) = jax.grad(total, has_aux=True)(x, keys)
        return Slope(jnp.nan_to_num(b.scale * g, nan=0.0, posinf=0.0, neginf=0.0), raised, margin)

    return _mean(once, keys, draws)


def look(
    apply: Apply, params: Any, b: Ball, u: Array, y: Array, keys: Array | None, *, loss: Loss, draws: int = 0
) -> tuple[Array, Array]:
    """Return the margin[n] and the outputs[n, k] at u, from one forward pass (or the mean of `draws`)."""
    x = b.place(u)

    def once(keys: Array | None) -> tuple[Array, Array]:
        outputs = _run(apply, params, x, keys)
        return loss.margin(outputs, y), outputs

    return _mean(once, keys, draws)


def fold(keys: Array, number: ArrayLike) -> Array:
    """Return keys[n] folded with a number, one for all or one an example."""
    return jax.vmap(jax.random.fold_in, (0, 0 if jnp.ndim(number) else None))(keys, number)


def aim(towards: Array | None, run: Array) -> Array | None:
    """Return the class[n] to aim at in run[n], of towards[n, k] one after the other; None where there is none."""
    if towards is None:
        return None
    return jnp.take_along_axis(towards, (run % towards.shape[1])[:, None], axis=1)[:, 0]


def choose(which: Array, chosen: Any, other: Any) -> Any:
    """Return the rows of `chosen` where which[n], else of `other` (trees of arrays with leading axis n)."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, chosen, other)


def _run(apply: Apply, params: Any, x: Array, keys: Array | None) -> Array:
    """Return the outputs of a model that is randomised if keys are given."""
    return apply(params, x) if keys is None else apply(params, x, keys)


def _mean(once: Callable[[Array | None], T], keys: Array | None, draws: int) -> T:
    """Return once(None) of a model without draws, else the mean of once over them."""
    if not draws:
        return once(None)
    if keys is None:
        raise ValueError(f"keys=None with draws={draws}; expected a JAX key an example; give keys[n]")

    def add(i: Array, total: T) -> T:
        return jax.tree.map(jnp.add, total, once(fold(keys, i)))

    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(once, keys))
    return jax.tree.map(lambda a: a / draws, jax.lax.fori_loop(0, draws, add, nothing))
