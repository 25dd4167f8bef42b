"""Time the expected calibration error of many logits beside netcal and torchmetrics, and our debiased error with it.

    python -m benchmarks.calibration --peers-python PEERS/bin/python [--rows 1000000] [--repeats 9]

PEERS is the environment of benchmarks/requirements-peers.txt. Before any time is told, the three ECEs of the same
rows must agree to 1e-5 (the peers sum in single precision). netcal takes probabilities, which are made for it
beforehand; torchmetrics and we take the logits, softmax included. One JSON object a line (work, library, threads,
n, value, seconds), then a Markdown table. Seconds are medians of processor time on one thread, which other work
on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.pinned import pin

ROOT = Path(__file__).parents[1]
CLASSES, BINS, TOLERANCE = 10, 15, 1e-5
MODULE = "benchmarks.peers.run_calibration"


def draw(rows: int) -> dict[str, Any]:
    """Return logits of a nearly calibrated model, their softmax and the classes that came true."""
    import numpy as np

    rng = np.random.default_rng(0)
    logits = (2 * rng.normal(size=(rows, CLASSES))).astype(np.float32)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    y = np.minimum((p.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1), CLASSES - 1).astype(np.int32)
    return {"logits": logits, "probabilities": p, "y": y}


def ours(job: dict[str, Any], repeats: int) -> dict[str, dict[str, Any]]:
    """Return the value and the seconds of ECE and of the debiased error with its bounds, from the logits."""
    from audit import stats
    from audit.metrics.calibration import top_label

    def read() -> tuple[Any, Any]:
        confidence, label = top_label(job["logits"])
        return confidence, label == job["y"]

    return {
        "ECE": clocked(lambda: stats.expected_calibration_error(*read(), bins=BINS).value, repeats),
        "debiased error": clocked(lambda: stats.calibration_error(*read(), bins=BINS).value, repeats),
        "both": clocked(lambda: _both(stats, *read()), repeats),
    }


def _both(stats: Any, confidence: Any, correct: Any) -> float:
    """Return the debiased error, ECE made besides."""
    stats.expected_calibration_error(confidence, correct, bins=BINS)
    return stats.calibration_error(confidence, correct, bins=BINS).value


def clocked(run: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Return what it returns and the processor seconds of every repeat, after a first that is not counted."""
    value, seconds = run(), []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return {"value": value, "seconds": seconds}


def theirs(python: str, job: dict[str, Any], repeats: int) -> dict[str, dict[str, Any]]:
    """Return the peers' values and seconds, from their own environment; SystemExit where it does not answer."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.npz"
        np.savez(file, allow_pickle=False, **job)
        command = [python, "-m", "benchmarks.peers.pinned", "1", MODULE, str(file), str(repeats)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the peers did not answer: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Assert that the values agree, then print the times and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    pin(1)
    job = draw(options.rows)
    found = theirs(options.peers_python, job, options.repeats)
    mine = ours(job, options.repeats)
    for name, peer in found.items():
        if abs(peer["value"] - mine["ECE"]["value"]) > TOLERANCE:
            raise SystemExit(f"{name}: {peer['value']}, ours {mine['ECE']['value']}; nothing is timed")
    lines = [
        *(("ECE", f"{name} {peer['version']}", peer) for name, peer in found.items()),
        *((work, "jax-audit", one) for work, one in mine.items()),
    ]
    for work, library, one in lines:
        line = {"work": work, "library": library, "threads": 1, "n": options.rows, "value": one["value"]}
        print(json.dumps({**line, "seconds": round(statistics.median(one["seconds"]), 5)}))
    table(lines, found, options)


def table(lines: list[tuple[str, str, dict[str, Any]]], found: dict[str, Any], options: Any) -> None:
    """Print the Markdown table of medians, ranges and ratios."""
    peers = {name: statistics.median(peer["seconds"]) for name, peer in found.items()}
    print(
        f"\n{options.rows:,} rows of {CLASSES} logits, {BINS} bins; {os.cpu_count()} CPU cores, one thread.\n"
    )
    print("| work | library | value | seconds (range) |" + "".join(f" {name} / this |" for name in peers))
    print("|---|---|---|---|" + "---|" * len(peers))
    for work, library, one in lines:
        took = statistics.median(one["seconds"])
        span = f"{took:.4f} ({min(one['seconds']):.4f} to {max(one['seconds']):.4f})"
        ratios = "".join(f" {seconds / took:.1f} |" for seconds in peers.values())
        print(f"| {work} | {library} | {one['value']:.6f} | {span} |{ratios}")


if __name__ == "__main__":
    main()
