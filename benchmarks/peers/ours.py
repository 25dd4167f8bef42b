"""This suite's attacks with the protocol's numbers, and what they ask of the model, counted as they run."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from audit.attacks.apgd import apgd
from audit.attacks.autoattack import autoattack
from audit.attacks.fab import fab
from audit.attacks.gradient import pgd
from audit.attacks.losses import Loss
from audit.attacks.nearest import Nearest
from audit.attacks.square import square
from models.network import Network
from models.rewrite.choose import faster

Attack = Callable[..., Any]
ATTACKS: dict[
    str, Attack
] = {  # f(apply, params, x, y, key, **space) -> inputs[n, ...], or a tuple with them as x
    "pgd": lambda *given, **space: pgd(*_keyed(*given), **space, steps=40),
    "apgd-ce": lambda *given, **space: apgd(*_keyed(*given), **space, steps=100),
    "apgd-t": lambda *given, **space: apgd(*_keyed(*given), **space, loss=Loss("dlr"), steps=100, targets=9),
    "fab-t": lambda *given, **space: _near(
        given[2], fab(*_keyed(*given), **space, steps=100, targets=9), space["eps"]
    ),
    "square": lambda *given, **space: square(*_keyed(*given), **space, queries=5000),
    "autoattack": autoattack,
    "autoattack, annealed": lambda *given, **space: autoattack(*given, **space, annealed=True),
}


class Answer(NamedTuple):
    """The attacked inputs[seeds, n, ...]; seconds without compiling, seconds of it, rows forward and backward."""

    x: np.ndarray
    seconds: float
    compiling: float
    forward: int
    backward: int


class Meter:
    """Counts the rows that a function sees as it runs, forward and backward, and the seconds XLA compiles."""

    def __init__(self) -> None:
        self.forward = self.backward = 0
        self.compiling = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def around(self, apply: Callable[[Any, Any], jax.Array]) -> Callable[[Any, Any], jax.Array]:
        """Return apply, counted. Calls inside jit are counted each time they run."""

        @jax.custom_vjp
        def passed(outputs: jax.Array) -> jax.Array:
            return outputs

        def back(_: None, g: jax.Array) -> tuple[jax.Array]:
            jax.debug.callback(partial(self._add, "backward", len(g)))
            return (g,)

        passed.defvjp(lambda outputs: (outputs, None), back)

        def counted(params: Any, x: Any) -> jax.Array:
            jax.debug.callback(partial(self._add, "forward", len(x)))
            return passed(apply(params, x))

        return counted

    def _add(self, way: str, rows: int) -> None:
        """Count rows that passed this way; shapes are static, so no array has to leave the device."""
        setattr(self, way, getattr(self, way) + rows)

    def _hear(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.endswith(("/backend_compile_duration", "/jaxpr_to_mlir_module_duration")):
            self.compiling += duration_secs


def attack(
    name: str, network: Network, x: np.ndarray, y: np.ndarray, *, norm: str, eps: float, seeds: int
) -> Answer:
    """Return what the attack makes of x[n, ...] of classes y[n], seed by seed."""
    meter, network = Meter(), faster(network, x)[0]
    apply, rows, classes = meter.around(network.apply), jnp.asarray(x), jnp.asarray(y)
    start = time.perf_counter()
    moved = []
    for seed in range(seeds):
        given = apply, network.params, rows, classes, jax.random.key(seed)
        found = ATTACKS[name](*given, norm=norm, eps=eps, low=0.0, high=1.0)
        moved.append(np.asarray(getattr(found, "x", found)))
    jax.effects_barrier()
    seconds = time.perf_counter() - start
    return Answer(np.stack(moved), seconds - meter.compiling, meter.compiling, meter.forward, meter.backward)


def _keyed(apply: Any, params: Any, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[Any, ...]:
    """Return the same with a key an example."""
    return apply, params, x, y, jax.random.split(key, len(x))


def _near(x: jax.Array, found: Nearest, eps: float) -> jax.Array:
    """Return the nearest inputs[n, ...] found where they are within eps, else x."""
    return jnp.where((found.size <= eps).reshape(-1, *[1] * (x.ndim - 1)), found.x, x)
