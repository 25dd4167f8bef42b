"""All pairs of groups and all rates of a family bounded at once, from joint cell counts.

For independent, unweighted rows every such rate depends on the counts per joint cell alone, so a bootstrap
over rows is a multinomial over the cells: exactly, and at the cost of a few thousand numbers a replicate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from scipy.stats import norm

from audit.evidence import RatePair
from audit.stats import bounds, limits, multiplicity

DRAWS = 1000
TAIL = 50  # replicates beyond the level that is asked for
CHUNK = 1 << 21


@dataclass(frozen=True, eq=False)
class Family:
    """Rates k[m, g] of n[m, g] of sorted groups, and each replicate's largest |t| over pairs and metrics, sorted.

    Without replicates (clustered rows, say) its bounds hold under any dependence between the metrics.
    """

    groups: tuple[str, ...]
    metrics: tuple[str, ...]
    k: np.ndarray
    n: np.ndarray
    largest: np.ndarray
    of: Literal["difference", "ratio"] = "difference"

    def level(self, alpha: float) -> float:
        """Return the one-sided level of each ordered pair's limit at which all hold at once at 1 - alpha.

        It is the max-t quantile's, between Tukey and Kramer's level for one metric and that for as many
        independent of each other as there are (Bonferroni), which stands where the replicates are too few.
        """
        groups, draws = len(self.groups), len(self.largest)
        most = multiplicity.all_pairs_alpha(alpha, groups)
        least = multiplicity.all_pairs_alpha(alpha / len(self.metrics), groups)
        if draws < draws_for(alpha):
            return least
        z = self.largest[math.ceil((1 - alpha) * (draws + 1) - 1e-9) - 1]
        return float(min(max(ndtr(-z), least), most))

    def limits(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper limits[m, g, g] of every ordered pair, all at once at 1 - alpha.

        Hybrid limits over Clopper-Pearson's at `level`, so that few rows or none of a kind widen them; NaN
        where a denominator is empty or a ratio is of two zeros.
        """
        each = self.level(alpha)
        contrast = limits.ratios if self.of == "ratio" else _differences
        shape = (2, len(self.metrics), len(self.groups), len(self.groups))
        found = np.full(shape, np.nan)
        for m, (k, n) in enumerate(zip(self.k, self.n, strict=True)):
            kept = np.flatnonzero(n > 0)
            if len(kept):
                found[:, m, kept[:, None], kept] = contrast(k[kept], n[kept], each)
        if self.of == "ratio":
            found[:, (self.k[:, :, None] == 0) & (self.k[:, None, :] == 0)] = np.nan
        return found[0], found[1]

    def widest(self, metric: int) -> tuple[int, int]:
        """Return the places of the groups with the highest and the lowest rate; ValueError for no rate at all."""
        empty = [name for name, n in zip(self.groups, self.n[metric], strict=True) if n == 0]
        if empty:
            raise ValueError(f"the rate's denominator is empty in group {', '.join(empty)}")
        rates = self.k[metric] / self.n[metric]
        return int(rates.argmax()), int(rates.argmin())

    def p_value(self, metric: int, first: int, second: int) -> float:
        """Return the p-value of two groups' equal rates, adjusted for all pairs and metrics.

        It is the smallest alpha at which this pair's limits exclude equality, all others holding as well.
        """
        k, n = self.k[metric], self.n[metric]
        if k[first] * n[second] == k[second] * n[first]:
            return 1.0
        if k[first] * n[second] < k[second] * n[first]:
            first, second = second, first
        pair = RatePair(of="difference", k1=k[first], n1=n[first], k2=k[second], n2=n[second])
        each = bounds.crossing(pair, 0.0, "low")
        if each > 0.5:
            return 1.0
        one = multiplicity.all_pairs_error(each, len(self.groups))
        beyond = len(self.largest) - np.searchsorted(self.largest, norm.isf(each) - 1e-12)
        share = float(beyond + 1) / (len(self.largest) + 1)
        return float(min(max(share, one), one * len(self.metrics), 1.0))


def family(
    groups: Sequence[str],
    metrics: Sequence[str],
    counts: ArrayLike,
    hits: ArrayLike,
    among: ArrayLike,
    *,
    of: Literal["difference", "ratio"] = "difference",
    draws: int = DRAWS,
) -> Family:
    """Return the family of rates sum(hits & among) / sum(among) of every group, from its counts[g, c] of cells.

    hits[m, c] and among[m, c] say which cells a metric counts. The largest |t| (studentised by smoothed
    standard errors, over all pairs and metrics) is that of `draws` multinomial replicates with a fixed seed,
    groups sorted: neither the rows' nor the groups' order changes a bit. Fewer than two groups, names that
    repeat or shapes that do not fit are a ValueError.
    """
    table, hit, asked = np.asarray(counts), np.asarray(hits, bool), np.asarray(among, bool)
    shape = (len(groups), hit.shape[-1])
    if table.shape != shape or not hit.shape == asked.shape == (len(metrics), shape[1]) or not len(metrics):
        raise ValueError(
            f"counts {table.shape}, hits {hit.shape}; expected [groups, cells], [metrics, cells]"
        )
    if len(set(groups)) != len(groups) or len(groups) < 2 or (table < 0).any() or not table.any():
        raise ValueError(f"groups={list(groups)}; expected two or more, of distinct names, with some rows")
    order = np.argsort(np.asarray(groups, str), kind="stable")
    table, kind = table[order], np.concatenate([hit & asked, asked]).T.astype(float)
    k, n = np.split((table @ kind).T, 2)
    largest = [_largest(part, kind, k, n, of) for part in replicates(table, draws)]
    names = tuple(groups[int(i)] for i in order)
    return Family(names, tuple(metrics), k, n, np.sort(np.concatenate([np.zeros(0), *largest])), of)


def draws_for(alpha: float, rules: int = 1) -> int:
    """Return the replicates that a level needs which this many rules share: 50 beyond it at the sharpest."""
    return math.ceil(TAIL * rules / alpha - 1e-9)


def replicates(counts: ArrayLike, draws: int) -> Iterator[np.ndarray]:
    """Yield multinomial counts[b, g, c] of as many rows as there are, in parts that fit in memory.

    They are distributed as the counts of rows drawn with replacement.
    """
    table = np.asarray(counts)
    total, random = int(table.sum()), np.random.default_rng(0)
    step = max(CHUNK // table.size, 1)
    share = table.ravel() / total
    for start in range(0, draws, step):
        size = min(step, draws - start)
        yield random.multinomial(total, share, size).reshape(size, *table.shape)


def _largest(part: np.ndarray, kind: np.ndarray, k: np.ndarray, n: np.ndarray, of: str) -> np.ndarray:
    """Return each replicate's largest |t| over all pairs of groups and all metrics."""
    drawn = (part.reshape(-1, part.shape[-1]) @ kind).reshape(len(part), part.shape[1], -1).transpose(2, 1, 0)
    first, second = np.triu_indices(part.shape[1], 1)
    found = np.zeros(len(part))
    for hits, asked, truth in zip(*np.split(drawn, 2), _value(k, n, of), strict=True):
        shift = np.where(asked > 0, _value(hits, asked, of) - truth[:, None], np.nan)
        variance = _variance(hits, asked, of)
        with np.errstate(invalid="ignore"):
            t2 = (shift[first] - shift[second]) ** 2 / (variance[first] + variance[second])
        found = np.maximum(
            found, np.nan_to_num(t2).max(axis=0)
        )  # no row in a denominator: no claim, no error
    return np.sqrt(found)


def _value(k: np.ndarray, n: np.ndarray, of: str) -> np.ndarray:
    """Return the rate, or the logarithm of it with half a hit more."""
    return np.log((k + 0.5) / (n + 0.5)) if of == "ratio" else k / np.maximum(n, 1)


def _variance(k: np.ndarray, n: np.ndarray, of: str) -> np.ndarray:
    """Return a rate's (or its logarithm's) variance with one hit and one miss more, which is never zero."""
    p = (k + 1) / (n + 2)
    return (1 - p) / p / (n + 2) if of == "ratio" else p * (1 - p) / (n + 2)


def _differences(k: np.ndarray, n: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of every pair's difference."""
    return limits.contrasts(k, n, 1.0, alpha)
