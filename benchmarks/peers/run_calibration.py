# pyright: reportMissingImports=false
"""ECE of given logits by netcal and torchmetrics, in the peers' environment: one JSON line with values and seconds.

    python -m benchmarks.peers.run_calibration JOB.npz REPEATS

JOB holds logits[n, k], probabilities[n, k] (the softmax of them, made beforehand: netcal takes nothing else)
and y[n]. Seconds are of processor time, on one thread.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
import torch
from netcal.metrics import ECE
from torchmetrics.functional.classification import multiclass_calibration_error

BINS = 15


def main() -> None:
    """Measure each repeat of each library and print what came of them."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with np.load(sys.argv[1]) as job:
        logits, probabilities, y = job["logits"], job["probabilities"], job["y"]
    given, labels = torch.from_numpy(logits), torch.from_numpy(y).long()
    classes = logits.shape[1]
    work = {
        "torchmetrics": lambda: float(
            multiclass_calibration_error(given, labels, classes, n_bins=BINS, norm="l1")
        ),
        "netcal": lambda: float(ECE(BINS).measure(probabilities, y)),
    }
    found = {}
    for name, run in work.items():
        value, seconds = run(), []
        for _ in range(int(sys.argv[2])):
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
        found[name] = {"value": value, "seconds": seconds, "version": version(name)}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
