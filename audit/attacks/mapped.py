"""The attacks as f(shared, rows), to be mapped over batches: one object per model and static options.

A mapper that jits f then finds its compiled code again for every eps, step size and set of parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.balls import Norm
from audit.attacks.gradient import Apply, fgsm, gradient_size, noise, pgd
from audit.attacks.losses import Loss

_KEPT = 32  # functions remembered; each keeps its model's apply alive


class Shared(NamedTuple):
    """What every batch is given: parameters, a JAX key, the radius and the space to move in."""

    params: Any
    key: Any
    eps: ArrayLike
    scale: ArrayLike
    low: ArrayLike
    high: ArrayLike
    step_size: ArrayLike = 0.0


class Rows(NamedTuple):
    """One batch: inputs[n, ...], classes[n], and a number[n] that makes each row's random draws its own."""

    x: Any
    y: Any
    number: Any


Mapped = Callable[[Shared, Rows], Array]


@lru_cache(maxsize=_KEPT)
def fgsm_rows(apply: Apply, norm: Norm, loss: Loss) -> Mapped:
    """Return f(shared, rows) -> the inputs[n, ...] that FGSM makes."""

    def attack(s: Shared, rows: Rows) -> Array:
        return fgsm(
            apply,
            s.params,
            rows.x,
            rows.y,
            eps=s.eps,
            norm=norm,
            scale=s.scale,
            low=s.low,
            high=s.high,
            loss=loss,
        )

    return attack


@lru_cache(maxsize=_KEPT)
def pgd_rows(apply: Apply, norm: Norm, loss: Loss, steps: int, restarts: int) -> Mapped:
    """Return f(shared, rows) -> the inputs[n, ...] that PGD makes."""

    def attack(s: Shared, rows: Rows) -> Array:
        return pgd(
            apply,
            s.params,
            rows.x,
            rows.y,
            _keys(s, rows),
            eps=s.eps,
            norm=norm,
            scale=s.scale,
            low=s.low,
            high=s.high,
            loss=loss,
            steps=steps,
            restarts=restarts,
            step_size=s.step_size,
        )

    return attack


@lru_cache(maxsize=_KEPT)
def noise_rows(norm: Norm) -> Mapped:
    """Return f(shared, rows) -> the inputs[n, ...] moved at random."""

    def attack(s: Shared, rows: Rows) -> Array:
        return noise(rows.x, _keys(s, rows), eps=s.eps, norm=norm, scale=s.scale, low=s.low, high=s.high)

    return attack


@lru_cache(maxsize=_KEPT)
def gradient_rows(apply: Apply, loss: Loss) -> Mapped:
    """Return f(shared, rows) -> the largest scaled input derivative[n]."""

    def measure(s: Shared, rows: Rows) -> Array:
        return gradient_size(apply, s.params, rows.x, rows.y, scale=s.scale, loss=loss)

    return measure


def _keys(s: Shared, rows: Rows) -> Array:
    """Return a key[n] for each row, from its number alone."""
    return jax.vmap(jax.random.fold_in, (None, 0))(s.key, rows.number)
