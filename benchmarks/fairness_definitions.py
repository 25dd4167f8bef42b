"""Set this suite's fairness figures beside AIF360's on the same rows; they must be the same to 1e-9.

    python -m benchmarks.fairness_definitions --peers-python PEERS/bin/python

PEERS is the environment of benchmarks/requirements-peers.txt. The rows are drawn: two groups that differ in outcome and
in decision. Prints a Markdown table, and exits with 1 where a figure differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from audit.checks.fairness_groups import FairnessOptions, fairness_groups
from audit.checks.fairness_inequality import InequalityOptions, fairness_inequality
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject, observe

SAME = 1e-9


def drawn(rows: int) -> dict[str, np.ndarray]:
    """Return labels, decisions and groups of rows that are not treated alike."""
    rng = np.random.default_rng(4)
    group = rng.choice(["a", "b"], rows, p=[0.3, 0.7])
    y = (rng.random(rows) < np.where(group == "a", 0.3, 0.45)).astype(np.int32)
    chosen = (rng.random(rows) < 0.15 + 0.5 * y + 0.1 * (group == "b")).astype(np.int32)
    return {"y": y, "chosen": chosen, "group": group}


def ours(given: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Return the figures of two checks that are of the attribute as a whole."""
    rows = len(given["y"])
    groups = {"group": given["group"].astype(object)}
    test = Split(np.zeros((rows, 1), np.float32), given["y"], np.arange(rows), groups=groups)
    data = Dataset("drawn", "binary", "table", {"test": test}, classes=("no", "yes"), favourable=1)
    scores = {"test": np.eye(2)[given["chosen"]]}
    subject: Subject = observe(Model("scores", None, outputs="probabilities", scores=scores), data)
    context = Context(key=None, seed=0)
    found = [
        *fairness_groups(subject, FairnessOptions(), context).measurements,
        *fairness_inequality(subject, InequalityOptions(), context).measurements,
    ]
    return {m.name: m.estimate.value for m in found if "group" not in m.where}


def main() -> int:
    """Print the table; return 1 where a figure differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    given, worst = drawn(options.rows), 0.0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        np.savez(file, allow_pickle=False, **given)
        command = [options.peers_python, "-m", "benchmarks.peers.run_aif360", str(file)]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"AIF360 did not answer: {done.stderr.strip()[-300:]}")
    mine = ours(given)
    print(f"{options.rows:,} rows.\n\n| figure | jax-audit | AIF360 | difference |\n|---|---|---|---|")
    for name, theirs in json.loads(done.stdout.splitlines()[-1]).items():
        value = mine.get(name)
        apart = float("inf") if value is None else abs(value - theirs)
        worst = max(worst, apart)
        print(f"| {name} | {value} | {theirs} | {apart:.1e} |")
    return int(worst > SAME)


if __name__ == "__main__":
    raise SystemExit(main())
