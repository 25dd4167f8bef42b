"""Levels for many comparisons at once: all pairs of groups, the worst of several groups, the rules of a policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm

from audit.stats.roots import root

_x = np.arange(-14.0, 10.0, 0.02)


def range_exceeds(width: float, groups: int) -> float:
    """Return the probability that `groups` independent standard normals spread over more than `width`.

    It is the studentised range distribution at infinite degrees of freedom, exact far into its tail.
    """
    above = ndtr(-_x)
    share = ndtr(-(_x + width)) / above
    spread = -np.expm1((groups - 1) * np.log1p(-np.minimum(share, 1 - 1e-16)))
    density = np.exp(-_x * _x / 2) / math.sqrt(2 * math.pi)
    return float(min(1.0, groups * np.sum(density * above ** (groups - 1) * spread) * 0.02))


def all_pairs_error(alpha: float, groups: int) -> float:
    """Return the chance that any of all ordered pairs' one-sided limits at alpha is wrong.

    Tukey and Kramer's bound: exact where standard errors are equal, conservative otherwise (Hayter 1984).
    """
    return range_exceeds(math.sqrt(2) * float(norm.isf(alpha)), groups)


@lru_cache(maxsize=4096)
def all_pairs_alpha(alpha: float, groups: int) -> float:
    """Return the one-sided level of each ordered pair at which all pairs hold at 1 - alpha."""

    def excess(log_level: float) -> float:
        return math.log(all_pairs_error(math.exp(log_level), groups) / alpha)

    smallest = math.log(alpha / groups**2 / 2)
    return math.exp(root(excess, smallest, math.log(alpha)))


def each_error(alpha: float, groups: int) -> float:
    """Return the chance that any of independent groups' limits at alpha is wrong (Sidak 1967)."""
    return -math.expm1(groups * math.log1p(-alpha))


def each_alpha(alpha: float, groups: int) -> float:
    """Return the level of each of independent groups' limits at which all hold at 1 - alpha."""
    return -math.expm1(math.log1p(-alpha) / groups)


def holm_levels(p_values: Sequence[float], alpha: float) -> list[float]:
    """Return the level at which Holm's (1979) step-down procedure tests each p-value, in the given order.

    The smallest of m is tested at alpha / m, the next at alpha / (m - 1), and so on until one is not
    rejected; all that remain share that one's level. Equal p-values share a level.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    levels = [0.0] * len(order)
    level, stopped = 0.0, False
    for rank, i in enumerate(order):
        if not stopped:
            level = alpha / (len(order) - rank)
            stopped = p_values[i] > level
        levels[i] = level
    return levels


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return which hypotheses Holm's (1979) step-down procedure rejects with familywise error alpha."""
    levels = holm_levels(p_values, alpha)
    return [p <= level for p, level in zip(p_values, levels, strict=True)]


def benjamini_hochberg(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return which hypotheses Benjamini and Hochberg's (1995) procedure rejects at false discovery rate alpha."""
    ordered = sorted(p_values)
    passed = [p for rank, p in enumerate(ordered, 1) if p <= alpha * rank / len(ordered)]
    return [bool(passed) and p <= passed[-1] for p in p_values]
