"""The same Shapley values by shap's own explainers: the second opinion on a few rows of a table."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

PAIRS = 10  # permutations, forwards and backwards, that shap's sampling explainer draws a row


@dataclass(frozen=True, eq=False)
class Peer:
    """What shap found: values[n, d, outputs], by which explainer, on how many model evaluations."""

    values: np.ndarray
    explainer: str
    evaluations: int


def shap_values(
    f: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    background: np.ndarray,
    *,
    exact: bool,
    seed: int = 0,
    columns: int | None = None,
) -> Peer:
    """Return shap's values of f(rows[r, d]) -> [r, outputs] at x[n, d] against the background[b, d].

    exact: shap's ExactExplainer over all 2**d coalitions, else its PermutationExplainer. Both fill missing
    columns from every row of the background. columns: how many of the d are explained, all by default; a row keeps
    the others at its own values.
    """
    shap = _uncompiled()
    evaluations, d = 0, x.shape[1] if columns is None else columns

    def values(rows: np.ndarray) -> np.ndarray:
        """Return shap's values of rows whose columns from d on are the same."""

        def counted(first: np.ndarray) -> np.ndarray:
            nonlocal evaluations
            evaluations += len(first)
            beside = np.broadcast_to(rows[0, d:], (len(first), x.shape[1] - d))
            return f(np.concatenate([np.asarray(first), beside], axis=1))

        def fill(mask: np.ndarray, row: np.ndarray) -> np.ndarray:
            return np.where(mask, row, background[:, :d])

        if exact:
            explainer, most = shap.ExactExplainer(counted, fill), 2**d + 1
        else:
            explainer, most = shap.PermutationExplainer(counted, fill, seed=seed), PAIRS * (2 * d + 1)
        found = explainer(rows[:, :d], max_evals=most, silent=True)
        return np.asarray(found.values, np.float64).reshape(len(rows), d, -1)

    parts = [x] if d == x.shape[1] else [row[None] for row in x]
    name = "ExactExplainer" if exact else "PermutationExplainer"
    return Peer(np.concatenate([values(part) for part in parts]), name, evaluations)


def _uncompiled() -> Any:
    """Return shap with its helpers left as Python: numba compiles them for seconds, which a few rows do not need.

    Where shap has been imported before, it stays as it is.
    """
    config = importlib.import_module("numba").config  # shap needs it
    before = config.DISABLE_JIT
    config.DISABLE_JIT = True
    try:
        return importlib.import_module("shap")  # seconds to import, so only here
    finally:
        config.DISABLE_JIT = before
