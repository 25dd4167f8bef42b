"""A built-in network by name, with strict options."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from models.adapt import from_nnx
from models.cnn import CNN, ClassicCNN, ClassicCNNOptions, CNNOptions
from models.gru import GRU, GRUOptions
from models.mlp import MLP, Columns, MLPOptions
from models.network import Network, problem
from models.resnet import ResNet, ResNetOptions
from models.sequential import Sequential, SequentialOptions
from models.tokens import length_of
from models.transformer import Transformer, TransformerOptions
from models.two_tower import TwoTower, TwoTowerOptions

OPTIONS: dict[str, type] = {
    "mlp": MLPOptions,
    "cnn": CNNOptions,
    "classic_cnn": ClassicCNNOptions,
    "resnet": ResNetOptions,
    "gru": GRUOptions,
    "transformer": TransformerOptions,
    "two_tower": TwoTowerOptions,
    "sequential": SequentialOptions,
}
OF_HISTORIES = ("two_tower", "sequential")


def options_of(network: str) -> type:
    """Return the frozen dataclass of a network's options; ValueError with the nearest name otherwise."""
    if network not in OPTIONS:
        raise problem(
            f"network={network!r}", _nearest(network, OPTIONS), "or name your own as ./file.py:function"
        )
    return OPTIONS[network]


def build(
    network: str,
    *,
    shape: tuple[int, ...],
    outputs: int,
    seed: int,
    options: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
    x_train: Any = None,
    y_train: Any = None,
    vocabulary: int | None = None,
) -> Network:
    """Return a freshly initialised network for examples of `shape` with `outputs` outputs.

    options: names and values of `options_of(network)`. columns: for a table, each column's number of
    categories, the unseen code 0 included, and 0 for a numeric column (default: all numeric). x_train: the
    training rows that fit an MLP's scalers. y_train: for regression, the targets whose mean and standard
    deviation set the outputs' unit. vocabulary: for texts, how many token ids there are. Raises ValueError in one line.
    """
    chosen = _chosen(network, options or {})
    rngs = nnx.Rngs(seed)
    if network == "mlp":
        columns = _table(shape, columns, x_train)
        built = from_nnx(MLP(columns, outputs, chosen, np.asarray(x_train), rngs=rngs), network)
    elif network in OF_HISTORIES:
        built = from_nnx(_of_histories(network, shape, outputs, chosen, rngs), network)
    elif network in ("gru", "transformer"):
        length, size = length_of(network, shape, vocabulary)
        reader = (
            GRU(size, outputs, chosen, rngs=rngs)
            if network == "gru"
            else Transformer(length, size, outputs, chosen, rngs=rngs)
        )
        built = from_nnx(reader, network)
    else:
        built = from_nnx(_of_images(network, _image(network, shape), outputs, chosen, rngs), network)
    return built if y_train is None else _in_units_of(built, np.asarray(y_train, np.float64))


def _of_images(
    network: str, image: tuple[int, int, int], outputs: int, chosen: Any, rngs: nnx.Rngs
) -> nnx.Module:
    """Return a convolutional network."""
    if network == "cnn":
        return CNN(image, outputs, chosen, rngs=rngs)
    if network == "resnet":
        return ResNet(image[2], outputs, chosen, rngs=rngs)
    return ClassicCNN(image, outputs, rngs=rngs)


def _chosen(network: str, options: Mapping[str, Any]) -> Any:
    """Return the options' dataclass, lists made tuples, or say which name is unknown."""
    kind = options_of(network)
    known = [f.name for f in dataclasses.fields(kind)]
    for name in options:
        if name not in known:
            expected = _nearest(name, known) if known else "no options"
            raise problem(f"option {name!r} of network {network!r}", expected, "correct or remove it")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})


def _nearest(name: str, known: Any) -> str:
    """Return 'one of ...', or the nearest known name when one is near."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"perhaps {close[0]!r}" if close else "one of " + ", ".join(known)


def _table(shape: tuple[int, ...], columns: Columns | None, x_train: Any) -> Columns:
    """Return every column's number of categories, or say what an MLP cannot do without."""
    if len(shape) != 1:
        raise problem(
            f"shape={shape} for network 'mlp'", "a table's shape (columns,)", "use 'cnn' for images"
        )
    given = None if x_train is None else np.shape(x_train)
    if given is None or given[1:] != tuple(shape) or given[0] == 0:
        raise problem(
            f"x_train of shape {given}",
            f"at least one training row of shape {shape}",
            "pass the training rows: they fit the scalers",
        )
    if not np.isfinite(np.asarray(x_train)).all():
        raise problem(
            "x_train has missing or infinite values", "finite numbers", "fill them or drop the rows"
        )
    columns = tuple(columns) if columns is not None else (0,) * shape[0]
    if len(columns) != shape[0]:
        raise problem(
            f"{len(columns)} entries in columns", f"one for each of {shape[0]} columns", "match them"
        )
    return columns


def _of_histories(
    network: str, shape: tuple[int, ...], items: int, options: Any, rngs: nnx.Rngs
) -> TwoTower | Sequential:
    """Return a network of histories of `shape` steps that scores the items."""
    if len(shape) != 1 or items < 2:
        raise problem(
            f"shape={shape} and {items} items for network {network!r}",
            "(steps,) and two items",
            "use it to rank",
        )
    if network == "two_tower":
        return TwoTower(items, options, rngs=rngs)
    return Sequential(shape[0], items, options, rngs=rngs)


def _image(network: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return an image's height, width and channels, or say why the network cannot take it."""
    if len(shape) != 3 or min(shape[:2]) < 4:
        raise problem(
            f"shape={shape} for network {network!r}",
            "(height, width, channels) of at least 4x4 pixels",
            "use 'mlp' for tables",
        )
    return shape[0], shape[1], shape[2]


def _in_units_of(network: Network, y: np.ndarray) -> Network:
    """Return the network whose outputs are shifted and scaled to the targets' mean and standard deviation."""
    scale = y.std(axis=0)
    unit = {
        "mean": jnp.asarray(y.mean(axis=0), jnp.float32).reshape(1, -1),
        "scale": jnp.asarray(np.where(scale > 0, scale, 1.0), jnp.float32).reshape(1, -1),
    }

    def within(params: Any) -> Any:
        return {"params": params["params"], "constants": params["constants"]["network"]}

    def apply(params: Any, x: Any) -> jax.Array:
        target = params["constants"]["target"]
        return network.apply(within(params), x) * target["scale"] + target["mean"]

    def train_apply(params: Any, x: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        target = params["constants"]["target"]
        outputs, constants = network.train_apply(within(params), x, key)
        return outputs * target["scale"] + target["mean"], {"network": constants, "target": target}

    constants = {"network": network.params["constants"], "target": unit}
    params = {"params": network.params["params"], "constants": constants}
    return Network(apply, params, train_apply, network.name)
