"""From the rows that fell to measurements: clean and robust accuracy, attack success."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from audit import stats
from audit.attacks.balls import Norm
from audit.evidence import Estimate, Measurement
from audit.metrics.robustness import Target
from audit.registry import Measure
from audit.trials.search import NAMES

NOTHING_MOVES = "every feature is fixed, so there is nothing to attack"
CLEAN = Measure("clean_accuracy", "higher", "Accuracy on the rows tried, unperturbed.", "Clopper-Pearson")


class Fallen(NamedTuple):
    """One norm and radius, and which of the target's rows[n] were felled at it or within it."""

    norm: str
    eps: float
    felled: np.ndarray
    doubt: str = ""


def measurements(t: Target, runs: Iterable[Fallen], title: str, doubt: str) -> tuple[Measurement, ...]:
    """Return the clean accuracy, and robust accuracy and attack success of each norm and radius.

    A doubt, of all or of one run, is why the attack may have been too weak: it bars a PASS.
    """
    made = [clean(t)]
    for run in runs:
        said = "; ".join(filter(None, (doubt, run.doubt)))
        robust = stats.rate(t.correct & ~run.felled, cluster=t.cluster, side="at most")
        both = (e.model_copy(update={"doubt": said}) for e in (robust, _success(t, run.felled)))
        made += _pair(title, run.norm, run.eps, t.unit, *both)
    return tuple(made)


def nothing_moves(t: Target, radii: Iterable[tuple[Norm, float]], title: str) -> tuple[Measurement, ...]:
    """Return that nothing can be said where every feature is held fixed."""
    nothing = stats.not_estimable(NOTHING_MOVES, 0)
    return (clean(t), *(m for norm, eps in radii for m in _pair(title, norm, eps, t.unit, nothing, nothing)))


def clean(t: Target) -> Measurement:
    """Return the accuracy on the rows tried, unperturbed."""
    return Measurement(
        name="clean_accuracy",
        label="Accuracy on the rows tried, unperturbed",
        estimate=stats.rate(t.correct, cluster=t.cluster),
        better="higher",
    )


def _pair(
    title: str, norm: str, eps: float, unit: str, robust: Estimate, success: Estimate
) -> tuple[Measurement, Measurement]:
    """Return the two measurements at a radius."""
    where: dict[str, str | float | int] = {"norm": norm, "eps": eps}
    at = f"{NAMES[norm]}, eps {eps:g} {unit}"
    return (
        Measurement(
            name="robust_accuracy",
            label=f"Accuracy under {title}, {at}",
            estimate=robust,
            better="higher",
            where=where,
            eps_unit=unit,
        ),
        Measurement(
            name="attack_success",
            label=f"Success of {title}, {at}",
            estimate=success,
            better="lower",
            where=where,
            eps_unit=unit,
        ),
    )


def _success(t: Target, felled: np.ndarray) -> Estimate:
    """Return the share felled of the rows decided correctly."""
    if not t.correct.any():
        return stats.not_estimable("no row is decided correctly to begin with", 0)
    cluster = None if t.cluster is None else t.cluster[t.correct]
    return stats.rate(felled[t.correct], cluster=cluster, side="at least")
