"""Where a monotone function crosses zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy.optimize import brentq


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the x between low and high with function(x) = 0; ValueError unless the signs there differ."""
    crossing: Any = brentq(function, low, high, xtol=1e-10)
    return float(crossing)
