"""A user's own network, named as ./file.py:function, loaded by path so that the file's name never matters."""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
from flax import nnx

from models import rows_apart
from models.adapt import from_function, from_linen, from_nnx
from models.network import Network, problem

RETURNS = "an NNX module, a Linen module, (Linen module, variables), (apply, params) or a function of x"
PROBES = 8


def load(
    target: str, base: Path, *, shape: tuple[int, ...], outputs: int, seed: int, x_train: Any = None
) -> Network:
    """Return the network that the function of `target` ("./net.py:build", relative to base) makes.

    The function is called with those of shape, outputs, seed and x_train that it takes. ValueError in one
    line where the file or function is missing, fails, returns something else, or where a few rows give
    outputs of another shape, not finite, or dependent on the other rows of their batch.
    """
    function = _function(target, base)
    if x_train is not None and not len(x_train):
        x_train = _none_to_fit_on(target, function)
    offered = {"shape": tuple(shape), "outputs": outputs, "seed": seed, "x_train": x_train}
    made = _call(target, function, _accepted(target, function, offered))
    network = _adapted(target, made, shape, seed)
    _probe(target, network, _rows(shape, x_train, seed), outputs)
    return network


def random(network: Network, target: str, base: Path, *, seed: int, **offered: Any) -> bool:
    """Return whether a loaded network's parameters are random numbers, since another seed gives others.

    It is loaded once more with another seed, and with all else that it was loaded with. Outputs are compared too, for
    a function that keeps its parameters to itself. Parameters that no seed changes are taken as the user's own.
    """
    other = load(target, base, seed=seed + 1, **offered)
    leaves = [jax.tree.leaves(one.params) for one in (network, other)]
    same = len(leaves[0]) == len(leaves[1]) and all(map(np.array_equal, *leaves))
    if not same:
        return True
    x = _rows(offered["shape"], offered.get("x_train"), seed)
    mine, theirs = (np.asarray(one.apply(one.params, x)) for one in (network, other))
    return not np.allclose(mine, theirs, rtol=1e-3, atol=1e-6)


def _none_to_fit_on(target: str, function: Callable[..., Any]) -> None:
    """Raise ValueError where the function takes training rows, of which there are none."""
    if "x_train" in inspect.signature(function).parameters:
        raise problem(
            f"{target} takes x_train, but there are no training rows",
            "rows to fit on, or a network that needs none",
            "divide the rows by data.split, or keep what it fits in its weights",
        )


def _function(target: str, base: Path) -> Callable[..., Any]:
    """Return the named function of the named file."""
    file, _, name = target.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise problem(f"network={target!r}", "./file.py:function", "name the file and its function")
    path = (Path(base) / file).resolve()
    if not path.is_file():
        raise problem(f"network={target!r}: no file {path}", "a Python file", "correct the path")
    module = _module(target, path)
    function = getattr(module, name, None)
    if not callable(function):
        known = [
            n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__
        ]
        raise problem(
            f"network={target!r}", "one of " + (", ".join(known) or "no functions there are"), "correct it"
        )
    return function


def _module(target: str, path: Path) -> ModuleType:
    """Run a file as a module of a private name (no bytecode is written beside it)."""
    name = f"_own_network_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and NNX look their module up by name
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the user's file raises, an exit too, they must read it
        raise _raised(target, "does not import", error) from error
    return module


def _accepted(target: str, function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Return what is offered and the function takes, or name what it needs and nobody offers."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return offered
    for name, p in parameters.items():
        needed = p.default is p.empty and p.kind is not p.VAR_POSITIONAL
        if needed and (name not in offered or p.kind is p.POSITIONAL_ONLY):
            raise problem(f"{target} needs {name!r}", "only " + ", ".join(offered), "give it a default")
    return {name: value for name, value in offered.items() if name in parameters}


def _call(target: str, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Return what the user's function returns."""
    try:
        return function(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the user's function raises, an exit too, they must read it
        raise _raised(target, "raised", error) from error


def at_fault(target: str, error: Exception) -> ValueError | None:
    """Return the one line that tells an exception raised within the user's own file; None for one raised elsewhere."""
    file = target.rpartition(":")[0].rpartition("/")[2]
    frames = traceback.extract_tb(error.__traceback__)
    inside = file.endswith(".py") and any(Path(frame.filename).name == file for frame in frames)
    return _raised(target, "raised", error) if inside else None


def _raised(target: str, what: str, error: BaseException) -> ValueError:
    """Return the one line that tells a user's own exception and its place."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        f"line {f.lineno}"
        for f in frames
        if f.filename.endswith(target.rpartition(":")[0].rpartition("/")[2])
    ]
    where = f"line {error.lineno}" if isinstance(error, SyntaxError) else (own or ["an unknown line"])[-1]
    return problem(
        f"{target} {what}, {where}: {type(error).__name__}: {error}"[:400], RETURNS, "mend the file"
    )


def _adapted(target: str, made: Any, shape: tuple[int, ...], seed: int) -> Network:
    """Return what was made as a Network."""
    from flax import linen

    if isinstance(made, Network):
        return made
    if isinstance(made, nnx.Module):
        return from_nnx(made)
    if isinstance(made, linen.Module):
        variables = _call(
            target, lambda: made.init(jax.random.key(seed), np.zeros((1, *shape), np.float32)), {}
        )
        return from_linen(made, variables)
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], linen.Module):
        return from_linen(*made)
    if isinstance(made, tuple) and len(made) == 2 and callable(made[0]):
        return from_function(*made)
    if callable(made):
        return from_function(lambda params, x: made(x), None, getattr(made, "__name__", ""))
    raise problem(f"{target} returned {type(made).__name__}", RETURNS, "change what it returns")


def _rows(shape: tuple[int, ...], x_train: Any, seed: int) -> np.ndarray:
    """Return a few training rows that differ, drawn by the seed, or random ones where there are none."""
    if x_train is not None and len(x_train) >= PROBES:
        return np.asarray(x_train[rows_apart.various(x_train, PROBES, seed)], np.float32)
    return np.random.default_rng(0).random((PROBES, *shape), np.float32)


def _probe(target: str, network: Network, x: np.ndarray, outputs: int) -> None:
    """Raise ValueError unless outputs are of the right shape, finite, and each row's its own."""
    jitted = jax.jit(network.apply)
    together = _call(target, lambda: np.asarray(jitted(network.params, x)), {})
    widths = (1, 2) if outputs == 1 else (outputs,)
    if together.ndim != 2 or len(together) != len(x) or together.shape[1] not in widths:
        wanted = " or ".join(f"({len(x)}, {k})" for k in widths)
        raise problem(
            f"{target}: outputs of {len(x)} rows have shape {together.shape}", wanted, "return [n, k]"
        )
    if not np.isfinite(together).all():
        raise problem(
            f"{target}: outputs of training rows are not finite", "finite outputs", "mend the network"
        )
    fault = _call(
        target, lambda: rows_apart.fault(lambda rows: np.asarray(jitted(network.params, rows)), x), {}
    )
    if fault:
        raise problem(f"{target}: {fault}", *rows_apart.CURE)
