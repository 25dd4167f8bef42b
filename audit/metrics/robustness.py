"""The rows an attack is tried on, and whether what it returns may count (NumPy, apart from the attack)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-5  # relative slack on eps: float32 sums
ROUNDING = 2.0  # float32 spacings that an input may be off by, in its own unit


class Target(NamedTuple):
    """The rows attacked and the space they may move in; every array of rows has leading axis n.

    correct: decided correctly before any attack. number: an integer from the row's id, for random draws.
    scale, low and high have the shape of one example; scale 0 freezes a feature. unit: what eps counts.
    """

    x: np.ndarray
    y: np.ndarray
    correct: np.ndarray
    number: np.ndarray
    cluster: np.ndarray | None
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit: str = ""


def numbers(ids: Iterable[Any]) -> np.ndarray:
    """Return a uint32 for each row id, the same wherever the row stands (CRC-32 of its text)."""
    return np.array([zlib.crc32(str(i).encode()) for i in ids], np.uint32)


def movable_scale(scale: np.ndarray | None, features: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return the unit of each input (one example's shape): the declared scale, 0 where a feature is fixed.

    Without a declared scale it is the features' own; without features 1. Categorical features and those
    that are not mutable are fixed, whatever scale is declared.
    """
    described = shape == (len(features),)
    if scale is None:
        scale = np.array([f.scale for f in features]) if described else np.ones(())
    free = np.array([f.mutable and f.kind == "numeric" for f in features]) if described else np.ones(())
    unit = np.broadcast_to(scale * free, shape).astype(np.float32)
    if not np.isfinite(unit).all():
        raise ValueError("a scale that is not finite: no input could be moved")
    return unit


def inside(
    x: np.ndarray,
    moved: np.ndarray,
    *,
    eps: float,
    norm: str,
    scale: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Return for each row[n] whether `moved` is finite, in ball and box, and bit-equal to x where frozen.

    The ball is judged in float64 with a slack of 1e-5 of eps and two float32 spacings an input; the box,
    widened to a row that lies outside it, without slack.
    """
    frozen, unit = scale == 0, np.where(scale == 0, 1.0, scale).astype(np.float64)
    spacing = np.spacing(np.maximum(np.abs(x), np.abs(moved)).astype(np.float32))
    shift = np.abs(moved.astype(np.float64) - x) - ROUNDING * spacing
    u = np.where(frozen, 0.0, np.maximum(shift, 0.0) / unit).reshape(len(x), -1)
    length = {"linf": u.max(axis=1), "l2": np.sqrt((u**2).sum(axis=1)), "l1": u.sum(axis=1)}[norm]
    in_box = (moved >= np.minimum(low, x)) & (moved <= np.maximum(high, x))
    same = (moved.view(np.uint32) == x.view(np.uint32)) | ~frozen
    fit = in_box & same & np.isfinite(moved)
    return fit.reshape(len(x), -1).all(axis=1) & (length <= eps * (1 + TOLERANCE))


def batch_of(standing: np.ndarray, fallen: np.ndarray, size: int, again: int) -> np.ndarray:
    """Return the rows to attack next: all those standing, then fallen ones to fill the last batch of `size`.

    At least `again` fallen rows come along where there are as many, so that it shows whether a larger
    radius still fells what a smaller one felled; in a batch that is computed anyway they cost little.
    """
    wanted = len(standing) + min(len(fallen), again)
    filled = -(-wanted // size) * size
    return np.concatenate([standing, fallen[: filled - len(standing)]])
