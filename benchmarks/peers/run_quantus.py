# pyright: reportMissingImports=false
"""Quantus' deletion curves of a job's rows: python -m benchmarks.peers.run_quantus JOB ATTRIBUTIONS.npy CURVES.npy."""

from __future__ import annotations

import sys
import warnings

import numpy as np

from benchmarks.peers.explain_torch import network

warnings.filterwarnings("ignore")


def main() -> None:
    """Write curves[n, pixels]: the logit of the predicted class after each pixel, the largest attribution first."""
    import quantus

    with np.load(sys.argv[1]) as file:
        given = {name: file[name] for name in file.files}
    values = np.load(sys.argv[2])
    rows = len(values)
    metric = quantus.PixelFlipping(
        features_in_step=1, abs=False, normalise=False, perturb_baseline="black", disable_warnings=True
    )
    found = metric(
        model=network(given),
        x_batch=given["x"][:rows].transpose(0, 3, 1, 2),
        y_batch=given["column"][:rows],
        a_batch=values.transpose(0, 3, 1, 2),
        channel_first=True,
        softmax=False,
    )
    np.save(sys.argv[3], np.asarray(found))


if __name__ == "__main__":
    main()
