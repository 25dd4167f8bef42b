"""How much rates of different groups move together when one cluster (a person) has rows in several groups."""

from __future__ import annotations

from typing import Literal

import numpy as np


def rate_covariance(hits: np.ndarray, group: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the covariance[g, g] of the groups' rates under sampling of whole clusters.

    hits[n] are 0/1, group[n] and cluster[n] codes from 0; every group has a row. First-order
    (linearised) sandwich: each cluster's summed residuals (hit - rate) / rows, multiplied across groups.
    """
    groups = int(group.max()) + 1
    rows = np.bincount(group, minlength=groups)
    rate = np.bincount(group, weights=hits, minlength=groups) / rows
    pair, inverse = np.unique(cluster.astype(np.int64) * groups + group, return_inverse=True)
    residual = np.bincount(inverse, weights=(hits - rate[group]) / rows[group])
    owner, where = pair // groups, pair % groups
    covariance = np.diag(np.bincount(where, weights=residual**2, minlength=groups))
    start = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    size = np.diff(np.r_[start, len(owner)])
    for i in range(1, int(size.max())):  # pairs of groups i places apart within one cluster
        left = np.flatnonzero(np.repeat(size, size) - (np.arange(len(owner)) - np.repeat(start, size)) > i)
        np.add.at(covariance, (where[left], where[left + i]), residual[left] * residual[left + i])
    lower = np.tril(covariance.T, -1)
    return np.triu(covariance) + lower


def inflation(covariance: np.ndarray, of: Literal["pairs", "mean"]) -> float:
    """Return the least factor >= 1 by which independent variances cover the dependent ones.

    `pairs`: of every difference of two groups, max (Va + Vb - 2 Cab) / (Va + Vb); `mean`: of the mean over
    groups, sum(C) / sum(V). Dividing every group's effective size by it keeps an interval honest.
    """
    variance = np.diag(covariance)
    if of == "mean":
        return max(1.0, float(covariance.sum() / variance.sum())) if variance.sum() > 0 else 1.0
    both = variance[:, None] + variance[None, :]
    ratio = np.divide(both - 2 * covariance, both, out=np.ones_like(both), where=both > 0)
    return max(1.0, float(ratio.max()))


def pair_inflation(hits: np.ndarray, group: np.ndarray, cluster: np.ndarray) -> float:
    """Return that factor for pairs of groups, from hits[n], group[n] codes and any cluster[n]; 1 for one group."""
    met, dense = np.unique(group, return_inverse=True)
    if len(met) < 2:
        return 1.0
    owner = np.unique(np.asarray(cluster), return_inverse=True)[1]
    return inflation(rate_covariance(hits, dense, owner), "pairs")
