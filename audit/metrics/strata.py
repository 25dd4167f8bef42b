"""Rows cut into strata of people alike in some factors, numeric ones in quantile bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audit.metrics.categories import MISSING


@dataclass(frozen=True, eq=False)
class Strata:
    """The strata that have rows: names[s], each row's code[n], the factors and which of them were banded."""

    factors: tuple[str, ...]
    banded: tuple[str, ...]
    names: tuple[str, ...]
    code: np.ndarray

    @property
    def described(self) -> str:
        """Return the factors in words."""
        return ", ".join(f"{name} (in bands)" if name in self.banded else name for name in self.factors)


def strata(columns: Mapping[str, np.ndarray], bands: int) -> Strata:
    """Return the strata of rows alike in all columns {factor: text[n]}; a missing value is a value.

    A factor of numbers (as text) with more than `bands` different ones is cut at its quantiles into about as
    many bands of equal rows; equal numbers stay together, so there may be fewer.
    """
    if not columns:
        raise ValueError("columns={}; expected at least one factor")
    found = {name: _levels(np.asarray(values).astype(str), bands) for name, values in columns.items()}
    met, code = np.unique(
        np.stack([place for _, place, _ in found.values()], axis=1), axis=0, return_inverse=True
    )
    names = [
        ", ".join(f"{name} {found[name][0][c]}" for name, c in zip(found, place, strict=True))
        for place in met
    ]
    banded = tuple(name for name, (_, _, cut) in found.items() if cut)
    return Strata(tuple(columns), banded, tuple(names), code.reshape(-1))


def _levels(text: np.ndarray, bands: int) -> tuple[list[str], np.ndarray, bool]:
    """Return a factor's levels in order, each row's place[n] among them, and whether they are bands."""
    values, place = np.unique(text, return_inverse=True)
    known = values != MISSING
    try:
        numbers = np.array([float(v) if k else np.nan for v, k in zip(values, known, strict=True)])
    except ValueError:
        return values.tolist(), place, False
    if not np.isfinite(numbers[known]).all():
        return values.tolist(), place, False
    if known.sum() <= bands:
        order = np.argsort(numbers, kind="stable")  # in the order of the numbers, missing ones last
        return values[order].tolist(), np.argsort(order)[place], False
    return (*_bands(numbers[place], bands), True)


def _bands(numbers: np.ndarray, bands: int) -> tuple[list[str], np.ndarray]:
    """Return the names of quantile bands and each row's band[n], missing ones last."""
    there = numbers[~np.isnan(numbers)]
    cuts = np.quantile(there, np.arange(1, bands) / bands, method="higher")
    edges = np.unique(cuts[cuts > there.min()])
    band = np.where(np.isnan(numbers), len(edges) + 1, np.digitize(numbers, edges))
    names = [_span(there[band[~np.isnan(numbers)] == b]) for b in range(len(edges) + 1)]
    return [*names, MISSING], band


def _span(numbers: np.ndarray) -> str:
    """Return the smallest and the largest number of a band."""
    low, high = f"{numbers.min():.6g}", f"{numbers.max():.6g}"
    return low if low == high else f"{low} to {high}"
