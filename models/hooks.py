"""What others may change in a training step: where its rows are moved to, and what its loss adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

Perturb = Callable[[Callable[..., Any], Any, Any, Any, jax.Array], Any]
Penalty = Callable[[jax.Array, jax.Array, Any], jax.Array]
Joint = Callable[[jax.Array, Any, Any, jax.Array], jax.Array]


class Replay(Protocol):
    """A perturbation u, of a batch's shape, that the weights' own backward pass moves."""

    @property
    def times(self) -> int:
        """Return how often each batch is repeated."""
        ...

    def place(self, x: Any, u: Any) -> Any:
        """Return x moved by u."""
        ...

    def ascend(self, x: Any, u: Any, gradient: Any) -> Any:
        """Return the next u, from the gradient of the loss in the moved x."""
        ...


class Hooks(NamedTuple):
    """A step's hooks, None where there is none; each is a pytree, so that what it holds in arrays is traced."""

    perturb: Any = None
    penalty: Any = None
    replay: Any = None
    joint: Any = None


def hooks_of(
    perturb: Perturb | None, penalty: Penalty | None, replay: Replay | None, joint: Joint | None
) -> Hooks:
    """Return the hooks as pytrees; a plain function becomes one without leaves."""
    return Hooks(_tree(perturb), _tree(penalty), _tree(replay), _tree(joint))


def _tree(hook: Any) -> Any:
    """Return a hook as a pytree."""
    return jax.tree_util.Partial(hook) if jax.tree_util.all_leaves([hook]) and hook is not None else hook
