"""What one unit of an attack costs: milliseconds an image, for the model alone and inside each attack.

Run: python -m benchmarks.attack_units [rows]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from audit.attacks.gradient import fgsm, pgd
from audit.attacks.losses import Loss
from models.build import build
from models.rewrite.choose import faster

STEPS = 10
REPEATS = 5


def milliseconds(run: Callable[[], jax.Array], rows: int) -> tuple[float, float]:
    """Return the milliseconds a row (best of REPEATS) and the seconds of the first call, with compilation."""
    start = time.perf_counter()
    jax.block_until_ready(run())
    first, best = time.perf_counter() - start, float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(run())
        best = min(best, time.perf_counter() - start)
    return 1000 * best / rows, first


def main(rows: int) -> None:
    """Print one line for each unit."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.random((rows, 28, 28, 1)), jnp.float32)
    network, choice = faster(build("cnn", shape=(28, 28, 1), outputs=10, seed=0), x)
    apply, params = network.apply, network.params
    y = jnp.asarray(rng.integers(0, 10, rows))
    keys = jax.random.split(jax.random.key(0), rows)
    box = {"eps": 0.1, "low": 0.0, "high": 1.0}
    forward = jax.jit(apply)
    backward = jax.jit(jax.grad(lambda x, params: Loss()(apply(params, x), y).sum()))
    looped = jax.jit(lambda x, p: jax.lax.fori_loop(0, STEPS, lambda _, x: x + 1e-3 * backward(x, p), x))
    units = {
        "forward": (lambda: forward(params, x), 1),
        "input gradient": (lambda: backward(x, params), 1),
        "input gradient in a loop": (lambda: looped(x, params), STEPS),
        "FGSM, L-infinity": (lambda: fgsm(apply, params, x, y, norm="linf", **box), 1),
        "FGSM, L2": (lambda: fgsm(apply, params, x, y, norm="l2", **box), 1),
        "PGD step, L-infinity": (
            lambda: pgd(apply, params, x, y, keys, norm="linf", steps=STEPS, **box),
            STEPS,
        ),
        "PGD step, L2": (lambda: pgd(apply, params, x, y, keys, norm="l2", steps=STEPS, **box), STEPS),
    }
    print(f"{jax.devices()[0]}, {rows} images of 28x28, Conv32-pool-Conv64-pool-Dense128-Dense10")
    print(choice)
    for name, (run, per) in units.items():
        each, first = milliseconds(run, rows * per)
        print(f"{name:26} {each:7.3f} ms an image   first call {first:5.1f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
