"""Worlds in which a measure has a true value: which samples these rows, or more of them, would then give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Literal

import numpy as np
from scipy.stats import norm

from audit import stats
from audit.evidence import Decision, Estimate, GroupRates, Rate, Rule, Statistic
from audit.stats.power import Counts, samples
from audit.subject import Dataset

Word = Literal["PASS", "FAIL"]
Truth = Callable[[float, Word], Counts]
# the measures whose rows are the model's choice
GIVEN = ("precision", "f1", "positive_predictive_value", "false_omission_rate")
WORST = 0.5  # the rate at which a rate varies most
CALIBRATION_ROWS = 100_000  # to draw for one chance: 48 to 128 samples


@dataclass(frozen=True, eq=False)
class World:
    """The true values there can be, low to high, and samples(value, growth, word) of each on n rows.

    conceivable: whether any counts at all pass (limit, alpha), where that is known without a truth.
    easier: what would need fewer rows than assumed. most: the rows up to which more rows are tried.
    """

    low: float
    high: float
    samples: Callable[[float, float, Word], Sequence[Statistic]]
    n: int
    assumed: str = ""
    easier: str = ""
    groups: dict[str, int] = field(default_factory=dict)
    conceivable: Callable[[Rule, float], bool] = lambda rule, alpha: False
    most: int = 10**8


def of(decision: Decision, data: Dataset, bins: int) -> World | None:
    """Return the world of a decision on a model that is always right, or None where no rows are counted."""
    rule, estimate = decision.rule, decision.estimate
    assert estimate is not None
    if rule.measure == "accuracy.overall.auc":
        return _auc(data, str(decision.where.get("class", data.classes[-1])))
    if rule.check == "calibration.reliability" and rule.name.endswith("calibration_error"):
        people = 1.0 if data.test.cluster is None else len(np.unique(data.test.cluster)) / len(data.test)
        folds = 1 if data.folds is None else len(data.folds)
        return _calibration(round(estimate.n * people), len(data.classes), bins, folds)
    if rule.measure == "accuracy.overall.macro_auc":
        return None
    if isinstance(estimate.statistic, Rate):
        return _rate(rule, estimate, estimate.statistic, data)
    s = estimate.statistic
    return _groups(rule, s, data) if isinstance(s, GroupRates) and s.of != "departure" else None


def _counted(truth: Truth) -> Callable[[float, float, Word], Sequence[Statistic]]:
    """Return the samples of rates that are counted."""
    return lambda value, growth, word: samples(truth(value, word), growth=growth)


def chosen(rule: Rule) -> bool:
    """Return whether the measure's denominators are the model's choice: the rows that it predicts to be so."""
    return rule.check in ("accuracy.overall", "fairness.groups") and any(name in rule.name for name in GIVEN)


def _movable(rule: Rule, data: Dataset) -> bool:
    """Return whether a model may find itself with other denominators than one that is always right."""
    return chosen(rule) or data.test.cluster is not None


def _rate(rule: Rule, estimate: Estimate, s: Rate, data: Dataset) -> World:
    """Return the world of one rate."""
    tried = rule.check.startswith("robustness.") and estimate.n < len(data.test)
    stood_in = "as many rows get the prediction as should" if chosen(rule) else ""
    return World(
        low=0.0,
        high=1.0,
        samples=_counted(lambda value, word: Rate(k=value * s.n, n=s.n)),
        n=round(s.n),
        assumed=f"{estimate.n:,} rows tried, as the check's option rows says" if tried else stood_in,
        conceivable=lambda rule, alpha: _movable(rule, data),
    )


def _groups(rule: Rule, s: GroupRates, data: Dataset) -> World:
    """Return the world of a summary over groups."""
    n, named = np.array(s.n), {name: round(n) for name, n in zip(s.groups, s.n, strict=True)}
    total, small = float(n.sum()), int(n.argmin())
    shared = partial(World, low=0.0, n=round(total), groups=named)
    if s.of in ("mean", "minimum", "maximum"):
        classes = "every class alike"
        people = f"for PASS every group alike, for FAIL only the smallest, {s.groups[small]}, at the value"
        return shared(
            high=1.0,
            samples=_counted(partial(_extreme, s, small)),
            assumed=classes if s.of == "mean" else people,
            conceivable=lambda rule, alpha: _movable(rule, data),
        )
    pooled = float(np.sum(s.k)) / total
    own = 0.0 < pooled < 1.0
    p = pooled if own else WORST
    source = "as in the data" if own else "the worst case"
    return shared(
        high=1.0 if s.of == "ratio" else max(p, 1 - p),
        samples=_counted(partial(_gap, s, small, p)),
        assumed=f"every group at a rate of {p:.2f} ({source}) but the smallest, {s.groups[small]}",
        easier="higher rates" if s.of == "ratio" else "rates nearer 0 or 1",
        conceivable=lambda rule, alpha: _movable(rule, data) or _within_reach(rule, s.of, n.min(), alpha),
    )


def _within_reach(rule: Rule, of: str, least: float, alpha: float) -> bool:
    """Return whether some counts could PASS, as far as the smallest group's own limits tell.

    Both orders of a pair must hold. With limits l <= p <= u of the smallest group's rate, the two upper
    limits of a difference add up to u - l at least, the two lower limits of a ratio multiply to l / u at
    most; both are at their kindest where all rows agree, where l is alpha^(1/n) and u is 1.
    """
    agreed = alpha ** (1 / least)
    if of == "difference":
        return rule.at_most is None or 1 - agreed <= 2 * rule.limit
    return rule.at_least is None or agreed >= rule.limit**2


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

    return World(
        low=0.0,
        high=1.0,
        samples=_counted(lambda value, word: truth(value)),
        n=m + n,
        assumed="normal scores",
        groups={name: m, "the others": n},
        conceivable=lambda rule, alpha: test.cluster is not None,
    )


def _calibration(rows: int, classes: int, bins: int, folds: int) -> World:
    """Return the world of a calibration error: confidences spread evenly, all too sure by the value."""
    least = 0.0 if classes == 2 else 0.5

    @cache
    def drawn(value: float, growth: float, word: Word) -> Sequence[Statistic]:
        n, rng = max(round(rows * growth), 1), np.random.default_rng(0)
        confidence = least + (1 - least) * (np.arange(n) + 0.5) / n
        true = confidence + np.where(confidence < 0.5, value, -value)
        fold = None if folds == 1 else np.arange(n) % folds
        estimates = (
            stats.calibration_error(confidence, rng.random(n) < true, bins=bins, fold=fold)
            for _ in range(min(max(CALIBRATION_ROWS // n, 48), 128))
        )
        return [e.statistic for e in estimates if e.statistic is not None]

    return World(
        low=0.0,
        high=0.5,
        samples=drawn,
        n=rows,
        assumed=f"confidences spread evenly from {least:g} to 1, all too sure by the value",
        easier="surer confidences",
        conceivable=lambda rule, alpha: True,
        most=10**5,
    )
