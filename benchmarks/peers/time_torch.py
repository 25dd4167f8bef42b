# pyright: reportMissingImports=false
"""In a process of its own: one peer's attacks on a job, timed; and PyTorch's bare gradient loop, the floor.

    python -m benchmarks.peers.pinned THREADS benchmarks.peers.time_torch JOB

The job and the questions are those of time_ours.py. Every library gets the memory layout and the batch in which
one gradient of this network is fastest here, measured before anything is timed.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.peers.children import Answer, answers
from benchmarks.peers.serve import Job, attacked, made

SIZES = (16, 64, 256)  # rows a batch of the unit costs
BATCHES = (64, 128, 256)  # rows a batch, of which the fastest is taken
LAYOUTS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}
NAMES = {"torchattacks": "torchattacks", "foolbox": "foolbox", "art": "adversarial-robustness-toolbox"}
Made = tuple[torch.Tensor | None, dict[str, Any]]


def pgd(job: Job, library: str) -> Made:
    """Return what the library's PGD makes of the images, batch by batch; ART batches by itself."""
    attack = importlib.import_module(f"benchmarks.peers.run_{library}").ATTACKS["pgd"]
    parts = job.x.split(len(job.x) if library == "art" else job.batch)
    labels = job.y.split(len(parts[0]))
    moved = [attack(job._replace(x=x, y=y)) for x, y in zip(parts, labels, strict=True)]
    return torch.cat([torch.as_tensor(m) for m in moved]), {}


def autoattack(job: Job, library: str) -> Made:
    """Return the four stages' findings, each on the examples still standing, as torchattacks.MultiAttack does."""
    attacks = importlib.import_module(f"benchmarks.peers.run_{library}").stages(job)
    moved, standing, stages = job.x.clone(), torch.arange(len(job.x)), []
    for name, attack in attacks.items():
        if not len(standing):
            break
        start, passes = time.perf_counter(), (job.model.forward_rows, job.model.backward_rows)
        found = attack(job.x[standing], job.y[standing])
        with torch.no_grad():
            fell = job.model(found).argmax(1) != job.y[standing]
        moved[standing[fell]], standing = found[fell], standing[~fell]
        took = {
            "forward": job.model.forward_rows - passes[0],
            "backward": job.model.backward_rows - passes[1],
        }
        stages.append(
            {"stage": name, "standing": len(standing), "seconds": time.perf_counter() - start, **took}
        )
    return moved, {"stages": stages}


def loop(job: Job, library: str) -> Made:
    """Return images after so many bare steps along the gradient's sign: nothing but values and gradients."""
    moved = []
    for x, y in zip(job.x.split(job.batch), job.y.split(job.batch), strict=True):
        for _ in range(job.steps):
            x = (x + 1e-3 * gradient(job, x, y).sign()).clamp(0, 1)
        moved.append(x)
    return torch.cat(moved), {}


def units(job: Job, library: str) -> Made:
    """Return the milliseconds an image of a forward pass and of an input gradient, by batch."""
    found = {}
    for size in SIZES:
        x, y = (torch.from_numpy(np.resize(a.numpy(), (size, *a.shape[1:]))) for a in (job.x, job.y))
        calls = max(2, 512 // size)
        for name, run in (("forward", forward), ("gradient", gradient)):
            found[f"{name} {size}"] = 1000 * clocked(partial(run, job, x, y), calls) / size
    return None, {"units": found}


WORKS: dict[str, Callable[[Job, str], Made]] = {
    "pgd": pgd,
    "autoattack": autoattack,
    "loop": loop,
    "units": units,
}


def forward(job: Job, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the logits."""
    with torch.no_grad():
        return job.model(x)


def gradient(job: Job, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the cross-entropy in the images."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(job.model(x), y, reduction="sum"), x)[0]


def clocked(run: Callable[[], Any], calls: int) -> float:
    """Return the mean seconds of a call, after one that does not count."""
    run()
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def fastest(job: Job) -> tuple[Job, str]:
    """Return the job in the layout and batch in which a gradient is fastest, best of five, and which they are."""

    def cost(layout: str, batch: int) -> float:
        job.model.to(memory_format=LAYOUTS[layout])
        size = min(batch, len(job.x))
        return min(clocked(lambda: gradient(job, job.x[:size], job.y[:size]), 1) for _ in range(5)) / size

    batches = [b for b in BATCHES if b < 2 * len(job.x)] or BATCHES[:1]
    layout, batch = min(((a, b) for a in LAYOUTS for b in batches), key=lambda pair: cost(*pair))
    job.model.to(memory_format=LAYOUTS[layout])
    return job._replace(batch=batch), f"{layout}, batches of {batch}"


def main() -> None:
    """Answer the questions about the job file named by the first argument."""
    with np.load(sys.argv[1]) as file:
        given = dict(file)
    how = json.loads(str(given["how"]))
    if how["threads"]:
        torch.set_num_threads(how["threads"])
    start = time.perf_counter()
    job, choice = fastest(made(given, how))
    chosen, work = time.perf_counter() - start, WORKS[how["work"]]

    def hello() -> Answer:
        version = metadata.version(NAMES.get(how["library"], "torch"))
        return {"backend": "cpu", "device": "cpu", "version": version, "choice": choice, "choosing": chosen}

    def run(question: Answer) -> Answer:
        job.model.forward_rows = job.model.backward_rows = 0
        more: dict[str, Any] = {}

        def attack(job: Job) -> Any:
            moved, said = work(job, how["library"])
            more.update(said)
            return torch.zeros(0) if moved is None else moved

        start = time.perf_counter()
        moved = attacked(attack, job, question["seed"])
        seconds = time.perf_counter() - start
        passes = {"forward": job.model.forward_rows, "backward": job.model.backward_rows}
        if len(moved):
            np.savez(question["answer"], x=moved.permute(0, 2, 3, 1).numpy())
        return {"seconds": seconds, "compiling": 0.0, **passes, **more}

    answers(hello, {"run": run})


if __name__ == "__main__":
    main()
