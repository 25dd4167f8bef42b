"""Measures that are no mean of rows, paired: how alike two runs' errors are on the rows that both judged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audit import stats
from audit.errors import StoreError
from audit.evidence import Estimate, Frozen, Measurement
from audit.metrics import calibration
from audit.row_outcomes import RowOutcomes
from audit.stats.bootstrap import by_unit, chunks, keys
from audit.stats.paired import Difference, correlated, surely

DRAWS = 2_000  # only a correlation is taken from them, no tail
DELONG = "paired rows, hybrid of both runs' bounds (MOVER) with DeLong's covariance"
SHARED = f"paired rows, hybrid of both runs' bounds (MOVER), correlation of {DRAWS:,} Poisson bootstraps of the rows"


class Where(Frozen):
    """What a measure is of: CHECK.MEASURE, the class it names, and its check's number of bins."""

    measure: str
    of: str = ""
    bins: int = 15


@dataclass(frozen=True, eq=False)
class Pairs:
    """The outcomes of both runs on the same rows, and the classes' names."""

    a: RowOutcomes
    b: RowOutcomes
    classes: tuple[str, ...]

    @property
    def cluster(self) -> np.ndarray | None:
        """Return what the rows share, where a run says."""
        return self.b.values.get("cluster", self.a.values.get("cluster"))

    @cached_property
    def units(self) -> np.ndarray:
        """Return what the bootstrap draws: the rows' ids, or their clusters."""
        return self.a.id if self.cluster is None else self.cluster


@dataclass(frozen=True, eq=False)
class _Numbers:
    """A run's columns[n, k], a function of whose totals[b, k] the measure's values[b] are; its own value."""

    columns: np.ndarray
    of: Callable[[np.ndarray], np.ndarray]
    value: float


def difference(
    pairs: Pairs, check: str, m: Measurement, bins: int, x: Estimate, y: Estimate
) -> Difference | None:
    """Return how a measure changed on paired rows, or None where row outcomes do not give it.

    bins are those of both runs' calibration error.
    Its bounds are the hybrid of both runs' own bounds, narrowed by the correlation of the two numbers over
    samples of rows: DeLong's (1988) for an AUC, that of shared bootstrap weights for any other. Raises
    StoreError where row outcomes are not those of their record.
    """
    if x.statistic is None or y.statistic is None or set(m.where) - {"class"}:
        return None
    asked = Where(measure=f"{check}.{m.name}", of=str(m.where.get("class", "")), bins=bins)
    if asked.measure == "accuracy.overall.auc" and not m.where:
        found = _auc(pairs)
    else:
        found = _bootstrapped(pairs, asked)
    if found is None:
        return None
    first, second, likeness, method = found
    for value, e, which in ((first, x, "first"), (second, y, "second")):
        verify(asked.measure, value, e, which)
    units = len(np.unique(pairs.units))
    return correlated(x.statistic, y.statistic, surely(likeness, units), method)


def verify(measure: str, value: float, e: Estimate, which: str) -> None:
    """Raise StoreError unless what the rows give is the record's value."""
    if e.value is None or not math.isclose(value, e.value, rel_tol=1e-5, abs_tol=1e-6):
        given = f"the {which} run's row outcomes give {measure}={value:.6g}"
        raise StoreError(given, f"{e.value:.6g} as in its record", "give each record its own outcomes")


def _auc(pairs: Pairs) -> tuple[float, float, float, str] | None:
    """Return both areas and the correlation of their errors, of two classes alone."""
    if len(pairs.classes) != 2 or "score" not in pairs.a.values or "score" not in pairs.b.values:
        return None
    positive = pairs.a.values["label"] == 1
    (first, one), (second, other) = (
        stats.auc_influence(run.values["score"], positive, cluster=pairs.cluster, fold=run.values.get("fold"))
        for run in (pairs.a, pairs.b)
    )
    size = math.sqrt(float(one @ one) * float(other @ other))
    return first, second, float(one @ other) / size if size else 0.0, DELONG


def _bootstrapped(pairs: Pairs, asked: Where) -> tuple[float, float, float, str] | None:
    """Return both values and their correlation over bootstraps that give each row one weight in both runs."""
    a, b = (_numbers(run, asked, pairs) for run in (pairs.a, pairs.b))
    if a is None or b is None:
        return None
    names, table = by_unit(np.concatenate([a.columns, b.columns], axis=1), pairs.units)
    totals = np.concatenate([w.astype(np.float64) @ table for w in chunks(keys(names), DRAWS)])
    split = a.columns.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.stack([a.of(totals[:, :split]), b.of(totals[:, split:])])
    values = values[:, np.isfinite(values).all(axis=0)]
    varied = values.shape[1] > 1 and bool((values.std(axis=1) > 0).all())
    return a.value, b.value, float(np.corrcoef(values)[0, 1]) if varied else 0.0, SHARED


def _numbers(run: RowOutcomes, asked: Where, pairs: Pairs) -> _Numbers | None:
    """Return what gives the measure, or None where the outcomes do not hold it."""
    check, _, name = asked.measure.rpartition(".")
    if check == "calibration.reliability" and name == "calibration_error" and "score" in run.values:
        return None if "fold" in run.values else _calibration(run, asked.bins, pairs)
    if asked.measure == "accuracy.overall.root_mean_squared_error" and "error" in run.values:
        squares = run.values["error"].astype(np.float64) ** 2
        mean = _whole(np.stack([squares, np.ones(len(squares))], axis=1), 1)
        return _Numbers(mean.columns, lambda t: np.sqrt(mean.of(t)), math.sqrt(mean.value))
    if check != "accuracy.overall" or "label" not in run.values:
        return None
    label, predicted, k = run.values["label"], run.values["predicted"], len(pairs.classes)
    one = np.eye(k)
    hits, rows, taken = one[label] * (label == predicted)[:, None], one[label], one[predicted]
    if asked.of:
        if asked.of not in pairs.classes or name not in ("precision", "f1"):
            return None
        c = pairs.classes.index(asked.of)
        among = taken if name == "precision" else (rows + taken) / 2
        return _whole(np.stack([hits[:, c], among[:, c]], axis=1), 1)
    among = {"macro_f1": (rows + taken) / 2, "balanced_accuracy": rows}.get(name)
    return None if among is None else _whole(np.concatenate([hits, among], axis=1), k)


def _whole(columns: np.ndarray, k: int) -> _Numbers:
    """Return the mean of k rates, the totals of the first k columns over those of the last k."""

    def mean(totals: np.ndarray) -> np.ndarray:
        return (totals[:, :k] / totals[:, k:]).mean(axis=1)

    with np.errstate(divide="ignore", invalid="ignore"):
        return _Numbers(columns, mean, float(mean(columns.sum(axis=0)[None])[0]))


def _calibration(run: RowOutcomes, bins: int, pairs: Pairs) -> _Numbers:
    """Return the totals of rows, gaps and squared gaps in each bin, and the debiased squared gap of them."""
    score, label = np.clip(run.values["score"], 0.0, 1.0), run.values["label"]
    correct = label == 1 if len(pairs.classes) == 2 else run.values["predicted"] == label
    index = calibration.reliability(score, correct, bins).index
    apart, of = score - correct, np.eye(int(index.max()) + 1)[index]
    count = of.shape[1]

    def squared(t: np.ndarray) -> np.ndarray:
        n, first, second = t[:, :count], t[:, count : 2 * count], t[:, 2 * count :]
        gap, mean = (np.divide(part, n, out=np.zeros_like(part), where=n > 0) for part in (first, second))
        spread = np.maximum(mean - gap**2, 0) / np.maximum(n - 1, 1)
        return (n * (gap**2 - spread)).sum(axis=1) / n.sum(axis=1)

    columns = np.concatenate([of, of * apart[:, None], of * (apart**2)[:, None]], axis=1)
    value = stats.calibration_error(score, correct, bins=bins, cluster=pairs.cluster).value
    return _Numbers(columns, squared, math.nan if value is None else value)
