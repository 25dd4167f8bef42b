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

from audit.attacks.apgd import apgd
from audit.attacks.balls import Ball, Norm, ball
from audit.attacks.gradient import Apply, fgsm, gradient_size, noise, pgd
from audit.attacks.losses import Loss
from audit.attacks.minimum import minimum
from audit.attacks.nearest import Nearest

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


class Transfer(NamedTuple):
    """What a transferred attack is given: what it uses on the model it is made on, the audited one's params."""

    made_on: Shared
    params: Any


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
            norm=norm,
            loss=loss,
            **space_of(s),
        )

    return attack


@lru_cache(maxsize=_KEPT)
def pgd_rows(
    apply: Apply,
    norm: Norm,
    loss: Loss,
    steps: int,
    restarts: int,
    *,
    momentum: float | None = None,
    targets: int = 0,
    draws: int = 0,
) -> Mapped:
    """Return f(shared, rows) -> the inputs[n, ...] that PGD makes."""

    def attack(s: Shared, rows: Rows) -> Array:
        return pgd(
            apply,
            s.params,
            rows.x,
            rows.y,
            keys_of(s, rows),
            norm=norm,
            loss=loss,
            **space_of(s),
            steps=steps,
            restarts=restarts,
            step_size=s.step_size,
            momentum=momentum,
            targets=targets,
            draws=draws,
        )

    return attack


@lru_cache(maxsize=_KEPT)
def apgd_rows(
    apply: Apply, norm: Norm, loss: Loss, steps: int, restarts: int, *, targets: int = 0, draws: int = 0
) -> Mapped:
    """Return f(shared, rows) -> the inputs[n, ...] that Auto-PGD makes; it needs no step size."""

    def attack(s: Shared, rows: Rows) -> Array:
        return apgd(
            apply,
            s.params,
            rows.x,
            rows.y,
            keys_of(s, rows),
            norm=norm,
            loss=loss,
            **space_of(s),
            steps=steps,
            restarts=restarts,
            targets=targets,
            draws=draws,
        )

    return attack


@lru_cache(maxsize=_KEPT)
def minimum_rows(
    apply: Apply, norm: Norm, loss: Loss, steps: int, targets: int
) -> Callable[[Shared, Rows], Nearest]:
    """Return f(shared, rows) -> the Nearest that the minimum-norm attack finds; shared.eps plays no part."""

    def attack(s: Shared, rows: Rows) -> Nearest:
        how: dict[str, Any] = {"loss": loss, "steps": steps, "targets": targets}
        return minimum(
            apply, s.params, rows.x, rows.y, norm=norm, scale=s.scale, low=s.low, high=s.high, **how
        )

    return attack


@lru_cache(maxsize=_KEPT)
def transfer_rows(
    attack: Mapped, apply: Apply, loss: Loss
) -> Callable[[Transfer, Rows], tuple[Array, Array]]:
    """Return f(transfer, rows) -> the inputs[n, ...] that an attack on another model makes, and their margin[n].

    `attack` is any of these functions, made with the other model's apply and loss; `apply` and `loss` are
    the audited model's. A margin below 0: the audited model decides the moved input wrongly.
    """

    def transfer(t: Transfer, rows: Rows) -> tuple[Array, Array]:
        moved = attack(t.made_on, rows)
        return moved, loss.margin(apply(t.params, moved), rows.y)

    return transfer


@lru_cache(maxsize=_KEPT)
def noise_rows(norm: Norm) -> Mapped:
    """Return f(shared, rows) -> the inputs[n, ...] moved at random."""

    def attack(s: Shared, rows: Rows) -> Array:
        return noise(rows.x, keys_of(s, rows), norm=norm, **space_of(s))

    return attack


@lru_cache(maxsize=_KEPT)
def gradient_rows(apply: Apply, loss: Loss) -> Mapped:
    """Return f(shared, rows) -> the largest scaled input derivative[n]."""

    def measure(s: Shared, rows: Rows) -> Array:
        return gradient_size(apply, s.params, rows.x, rows.y, scale=s.scale, loss=loss)

    return measure


def space_of(s: Shared) -> dict[str, Any]:
    """Return the radius and the space to move in, by name."""
    return {"eps": s.eps, "scale": s.scale, "low": s.low, "high": s.high}


def keys_of(s: Shared, rows: Rows) -> Array:
    """Return a key[n] for each row, from its number alone."""
    return jax.vmap(jax.random.fold_in, (None, 0))(s.key, rows.number)


def ball_of(s: Shared, rows: Rows, norm: Norm) -> Ball:
    """Return the Ball around the rows."""
    return ball(rows.x, s.eps, norm, s.scale, s.low, s.high)
