"""In a process of its own: this suite's attributions of a job, timed.

    python -m benchmarks.peers.pinned THREADS benchmarks.peers.explain_ours JOB

A job is a file of explained.py. Question: run (method, rows, how, answer: a file for the values).
"""

from __future__ import annotations

import json
import sys
import time
from importlib import metadata
from typing import Any

import jax
import numpy as np

from audit.attribution.gradcam import grad_cam
from audit.attribution.gradients import integrated_gradients
from audit.attribution.margins import identity
from audit.attribution.players import columns
from audit.attribution.shapley import shapley
from benchmarks.peers.cases import rebuilt
from benchmarks.peers.children import Answer, answers
from benchmarks.peers.explained import layers, perceptron, read
from models.rewrite.choose import faster


def main() -> None:
    """Answer the questions about the job file named by the first argument."""
    given = read(sys.argv[1])
    x, z, column = given["x"], given["z"], given["column"].astype(np.int32)
    parts: Any = None
    if json.loads(str(given["how"]))["kind"] == "mlp":
        apply, params = perceptron, layers(given)
    else:
        named = {name.removeprefix("weights/"): a for name, a in given.items()}
        network = rebuilt("cnn", x.shape[1:], named)
        parts = network.parts
        network = faster(network, x)[0]
        apply, params = network.apply, network.params

    def explain(method: str, rows: int, how: dict[str, Any]) -> tuple[np.ndarray, int]:
        if method == "shapley":
            key = jax.random.key(how.pop("seed", 0))
            found = shapley(
                apply, params, x[:rows], z, groups=columns(x.shape[1]), margin=identity, key=key, **how
            )
            return found.values[..., 0], found.evaluations
        chosen = {"margin": identity, "column": column[:rows], **how}
        if method == "grad_cam":
            features, head = parts
            heat = grad_cam(features, head, params, x[:rows], **chosen)
            return heat.maps[..., 0], heat.evaluations
        start = z.mean(axis=0, keepdims=True)
        made = integrated_gradients(apply, params, x[:rows], start, **chosen)
        return made.values[..., 0], made.evaluations

    def run(question: Answer) -> Answer:
        wall, cpu = time.perf_counter(), time.process_time()
        values, evaluations = explain(question["method"], question["rows"], dict(question["how"]))
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        np.save(question["answer"], values)
        return {**took, "evaluations": evaluations}

    answers(lambda: {"version": metadata.version("jax"), "device": str(jax.devices()[0])}, {"run": run})


if __name__ == "__main__":
    main()
