"""Time every group rate with its bounds beside fairlearn's MetricFrame, which gives the points alone.

    python -P benchmarks/fairness.py --rows 1000000

draws rows with three sensitive attributes (2, 5 and 10 groups) and measures six rates in every group. The
values of both sides are asserted equal before any time is printed. It prints one JSON object a line (work,
library, threads, n, value, seconds, evaluations) and ends with a Markdown table of ratios. Seconds are of
processor time over all threads, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import sklearn.metrics as sklearn

from audit.checks.fairness_groups import FairnessOptions, fairness_groups
from audit.evidence import Findings
from audit.metrics.cells import count_cells
from audit.metrics.group_rates import RATES
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject, observe

GROUPS = {"sex": 2, "race": 5, "age": 10}


def draw(rows: int) -> Subject:
    """Return a stored-score subject whose groups differ a little in outcome and in decision."""
    rng = np.random.default_rng(0)
    codes = {name: rng.integers(0, size, rows) for name, size in GROUPS.items()}
    y = (rng.random(rows) < 0.3 + 0.02 * codes["race"]).astype(np.int32)
    chosen = (rng.random(rows) < 0.2 + 0.5 * y + 0.02 * codes["sex"]).astype(int)
    groups = {
        name: np.asarray([f"{name} {i}" for i in range(GROUPS[name])], object)[codes[name]] for name in codes
    }
    test = Split(np.zeros((rows, 1), np.float32), y, np.arange(rows), groups=groups)
    data = Dataset("drawn", "binary", "table", {"test": test}, classes=("no", "yes"), favourable=1)
    model = Model("scores", None, outputs="probabilities", scores={"test": np.eye(2)[chosen]})
    return observe(model, data)


def ours(subject: Subject, intersections: str) -> Findings:
    """Return every rate and gap with bounds, agreement with fairlearn on the joint cells included."""
    options = FairnessOptions.model_validate({"intersections": intersections})
    return fairness_groups(subject, options, Context(key=None, seed=0))


def theirs(subject: Subject) -> dict[str, dict[str, np.ndarray]]:
    """Return fairlearn's rates over the rows as its user guide writes it, one MetricFrame an attribute."""
    y, predicted, groups = subject.data.test.y, subject.predictions(), subject.data.test.groups
    metrics: dict[str, Callable[..., Any]] = {
        "selection_rate": fairlearn.selection_rate,
        "true_positive_rate": fairlearn.true_positive_rate,
        "false_positive_rate": fairlearn.false_positive_rate,
        "positive_predictive_value": sklearn.precision_score,
        "false_omission_rate": lambda true, chosen: 1 - sklearn.precision_score(true, chosen, pos_label=0),
        "accuracy": sklearn.accuracy_score,
    }
    frames = {
        name: fairlearn.MetricFrame(
            metrics=metrics, y_true=y, y_pred=predicted, sensitive_features=groups[name]
        ).by_group
        for name in GROUPS
    }
    return {
        name: {rate: np.asarray(frame[rate], float) for rate in metrics} for name, frame in frames.items()
    }


def count(subject: Subject) -> None:
    """Count the joint cells alone, from codes."""
    groups = subject.data.test.groups.items()
    codes = {name: np.unique(values.astype(str), return_inverse=True)[1] for name, values in groups}
    start = time.process_time()
    count_cells({**codes, "true": subject.data.test.y, "predicted": subject.predictions()})
    show("count the joint cells", "jax-audit", len(subject.data.test), None, time.process_time() - start, 0)


def difference(findings: Findings, frames: dict[str, dict[str, np.ndarray]]) -> float:
    """Return the largest difference between a rate of ours and fairlearn's."""
    largest, met = 0.0, 0
    for attribute, rates in frames.items():
        for name, values in rates.items():
            mine = [
                m.estimate.value
                for m in findings.measurements
                if m.name == name and m.where.get("attribute") == attribute and "group" in m.where
            ]
            largest = max(largest, float(np.abs(np.asarray(mine, float) - values).max()))
            met += len(mine)
    if met != len(RATES) * sum(GROUPS.values()):
        raise SystemExit(f"{met} rates were compared, expected {len(RATES) * sum(GROUPS.values())}")
    return largest


def clocked(run: Callable[[], Any]) -> tuple[Any, float]:
    """Return what it returns and the processor seconds it took."""
    start = time.process_time()
    result = run()
    return result, time.process_time() - start


def show(work: str, library: str, n: int, value: float | None, seconds: float, evaluations: int) -> None:
    """Print one line of JSON; no model is evaluated here."""
    line = {"work": work, "library": library, "threads": os.cpu_count(), "n": n, "value": value}
    print(json.dumps({**line, "seconds": round(seconds, 4), "evaluations": evaluations}), flush=True)


def main() -> None:
    """Assert that the values are the same, then print the times and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    ours(draw(1000), "none")  # imports
    subject = draw(rows)
    alone, seconds = clocked(lambda: ours(subject, "none"))
    pairs, seconds_pairs = clocked(lambda: ours(subject, "pairs"))
    frames, seconds_theirs = clocked(lambda: theirs(subject))
    worst = difference(alone, frames)
    if worst > 1e-9:
        raise SystemExit(f"the rates differ by {worst}; nothing was timed")
    gap = next(m.estimate.value for m in alone.measurements if m.name == "impact_ratio")
    count(subject)
    rates = "six rates in 17 groups of 3 attributes"
    show(f"{rates}: points", "fairlearn", rows, gap, seconds_theirs, 0)
    show(f"{rates}: points, gaps, bounds", "jax-audit", rows, gap, seconds, 0)
    show(f"{rates} and every pair: points, gaps, bounds", "jax-audit", rows, gap, seconds_pairs, 0)
    bounds = sum(m.estimate.kind == "bounded" for m in alone.measurements)
    print(f"\nLargest difference of a rate: {worst:.1e}. Bounded figures: {bounds}.\n")
    print("| rows | work | library | seconds | fairlearn's seconds over these |\n|---|---|---|---|---|")
    for work, library, took in (
        ("points", "fairlearn", seconds_theirs),
        ("points, gaps, bounds, agreement", "jax-audit", seconds),
        ("the same, and every pair of attributes", "jax-audit", seconds_pairs),
    ):
        print(f"| {rows:,} | {work} | {library} | {took:.2f} | {seconds_theirs / took:.1f} |")


if __name__ == "__main__":
    main()
