"""Cascading randomisation of a model's parameters, from its output down (Adebayo et al. 2018, 1810.03292)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.extend as jex
import numpy as np

OUTPUT = float("inf")


@dataclass(frozen=True)
class Layer:
    """Parameters that share a parent in the tree: its path, their places among all leaves, and their size."""

    name: str
    leaves: tuple[int, ...]
    size: int


def layers(apply: Callable[..., Any] | None, params: Any, x: np.ndarray) -> tuple[Layer, ...]:
    """Return the layers of a tree of parameters, the output's first, in the order in which apply meets them.

    A leaf's depth is the first operation in which it meets what comes of x. Where `params` has a branch
    "params" (Flax) only that counts: the rest are constants. Without `apply`, or where nothing meets x, all
    leaves are one layer. Raises TypeError where params holds anything but numbers, or no floating number.
    """
    paths, _ = jax.tree_util.tree_flatten_with_path(params)
    own = [i for i, (path, leaf) in enumerate(paths) if _trained(params, path) and _floating(leaf)]
    if not own:
        raise TypeError("the model's parameters hold no floating-point array")
    depth = _depths(apply, params, x, own) if apply else {}
    parents: dict[str, list[int]] = {}
    for i in own:
        parents.setdefault(_name(paths[i][0]) if depth else "all parameters", []).append(i)
    found = [
        (max(depth.get(i, OUTPUT) for i in places), Layer(name, tuple(places), _size(paths, places)))
        for name, places in parents.items()
    ]
    return tuple(layer for _, layer in sorted(found, key=lambda pair: -pair[0]))


def stages(found: Sequence[Layer], most: int) -> tuple[tuple[Layer, ...], ...]:
    """Return at most so many groups of neighbouring layers, the output's first."""
    parts = np.array_split(np.arange(len(found)), min(most, len(found)))
    return tuple(tuple(found[i] for i in part) for part in parts)


def redrawn(params: Any, rng: np.random.Generator) -> Any:
    """Return params with every floating leaf drawn anew from a normal of mean 0 and the leaf's root mean square.

    The root mean square, rather than the standard deviation, keeps the scale of a single number too.
    """

    def draw(leaf: Any) -> Any:
        if not (_floating(leaf) and np.size(leaf)):
            return leaf
        old = np.asarray(leaf)
        scale = float(np.sqrt(np.mean(np.square(old.astype(np.float64)))))
        return (scale * rng.normal(size=old.shape)).astype(old.dtype)

    return jax.tree.map(draw, params)


def mixed(params: Any, other: Any, changed: Sequence[Layer]) -> Any:
    """Return params with the leaves of these layers taken from the other tree."""
    places = {i for layer in changed for i in layer.leaves}
    mine, tree = jax.tree.flatten(params)
    theirs = jax.tree.leaves(other)
    return jax.tree.unflatten(
        tree, [b if i in places else a for i, (a, b) in enumerate(zip(mine, theirs, strict=True))]
    )


def _trained(params: Any, path: Any) -> bool:
    """Return whether a leaf is one that training moves."""
    if not (isinstance(params, dict) and "params" in params):
        return True
    return path[0] == jax.tree_util.DictKey("params")


def _floating(leaf: Any) -> bool:
    """Return whether a leaf is an array of floating-point numbers; TypeError where it is no number at all."""
    try:
        kind = jax.numpy.asarray(leaf).dtype
    except (TypeError, ValueError) as error:
        raise TypeError(f"the model's parameters hold a {type(leaf).__name__}, not arrays alone") from error
    return bool(jax.numpy.issubdtype(kind, jax.numpy.floating))


def _name(path: Any) -> str:
    """Return the parent's path as text."""
    return jax.tree_util.keystr(path[:-1], simple=True, separator="/").removeprefix("params/") or "parameters"


def _size(paths: Any, places: Sequence[int]) -> int:
    """Return how many numbers these leaves hold."""
    return sum(int(np.size(paths[i][1])) for i in places)


# ---------------------------------------------------------------- where a parameter meets the input


@dataclass
class _Walk:
    """The leaves met so far, by depth, and the number of operations passed."""

    met: dict[int, float]
    passed: int = 0


def _depths(apply: Callable[..., Any], params: Any, x: np.ndarray, own: Sequence[int]) -> dict[int, float]:
    """Return the depth of every leaf that meets the input."""
    closed = jax.make_jaxpr(apply)(params, x[:1])
    wanted, variables = set(own), closed.jaxpr.invars
    given = [frozenset({i}) if i in wanted else frozenset() for i in range(len(variables) - 1)]
    walk = _Walk({})
    _follow(closed.jaxpr, [*given, None], walk)
    return walk.met


def _follow(jaxpr: Any, given: Sequence[frozenset[int] | None], walk: _Walk) -> list[frozenset[int] | None]:
    """Follow leaves through the operations; None stands for what comes of the input."""
    known: dict[Any, frozenset[int] | None] = dict(zip(jaxpr.invars, given, strict=True))

    def of(variable: Any) -> frozenset[int] | None:
        return frozenset() if isinstance(variable, jex.core.Literal) else known.get(variable, frozenset())

    for operation in jaxpr.eqns:
        inputs = [of(v) for v in operation.invars]
        inner = _inner(operation)
        walk.passed += 1
        if inner is not None:
            outputs = _follow(inner, inputs, walk)
        elif any(leaves is None for leaves in inputs):
            for leaf in frozenset().union(*(leaves for leaves in inputs if leaves)):
                walk.met.setdefault(leaf, walk.passed)
            outputs = [None] * len(operation.outvars)
        else:
            outputs = [frozenset().union(*(leaves for leaves in inputs if leaves))] * len(operation.outvars)
        known.update(zip(operation.outvars, outputs, strict=True))
    return [of(v) for v in jaxpr.outvars]


def _inner(operation: Any) -> Any:
    """Return the one program that an operation calls with its own inputs, if it is such a call."""
    given = operation.params.values()
    found = [p.jaxpr if isinstance(p, jex.core.ClosedJaxpr) else p for p in given]
    found = [p for p in found if isinstance(p, jex.core.Jaxpr)]
    same = [
        j
        for j in found
        if len(j.invars) == len(operation.invars) and len(j.outvars) == len(operation.outvars)
    ]
    return same[0] if len(found) == 1 and same else None
