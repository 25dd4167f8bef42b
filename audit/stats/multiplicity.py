"""Levels for many comparisons at once: all pairs of groups, the worst of several groups, the rules of a policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm

from audit.stats.roots import root

STEP = 0.1  # of the trapezoid sum, whose error falls so fast that this is exact to 12 digits
_x = np.arange(-14.0, 10.0, STEP)
FAR = 8.0  # standard errors apart from which on two halves overlap no more


def range_exceeds(width: float, groups: int, apart: float = 0.0) -> float:
    """Return the probability that standard normals, half of them centred `apart` above, spread over apart + width.

    At apart = 0 it is the studentised range distribution at infinite degrees of freedom; exact far into its tail.
    """
    apart = min(apart, FAR)
    high = groups // 2
    smallest = ((groups - high, high, apart), (high, groups - high, -apart))
    return min(1.0, sum(_smallest_is_here(width + apart, *half) for half in smallest))


def _smallest_is_here(width: float, own: int, others: int, offset: float) -> float:
    """Return the chance of more than width with the smallest among `own` normals at 0, the others at offset."""
    above, others_above = ndtr(-_x), ndtr(offset - _x)
    beyond = np.minimum(ndtr(-(_x + width)) / above, 1 - 1e-16)
    others_beyond = np.minimum(ndtr(offset - _x - width) / others_above, 1 - 1e-16)
    spread = -np.expm1((own - 1) * np.log1p(-beyond) + others * np.log1p(-others_beyond))
    density = np.exp(-_x * _x / 2) / math.sqrt(2 * math.pi)
    return float(own * np.sum(density * above ** (own - 1) * others_above**others * spread) * STEP)


def all_pairs_error(alpha: float, groups: int, apart: float = 0.0) -> float:
    """Return the chance that one-sided limits at alpha show any of all pairs to differ by more than they may.

    Rates that may differ by `apart` standard errors err most often where half of the groups lie at one end and
    half at the other, for the region where none is shown to differ is convex and symmetric (Anderson 1955).
    Tukey and Kramer's bound for unequal standard errors: conservative where no gap is allowed (Hayter 1984),
    otherwise together with Sidak's for the groups - 1 comparisons that can be independent.
    """
    width = math.sqrt(2) * float(norm.isf(alpha))
    return max(range_exceeds(width, groups, apart), each_error(alpha, groups - 1))


@lru_cache(maxsize=4096)
def all_pairs_alpha(alpha: float, groups: int, apart: float = 0.0) -> float:
    """Return the one-sided level of each ordered pair at which none is wrongly shown with probability 1 - alpha."""

    def excess(log_level: float) -> float:
        return math.log(all_pairs_error(math.exp(log_level), groups, apart) / alpha)

    smallest = math.log(alpha / groups**2 / 2)
    return math.exp(root(excess, smallest, math.log(alpha) + 1e-6))


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
