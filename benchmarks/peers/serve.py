# pyright: reportMissingImports=false
"""What every peer's process does: take a job, rebuild its network, check the logits, attack, hand back the inputs.

A job is an .npz file: x[n, h, w, c] in [0, 1], y[n], logits[n, 10] from JAX, the weights as 'weights/...', and
'how', a JSON text of attack, norm, eps, seeds (how many), threads. The answer is another: x[seeds, n, h, w, c]
after the attack, wrong[seeds, n] as PyTorch decides it, and 'cost', a JSON text of seconds, forward and backward rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.peers.network import NETWORKS, Network

AGREE = 1e-4  # the logits must be those of JAX to this, relative and absolute


class Job(NamedTuple):
    """What an attack is given: images[n, c, h, w] in [0, 1] and classes[n], both tensors."""

    model: Network
    x: torch.Tensor
    y: torch.Tensor
    norm: str
    eps: float
    seed: int
    steps: int = 40  # of PGD
    batch: int = 128  # of attacks that batch by themselves


Attack = Callable[[Job], Any]


def main(distribution: str, attacks: dict[str, Attack]) -> None:
    """Answer the job file named by the first argument into the second; without arguments say what there is."""
    if len(sys.argv) < 3:
        print(json.dumps({"version": metadata.version(distribution), "attacks": list(attacks)}))
        return
    with np.load(sys.argv[1]) as file:
        given = dict(file)
    how = json.loads(str(given["how"]))
    torch.set_num_threads(how["threads"])
    job = made(given, how)
    model = job.model
    start = time.perf_counter()
    moved = torch.stack([attacked(attacks[how["attack"]], job, seed) for seed in range(how["seeds"])])
    cost = {"seconds": time.perf_counter() - start}
    cost |= {"forward": model.forward_rows, "backward": model.backward_rows}
    with torch.no_grad():
        wrong = torch.stack([model(m).argmax(1) != job.y for m in moved])
    np.savez(sys.argv[2], x=moved.permute(0, 1, 3, 4, 2).numpy(), wrong=wrong.numpy(), cost=json.dumps(cost))


def made(given: dict[str, np.ndarray], how: dict[str, Any]) -> Job:
    """Return the job of a file, its network rebuilt and its logits checked; how may name another network."""
    weights = {k.removeprefix("weights/"): v for k, v in given.items() if k.startswith("weights/")}
    model = Network(weights, NETWORKS[how.get("network", "cnn")]).eval()
    x = torch.from_numpy(np.ascontiguousarray(given["x"].transpose(0, 3, 1, 2)))
    _check_logits(model, x, given["logits"])
    model.forward_rows = model.backward_rows = 0
    more = {name: how[name] for name in ("steps", "batch") if name in how}
    return Job(model, x, torch.from_numpy(given["y"].astype(np.int64)), how["norm"], how["eps"], 0, **more)


def attacked(attack: Attack, job: Job, seed: int) -> torch.Tensor:
    """Return what the attack makes of the images with every random state set from the seed."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    return torch.as_tensor(attack(job._replace(seed=seed))).detach().float()


def _check_logits(model: Network, x: torch.Tensor, expected: np.ndarray) -> None:
    """Stop unless the rebuilt network gives the logits of the original."""
    with torch.no_grad():
        logits = model(x).numpy()
    if not np.allclose(logits, expected, rtol=AGREE, atol=AGREE):
        raise SystemExit(f"the rebuilt network's logits differ by {np.abs(logits - expected).max():.2g}")
