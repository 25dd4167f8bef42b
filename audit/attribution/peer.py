"""The same Shapley values by shap's own explainers: the second opinion on a few rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PAIRS = 10  # permutations, forwards and backwards, that shap's sampling explainer draws a row


def shap_values(
    f: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    background: np.ndarray,
    *,
    exact: bool,
    seed: int = 0,
) -> tuple[np.ndarray, int]:
    """Return values[n, d, outputs] of f(rows[r, d]) -> [r, outputs] by shap, and the rows it ran f on.

    exact: shap's ExactExplainer over all 2**d coalitions, else its PermutationExplainer. Both fill missing
    columns from every row of the background.
    """
    import shap  # seconds to import, so only here

    evaluated = 0

    def counted(rows: np.ndarray) -> np.ndarray:
        nonlocal evaluated
        evaluated += len(rows)
        return f(np.asarray(rows))

    masker = shap.maskers.Independent(background, max_samples=len(background))
    d = x.shape[1]
    if exact:
        found = shap.ExactExplainer(counted, masker)(x, max_evals=2**d + 1, silent=True)
    else:
        explainer = shap.PermutationExplainer(counted, masker, seed=seed)
        found = explainer(x, max_evals=PAIRS * (2 * d + 1), silent=True)
    values = np.asarray(found.values, np.float64)
    return values.reshape(*x.shape, -1), evaluated
