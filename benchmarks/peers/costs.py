"""In JAX: what one pass of a network costs, in milliseconds and in floating-point operations; and the ceiling."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audit.attacks.losses import Loss
from models.network import Network

SIZES = (16, 64, 256)  # rows a batch
BATCHES = (32, 64, 128, 256)  # of which the floor takes the fastest
CALLS = 512  # rows in all, at least two batches


def milliseconds(network: Network, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the milliseconds an image of a forward pass and of an input gradient, by batch."""
    found = {}
    for size in SIZES:
        given = network.params, *(np.resize(a, (size, *a.shape[1:])) for a in (x, y))
        calls = max(2, CALLS // size)
        for name, run in zip(("forward", "gradient"), passes(network.apply), strict=True):
            jax.block_until_ready(run(*given))  # compiles
            found[f"{name} {size}"] = 1000 * sum(_seconds(run, *given) for _ in range(calls)) / calls / size
    return found


def operations(network: Network, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the operations of one image, forward and with its gradient, and those of a large matmul a second.

    XLA's count of the program as traced: after its rewriting for a device, a vendor's kernel counts as nothing.
    """
    given = network.params, x[:1], y[:1]
    counts = [f.lower(*given).cost_analysis() or {} for f in passes(network.apply)]
    flops = [count.get("flops", float("nan")) for count in counts]
    return {"forward_flops": flops[0], "gradient_flops": flops[1], "matmul_flops": _matmul()}


@lru_cache
def passes(apply: Any) -> tuple[Any, Any]:
    """Return the jitted forward pass and input gradient, f(params, x, y)."""
    forward = jax.jit(lambda params, x, y: apply(params, x))
    return forward, jax.jit(jax.grad(lambda params, x, y: Loss()(apply(params, x), y).sum(), argnums=1))


@lru_cache
def loop(apply: Any, steps: int) -> Any:
    """Return f(params, (x, y)) -> x after so many bare steps along the gradient's sign: the floor of PGD."""

    def f(params: Any, rows: tuple[jax.Array, jax.Array]) -> jax.Array:
        slope = jax.value_and_grad(lambda x: Loss()(apply(params, x), rows[1]).sum())

        def step(_: Any, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            value, g = slope(state[0])
            return jnp.clip(state[0] + 1e-3 * jnp.sign(g), 0.0, 1.0), state[1] + value

        x, total = jax.lax.fori_loop(0, steps, step, (rows[0], jnp.zeros(())))
        return jnp.where(jnp.isnan(total), jnp.nan, x)  # the values are used, so that none is left out

    return f


def fastest_batch(network: Network, x: np.ndarray, y: np.ndarray) -> int:
    """Return the rows a batch with which the bare loop is fastest an image, best of three times two steps."""
    f, best = jax.jit(loop(network.apply, 2)), {}
    for size in [size for size in BATCHES if size < 2 * len(x)] or BATCHES[:1]:
        rows = tuple(np.resize(a, (size, *a.shape[1:])) for a in (x, y))
        jax.block_until_ready(f(network.params, rows))
        best[size] = min(_seconds(f, network.params, rows) for _ in range(3)) / size
    return min(best, key=lambda size: best[size])


def _seconds(run: Any, *given: Any) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    jax.block_until_ready(run(*given))
    return time.perf_counter() - start


def _matmul() -> float:
    """Return the operations a second of the best of some large products in float32, as JAX does them by default."""
    size = 2048 if jax.default_backend() == "cpu" else 8192
    a, product = jnp.ones((size, size)), jax.jit(jnp.matmul)
    return 2 * size**3 / min([_seconds(product, a, a) for _ in range(4)][1:])
