"""Whether a network's rewritten form is the faster one on this machine, by measuring both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from models.network import Network
from models.rewrite.jaxpr import replaceable, rewritten

ROWS = 64
VALUES = 2**20  # at most in the measured batch: fewer rows where they are large
STEPS = 2
REPEATS = 3
CLEAR = 1.3  # a factor between the first timings after which none is repeated
NEAR = 1.05  # the rewritten form is also taken where it is this much slower, so that noise decides less
TOLERANCE = 1e-3  # of the largest value of outputs or gradient
TOLERANCE_HALF = 5e-2  # where outputs have half precision
ROWS_APART = 0.05  # share of rows whose gradients may differ: a unit at the corner of its ReLU

Apply = Callable[[Any, Any], jax.Array]
Loop = Callable[[Any, jax.Array, Any, Any], tuple[jax.Array, jax.Array]]


@dataclass(frozen=True)
class Choice:
    """What was chosen and why; times are milliseconds a row of an input gradient, None where not measured."""

    used: bool
    reason: str
    convolutions: int = 0
    pools: int = 0
    before_ms: float | None = None
    after_ms: float | None = None
    seconds: float = 0.0  # of measuring, compilation included


def faster(network: Network, x: Any, *, rewrite: bool | None = None) -> tuple[Network, Choice]:
    """Return the network in the form whose input gradient is faster on this machine's CPU, and the choice.

    x: some rows as `network.apply` takes them. The rewritten form has equal values (see
    `models.rewrite.jaxpr`); on the first rows of x its outputs and gradients are compared with the
    network's own, and where they differ it is refused. rewrite: False keeps the network as it is, True
    takes the rewritten form without timing it; neither changes anything on an accelerator.
    """
    start = time.perf_counter()
    if rewrite is False:
        return network, Choice(False, "Rewriting is switched off.")
    if jax.default_backend() != "cpu":
        return network, Choice(False, "Rewriting is for CPUs only.")
    x = jnp.asarray(_few(x)) if hasattr(x, "dtype") else None
    if x is None or not jnp.issubdtype(x.dtype, jnp.floating):
        return network, Choice(False, "The inputs are not one array of numbers with a gradient.")
    counts = _counts(network, x)
    if counts is None:
        return network, Choice(False, "JAX cannot trace the network.")
    convolutions, pools = counts
    if not convolutions + pools:
        return network, Choice(False, "The network has no convolution or pooling to rewrite.")
    candidate = replace(network, apply=rewritten(network.apply), train_apply=rewritten(network.train_apply))
    used, reason, before, after = _judged(network, candidate, x, timed=rewrite is None)
    seconds = time.perf_counter() - start
    choice = Choice(used, reason, convolutions, pools, before, after, seconds)
    return candidate if used else network, choice


def _judged(
    network: Network, candidate: Network, x: jax.Array, *, timed: bool
) -> tuple[bool, str, float | None, float | None]:
    """Return whether the candidate is taken, why, and both times."""
    loops = [_loop(form.apply) for form in (network, candidate)]
    difference = _difference(*(jax.tree.map(np.asarray, loop(network.params, x, 1, 0.0)) for loop in loops))
    if difference:
        return False, f"The rewritten form was refused: {difference}.", None, None
    if not timed:
        return True, "The rewritten form was asked for.", None, None
    before, after = _times(loops, network.params, x)
    if after <= NEAR * before:
        return True, "The rewritten form's input gradient is at least as fast here.", before, after
    return False, "The network's own input gradient is faster here.", before, after


def _few(x: jax.Array) -> jax.Array:
    """Return the first rows, fewer where rows are large."""
    return x[: min(ROWS, max(1, VALUES // max(x[:1].size, 1)))]


def _counts(network: Network, x: jax.Array) -> tuple[int, int] | None:
    """Return how many convolutions and poolings would be replaced, None where the network cannot be traced."""
    try:
        found = replaceable(jax.make_jaxpr(network.apply)(network.params, x).jaxpr)
    except Exception:  # noqa: BLE001  (a network that cannot be traced keeps its own form)
        return None
    convolutions = found["conv_general_dilated"]
    return convolutions, found.total() - convolutions


def _loop(apply: Apply) -> Loop:
    """Return the jitted function of (params, x, steps, scale): outputs and input gradient of the last step.

    Each step moves x by scale times the gradient. At scale 0 it stays where it is, which the compiler
    cannot know; a loop without a change would be computed once.
    """

    def gradient(params: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs, pull = jax.vjp(lambda x: apply(params, x), x)
        weights = jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32))  # no two outputs weigh the same
        return outputs, pull(weights.reshape(outputs.shape).astype(outputs.dtype))[0]

    @jax.jit
    def loop(params: Any, x: jax.Array, steps: Any, scale: Any) -> tuple[jax.Array, jax.Array]:
        def step(_: Any, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            moved = (carry[0] + scale * carry[2]).astype(x.dtype)
            return moved, *gradient(params, moved)

        outputs, zero = jax.eval_shape(gradient, params, x)
        start = (x, jnp.zeros(outputs.shape, outputs.dtype), jnp.zeros(zero.shape, zero.dtype))
        return lax.fori_loop(0, steps, step, start)[1:]

    return loop


def _difference(own: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray]) -> str:
    """Return in what the two forms' outputs and gradients differ, or '' where they agree."""
    tolerance = TOLERANCE if own[0].dtype == np.float32 else TOLERANCE_HALF
    outputs, gradients = (_apart(a, b) for a, b in zip(own, new, strict=True))
    if not (outputs <= tolerance).all():
        return "its outputs differ"
    return "" if (gradients <= tolerance).mean() >= 1 - ROWS_APART else "its input gradients differ"


def _apart(own: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return each row's largest difference, as a share of the largest value of all rows."""
    own, new = (a.reshape(len(a), -1).astype(np.float32) for a in (own, new))
    return np.abs(own - new).max(1) / max(np.abs(own).max(), np.finfo(np.float32).tiny)


def _times(loops: list[Loop], params: Any, x: jax.Array) -> list[float]:
    """Return each form's milliseconds a row of an input gradient inside a loop, timed in turn."""
    least = [float("inf")] * len(loops)
    for _ in range(REPEATS):
        for place, loop in enumerate(loops):
            start = time.perf_counter()
            jax.block_until_ready(loop(params, x, STEPS, 0.0))
            least[place] = min(least[place], time.perf_counter() - start)
        if max(least) > CLEAR * min(least):
            break
    return [1000 * seconds / STEPS / len(x) for seconds in least]


def retaken(network: Network, choice: Choice) -> Network:
    """Return the network in the form of an earlier choice for it on this machine, without measuring again."""
    if not choice.used:
        return network
    return replace(network, apply=rewritten(network.apply), train_apply=rewritten(network.train_apply))
