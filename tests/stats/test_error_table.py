"""The errors of every bound by simulation, as a table: `pytest -m slow -s tests/stats/test_error_table.py`."""

import numpy as np
import pytest
from scipy.stats import norm

from audit import stats
from audit.metrics.group_rates import KINDS, RATES

ALPHA, RUNS, FAMILY_RUNS = 0.05, 1500, 500
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


def _over_highest(sizes, low, high, own):
    rates = np.where(np.arange(len(sizes)) < len(sizes) // 2, high, low)
    names = [f"g{i:02d}" for i in range(len(sizes))]
    truth = rates[own] / high
    return truth, lambda rng: stats.over_highest(names, rng.binomial(sizes, rates), sizes)[own]


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


def _people(rng, clusters, most, alike):
    """Return each row's person, and two normal scores of the row that a person's rows share in part."""
    person = np.repeat(np.arange(clusters), rng.integers(1, most + 1, clusters))
    own = rng.normal(size=(2, clusters))[:, person] * alike**0.5
    return person, *(own + (1 - alike) ** 0.5 * rng.normal(size=own.shape))


def _clustered_calibration(clusters, most, sharp, shift):
    truth, _ = _calibration(1, sharp, shift)

    def draw(rng):
        person, u, v = _people(rng, clusters, most, 0.4)
        confidence = norm.cdf(u) ** (1 / sharp)  # Beta(sharp, 1)
        right = norm.cdf(v) < np.clip(confidence - shift, 0, 1)
        return stats.calibration_error(confidence, right, cluster=person)

    return truth, draw


def _clustered_auc(clusters, most, value):
    def draw(rng):
        person, u, v = _people(rng, clusters, most, 0.4)
        positive = u > 0.5
        return stats.auc(v + positive * norm.ppf(value) * 2**0.5, positive, cluster=person)

    return value, draw


def _macro_f1(n, accuracy, first):
    shares = np.array([first, (1 - first) / 2, (1 - first) / 2])
    chances = shares[:, None] * np.where(np.eye(3, dtype=bool), accuracy, (1 - accuracy) / 2)
    truth = np.mean(2 * np.diag(chances) / (chances.sum(axis=0) + chances.sum(axis=1)))

    def draw(rng):
        true, predicted = np.divmod(rng.choice(9, n, p=chances.ravel()), 3)
        return stats.macro_f1(predicted, true, 3, draws=2000)

    return truth, draw


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
    "largest gap of two or three groups": {
        f"n={', '.join(map(str, n))}, p={p} and {p + 0.1:.2f}": _groups("difference", n, p, p + 0.1)
        for n in ([20, 20], [65, 65], [2000, 200, 5000])
        for p in (0.05, 0.3, 0.85)
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
    "one of several over the highest": {
        f"n={name}, p={0.8 * p:.2f} and {p}, of {who}": _over_highest(n, 0.8 * p, p, own)
        for name, n in (("200 and 200", [200, 200]), ("50-450", SMALL))
        for p in (0.2, 0.5, 0.9)
        for who, own in (("a highest", 0), ("a lower", -1))
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
        for n in (300, 1000, 5000)
        for s in (4, 49, 199)
        for d in (0.0, 0.03)
    },
    "clustered calibration error": {
        f"{c} clusters of 1-{m}, accuracy about {s / (s + 1):.3f}, shift {d}": _clustered_calibration(
            c, m, s, d
        )
        for c, m in ((50, 20), (200, 5))
        for s in (4, 49, 199)
        for d in (0.0, 0.05)
    },
    "clustered AUC": {
        f"{c} clusters of 1-{m}, {a}": _clustered_auc(c, m, a)
        for c, m in ((30, 10), (200, 5))
        for a in (0.7, 0.9, 0.97)
    },
    "mean F1 (bootstrap)": {
        f"n={n}, accuracy {a}, first class {p:.2f}": _macro_f1(n, a, p)
        for n in (50, 300, 5000)
        for a in (0.7, 0.9, 0.98)
        for p in (1 / 3, 0.8)
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


FAMILIES = {
    f"n={name}, positive {p}, accuracy {a}": (sizes, p, a)
    for name, sizes in (
        ("65 and 65", [65, 65]),
        ("20 each", [20] * 10),
        ("50-450", SMALL),
        ("100, 1,000 and 5,000", [100, 1000, 5000]),
        ("500-4,500", LARGE),
    )
    for p, a in ((0.3, 0.8), (0.05, 0.98), (0.9, 0.9))
}


def _family_error(sizes, positive, accuracy):
    """Return how often any limit of any pair of any of six rates is wrong; every second group differs a little."""
    hits, among = (np.array([getattr(r, part)(KINDS) for r in RATES.values()]) for part in ("hits", "among"))
    share = positive + 0.3 * min(positive, 1 - positive) * (np.arange(len(sizes)) % 2)
    right = np.stack([share * accuracy, share * (1 - accuracy)], 1)
    other = np.stack([(1 - share) * (1 - accuracy), (1 - share) * accuracy, 0 * share], 1)
    cells = np.concatenate([right, other], axis=1)
    truth = (cells @ (hits & among).T / (cells @ among.T)).T
    apart, names, wrong = truth[:, :, None] - truth[:, None], [f"g{i:02d}" for i in range(len(sizes))], 0
    for seed in range(FAMILY_RUNS):
        rng = np.random.default_rng(seed)
        counts = np.array([rng.multinomial(n, p) for n, p in zip(sizes, cells, strict=True)])
        low, high = stats.family(names, tuple(RATES), counts, hits, among).limits(ALPHA)
        wrong += bool((low > apart + 1e-12).any() or (high < apart - 1e-12).any())
    return wrong / FAMILY_RUNS


@pytest.mark.slow
def test_all_pairs_and_rates_at_once_err_in_at_most_5_percent_of_runs(capsys):
    errors = {where: _family_error(*case) for where, case in FAMILIES.items()}
    mean, worst = np.mean(list(errors.values())), max(errors, key=lambda where: errors[where])
    with capsys.disabled():
        numbers = f"{100 * mean:.1f} | {100 * errors[worst]:.1f} | {worst}"
        print("\n| bound on | settings | any limit, mean | any limit, worst | worst at |")
        print(
            f"| --- | --- | --- | --- | --- |\n| six rates of all pairs at once | {len(errors)} | {numbers} |"
        )
    assert mean <= 0.05 and errors[worst] <= 0.07, errors


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
