"""AutoAttack (Croce and Hein 2020): the published stages in order, each on the examples still standing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from audit.attacks.anneal import anneal_cost
from audit.attacks.apgd import apgd_cost
from audit.attacks.balls import Norm
from audit.attacks.fab import fab_cost
from audit.attacks.lanes import Laned, Walk, in_lanes
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared
from audit.attacks.slope import Apply, Cost
from audit.attacks.square import square_cost
from audit.attacks.walks import anneal_walk, apgd_walk
from audit.attacks.walks_search import fab_walk, square_walk

Version = Literal["standard", "plus", "rand"]
STEPS, QUERIES, TARGETS, DRAWS = 100, 5000, 9, 20
_INF = float("inf")
Queued = Callable[[Laned, Shared, Rows], Any]


@dataclass(frozen=True)
class Stage:
    """One attack of the suite: its name, its budget in words, its walk, evaluations a row."""

    name: str
    says: str
    walk: Walk
    cost: Cost


def stages(
    version: Version, apply: Apply, norm: Norm, loss: Loss, classes: int, *, annealed: bool = False
) -> tuple[Stage, ...]:
    """Return the stages of a version for a model of so many classes; annealed adds a fifth of our own.

    'standard': APGD-CE, APGD-T, FAB-T, Square; for L1 APGD-CE with 5 starts, APGD-T with 5 targets, FAB-T (Square
    is not defined here for L1). 'plus': APGD-CE and APGD-DLR with 5 starts, FAB with 5, Square, APGD-T, FAB-T.
    'rand': APGD-CE and APGD-DLR on the mean of 20 draws of apply(params, x, keys). DLR gives way to the margin
    where there are too few classes for it. Raises ValueError on another version.
    """
    made = _Suite(apply, norm, loss, classes)
    starts = 5 if norm == "l1" or version == "plus" else 1
    targeted = (
        made.apgd("APGD-T", "dlr", targets=5 if norm == "l1" else TARGETS),
        made.fab("FAB-T", TARGETS),
    )
    blind = () if norm == "l1" else (made.square(),)
    if version == "standard":
        suite = (made.apgd("APGD-CE", "cross-entropy", starts), *targeted, *blind)
    elif version == "plus":
        free = (made.apgd("APGD-CE", "cross-entropy", starts), made.apgd("APGD-DLR", "dlr", starts))
        suite = (*free, made.fab("FAB", 0, starts), *blind, *targeted)
    elif version == "rand":
        suite = (
            made.apgd("APGD-CE", "cross-entropy", draws=DRAWS),
            made.apgd("APGD-DLR", "dlr", draws=DRAWS),
        )
    else:
        raise ValueError(f"version={version!r}; expected 'standard', 'plus' or 'rand'")
    return (*suite, made.anneal()) if annealed and version != "rand" else suite


class Attacked(NamedTuple):
    """The inputs[n, ...] after the suite, and the number[n] of the stage that felled each row (-1: none)."""

    x: np.ndarray
    by: np.ndarray


def _alone(f: Laned, shared: Shared, rows: Rows) -> Any:
    """Return f on the rows by one device, the first row repeated until their number is a power of two."""
    n = len(rows.y)
    at = np.arange(1 << (n - 1).bit_length())
    at = np.where(at < n, at, 0)
    out = jax.jit(f)(shared, jax.tree.map(lambda a: a[at], rows), np.arange(len(at)) < n)
    return jax.tree.map(lambda a: np.asarray(a)[:n], out)


def autoattack(
    apply: Apply,
    params: Any,
    x: Array,
    y: Array,
    key: Array,
    *,
    eps: float,
    norm: Norm = "linf",
    version: Version = "standard",
    scale: ArrayLike = 1.0,
    low: ArrayLike = -_INF,
    high: ArrayLike = _INF,
    loss: Loss = Loss(),  # noqa: B008  (frozen)
    classes: int = 10,
    annealed: bool = False,
    queued: Queued = _alone,
) -> Attacked:
    """Return what the suite makes of x[n, ...] of classes y[n], each stage on the rows still standing.

    A row stands while every point found is decided right or lies outside the ball, judged by the model run
    again; it leaves a stage as soon as it has fallen. For a randomised model ('rand') a row falls where the mean
    margin over DRAWS draws is below 0. queued(f, shared, rows) runs a stage's lanes on the rows; by default on one
    device, padded to powers of two, so that few shapes are compiled.
    """
    moved, by = np.array(x), np.full(len(y), -1)
    draws = DRAWS if version == "rand" else 0
    how = Shared(params, key, np.float32(eps), scale, low, high)
    for number, stage in enumerate(stages(version, apply, norm, loss, classes, annealed=annealed)):
        standing = np.flatnonzero(by < 0)
        if number == 0:
            wrong = _wrong(apply, params, x, y, loss, key, draws)
            by[wrong] = 0
            standing = np.flatnonzero(by < 0)
        if not len(standing):
            break
        rows = Rows(np.asarray(x)[standing], np.asarray(y)[standing], standing.astype(np.uint32))
        out = queued(in_lanes(stage.walk), how, rows)
        found = np.asarray(getattr(out, "x", out))
        near = _within(np.asarray(x)[standing], found, eps, norm, scale)
        fell = near & _wrong(apply, params, found, np.asarray(y)[standing], loss, key, draws)
        moved[standing[fell]], by[standing[fell]] = found[fell], number
    return Attacked(moved, by)


class _Suite(NamedTuple):
    """What every stage is made from."""

    apply: Apply
    norm: Norm
    loss: Loss
    classes: int

    def apgd(self, name: str, loss: Any, restarts: int = 1, targets: int = 0, draws: int = 0) -> Stage:
        """Return an Auto-PGD stage."""
        aimed = min(targets, self.classes - 1)
        raised = replace(self.loss, name=loss)
        used = raised.resolved(self.classes, targeted=bool(targets)).name
        says = f"{STEPS} steps, {_many(restarts, 'start')}" + (f", {_many(aimed, 'target')}" if aimed else "")
        says += f", {draws} draws" if draws else ""
        says += f", on the {used} loss" + (" (too few classes for DLR)" if used != loss else "")
        walk = apgd_walk(self.apply, self.norm, raised, STEPS, restarts, targets=targets, draws=draws)
        return Stage(name, says, walk, apgd_cost(steps=STEPS, restarts=restarts, targets=aimed, draws=draws))

    def fab(self, name: str, targets: int, restarts: int = 1) -> Stage:
        """Return a FAB stage."""
        aimed = min(targets, self.classes - 1)
        says = f"{STEPS} steps, {_many(restarts, 'start')}" + (f", {_many(aimed, 'target')}" if aimed else "")
        walk = fab_walk(self.apply, self.norm, self.loss, STEPS, restarts, targets)
        cost = fab_cost(classes=self.classes, steps=STEPS, restarts=restarts, targets=targets)
        return Stage(name, says, walk, cost)

    def square(self) -> Stage:
        """Return the Square stage."""
        walk = square_walk(self.apply, self.norm, self.loss, QUERIES)
        return Stage("Square", f"{QUERIES:,} queries at most", walk, square_cost(queries=QUERIES))

    def anneal(self) -> Stage:
        """Return our own fifth stage: many targets, the radius annealed from above."""
        aimed = min(TARGETS, self.classes - 1)
        walk = anneal_walk(
            self.apply, self.norm, replace(self.loss, name="margin"), STEPS, 1, targets=TARGETS
        )
        says = f"{STEPS} steps, {_many(aimed, 'target')}, radius annealed from above"
        return Stage("Annealed", says, walk, anneal_cost(steps=STEPS, targets=aimed))


def _many(count: int, what: str) -> str:
    """Return the count with its noun."""
    return f"{count} {what}{'s' * (count != 1)}"


def _wrong(apply: Apply, params: Any, x: Any, y: Any, loss: Loss, key: Array, draws: int) -> np.ndarray:
    """Return which rows[n] are decided otherwise than y, by the mean of the draws of a randomised model."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    if not draws:
        return np.asarray(loss.margin(apply(params, x), y) < 0)
    keys = jax.random.split(jax.random.fold_in(key, 1), (draws, len(y)))
    return np.asarray(jnp.mean(jnp.stack([loss.margin(apply(params, x, k), y) for k in keys]), 0) < 0)


def _within(x: np.ndarray, moved: np.ndarray, eps: float, norm: Norm, scale: ArrayLike) -> np.ndarray:
    """Return which points[n] lie in the ball, up to float32 rounding."""
    unit = np.broadcast_to(np.asarray(scale, np.float64), x.shape[1:])
    shift = np.divide(moved.astype(np.float64) - x, np.where(unit == 0, 1.0, unit)).reshape(len(x), -1)
    sizes = {"linf": np.abs(shift).max(1), "l2": np.sqrt((shift**2).sum(1)), "l1": np.abs(shift).sum(1)}
    return np.isfinite(moved).reshape(len(x), -1).all(1) & (sizes[norm] <= eps * (1 + 1e-5) + 1e-6)
