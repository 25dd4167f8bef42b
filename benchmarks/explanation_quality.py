"""Set this suite's deletion curves beside Quantus' on the same network, rows and attributions.

    python -m benchmarks.explanation_quality --peers-python PEERS/bin/python [--rows 100]

PEERS is the environment of benchmarks/requirements-peers.txt. The network of the digits loses its pixels one by one to
black, those of the largest gradient x input first; the logit of the predicted class must be the same to 1e-3 in both.
Quantus calls it pixel flipping (Bach et al. 2015). Prints one line; exits with 1 where the curves differ.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import jax
import numpy as np

from audit.attribution.faithfulness import curves
from benchmarks.peers.cases import rebuilt
from benchmarks.peers.explained import digits_job, read

SAME, PIXELS = 1e-3, 64


def main() -> int:
    """Print how far the curves lie apart; return 1 where that is too far."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--folder", default="runs/benchmark-explain", help="where the network is kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job, attributions, answer = (Path(folder) / name for name in ("job.npz", "values.npy", "curves.npy"))
        given = read(str(digits_job(job, options.rows, Path(options.folder))))
        network = rebuilt(
            "cnn", given["x"].shape[1:], {n.removeprefix("weights/"): a for n, a in given.items()}
        )
        x, column = given["x"], given["column"]

        def logit(z):
            return network.apply(network.params, z)[np.arange(len(z)), np.resize(column, len(z))]

        values = np.asarray(jax.grad(lambda z: logit(z).sum())(x)) * x
        np.save(attributions, values)
        module = "benchmarks.peers.run_quantus"
        command = [options.peers_python, "-m", module, str(job), str(attributions), str(answer)]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"Quantus did not answer: {done.stderr.strip()[-300:]}")
        theirs = np.load(answer)

    def worth(kept: np.ndarray) -> np.ndarray:
        each = [logit(x * kept[:, k].reshape(x.shape)) for k in range(kept.shape[1])]
        return np.stack([np.asarray(one) for one in each], axis=1)

    places = np.argsort(np.argsort(-values.reshape(len(x), -1), axis=1, kind="stable"), axis=1)
    ours = curves(worth, places, np.arange(1, PIXELS + 1)).deletion
    apart = float(np.abs(ours - theirs).max())
    size = float(np.abs(ours).max())
    print(f"{len(x)} rows, {PIXELS} pixels: largest difference {apart:.1e}, of logits up to {size:.1f}")
    return int(apart > SAME)


if __name__ == "__main__":
    raise SystemExit(main())
