"""The studentised Poisson bootstrap: bounds for a statistic of weighted rows that has no closed form.

Weights are keyed by row id (by cluster, where rows share one), so the order of rows never matters, and two
runs on the same rows give each row the same weights: their replicates are pairs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import poisson

from audit.evidence import Estimate, Replicates
from audit.stats.estimates import bounded, not_estimable

DRAWS = 20_000  # 50 m / alpha for m = 20 rules at 5 %
TAIL = 50  # replicates beyond the sharpest level
FEWEST = 2_000
UNDEFINED = 0.01  # the largest share of replicates that may have no standard error
CHUNK = 1 << 22
METHOD = "studentised Poisson bootstrap, {draws:,} replicates"
Weighted = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # weights[b, u] -> values[b], errors[b]
Smooth = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # totals[b, k] -> values[b], gradients[b, k]

_CUTS = np.round(poisson.cdf(np.arange(12), 1.0) * 65536).astype(int)
_POISSON = np.searchsorted(_CUTS, np.arange(65536), side="right").astype(np.uint8)


def keys(ids: ArrayLike) -> np.ndarray:
    """Return a 64-bit key for each id[n]: the same id has the same key in every run."""
    names, place = np.unique(np.asarray(ids).astype(str), return_inverse=True)
    digest = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names.tolist()]
    return np.frombuffer(b"".join(digest), np.uint64)[place]


def weights(key: np.ndarray, draws: Sequence[int] | range) -> np.ndarray:
    """Return uint8[b, n], the Poisson(1) weight of each key[n] in each of these draws.

    A weight is a function of its key and its draw alone: 16 bits of a hash of both (splitmix64), looked up.
    """
    quads = np.unique(np.asarray(draws) // 4)
    word = mixed(mixed(quads.astype(np.uint64))[None, :] ^ key[:, None])
    found = _POISSON[word.view("<u2")]  # [n, 4 quads]: four weights a word
    return found[:, np.searchsorted(quads, np.asarray(draws) // 4) * 4 + np.asarray(draws) % 4].T


def chunks(key: np.ndarray, draws: int) -> Iterator[np.ndarray]:
    """Yield the weights of draws 0, 1, ... in parts that fit in memory."""
    step = max(CHUNK // max(len(key), 1) // 4 * 4, 4)
    for start in range(0, draws, step):
        yield weights(key, range(start, min(start + step, draws)))


def bootstrap(
    statistic: Weighted,
    ids: ArrayLike | None = None,
    *,
    counts: ArrayLike | None = None,
    rows: int | None = None,
    draws: int = DRAWS,
    low: float | None = None,
    high: float | None = None,
    method: str = METHOD,
    note: str = "",
) -> Estimate:
    """Return the statistic of all units with bounds from its studentised replicates (Efron 1979; Hall 1988).

    Units are rows, or clusters of them: statistic(weights[b, u]) gives values[b] and standard errors[b] of
    units weighted so. Give their ids[u], or counts[u] of units that are alike. rows is the shown n; low and
    high are the ends of the value's range. Where more than 1 % of replicates have no value or no standard
    error (too few rows of a kind) there is no value, but a reason.
    """
    if (ids is None) == (counts is None):
        raise ValueError("give either the ids of the units or the counts of units that are alike")
    if draws < FEWEST:
        raise ValueError(f"draws={draws}, expected at least {FEWEST}, which the shown 95 % interval needs")
    alike = np.ones(len(np.asarray(ids))) if counts is None else np.asarray(counts, float)
    n, method = int(alike.sum()) if rows is None else rows, method.format(draws=draws)
    (value,), (se,) = statistic(alike[None])
    if not (math.isfinite(value) and math.isfinite(se) and se > 0):
        return not_estimable("no standard error: too few rows differ in what came of them", n, method)
    parts = _pooled(alike, draws) if ids is None else chunks(keys(ids), draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.concatenate([(v - value) / e for v, e in (statistic(part) for part in parts)])
    broken = int(np.count_nonzero(~np.isfinite(t)))
    if broken > UNDEFINED * draws:
        share = f"{100 * broken / draws:.2g} % of the bootstrap replicates have no standard error"
        return not_estimable(f"{share}: too few rows of a kind", n, method)
    return bounded(_summary(float(value), float(se), t, (low, high)), n, method, note=note)


def smooth(
    columns: ArrayLike,
    function: Smooth,
    *,
    ids: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    low: float | None = None,
    high: float | None = None,
    draws: int = DRAWS,
    note: str = "",
) -> Estimate:
    """Return a smooth function of the totals of columns[n, k], bootstrapped (`of_totals`, `bootstrap`).

    Rows are keyed by ids[n]; rows that share cluster[n] are one unit, keyed by it. Without either, equal
    rows are drawn together: their summed weight is Poisson too, and many rows cost no more than few.
    """
    table, counts, n = np.asarray(columns, np.float64), None, len(np.asarray(columns))
    units = ids if cluster is None else cluster
    if units is None:
        table, counts = np.unique(table, axis=0, return_counts=True)
    else:
        units, table = by_unit(table, units)
    clusters = "" if units is None or cluster is None else f" of {len(units):,} clusters"
    return bootstrap(
        of_totals(table, function), units, counts=counts, rows=n, draws=draws, low=low, high=high,
        method=METHOD + clusters, note=note,
    )  # fmt: skip


def by_unit(columns: np.ndarray, unit: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted units[u] and the sums[u, k] of their rows' columns[n, k], in any order of rows alike."""
    names, member = np.unique(np.asarray(unit), return_inverse=True)
    order = np.lexsort((*columns.T, member))
    starts = np.searchsorted(member[order], np.arange(len(names)))
    return names, np.add.reduceat(columns[order], starts, axis=0)


def of_totals(columns: np.ndarray, function: Smooth) -> Weighted:
    """Return the statistic of weighted units that is a smooth function of the totals of columns[u, k].

    function(totals[b, k]) gives values[b] and gradients[b, k]. The standard error is the delta method's, the
    root of the weighted sum of the units' squared influences (the function must be free of scale).
    """

    def weighted(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w = w.astype(np.float64)
        values, gradients = function(w @ columns)
        return values, np.sqrt(np.einsum("bu,bu->b", w, (gradients @ columns.T) ** 2))

    return weighted


def _pooled(counts: np.ndarray, draws: int) -> Iterator[np.ndarray]:
    """Yield the summed Poisson(1) weights of counts[u] rows that are alike, in parts that fit in memory."""
    random, step = np.random.default_rng(0), max(CHUNK // len(counts), 1)
    for start in range(0, draws, step):
        yield random.poisson(counts, (min(step, draws - start), len(counts)))


def mixed(x: np.ndarray) -> np.ndarray:
    """Return splitmix64 of x (Steele et al. 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _summary(value: float, se: float, t: np.ndarray, ends: tuple[float | None, float | None]) -> Replicates:
    """Return the replicates' quantiles at 48 levels from 0.5 down to TAIL / draws, broken ones at both ends."""
    draws = len(t)
    levels = np.geomspace(0.5, TAIL / draws, 48)
    whole = np.isfinite(t)
    down, up = np.sort(np.where(whole, t, -np.inf)), np.sort(np.where(whole, t, np.inf))
    place = np.maximum(np.floor(levels * draws + 1e-9).astype(int), 1) - 1

    def kept(found: np.ndarray) -> tuple[float | None, ...]:
        return tuple(round(float(x), 4) if math.isfinite(x) else None for x in found)

    return Replicates(
        value=value, se=se, draws=draws, levels=tuple(float(f"{x:.6g}") for x in levels),
        low=kept(down[place]), high=kept(up[draws - 1 - place]), ends=ends,
    )  # fmt: skip
