# pyright: reportMissingImports=false
"""The script that a user glues together for the same numbers: torchattacks or ART, fairlearn, shap, netcal.

    python -m benchmarks.peers.glue JOB [--n-boot 200]

JOB is the file of export.py. The network is rebuilt in PyTorch with the audit's weights, its outputs checked first.
Prints one JSON object: of each part its seconds, the network's rows forward and backward, and its figures.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.peers.children import peak_mib
from benchmarks.peers.glue_parts import Arrays, accuracy, calibration, explanation, fairness, inputs, run
from benchmarks.peers.network import NETWORKS, Network, mlp

START = time.perf_counter()


def rebuilt(given: Arrays, how: dict[str, Any]) -> Network:
    """Return the audit's network in PyTorch; ends where its outputs differ."""
    weights = {k.removeprefix("weights/"): v for k, v in given.items() if k.startswith("weights/")}
    outputs = partial(mlp, how) if how["network"] == "mlp" else NETWORKS[how["network"]]
    network = Network(weights, outputs).eval().to(memory_format=torch.channels_last)
    found = run(network, inputs(given["x"]))
    if not np.allclose(found, given["outputs"], rtol=how["agree"], atol=how["agree"]):
        raise SystemExit(
            f"the rebuilt network's outputs differ by {np.abs(found - given['outputs']).max():.2g}"
        )
    return network


def training(network: Network, given: Arrays, how: dict[str, Any]) -> dict[str, float]:
    """Train a copy from random weights for as many epochs as the audit did, on its rows; return the last loss."""
    train, x, y = how["train"], inputs(given["train_x"]), torch.from_numpy(given["train_y"])
    free = [p for name, p in network.named_parameters() if not name.startswith("parts_0")]
    for p in free:
        p.requires_grad_()
        torch.nn.init.kaiming_uniform_(p) if p.ndim > 1 else torch.nn.init.zeros_(p)
    network.train()
    adam = torch.optim.AdamW(free, lr=train["learning_rate"], weight_decay=train["weight_decay"])
    loss = torch.zeros(())
    for _ in range(how["epochs"]):
        for at in torch.randperm(len(x)).split(train["batch"]):
            out = network(x[at])
            two = out.shape[1] == 1
            loss = (F.binary_cross_entropy_with_logits(out[:, 0], y[at].float()) if two
                    else F.cross_entropy(out, y[at].long()))  # fmt: skip
            adam.zero_grad()
            loss.backward()
            adam.step()
    return {"last loss": float(loss)}


def robustness(check: str, space: Any, given: Arrays, options: dict[str, Any]) -> dict[str, float]:
    """Return the robust accuracy of a check's rows, norms and radii."""
    from benchmarks.peers import glue_attacks as attacks

    rows = given[f"rows/{check}"]
    if check == "robustness.minimum":
        return attacks.minimum(space, rows, options)
    return attacks.robust(space, getattr(attacks, check.removeprefix("robustness.")), rows, options)


def main() -> None:
    """Do every part that the audit's configuration has, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("job")
    parser.add_argument("--n-boot", type=int, default=200)
    options, parts = parser.parse_args(), {}
    with np.load(options.job) as file:
        given = dict(file)
    how = json.loads(str(given.pop("how")))
    network = rebuilt(given, how)
    given["y"] = given["y"].astype(np.int64)
    plain = {"accuracy.overall": accuracy, "explanation.shapley": explanation, "calibration.reliability": calibration,
             "fairness.groups": partial(fairness, n_boot=options.n_boot)}  # fmt: skip
    parts["import, data, rebuild"] = {"seconds": time.perf_counter() - START}

    def timed(name: str, work: Any) -> None:
        network.forward_rows = network.backward_rows = 0
        start = time.perf_counter()
        values = work()
        took = {"seconds": time.perf_counter() - start, "values": values}
        parts[name] = {**took, "forward": network.forward_rows, "backward": network.backward_rows}

    space: Any = None
    for check, own in how["checks"].items():
        if check.startswith("robustness."):
            from benchmarks.peers.glue_attacks import Space

            space = space or Space(network, given, table=given["x"].ndim == 2)
            timed(check, partial(robustness, check, space, given, own))
        else:
            timed(check, partial(plain[check], network, given, how))
    timed("model (training)", partial(training, network, given, how))
    print(json.dumps({"parts": parts, "mib": peak_mib()}))


if __name__ == "__main__":
    main()
