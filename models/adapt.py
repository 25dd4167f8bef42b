"""Flax NNX modules, Flax Linen modules and plain functions as a Network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from models.network import Network, problem

TRAINING = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}
Path = tuple[Any, ...]


def from_nnx(module: nnx.Module, name: str = "") -> Network:
    """Return the network of an NNX module called as module(x); its `nnx.Param` train, the rest are constants.

    The module is copied. Dropout and batch norm follow `module.train()` and `module.eval()`, and random
    state is set from the key of each training call. A class with the methods `features(x)` and
    `head(activations)` gives the network its parts.
    """
    copy = nnx.clone(module)
    copy.train()
    training = nnx.split(copy)[0]
    copy.eval()
    evaluation, params, random, constants = nnx.split(copy, nnx.Param, nnx.RngState, ...)
    templates = {"params": dict(nnx.to_flat_state(params)), "constants": dict(nnx.to_flat_state(constants))}
    seeds = dict(nnx.to_flat_state(random))

    def apply(params: Any, x: Any) -> jax.Array:
        return nnx.merge(evaluation, *_states(templates, params), _fresh(seeds))(x)

    def train_apply(params: Any, x: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        model = nnx.merge(training, *_states(templates, params), _fresh(_reseeded(seeds, key)))
        outputs = model(x)
        after = dict(nnx.to_flat_state(nnx.state(model)))
        return outputs, _tree({path: after[path] for path in templates["constants"]})

    def part(method: str) -> Callable[[Any, Any], jax.Array]:
        def apply_part(params: Any, x: Any) -> jax.Array:
            return getattr(nnx.merge(evaluation, *_states(templates, params), _fresh(seeds)), method)(x)

        return apply_part

    parts = (part("features"), part("head")) if _split(type(module)) else None
    trees = {part: _tree(template) for part, template in templates.items()}
    return Network(apply, trees, train_apply, name or type(module).__name__, parts)


def _split(kind: type) -> bool:
    """Return whether a module's class says how its outputs follow from its last convolution's activations."""
    return all(inspect.isfunction(getattr(kind, method, None)) for method in ("features", "head"))


def from_linen(module: Any, variables: Any, name: str = "") -> Network:
    """Return the network of a Linen module and its variables; the collection 'params' trains.

    `train`, `training`, `deterministic` and the like, where the module's __call__ takes them, are set to
    evaluation in `apply` and to training in `train_apply`, which passes the key as 'dropout'.
    """
    accepted = inspect.signature(type(module).__call__).parameters
    training = {flag: value for flag, value in TRAINING.items() if flag in accepted}
    evaluation = {flag: not value for flag, value in training.items()}
    constants = {k: v for k, v in variables.items() if k != "params"}

    def apply(params: Any, x: Any) -> jax.Array:
        return module.apply({"params": params["params"], **params["constants"]}, x, **evaluation)

    def train_apply(params: Any, x: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        whole = {"params": params["params"], **params["constants"]}
        return module.apply(whole, x, **training, mutable=list(constants), rngs={"dropout": key})

    trees = {"params": variables.get("params", {}), "constants": constants}
    return Network(apply, trees, train_apply, name or type(module).__name__)


def from_function(apply: Callable[[Any, Any], Any], params: Any, name: str = "") -> Network:
    """Return the network of a pure function (params, x) -> outputs[n, k]; every leaf of params trains.

    With params None there is nothing to train and the function still gets None.
    """

    def evaluate(params: Any, x: Any) -> jax.Array:
        return apply(params["params"], x)

    def train_apply(params: Any, x: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        return evaluate(params, x), params["constants"]

    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not jax.numpy.issubdtype(jax.numpy.asarray(leaf).dtype, jax.numpy.floating):
            raise problem(
                f"params{jax.tree_util.keystr(path)} has dtype {jax.numpy.asarray(leaf).dtype}",
                "floating-point parameters",
                "close over what is not trained instead of passing it in params",
            )
    return Network(evaluate, {"params": params, "constants": {}}, train_apply, name or _name(apply))


def _name(function: Callable[..., Any]) -> str:
    """Return a function's own name."""
    return getattr(function, "__name__", type(function).__name__)


def _tree(flat: dict[Path, Any]) -> dict[str, Any]:
    """Return nested dictionaries with text keys (a list's places too) of the variables' arrays."""
    tree: dict[str, Any] = {}
    for path, variable in flat.items():
        node = tree
        for part in path[:-1]:
            node = node.setdefault(str(part), {})
        node[str(path[-1])] = variable.get_value()
    return tree


def _fresh(flat: dict[Path, Any]) -> nnx.State:
    """Return an NNX state of copies of the variables, so that a call may change them."""
    return nnx.from_flat_state(
        {path: variable.replace(variable.get_value()) for path, variable in flat.items()}
    )


def _states(templates: dict[str, dict[Path, Any]], params: Any) -> list[nnx.State]:
    """Return the states of both parts: the templates' variables holding the arrays of params."""
    return [
        nnx.from_flat_state(
            {path: variable.replace(_at(params[part], path)) for path, variable in flat.items()}
        )
        for part, flat in templates.items()
    ]


def _at(tree: Any, path: Path) -> Any:
    """Return the leaf at a path of a nested dictionary with text keys."""
    for part in path:
        tree = tree[str(part)]
    return tree


def _reseeded(seeds: dict[Path, Any], key: jax.Array) -> dict[Path, Any]:
    """Return the random state with a key of its own, folded from `key`, for every stream."""
    return {
        path: variable.replace(jax.random.fold_in(key, place))
        if isinstance(variable, nnx.RngKey)
        else variable
        for place, (path, variable) in enumerate(seeds.items())
    }
