"""What may change in a row of a table, and what a change costs: the ground of counterfactual explanations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True, eq=False)
class Space:
    """The changes a row's features allow, all arrays [d].

    numeric: a number, else a category's code. unit: what counts as 1: a standard deviation of a number, a
    changed category's share of one (so 1 / cost); 0 where the feature never moves. low, high: the range of a
    number (a row outside may stay where it is). direction: 1 may only rise, -1 only fall, 0 both. fixed: may
    not change. values: for each feature the values to try, a category's codes or points in a number's range.
    """

    numeric: np.ndarray
    unit: np.ndarray
    low: np.ndarray
    high: np.ndarray
    direction: np.ndarray
    fixed: np.ndarray
    values: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        d = len(self.values)
        if any(
            len(a) != d for a in (self.numeric, self.unit, self.low, self.high, self.direction, self.fixed)
        ):
            raise ValueError(f"a space of {d} features: expected every array to have as many entries")
        if (np.asarray(self.direction)[~np.asarray(self.numeric)] != 0).any():
            raise ValueError("a category has no order: it can neither rise nor fall")

    @property
    def still(self) -> np.ndarray:
        """Return which features never move."""
        return self.fixed | (self.unit <= 0)

    @property
    def weight(self) -> np.ndarray:
        """Return the cost of a change by 1 in each feature's own unit; 0 where it never moves."""
        return np.divide(1.0, self.unit, out=np.zeros(len(self.unit)), where=~self.still).astype(np.float32)

    def of(self, first: int) -> Space:
        """Return the space of so many first features."""
        names = ("numeric", "unit", "low", "high", "direction", "fixed", "values")
        return replace(self, **{name: getattr(self, name)[:first] for name in names})

    def moves(self) -> tuple[np.ndarray, np.ndarray]:
        """Return feature[c] and value[c] of every single change to try."""
        free = [j for j, still in enumerate(self.still) if not still]
        feature = [np.full(len(self.values[j]), j) for j in free]
        value = [np.asarray(self.values[j], np.float32) for j in free]
        if not free:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        return np.concatenate(feature).astype(np.int32), np.concatenate(value)

    def ends(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return low[n, d] and high[n, d] between which each row's features may lie; its own value always may."""
        low = np.where(self.still | (self.direction > 0), x, np.minimum(self.low, x))
        high = np.where(self.still | (self.direction < 0), x, np.maximum(self.high, x))
        return low.astype(x.dtype), high.astype(x.dtype)

    def allows(self, x: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Return whether each row of new[n, d] is one that x[n, d] may become: checked bit for bit."""
        low, high = self.ends(x)
        inside = np.isfinite(new) & (low <= new) & (new <= high)
        for j in np.flatnonzero(~self.numeric):
            inside[:, j] &= np.isin(new[:, j], self.values[j]) | (new[:, j] == x[:, j])
        inside[:, self.still] = new[:, self.still] == x[:, self.still]
        return np.asarray(inside.all(axis=1))

    def distance(self, x: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Return the cost[n] of turning x[n, d] into new[n, d]: L1 in units, a category's cost where it changes."""
        apart = np.abs(np.asarray(new, np.float64) - x)
        return np.where(self.numeric, apart, apart > 0) @ self.weight.astype(np.float64)


def cost(numeric: Any, weight: Any, x: Any, new: Any) -> Any:
    """Return the same cost over the last axis, in JAX."""
    apart = jnp.abs(new - x)
    flat = (1,) * (apart.ndim - 1) + (-1,)
    size = jnp.where(numeric.reshape(flat), apart, (apart > 0).astype(apart.dtype))
    return (size * weight.reshape(flat)).sum(axis=-1)
