"""CORP: reliability by isotonic regression, with the decomposition of the Brier score that it gives (NumPy)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression


@dataclass(frozen=True, eq=False)
class Recalibrated:
    """The distinct forecasts[u], the rows[u] and events[u] of each, and the event rate[u] that PAV gives them."""

    forecast: np.ndarray
    rows: np.ndarray
    events: np.ndarray
    rate: np.ndarray


@dataclass(frozen=True)
class Decomposition:
    """Brier score = miscalibration - discrimination + uncertainty, each 0 or more."""

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def recalibrate(confidence: np.ndarray, correct: np.ndarray) -> Recalibrated:
    """Return the isotonic regression of correct[n] on confidence[n] by pool-adjacent-violators.

    Equal confidences are one forecast, so the order of rows is nothing. The rates rise with the forecast and
    minimise the Brier score over all such recalibrations (Dimitriadis, Gneiting and Jordan, PNAS 2021).
    Raises ValueError when there are no rows or a confidence lies outside 0 to 1.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if len(confidence) == 0 or not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(f"confidence[{len(confidence)}]: expected at least one row, and values of 0 to 1")
    forecast, place = np.unique(confidence, return_inverse=True)
    rows, events = np.bincount(place).astype(float), np.bincount(place, correct)
    return Recalibrated(forecast, rows, events, _pooled(events, rows))


def decompose(found: Recalibrated) -> Decomposition:
    """Return the CORP decomposition of the Brier score (the mean squared gap of confidence and outcome)."""
    n, events = found.rows.sum(), found.events
    base = events.sum() / n

    def score(of: np.ndarray) -> float:
        return float((found.rows * of**2 - 2 * of * events + events).sum() / n)

    stated, best, flat = score(found.forecast), score(found.rate), float(base * (1 - base))
    return Decomposition(stated, max(stated - best, 0.0), max(flat - best, 0.0), flat)


def consistency_band(
    found: Recalibrated, at: np.ndarray, *, replicates: int, seed: int, level: float = 0.9
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the recalibrated rate would lie at forecasts at[m], pointwise, were the forecasts calibrated.

    Events are drawn from the forecasts themselves and recalibrated anew (consistency resampling; Bröcker and
    Smith 2007; Dimitriadis et al. 2021): low[m] and high[m] hold the middle `level` of the replicates.
    """
    rng = np.random.default_rng(seed)
    rows = found.rows.astype(np.int64)
    drawn = [
        rate_at(found, _pooled(rng.binomial(rows, found.forecast), found.rows), at) for _ in range(replicates)
    ]
    low, high = np.quantile(np.stack(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def rate_at(found: Recalibrated, rate: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return rate[u] at[m]: that of the largest forecast not above, of the smallest where there is none."""
    return rate[np.clip(np.searchsorted(found.forecast, at, side="right") - 1, 0, None)]


def _pooled(events: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the non-decreasing rates[u] nearest events / rows in weighted squares."""
    return np.asarray(isotonic_regression(events / rows, weights=rows).x)
