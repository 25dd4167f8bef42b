"""The one type of models/: a pure function of parameters and inputs, in evaluation and in training mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

Params = dict[str, Any]  # {"params": what training moves, "constants": what it must not move}


@dataclass(frozen=True, eq=False)
class Network:
    """A network as two pure functions and its parameters.

    apply: (params, x) -> outputs[n, k] in evaluation mode: deterministic, examples independent. Keep this
    object: JAX reuses compiled code for the same function object only.
    params: {"params": trainable leaves, "constants": scalers, batch statistics: no gradient, no decay}.
    train_apply: (params, x, key) -> (outputs[n, k], new constants) in training mode (dropout, batch norm).
    parts: of a network whose last convolution is told apart, (params, x) -> activations[n, h, w, c] and
    (params, activations) -> outputs[n, k] in evaluation mode; None of others.
    """

    apply: Callable[[Params, Any], jax.Array]
    params: Params
    train_apply: Callable[[Params, Any, jax.Array], tuple[jax.Array, Any]]
    name: str
    parts: tuple[Callable[[Params, Any], jax.Array], Callable[[Params, Any], jax.Array]] | None = None

    @property
    def trainable(self) -> bool:
        """Return whether there is anything to train."""
        return bool(jax.tree.leaves(self.params["params"]))

    @property
    def size(self) -> int:
        """Return the number of trainable values."""
        return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(self.params["params"]))


def problem(given: str, expected: str, todo: str) -> ValueError:
    """Return a ValueError of one line: what was given, what was expected, what to do."""
    return ValueError("; ".join(" ".join(part.split()) for part in (given, f"expected {expected}", todo)))


def check_units(name: str, value: Any, count: int | None) -> None:
    """Raise ValueError unless value is a sequence of `count` (None: any number of) positive whole numbers."""
    units = value if isinstance(value, tuple) else ()
    if (
        not isinstance(value, tuple)
        or any(type(u) is not int or u < 1 for u in units)
        or count not in (None, len(units))
    ):
        many = "positive whole numbers" if count is None else f"{count} positive whole number(s)"
        raise problem(f"{name}={value!r}", many, "for example 64")


def check_rate(name: str, value: Any) -> None:
    """Raise ValueError unless value is a number of at least 0 and below 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise problem(f"{name}={value!r}", "a rate of at least 0 and below 1", "for example 0.1")
