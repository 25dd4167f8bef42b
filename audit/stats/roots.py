"""Where a monotone function crosses zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy.optimize import brentq


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the x between low and high with function(x) = 0; ValueError unless the signs there differ."""
    crossing: Any = brentq(function, low, high, xtol=1e-10)
    return float(crossing)


def leaves_zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that is zero or less up to some x, and positive after it, becomes positive."""
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) > 0 else (middle, high)
    return high
