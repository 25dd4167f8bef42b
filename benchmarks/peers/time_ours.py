"""In a process of its own: this suite's attacks on a job, timed; and JAX's bare gradient loop, the floor.

    python -m benchmarks.peers.pinned THREADS benchmarks.peers.time_ours JOB

A job is the file of serve.py; its 'how' names library, work, eps, steps, batch (0: the audit's own). Questions:
run (seed, answer: a file for the attacked inputs), count (the same, counted and not timed), ceiling.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

import audit.attacks.autoattack as suite
from audit import processors
from audit.attacks.gradient import TRAVEL
from audit.attacks.lanes import in_lanes
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, pgd_rows
from audit.attacks.walks import pgd_walk
from audit.devices import map_examples, queue_examples
from audit.trials.search import BATCH, places
from benchmarks.peers import costs
from benchmarks.peers.cases import read, rebuilt
from benchmarks.peers.children import Answer, answers
from benchmarks.peers.ours import Meter
from benchmarks.peers.verdict import until_settled
from models.network import Network
from models.rewrite.choose import faster


class Job(NamedTuple):
    """A network, images[n, h, w, c] that it decides rightly, their classes[n], and how they are attacked."""

    network: Network
    x: np.ndarray
    y: np.ndarray
    how: dict[str, Any]


Made = tuple[np.ndarray | None, dict[str, Any]]


def pgd(job: Job, seed: int, meter: Meter) -> Made:
    """Return what the audit's PGD makes of the images, by the way that robustness.pgd goes: rows leave as they fall."""
    walk = pgd_walk(job.network.apply, "linf", Loss(), job.how["steps"], 1)
    batch = job.how["batch"] or places(job.x)
    return queue_examples(in_lanes(walk), _shared(job, seed), _rows(job), batch=batch), {}


def pgd_whole(job: Job, seed: int, meter: Meter) -> Made:
    """Return what the same attack makes of them when every row takes every step, as the peers' do."""
    attack = pgd_rows(job.network.apply, "linf", Loss(), job.how["steps"], 1)
    return map_examples(attack, _shared(job, seed), _rows(job), batch=job.how["batch"] or BATCH), {}


def autoattack(job: Job, seed: int, meter: Meter) -> Made:
    """Return what AutoAttack makes of the images; of each stage the seconds, passes, and who stands after it."""
    marks: list[tuple[str, tuple[float, int, int]]] = []

    def now() -> tuple[float, int, int]:
        jax.effects_barrier()
        return time.perf_counter() - meter.compiling, meter.forward, meter.backward

    def clocked(*given: Any, **more: Any) -> Any:
        for stage in made(*given, **more):
            marks.append((stage.name, now()))
            yield stage

    made = suite.stages
    given = (
        job.network.apply,
        job.network.params,
        jnp.asarray(job.x),
        jnp.asarray(job.y),
        jax.random.key(seed),
    )
    queued = partial(queue_examples, batch=places(job.x))
    with mock.patch.object(suite, "stages", clocked):
        done = suite.autoattack(*given, eps=job.how["eps"], low=0.0, high=1.0, queued=queued)
    ends = [mark for _, mark in marks[1:]] + [now()]
    stages = [
        {"stage": name, "standing": int(((done.by < 0) | (done.by > number)).sum()),
         **dict(zip(("seconds", "forward", "backward"), np.subtract(end, start).tolist(), strict=True))}
        for number, ((name, start), end) in enumerate(zip(marks, ends, strict=True))
    ]  # fmt: skip
    return done.x, {"stages": stages}


def verdict(job: Job, seed: int, meter: Meter) -> Made:
    """Return nothing but what the audit's own check of AutoAttack says and leaves out, given a rule."""
    return None, until_settled(job.network, job.x, job.y, job.how["eps"], job.how["at_least"], seed)


def loop(job: Job, seed: int, meter: Meter) -> Made:
    """Return images after so many bare steps along the gradient's sign: nothing but values and gradients."""
    f = costs.loop(job.network.apply, job.how["steps"])
    return map_examples(f, job.network.params, (job.x, job.y), batch=job.how["batch"]), {}


def units(job: Job, seed: int, meter: Meter) -> Made:
    """Return the milliseconds an image of a forward pass and of an input gradient, by batch."""
    return None, {"units": costs.milliseconds(job.network, job.x, job.y)}


WORKS: dict[str, Callable[[Job, int, Meter], Made]] = {
    "pgd": pgd, "pgd, whole": pgd_whole, "autoattack": autoattack, "verdict": verdict, "loop": loop, "units": units
}  # fmt: skip


def main() -> None:
    """Answer the questions about the job file named by the first argument."""
    processors.share()  # as an audit does
    given, how = read(sys.argv[1])
    network = plain = rebuilt(how["network"], given["x"].shape[1:], given)
    start = time.perf_counter()
    choice = "as written"
    if how["rewritten"]:
        network, made = faster(network, given["x"])
        choice = made.reason
    if how["work"] == "loop" and not how["batch"]:
        how["batch"] = costs.fastest_batch(network, given["x"], given["y"])
        choice += f", batches of {how['batch']}"
    chosen = time.perf_counter() - start
    meter, work = Meter(), WORKS[how["work"]]
    job = Job(network, given["x"], given["y"].astype(np.int32), how)

    def hello() -> Answer:
        said = {
            "backend": jax.default_backend(),
            "device": jax.devices()[0].device_kind,
            "version": f"(JAX {jax.__version__})",
        }
        return {**said, "choice": choice, "choosing": chosen}

    def run(question: Answer) -> Answer:
        before, start = meter.compiling, time.perf_counter()
        moved, more = work(job, question["seed"], meter)
        seconds, compiling = time.perf_counter() - start, meter.compiling - before
        if moved is not None:
            np.savez(question["answer"], x=moved)
        return {"seconds": seconds - compiling, "compiling": compiling, **more}

    def count(question: Answer) -> Answer:
        tally = Meter()
        counted = Network(tally.around(network.apply), network.params, network.train_apply, network.name)
        more = work(job._replace(network=counted), question["seed"], tally)[1]
        jax.effects_barrier()
        return {"forward": tally.forward, "backward": tally.backward, **more}

    answers(hello, {"run": run, "count": count, "ceiling": lambda _: costs.operations(plain, job.x, job.y)})


def _shared(job: Job, seed: int) -> Shared:
    """Return what every batch is given, as the audit's search gives it."""
    shape, eps = job.x.shape[1:], np.float32(job.how["eps"])
    box = np.ones(shape, np.float32), np.zeros(shape, np.float32), np.ones(shape, np.float32)
    return Shared(
        job.network.params, jax.random.key(seed), eps, *box, np.float32(TRAVEL["linf"] / job.how["steps"])
    )


def _rows(job: Job) -> Rows:
    """Return the images as an attack takes them."""
    return Rows(job.x, job.y, np.arange(len(job.y), dtype=np.uint32))


if __name__ == "__main__":
    main()
