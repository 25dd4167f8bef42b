"""What is attacked in the timings: a network, images that it decides rightly, the radius; and its job file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.resnet import drawn
from benchmarks.peers.victims import Victim, logits, victim
from benchmarks.peers.victims import weights as named
from models.adapt import from_nnx
from models.build import build
from models.network import Network

TRAINED = ("Fashion-MNIST", "Fashion-MNIST, PGD-trained")
DIGITS = ("digits", "digits, PGD-trained")


class Case(NamedTuple):
    """A victim, the kind of its network, the L-infinity radius, and what is to be said about it."""

    name: str
    kind: str
    victim: Victim
    eps: float
    note: str = ""


def images(names: tuple[str, ...], folder: Path, most: int) -> list[Case]:
    """Return the cases of trained networks; one stand-in of the same shapes where the data are not here."""
    digits = [name for name in names if name in DIGITS]
    folder.mkdir(parents=True, exist_ok=True)
    if digits or "JAX_AUDIT_DATA" in os.environ:
        return [Case(name, "cnn", victim(name, folder, most), 0.1) for name in names]
    network = build(
        "cnn", shape=(28, 28, 1), outputs=10, seed=0, options={"features": (32, 64), "hidden": 128}
    )
    note = "STAND-IN: JAX_AUDIT_DATA is not set: random weights, random images, labels the network's own"
    return [Case("stand-in for Fashion-MNIST", "cnn", _own(network, (28, 28, 1), most), 0.1, note)]


def residual(most: int) -> Case:
    """Return the residual network with random weights, on random images with its own predictions as labels."""
    x = _images((32, 32, 3), 64, seed=1)
    network = from_nnx(drawn(0, jnp.asarray(x)), "resnet")
    note = "random weights, random images, labels the network's own"
    return Case("ResNet-18 of width 16", "resnet", _own(network, (32, 32, 3), most), 8 / 255, note)


def write(path: Path, case: Case, **how: Any) -> Path:
    """Write the job file of a case, as serve.py describes it, with the kind of network in 'how'."""
    v = case.victim
    given = {f"weights/{name}": array for name, array in weights(v.network).items()}
    how |= {"network": case.kind, "norm": "linf", "eps": case.eps}
    given |= {"x": v.x, "y": v.y, "logits": logits(v.network, v.x), "how": np.asarray(json.dumps(how))}
    np.savez(path, allow_pickle=False, **given)
    return path


def read(path: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a job file's arrays, the weights by their own names, and its 'how'."""
    with np.load(path) as file:
        given = {name.removeprefix("weights/"): file[name] for name in file.files}
    return given, json.loads(str(given.pop("how")))


def weights(network: Network) -> dict[str, np.ndarray]:
    """Return every array of a network by name, what does not train too."""
    return {**named(network.params), **named({"params": network.params["constants"]})}


def rebuilt(kind: str, shape: tuple[int, int, int], given: dict[str, np.ndarray]) -> Network:
    """Return the network of a job file, with its weights."""
    if kind == "resnet":
        network = from_nnx(drawn(0, jnp.zeros((1, *shape))), "resnet")
    else:
        sizes = tuple(given[f"conv{i}/kernel"].shape[-1] for i in (1, 2)), given["dense1/kernel"].shape[-1]
        options = {"features": sizes[0], "hidden": sizes[1]}
        network = build("cnn", shape=shape, outputs=10, seed=0, options=options)
    params: dict[str, Any] = {
        part: jax.tree_util.tree_map_with_path(
            lambda path, _: jnp.asarray(given["/".join(key.key for key in path)]), tree
        )
        for part, tree in network.params.items()
    }
    return replace(network, params=params)


def _own(network: Network, shape: tuple[int, ...], n: int) -> Victim:
    """Return a victim whose labels are the network's own decisions."""
    x = _images(shape, n, seed=2)
    return Victim(network, x, logits(network, x).argmax(1).astype(np.int32), n)


def _images(shape: tuple[int, ...], n: int, seed: int) -> np.ndarray:
    """Return seeded images[n, h, w, c] in [0, 1]: coarse blocks of 4x4 pixels under fine noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((n, shape[0] // 4, shape[1] // 4, shape[2])).repeat(4, 1).repeat(4, 2)
    return (0.8 * coarse + 0.2 * rng.random((n, *shape))).astype(np.float32)
