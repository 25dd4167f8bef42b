"""How well an explanation adds up, and how far it moves with its input (Yeh et al. 2019, 1901.09392; NumPy)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from audit.attribution.faithfulness import Worth


def infidelity(values: np.ndarray, worth: Worth, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return infidelity[n] of values[n, players], and the mean squared change[n] of the output it is of.

    The perturbation replaces the players outside kept[n, k, players]. Infidelity is the mean over k of
    (sum of the values replaced - change of the output)^2; an explanation of zeros scores the second number.
    """
    n, _, players = kept.shape
    whole = worth(np.ones((n, 1, players), bool))
    change = whole - worth(kept)
    told = np.einsum("nkp,np->nk", ~kept, values)
    return np.square(told - change).mean(axis=1), np.square(change).mean(axis=1)


def max_sensitivity(
    explain: Callable[[Any, np.ndarray], np.ndarray], params: Any, x: np.ndarray, moved: np.ndarray
) -> np.ndarray:
    """Return the largest relative change[n] of explain(params, .) from x[n, ...] to any of moved[k, n, ...].

    That is max over k of |values(moved) - values(x)| / |values(x)| in L2: a lower bound of the maximum over
    every input as near. NaN where the explanation of x is all zeros.
    """
    values = explain(params, x)
    apart = [np.linalg.norm(explain(params, other) - values, axis=1) for other in moved]
    size = np.linalg.norm(values, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > 0, np.max(apart, axis=0) / size, np.nan)
