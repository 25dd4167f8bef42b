"""The hooks of adversarial training: where training rows move, in the data's own units, ball and box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from audit.attacks.ascent import ascend, divergence
from audit.attacks.balls import Norm, ball
from audit.attacks.gradient import TRAVEL
from audit.attacks.losses import Loss
from audit.errors import ConfigError
from audit.metrics.robustness import movable_scale
from audit.remedies.options import BETA, REPLAYS, Adversarial
from audit.subject import Dataset
from audit.subject_unit import eps_scale

STATIC = {"static": True}


class Space(NamedTuple):
    """Where rows may move: the radius, the unit of each input (0: fixed), the box, the step over the radius."""

    eps: Array
    scale: Array
    low: Array
    high: Array
    step: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Worst:
    """Moves a batch by PGD to where its cross-entropy, or for TRADES its divergence, is largest."""

    space: Space
    norm: Norm = field(metadata=STATIC)
    steps: int = field(metadata=STATIC)
    diverge: bool = field(metadata=STATIC)

    def __call__(self, apply: Callable[..., Array], params: Any, x: Array, y: Array, key: Array) -> Array:
        """Return the moved batch[n, ...]."""
        s, clean = self.space, apply(params, x)

        def score(moved: Array) -> Array:
            outputs = apply(params, moved)
            return divergence(clean, outputs) if self.diverge else Loss()(outputs, y)

        b = ball(x, s.eps, self.norm, s.scale, s.low, s.high)
        return ascend(b, score, jax.random.split(key, len(x)), steps=self.steps, step=s.step)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Apart:
    """TRADES's penalty, beta KL(f(x) || f(x')) (Zhang et al. 2019, their equation 5)."""

    beta: Array

    def __call__(self, outputs: Array, perturbed: Array, y: Array) -> Array:
        """Return the penalty[n] of outputs[n, k] and perturbed[n, k]."""
        del y
        return self.beta * divergence(outputs, perturbed)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Replays:
    """Free adversarial training (Shafahi et al. 2019, their algorithm 1).

    The perturbation u, in the inputs' units, starts at 0 and is carried from each batch to the next: it
    stays within the ball, and the box is that of the batch it moves.
    """

    space: Space
    norm: Norm = field(metadata=STATIC)
    times: int = field(metadata=STATIC)

    def place(self, x: Array, u: Array) -> Array:
        """Return x moved by u, within its box."""
        s = self.space
        b = ball(x, s.eps, self.norm, s.scale, s.low, s.high)
        return b.place(b.project(u))

    def ascend(self, x: Array, u: Array, gradient: Array) -> Array:
        """Return u one step of steepest ascent further, within the ball."""
        s = self.space
        b = ball(x, s.eps, self.norm, s.scale)
        return b.project(u + s.step * b.eps * b.direction(b.scale * gradient, u))


class Hooks(NamedTuple):
    """What the training loop is given; None leaves a hook out."""

    perturb: Worst
    penalty: Apart | None = None
    replay: Replays | None = None


def hooks(options: Adversarial, data: Dataset) -> Hooks:
    """Return the hooks of adversarial training on this data; ConfigError where it cannot be had."""
    usual = TRAVEL[options.norm] / options.steps
    given = options.step_size
    space = _space(options, data, usual if given is None or options.method == "free" else given)
    worst = Worst(space, options.norm, options.steps, options.method == "trades")
    if options.method == "trades":
        return Hooks(worst, penalty=Apart(jnp.float32(BETA if options.beta is None else options.beta)))
    if options.method == "free":
        step = jnp.float32(1.0 if given is None else given)
        times = REPLAYS if options.replays is None else options.replays
        return Hooks(worst, replay=Replays(space._replace(step=step), options.norm, times))
    return Hooks(worst)


def _space(options: Adversarial, data: Dataset, step: float) -> Space:
    """Return where the rows of a dataset may move."""
    x = data.splits["train"].x
    if data.task not in ("binary", "multiclass"):
        raise _refused(f"a {data.task} task", "binary or multiclass")
    if data.low is None or data.high is None:
        raise _refused("inputs without declared bounds", "bounds")
    if isinstance(x, dict) or not np.issubdtype(np.asarray(x).dtype, np.floating):
        raise _refused("inputs that are not one array of real numbers", "continuous inputs")
    shape = np.shape(x)[1:]
    scale = movable_scale(eps_scale(data), data.features, shape)
    if not scale.any():
        raise _refused("features that are all fixed", "one that may move")
    low, high = (jnp.broadcast_to(jnp.asarray(a, jnp.float32), shape) for a in (data.low, data.high))
    return Space(jnp.float32(options.eps), jnp.asarray(scale), low, high, jnp.float32(step))


def _refused(given: str, expected: str) -> ConfigError:
    """Return why there is no adversarial training."""
    return ConfigError(f"adversarial training with {given}", expected, "leave it out")
