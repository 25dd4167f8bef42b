"""The group rates as fairlearn's MetricFrame finds them: the peer that ours must agree with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from audit.metrics.group_rates import RateName


def fairlearn_rates(
    names: Iterable[RateName],
    true: np.ndarray,
    predicted: np.ndarray,
    group: np.ndarray,
    weight: np.ndarray,
    favourable: int,
) -> dict[RateName, np.ndarray]:
    """Return each rate[g] by sorted group, of rows or of joint cells weighted by their rows.

    Weighted cells give the same rates as the rows they count, at any size. Where a denominator is empty,
    fairlearn says 0.0 and scikit-learn's precision is asked for NaN.
    """
    from fairlearn.metrics import MetricFrame  # slow to import, and only this function needs it

    functions = _functions(favourable)
    frame = MetricFrame(
        metrics={name: functions[name] for name in names},
        y_true=true,
        y_pred=predicted,
        sensitive_features={"group": group},  # a bare array of one row would lose its axis
        sample_params={name: {"sample_weight": weight} for name in names},
    )
    return {name: np.asarray(frame.by_group[name], float) for name in names}


def _functions(favourable: int) -> dict[RateName, Callable[..., float]]:
    """Return fairlearn's or scikit-learn's function of (y_true, y_pred, sample_weight) for each rate."""
    from fairlearn.metrics import false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score, precision_score

    def event(function: Callable[..., float]) -> Callable[..., float]:
        def of(y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray) -> float:
            wanted, selected = np.asarray(y_true == favourable, int), np.asarray(y_pred == favourable, int)
            return function(wanted, selected, sample_weight=sample_weight)

        return of

    def precision(wanted: np.ndarray, selected: np.ndarray, sample_weight: np.ndarray) -> float:
        return float(precision_score(wanted, selected, sample_weight=sample_weight, zero_division=np.nan))  # type: ignore[arg-type]

    return {
        "selection_rate": event(selection_rate),
        "true_positive_rate": event(true_positive_rate),
        "false_positive_rate": event(false_positive_rate),
        "positive_predictive_value": event(precision),
        "false_omission_rate": event(lambda a, b, sample_weight: 1 - precision(1 - a, 1 - b, sample_weight)),
        "accuracy": accuracy_score,
    }
