"""The errors of every bound by simulation, as a table: `pytest -m slow -s tests/stats/test_error_table.py`."""

import numpy as np
import pytest
from scipy.stats import norm

from audit import stats

ALPHA, RUNS = 0.05, 1500
LARGE, SMALL = np.linspace(500, 4500, 10).astype(int), np.linspace(50, 450, 10).astype(int)


def _rate(n, p):
    return p, lambda rng: stats.rate_of(rng.binomial(n, p), n)


def _clustered_rate(clusters, size, p, alike):
    def draw(rng):
        chance = np.repeat(rng.beta(p / alike, (1 - p) / alike, clusters), size)
        return stats.rate(rng.random(clusters * size) < chance, cluster=np.repeat(np.arange(clusters), size))

    return p, draw


def _pair(make, n1, p1, n2, p2):
    truth = p1 - p2 if make is stats.difference else p1 / p2
    return truth, lambda rng: make(rng.binomial(n1, p1), n1, rng.binomial(n2, p2), n2)


def _groups(of, sizes, low, high):
    rates = np.where(np.arange(len(sizes)) < len(sizes) // 2, high, low)
    names = [f"g{i:02d}" for i in range(len(sizes))]
    truth = {"difference": high - low, "ratio": low / high, "minimum": low, "mean": rates.mean()}[of]
    return truth, lambda rng: stats.groups(names, rng.binomial(sizes, rates), sizes, sizes, of=of)


def _mean(draw, truth, **ends):
    return truth, lambda rng: stats.mean(draw(rng), **ends)


def _brier(n, sharp):
    """Return the Brier score of calibrated Beta(sharp, 1) confidences c: its mean is that of c (1 - c)."""
    truth = sharp / ((sharp + 1) * (sharp + 2))

    def draw(rng):
        confidence = rng.beta(sharp, 1, n)
        return (confidence - (rng.random(n) < confidence)) ** 2

    return _mean(draw, truth, low=0.0, high=1.0)


def _auc(m, n, value, sd):
    shift = norm.ppf(value) * (1 + sd**2) ** 0.5
    labels = np.arange(m + n) < m
    return value, lambda rng: stats.auc(np.r_[rng.normal(shift, sd, m), rng.normal(size=n)], labels)


def _calibration(n, sharp, shift):
    def draw(rng):
        confidence = rng.beta(sharp, 1, n)
        return stats.calibration_error(confidence, rng.random(n) < np.clip(confidence - shift, 0, 1))

    gaps = np.sort(np.random.default_rng(9).beta(sharp, 1, 600_000)).reshape(15, -1)
    return float(np.sqrt(np.mean((gaps - np.clip(gaps - shift, 0, 1)).mean(1) ** 2))), draw


CASES = {
    "one rate": {f"n={n}, p={p}": _rate(n, p) for n in (20, 200) for p in (0.05, 0.3, 0.95)},
    "clustered rate": {
        f"{c} clusters of {m}, p={p}, rho={r}": _clustered_rate(c, m, p, r / (1 - r))
        for c, m in ((20, 5), (100, 5))
        for p in (0.1, 0.5)
        for r in (0.05, 0.3)
    },
    "difference of two": {
        f"n={a} and {b}, p={p} and {p - 0.1:.2f}": _pair(stats.difference, a, p, b, p - 0.1)
        for a, b in ((20, 20), (30, 300), (65, 65))
        for p in (0.15, 0.5, 0.95)
    },
    "ratio of two": {
        f"n={a} and {b}, p={0.8 * p:.2f} and {p}": _pair(stats.ratio, a, 0.8 * p, b, p)
        for a, b in ((30, 30), (30, 300), (300, 30))
        for p in (0.2, 0.5, 0.95)
    },
    "largest gap of ten groups": {
        f"n={name}, p={p} and {p + 0.1:.2f}": _groups("difference", n, p, p + 0.1)
        for name, n in (("20 each", [20] * 10), ("50-450", SMALL), ("500-4,500", LARGE))
        for p in (0.05, 0.3, 0.85)
    },
    "smallest ratio of ten groups": {
        f"n={name}, p={0.8 * p:.2f} and {p}": _groups("ratio", n, 0.8 * p, p)
        for name, n in (("50-450", SMALL), ("500-4,500", LARGE))
        for p in (0.2, 0.5, 0.9)
    },
    "worst of ten groups": {f"n=50-450, p={p}": _groups("minimum", SMALL, p, p) for p in (0.1, 0.5, 0.95)},
    "mean of ten rates": {f"n=50-450, p={p}": _groups("mean", SMALL, p, p) for p in (0.1, 0.5, 0.95)},
    "Brier score": {
        f"n={n}, accuracy {s / (s + 1):.3f}": _brier(n, s) for n in (100, 1000) for s in (9, 49, 199)
    },
    "mean of skewed values": {
        f"n={n}, exponential": _mean(lambda rng, n=n: rng.exponential(1, n), 1.0, low=0.0)
        for n in (30, 100, 1000)
    },
    "AUC": {
        f"{m} and {n} rows, {a}, sd ratio {sd}": _auc(m, n, a, sd)
        for m, n in ((10, 100), (30, 300), (60, 60))
        for a, sd in ((0.7, 1), (0.97, 1), (0.97, 3))
    },
    "calibration error": {
        f"n={n}, accuracy about {s / (s + 1):.3f}, shift {d}": _calibration(n, s, d)
        for n in (300, 1000)
        for s in (4, 49, 199)
        for d in (0.0, 0.03)
    },
}


def _errors(truth, draw):
    """Return how often the lower bound lies above the truth, and the upper below it."""
    wrong = [0, 0]
    for seed in range(RUNS):
        statistic = draw(np.random.default_rng(seed)).statistic
        if statistic is None:
            continue  # an undefined ratio says so and decides nothing
        wrong[0] += stats.low_bound(statistic, ALPHA) > truth + 1e-12
        wrong[1] += stats.high_bound(statistic, ALPHA) < truth - 1e-12
    return [w / RUNS for w in wrong]


@pytest.mark.slow
def test_every_bound_errs_at_most_5_percent_on_average_and_7_at_worst(capsys):
    lines, averages, worst = [], {}, {}
    for quantity, cases in CASES.items():
        errors = np.array([_errors(*case) for case in cases.values()])
        where = list(cases)[int(errors.max(axis=1).argmax())]
        averages[quantity], worst[quantity] = errors.mean(axis=0).max(), errors.max()
        cells = [*errors.mean(axis=0), *errors.max(axis=0)]
        numbers = " | ".join(f"{100 * v:.1f}" for v in cells)
        lines.append(f"| {quantity} | {len(cases)} | {numbers} | {where} |")
    with capsys.disabled():
        print(
            "\n| bound on | settings | lower, mean | upper, mean | lower, worst | upper, worst | worst at |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- |", *lines, sep="\n")
    assert max(averages.values()) <= 0.05, averages
    assert max(worst.values()) <= 0.07, worst
