"""Time what compiling costs: attacks by XLA's own options and by ours, shap's helpers compiled or not.

    python -m benchmarks.compiling [--repeats 3]

A convolutional network of 28 x 28 pixels with random weights, in the form with faster gradients; each attack compiled
anew, run once and then timed. shap: its first exact comparison of 5 rows of 10 columns with 50 background rows, each
way in a process of its own, imports apart. Prints one JSON object a line and ends with a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

SHAP = """
import sys, time
import numpy as np
from audit.attribution import peer
if sys.argv[1] == "compiled":
    import shap
else:
    peer._uncompiled()
draw = np.random.default_rng(0)
a, b, x, z = (draw.normal(size=s) for s in ((10, 8), (8, 1), (5, 10), (50, 10)))
start = time.perf_counter()
found = peer.shap_values(lambda rows: np.tanh(rows @ a) @ b, x, z, exact=True)
print(time.perf_counter() - start, float(np.abs(found.values).sum()))
"""


def attacks() -> dict[str, tuple[Any, Any]]:
    """Return each attack's function, and what it is given."""
    import jax
    import numpy as np

    from audit.attacks.lanes import in_lanes
    from audit.attacks.losses import Loss
    from audit.attacks.mapped import Rows, Shared
    from audit.attacks.walks import apgd_walk, pgd_walk
    from audit.attacks.walks_search import fab_walk, square_walk
    from models.build import build
    from models.rewrite.jaxpr import rewritten

    network = build(
        "cnn", shape=(28, 28, 1), outputs=10, seed=0, options={"features": (32, 64), "hidden": 128}
    )
    apply, n = rewritten(network.apply), 64
    x = np.random.default_rng(0).uniform(size=(n, 28, 28, 1)).astype(np.float32)
    y = np.asarray(apply(network.params, x)).argmax(1).astype(np.int32)
    one = np.ones(x.shape[1:], np.float32)
    shared = Shared(network.params, jax.random.key(0), np.float32(1e-4), one, 0 * one, one, np.float32(0.1))
    given = (shared, Rows(x, y, np.arange(n, dtype=np.uint32)), np.ones(n, bool))
    walks = {
        "PGD, 20 steps": pgd_walk(apply, "linf", Loss(), 20, 1),
        "Auto-PGD in L2, 10 steps, 2 targets": apgd_walk(apply, "l2", Loss("dlr"), 10, 1, targets=2),
        "FAB, 10 steps, 2 targets": fab_walk(apply, "linf", Loss(), 10, 1, 2),
        "Square, 100 queries": square_walk(apply, "linf", Loss(), 100),
    }
    return {name: (in_lanes(walk), given) for name, walk in walks.items()}


def timed(f: Any, given: Any, options: dict[str, Any], repeats: int) -> tuple[float, float]:
    """Return the seconds of compiling, and the median of running."""
    import jax

    lowered = jax.jit(f, compiler_options=options).lower(*given)
    start = time.perf_counter()
    made = lowered.compile()
    compiling, ran = time.perf_counter() - start, []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(made(*given))
        ran.append(time.perf_counter() - start)
    return compiling, statistics.median(ran[1:])


def main() -> None:
    """Time everything, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each")
    options = parser.parse_args()
    from audit.devices import COMPILER

    ways = {"XLA's own": {}, "ours": COMPILER["cpu"]}
    lines = []
    for name, (f, given) in attacks().items():
        for way, told in ways.items():
            compiling, ran = timed(f, given, told, options.repeats)
            row = {"work": name, "options": way, "compiling": compiling, "seconds": ran}
            print(json.dumps(row), flush=True)
            lines.append(f"| {name} | {way} | {compiling:.2f} | {ran:.2f} |")
    for way in ("compiled", "uncompiled"):
        done = subprocess.run([sys.executable, "-c", SHAP, way], capture_output=True, text=True, check=True)
        seconds, size = (float(word) for word in done.stdout.split())
        print(json.dumps({"work": "shap", "options": way, "seconds": seconds, "sum": size}), flush=True)
        lines.append(f"| shap's first comparison | {way} | | {seconds:.2f} |")
    print("\n| work | options | compiling, s | run, s |\n|---|---|---|---|\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
