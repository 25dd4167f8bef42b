"""How often a gate on the gap between groups is right, wrong and undecided: ours beside what others do.

    python -m benchmarks.gate [--runs 2000] [--peer-runs 40]

Rates of ten groups (or two): half of them at .3 plus the true gap, half at .3; the limit on the gap is .10.
One JSON object a line (work, library, n, value, seconds), then a Markdown table in the shape of
docs/statistics.md. `value` is the share of runs that said the word.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from audit import stats

LIMIT, BASE, ALPHA = 0.10, 0.3, 0.05
SIZES = {
    "10 groups of 50-450": np.linspace(50, 450, 10).astype(int),
    "10 groups of 500-4,500": np.linspace(500, 4500, 10).astype(int),
    "2 groups of 65": np.array([65, 65]),
}
GAPS = {"0": 0.0, "at the limit": 0.1, "1.5 x": 0.15, "2 x": 0.2}
Gate = Callable[[np.ndarray, np.ndarray], str]


def point_estimate(k: np.ndarray, n: np.ndarray) -> str:
    """Judge the estimate itself, as a gate without intervals does."""
    return "PASS" if np.ptp(k / n) <= LIMIT else "FAIL"


def unadjusted_pairs(k: np.ndarray, n: np.ndarray) -> str:
    """Judge every pair at 5 %, Wald, no correction: PASS if all bounds are inside, FAIL if any is beyond."""
    p = k / n
    gap = p[:, None] - p
    half = norm.isf(ALPHA) * np.sqrt((p * (1 - p) / n)[:, None] + p * (1 - p) / n)
    if (gap + half).max() <= LIMIT:
        return "PASS"
    return "FAIL" if (gap - half).max() > LIMIT else "INCONCLUSIVE"


def ours(k: np.ndarray, n: np.ndarray) -> str:
    """Judge by this suite's bounds."""
    names = [f"g{i:02d}" for i in range(len(n))]
    s = stats.groups(names, k, n, n, of="difference").statistic
    if s is None:
        return "NOT-ESTIMABLE"
    if stats.high_bound(s, ALPHA) <= LIMIT:
        return "PASS"
    return "FAIL" if stats.low_bound(s, ALPHA) > LIMIT else "INCONCLUSIVE"


def fairlearn_bootstrap(k: np.ndarray, n: np.ndarray) -> str:
    """Judge by the 5 % and 95 % ends of fairlearn's bootstrap interval of the difference (100 replicates)."""
    from fairlearn.metrics import MetricFrame, selection_rate

    group = np.repeat(np.arange(len(n)), n)
    hit = np.concatenate([np.arange(m) < hits for hits, m in zip(k, n, strict=True)]).astype(int)
    frame = MetricFrame(
        metrics=selection_rate,
        y_true=hit,
        y_pred=hit,
        sensitive_features=group,
        n_boot=100,
        ci_quantiles=[ALPHA, 1 - ALPHA],
        random_state=0,
    )
    low, high = np.asarray(frame.difference_ci(), dtype=float)
    if high <= LIMIT:
        return "PASS"
    return "FAIL" if low > LIMIT else "INCONCLUSIVE"


def rates(sizes: np.ndarray, gap: float) -> np.ndarray:
    """Return the true rates: the first half of the groups higher by the gap."""
    return np.where(np.arange(len(sizes)) < len(sizes) // 2, BASE + gap, BASE)


def measure(gate: Gate, sizes: np.ndarray, gap: float, runs: int) -> tuple[dict[str, float], float]:
    """Return the share of each word over the runs, and the seconds of one judgement."""
    rng = np.random.default_rng(0)
    draws = rng.binomial(sizes, rates(sizes, gap), size=(runs, len(sizes)))
    start = time.perf_counter()
    words = [gate(k, sizes) for k in draws]
    seconds = (time.perf_counter() - start) / runs
    return {word: words.count(word) / runs for word in ("PASS", "FAIL", "INCONCLUSIVE")}, seconds


def main() -> None:
    """Run every gate and print the lines and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument(
        "--peer-runs", type=int, default=0, help="runs of fairlearn's bootstrap (slow); 0 for none"
    )
    options = parser.parse_args()
    gates: dict[str, tuple[Gate, int]] = {
        "point estimate": (point_estimate, options.runs),
        "unadjusted pairs": (unadjusted_pairs, options.runs),
        "jax-audit": (ours, options.runs),
        f"fairlearn bootstrap ({options.peer_runs} runs)": (fairlearn_bootstrap, options.peer_runs),
    }
    table = ["| groups | true gap | " + " | ".join(name for name, (_, runs) in gates.items() if runs) + " |"]
    table.append("|" + " --- |" * (2 + sum(bool(runs) for _, runs in gates.values())))
    for size, sizes in SIZES.items():
        for label, gap in GAPS.items():
            cells = []
            for name, (gate, runs) in gates.items():
                if not runs:
                    continue
                if gate is fairlearn_bootstrap and sizes.sum() > 5000:
                    cells.append("not run: about 20 s a judgement")
                    continue
                shares, seconds = measure(gate, sizes, gap, runs)
                for word, value in shares.items():
                    line = {
                        "work": f"{size}, gap {label}: {word}",
                        "library": name,
                        "n": runs,
                        "value": value,
                    }
                    print(json.dumps(line | {"seconds": round(seconds, 6)}), flush=True)
                cells.append(" / ".join(f"{100 * shares[w]:.1f}" for w in ("PASS", "FAIL", "INCONCLUSIVE")))
            table.append(f"| {size} | {label} | " + " | ".join(cells) + " |")
    print("\nPASS / FAIL / INCONCLUSIVE in % of runs; rates around .3, limit on the gap .10.\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
