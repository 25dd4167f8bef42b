"""Worlds in which a measure has a true value: which samples these rows, or more of them, would then give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
from scipy.stats import norm

from audit import stats
from audit.evidence import Decision, GroupRates, Rate, Statistic
from audit.stats.power import Counts, samples
from audit.subject import Dataset

Word = Literal["PASS", "FAIL"]
Truth = Callable[[float, Word], Counts]
GIVEN = ("precision", "positive_predictive_value", "false_omission_rate")  # their rows are the model's choice
WORST = 0.5  # the rate at which a rate varies most
CALIBRATION_ROWS = 100_000  # to draw for one chance: 48 to 128 samples


@dataclass(frozen=True, eq=False)
class World:
    """The true values there can be, low to high, and samples(value, growth, word) of each.

    best: the most favourable counts that any model could show on these rows, where they are not those of
    the ideal value. most: the rows up to which more rows are tried.
    """

    low: float
    high: float
    samples: Callable[[float, float, Word], Sequence[Statistic]]
    assumed: str
    n: int
    groups: dict[str, int]
    best: Statistic | None = None
    most: int = 10**8


def of(decision: Decision, data: Dataset, bins: int) -> World | None:
    """Return the world of a decision on the oracle, or None where it is no matter of counting rows."""
    rule, estimate = decision.rule, decision.estimate
    statistic = estimate.statistic if estimate else None
    if rule.measure == "accuracy.overall.auc":
        return _auc(data, str(decision.where.get("class", data.classes[-1])))
    if rule.check == "calibration.reliability" and rule.name.endswith("calibration_error"):
        assert estimate is not None
        return _calibration(estimate.n, len(data.classes), bins)
    if isinstance(statistic, Rate):
        n = statistic.n
        tried = f"the {estimate.n:,} rows tried" if estimate and estimate.n < len(data.test) else ""
        said = "as many are predicted as are of the class" if rule.name in GIVEN else ""
        said = tried if rule.check.startswith("robustness.") else said
        return _counted(lambda v, word: Rate(k=v * n, n=n), 1.0, said, {}, n)
    return _groups(statistic) if isinstance(statistic, GroupRates) else None


def _counted(
    truth: Truth, high: float, assumed: str, groups: dict[str, int], n: float, best: Statistic | None = None
) -> World:
    """Return the world of rates that are counted."""

    def drawn(value: float, growth: float, word: Word) -> Sequence[Statistic]:
        return samples(truth(value, word), growth=growth)

    return World(0.0, high, drawn, assumed, round(n), groups, best)


def _groups(s: GroupRates) -> World:
    """Return the world of a summary over groups."""
    n, named = np.array(s.n), {name: round(n) for name, n in zip(s.groups, s.n, strict=True)}
    total, small = float(n.sum()), int(n.argmin())
    if s.of in ("mean", "minimum", "maximum"):
        alike = "every class alike" if s.of == "mean" else "for PASS every group alike"
        alone = "" if s.of == "mean" else f", for FAIL only the smallest, {s.groups[small]}, at it"
        return _counted(partial(_extreme, s, small), 1.0, alike + alone, named, total)
    pooled = float(np.sum(s.k)) / total
    own = 0.0 < pooled < 1.0
    p = pooled if own else WORST
    said = (
        f"a rate of {p:.2f} {'as in the data' if own else '(the worst case)'} in all groups but the smallest"
    )
    high = 1.0 if s.of == "ratio" else max(p, 1 - p)
    best = s.model_copy(update={"k": s.n})
    return _counted(
        partial(_gap, s, small, p), high, f"{said}, {s.groups[small]}, alone off", named, total, best
    )


def _extreme(s: GroupRates, small: int, value: float, word: Word) -> GroupRates:
    """Return counts whose least (largest, mean) rate is the value, in the way least kind to the word."""
    other = value if s.of == "mean" or word == "PASS" else (1.0 if s.of == "minimum" else 0.0)
    rates = np.full(len(s.n), other)
    rates[small] = value
    return s.model_copy(update={"k": tuple((rates * s.n).tolist())})


def _gap(s: GroupRates, small: int, p: float, value: float, word: Word) -> GroupRates:
    """Return counts at rate p, with the smallest group off by the difference or ratio."""
    rates = np.full(len(s.n), p)
    toward = -1.0 if p > 0.5 else 1.0  # to the side that has room
    rates[small] = p * value if s.of == "ratio" else min(max(p + toward * value, 0.0), 1.0)
    return s.model_copy(update={"k": tuple((rates * s.n).tolist())})


def _auc(data: Dataset, name: str) -> World:
    """Return the world of an AUC: normal scores, as far apart as the value says."""
    test, positive = data.test, np.asarray(data.test.y) == data.classes.index(name)
    units = np.arange(len(test)) if test.cluster is None else np.asarray(test.cluster)
    m, n = len(np.unique(units[positive])), len(np.unique(units[~positive]))

    @cache
    def truth(value: float) -> Rate:
        apart = np.sqrt(2) * float(norm.ppf(min(max(value, 1e-9), 1 - 1e-9)))
        scores = [norm.ppf((np.arange(k) + 0.5) / k) for k in (m, n)]
        labels = np.r_[np.ones(m, bool), np.zeros(n, bool)]
        found = stats.auc(np.r_[scores[0] + apart, scores[1]], labels).statistic
        assert isinstance(found, Rate)
        return Rate(k=value * found.n, n=found.n)

    world = _counted(lambda value, word: truth(value), 1.0, "normal scores", {name: m, "others": n}, m + n)
    return world


def _calibration(rows: int, classes: int, bins: int) -> World:
    """Return the world of a calibration error: confidences spread evenly, all too sure by the value."""
    lowest = 0.0 if classes == 2 else 1 / classes

    @cache
    def drawn(value: float, growth: float, word: Word) -> Sequence[Statistic]:
        n, rng = max(round(rows * growth), 1), np.random.default_rng(0)
        draws = min(max(CALIBRATION_ROWS // n, 48), 128)
        confidence = lowest + (1 - lowest) * (np.arange(n) + 0.5) / n
        true = confidence + np.where(confidence < 0.5, value, -value)
        estimates = (
            stats.calibration_error(confidence, rng.random(n) < true, bins=bins) for _ in range(draws)
        )
        return [e.statistic for e in estimates if e.statistic is not None]

    said = f"confidences spread evenly over {lowest:.2g} to 1, all too sure by the same amount"
    return World(0.0, 0.5, drawn, said, rows, {}, most=10**5)
