"""Time the bounds of every group rate at once beside fairlearn's bootstrap of the same six metrics.

    python -m benchmarks.bootstrap [--rows 30000] [--draws 1000] [--peer-draws 40] [--repeats 9]

Both sides bootstrap rows of ten groups. Before anything is timed, fairlearn's percentile ends (every metric in
every group, and every difference) must rank among our replicates where ends of so few replicates can: within
the 1 in 100,000 tails of their order statistic. Fairlearn runs on few replicates and is scaled linearly, as the
line says. One JSON object a line (work, library, threads, n, value, seconds), then a Markdown table. Seconds are
of processor time on one thread, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.metrics as sklearn
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from audit import stats
from audit.metrics.group_rates import KINDS, RATES, kind, outcome
from audit.stats.joint import replicates

GROUPS, ENDS, TAIL = 10, (0.05, 0.95), 1e-5
NAMES = [f"group {i}" for i in range(GROUPS)]
HITS = np.array([rate.hits(KINDS) for rate in RATES.values()])
AMONG = np.array([rate.among(KINDS) for rate in RATES.values()])
THEIRS: dict[str, Callable[..., Any]] = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "positive_predictive_value": sklearn.precision_score,
    "false_omission_rate": lambda true, chosen: 1 - sklearn.precision_score(true, chosen, pos_label=0),
    "accuracy": sklearn.accuracy_score,
}


def draw(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return group, true and predicted class of rows whose groups differ a little."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, GROUPS, rows)
    true = (rng.random(rows) < 0.3 + 0.01 * group).astype(int)
    return group, true, (rng.random(rows) < 0.2 + 0.5 * true + 0.01 * group).astype(int)


def count(group: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the counts[group, kind] of the rows."""
    kinds = KINDS.correct.size
    place = group * kinds + kind(outcome(true, predicted, 1))
    return np.bincount(place, minlength=GROUPS * kinds).reshape(GROUPS, kinds)


def ours(rows: tuple[np.ndarray, np.ndarray, np.ndarray], draws: int) -> np.ndarray:
    """Return the simultaneous limits of every pair's difference of every rate, counted from the rows."""
    family = stats.family(NAMES, tuple(RATES), count(*rows), HITS, AMONG, draws=draws)
    return np.stack(family.limits(0.05))


def theirs(rows: tuple[np.ndarray, np.ndarray, np.ndarray], draws: int) -> dict[str, np.ndarray]:
    """Return fairlearn's percentile ends: of every metric {name: [end, group]} and {name difference: [end]}."""
    group, true, predicted = rows
    frame = MetricFrame(
        metrics=THEIRS,
        y_true=true,
        y_pred=predicted,
        sensitive_features=group,
        n_boot=draws,
        ci_quantiles=list(ENDS),
        random_state=0,
    )
    gaps = frame.difference_ci()
    found = {name: np.array([end[name] for end in frame.by_group_ci], float) for name in THEIRS}
    return found | {f"{name} difference": np.array([end[name] for end in gaps], float) for name in THEIRS}


def drawn_rates(counts: np.ndarray, draws: int) -> dict[str, np.ndarray]:
    """Return our replicates of the same figures: {name: [b, group]} and {name difference: [b]}."""
    again = np.concatenate(list(replicates(counts, draws)))
    rates = (again @ (HITS & AMONG).T) / (again @ AMONG.T)
    found = {name: rates[:, :, m] for m, name in enumerate(RATES)}
    return found | {f"{name} difference": np.ptp(found[name], axis=1) for name in RATES}


def check(counts: np.ndarray, peer: dict[str, np.ndarray], draws: int) -> tuple[int, float]:
    """Return how many ends agree and the smallest tail probability of one; SystemExit where one does not."""
    mine, smallest, ends = drawn_rates(counts, 20_000), 1.0, 0
    for name, found in peer.items():
        for q, end in zip(ENDS, found, strict=True):
            share = np.mean(mine[name] <= end, axis=0)
            place = q * (draws - 1) + 1  # of the order statistics between which the end is interpolated
            cdf = beta.cdf(share, place, draws + 1 - place)
            tails = np.atleast_1d(2 * np.minimum(cdf, 1 - cdf))
            smallest, ends = min(smallest, float(tails.min())), ends + tails.size
            if tails.min() < TAIL:
                raise SystemExit(f"{name}: fairlearn's end {q} ranks at {share} of ours; nothing was timed")
    return ends, smallest


def show(work: str, library: str, n: int, value: float | None, seconds: float) -> None:
    """Print one line of JSON."""
    line = {
        "work": work,
        "library": library,
        "threads": 1,
        "n": n,
        "value": value,
        "seconds": round(seconds, 5),
    }
    print(json.dumps(line), flush=True)


def clocked(run: Callable[[], Any], repeats: int) -> float:
    """Return the median processor seconds of several runs."""
    took = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return statistics.median(took)


def main() -> None:
    """Check that both bootstraps have the same ends, then print the times and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--peer-draws", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    rows, draws, peer_draws = draw(options.rows), options.draws, options.peer_draws
    with threadpool_limits(1):
        start = time.process_time()
        peer = theirs(rows, peer_draws)
        peer_seconds = time.process_time() - start
        ends, smallest = check(count(*rows), peer, peer_draws)
        ours(rows, draws)  # warm caches: levels are remembered
        seconds = clocked(lambda: ours(rows, draws), options.repeats)
        percentiles = clocked(
            lambda: {k: np.quantile(v, ENDS, axis=0) for k, v in drawn_rates(count(*rows), draws).items()},
            options.repeats,
        )
    scaled = peer_seconds * draws / peer_draws
    work = f"6 rates of 10 groups, B={draws}"
    show(f"6 rates of 10 groups, B={peer_draws}", "fairlearn", options.rows, None, peer_seconds)
    show(
        f"{work}: percentile ends (scaled linearly from {peer_draws})",
        "fairlearn",
        options.rows,
        None,
        scaled,
    )
    show(f"{work}: percentile ends", "jax-audit", options.rows, None, percentiles)
    show(f"{work}: all pairs' simultaneous limits (max-t)", "jax-audit", options.rows, None, seconds)
    machine = f"{os.cpu_count()} CPU cores, one thread, processor time"
    print(f"\n{options.rows:,} rows; {machine}; ours is the median of {options.repeats} runs.")
    print(f"{ends} percentile ends agree: the least likely has a tail probability of {smallest:.2g}.\n")
    print("| work | library | seconds | fairlearn's seconds over these |\n|---|---|---|---|")
    for what, library, took in (
        (f"percentile ends, B={draws}, scaled from {peer_draws}", "fairlearn", scaled),
        (f"percentile ends, B={draws}", "jax-audit", percentiles),
        (f"limits of all pairs and rates at once (max-t), B={draws}", "jax-audit", seconds),
    ):
        print(f"| {what} | {library} | {took:.4g} | {scaled / took:,.0f} |")


if __name__ == "__main__":
    main()
