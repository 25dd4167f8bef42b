"""Mixup: the rows of a batch, and their labels, in convex combination (Zhang, Cisse, Dauphin and Lopez-Paz 2018).

A row's partner is the next one in its batch, whose order is random. The labels themselves stay apart: a row's loss is
its share of the loss of its own label and the rest of that of its partner's. Cross-entropies are linear in the label,
so that this is the loss of the mixed label; of squared errors it is that of the mixed target and a number that no
parameter changes.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.network import problem

TASKS = ("binary", "multiclass", "multilabel", "regression")


def refuse(x: Any, task: str, hooked: bool) -> None:
    """Raise ValueError where rows, labels or what else changes the step cannot be mixed."""
    if task not in TASKS:
        raise problem(f"mixup for task {task}", " or ".join(TASKS), "leave mixup out")
    if any(not np.issubdtype(np.asarray(leaf).dtype, np.floating) for leaf in jax.tree.leaves(x)):
        raise problem("mixup of whole numbers", "inputs that are real numbers", "leave mixup out")
    if hooked:
        raise problem("mixup with a hook", "one of the two", "leave mixup out")


def partners(values: Any) -> Any:
    """Return the partner's row of every row, of every array."""
    return jax.tree.map(lambda v: jnp.roll(v, -1, axis=0), values)


def mixed(share: jax.Array, own: Any, other: Any) -> Any:
    """Return share own + (1 - share) other, array by array."""
    return jax.tree.map(lambda a, b: share * a + (1 - share) * b, own, other)
