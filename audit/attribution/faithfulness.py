"""Whether the players ranked first are those the output rests on: deletion, insertion and their likes (NumPy).

An order of the players deletes them from the example, first places first, or inserts them into nothing.
Every measure is of one example and compares the explanation's order with random ones on the same example.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Worth = Callable[[np.ndarray], np.ndarray]  # member[n, k, players] kept -> output[n, k]


@dataclass(frozen=True, eq=False)
class Curves:
    """The output along an order of players: counts[k] of players gone, or the only ones there.

    deletion[n, k] is the output without the first players, insertion[n, k] with them alone.
    """

    counts: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """What an order is worth, one number an example: two areas under curves and two mean drops."""

    deletion: np.ndarray
    insertion: np.ndarray
    comprehensiveness: np.ndarray
    sufficiency: np.ndarray


def grid(players: int, shares: Sequence[float], steps: int = 20) -> np.ndarray:
    """Return the counts of players at which curves are taken: 0, all, `steps` between and those of the shares."""
    even = np.round(np.linspace(0, players, min(steps, players) + 1)).astype(int)
    return np.unique(np.concatenate([even, counts_of(players, shares)]))


def counts_of(players: int, shares: Sequence[float]) -> np.ndarray:
    """Return how many players each share of them is, rounded up."""
    return np.ceil(np.asarray(shares) * players - 1e-9).astype(int)


def curves(worth: Worth, places: np.ndarray, counts: np.ndarray) -> Curves:
    """Return the deletion and insertion curves of places[n, players], 0 the first (Petsiuk et al. 2018)."""
    inside = places[:, None, :] < counts[None, :, None]
    return Curves(counts, worth(~inside), worth(inside))


def scores(found: Curves, shares: Sequence[float]) -> Scores:
    """Return the areas under both curves over the share of players, comprehensiveness and sufficiency.

    The latter two are the drop of the output when the first players are taken away, or alone are kept,
    averaged over the shares (DeYoung et al. 2020, AOPC). Good is a small area under deletion and a large
    one under insertion, a large comprehensiveness and a small sufficiency.
    """
    players = int(found.counts[-1])
    at = np.searchsorted(found.counts, counts_of(players, shares))
    whole = found.insertion[:, -1]
    areas = [np.trapezoid(c, found.counts / players, axis=1) for c in (found.deletion, found.insertion)]
    drops = [whole - c[:, at].mean(axis=1) for c in (found.deletion, found.insertion)]
    return Scores(*areas, *drops)


def gains(own: Scores, random: Sequence[Scores]) -> dict[str, np.ndarray]:
    """Return by how much[n] an order beats the mean of random ones in every score: above 0 is better."""
    mean = {name: np.mean([getattr(s, name) for s in random], axis=0) for name in vars(own)}
    better = {"deletion": -1, "insertion": 1, "comprehensiveness": 1, "sufficiency": -1}
    return {name: sign * (getattr(own, name) - mean[name]) for name, sign in better.items()}


def mean_curves(found: Sequence[Curves]) -> Curves:
    """Return every example's mean curves over several orders."""
    parts = (np.mean([getattr(c, name) for c in found], axis=0) for name in ("deletion", "insertion"))
    return Curves(found[0].counts, *parts)
