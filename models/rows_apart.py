"""Whether each row's outputs are its own: the same alone, among other rows, in another order, and when asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

APART = 2e-3  # of the outputs' spread over the rows: a difference that rounding does not make
ROUNDED = 1e-5  # of the outputs' size: what rounding may make of large numbers
DRAWN = 512  # rows among which various ones are looked for
CURE = (
    "the same outputs for a row, whatever was asked with it or before",
    "use running averages, not batch statistics, outside training, fix random keys, and keep no state between calls",
)


def various(content: Any, count: int, seed: int) -> np.ndarray:
    """Return so many of the rows (fewer where there are fewer), drawn by the seed; rows that differ come first.

    content[n, ...]: what rows are compared by.
    """
    flat = np.asarray(content).reshape(len(content), -1)
    at = np.random.default_rng(seed).permutation(len(flat))[:DRAWN]
    first = np.sort(np.unique(flat[at], axis=0, return_index=True)[1])
    rest = np.setdiff1d(np.arange(len(at)), first)
    return at[np.concatenate([first, rest])[:count]]


def fault(run: Callable[[Any], np.ndarray], x: Any, known: np.ndarray | None = None) -> str:
    """Return how the outputs run(x)[n, k] of the rows of x (an array, or a dict of them) depend on more than the row.

    Nothing where they do not. known[n, k]: outputs of the same rows from an earlier call, in larger batches.
    """

    def rows(at: Any) -> Any:
        return jax.tree.map(lambda a: a[at], x)

    together = np.asarray(run(x), np.float64)
    again = np.asarray(run(x), np.float64)
    n = len(together)
    alone = np.concatenate([np.asarray(run(rows(slice(i, i + 1))), np.float64) for i in range(n)])
    back = np.asarray(run(rows(np.arange(n)[::-1])), np.float64)[::-1]
    last = np.asarray(run(x), np.float64)
    for others, how in (
        ((again, last), "when it is asked again"),
        ((alone, back, *(() if known is None else (known,))), "with the other rows of its batch"),
    ):
        gap, allowed = _gap(together, others), _allowed(together)
        if not gap <= allowed:
            return f"a row's outputs change by {gap:.3g} {how}"
    return ""


def _gap(outputs: np.ndarray, others: tuple[np.ndarray, ...]) -> float:
    """Return the largest difference; endless where one is finite and the other is not."""
    gaps = [np.abs(outputs - np.asarray(other, np.float64)) for other in others]
    return max(float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0)) for gap in gaps)


def _allowed(outputs: np.ndarray) -> float:
    """Return the difference that rounding may make."""
    spread = float(np.ptp(outputs, axis=0).max(initial=0.0))
    return APART * spread + ROUNDED * float(np.abs(outputs).max(initial=0.0))
