"""The networks under attack: trained here in JAX, plainly and on PGD's inputs, and kept in a folder."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from audit.attacks.gradient import pgd
from audit.metrics.robustness import inside
from models.build import build
from models.network import Network
from models.recipe import Recipe
from models.rewrite.jaxpr import rewritten
from models.train import fit


@dataclass(frozen=True)
class Plan:
    """How a network is trained and at which sizes it is attacked; at: the eps of its training, 0 for none."""

    data: str
    at: float
    eps: dict[str, float]
    features: tuple[int, int]
    hidden: int
    rows: int
    epochs: int


VICTIMS = {
    "digits": Plan("digits", 0.0, {"linf": 0.1, "l2": 0.6}, (16, 32), 64, 1_200, 30),
    "digits, PGD-trained": Plan("digits", 0.15, {"linf": 0.15, "l2": 1.0}, (16, 32), 64, 1_200, 60),
    "Fashion-MNIST": Plan("fashion_mnist", 0.0, {"linf": 0.02, "l2": 0.4}, (32, 64), 128, 10_000, 5),
    "Fashion-MNIST, PGD-trained": Plan(
        "fashion_mnist", 0.1, {"linf": 0.1, "l2": 1.5}, (32, 64), 128, 10_000, 5
    ),
}


class Victim(NamedTuple):
    """A trained network with test images x[n, h, w, 1] in [0, 1] that it decides rightly, and how many it saw."""

    network: Network
    x: np.ndarray
    y: np.ndarray
    tested: int


def victim(name: str, folder: Path, tested: int) -> Victim:
    """Return the network of this name, trained now unless the folder holds it, and the right ones of its rows."""
    plan = VICTIMS[name]
    x, y, test_x, test_y = _data(plan)
    options = {"features": plan.features, "hidden": plan.hidden}
    network = build("cnn", shape=x.shape[1:], outputs=10, seed=0, options=options)
    path = folder / f"{name.replace(', ', '-')}.npz"
    if not path.exists():
        np.savez(path, allow_pickle=False, **weights(_trained(network, plan, x, y).params))
    with np.load(path) as file:
        params = _filled(network.params, file)
    network = Network(network.apply, params, network.train_apply, name)
    test_x, test_y = test_x[:tested], test_y[:tested]
    right = logits(network, test_x).argmax(1) == test_y
    return Victim(network, test_x[right], test_y[right], tested)


def weights(params: Any) -> dict[str, np.ndarray]:
    """Return the trained arrays by name, as 'conv1/kernel'."""
    leaves = jax.tree_util.tree_leaves_with_path(params["params"])
    return {"/".join(key.key for key in path): np.asarray(leaf) for path, leaf in leaves}


def logits(network: Network, x: np.ndarray) -> np.ndarray:
    """Return logits[n, 10], in float32."""
    return np.asarray(jax.jit(network.apply)(network.params, jnp.asarray(x)))


def survives(
    network: Network, x: np.ndarray, moved: np.ndarray, y: np.ndarray, *, norm: str, eps: float
) -> np.ndarray:
    """Return for each row[n] whether no valid adversarial example was handed in: right, or out of ball or box."""
    where = {"scale": np.ones(x.shape[1:], np.float32), "low": 0.0, "high": 1.0}
    valid = inside(x, moved, eps=eps, norm=norm, **where)
    return (logits(network, moved).argmax(1) == y) | ~valid


def _trained(network: Network, plan: Plan, x: np.ndarray, y: np.ndarray) -> Network:
    """Return the network after training."""

    def perturb(apply: Any, params: Any, bx: Any, by: Any, key: jax.Array) -> jax.Array:
        keys = jax.random.split(key, len(bx))
        return pgd(apply, params, bx, by, keys, eps=plan.at, low=0.0, high=1.0, steps=7)

    network = replace(network, apply=rewritten(network.apply), train_apply=rewritten(network.train_apply))
    recipe = Recipe(epochs=plan.epochs, patience=None, learning_rate=2e-3)
    return fit(network, (x, y), None, "multiclass", recipe, perturb=perturb if plan.at else None).network


def _filled(params: Any, file: Any) -> Any:
    """Return the parameters with the arrays of a file in place of the trained ones."""
    named = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(file["/".join(key.key for key in path)]), params["params"]
    )
    return {"params": named, "constants": params["constants"]}


def _data(plan: Plan) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y of training and of test."""
    if plan.data == "digits":
        from sklearn.datasets import load_digits

        images, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(y))
        x = (np.asarray(images)[order] / 16).astype(np.float32).reshape(-1, 8, 8, 1)
        y = np.asarray(y)[order].astype(np.int32)
        return x[: plan.rows], y[: plan.rows], x[plan.rows :], y[plan.rows :]
    folder = Path(os.environ["JAX_AUDIT_DATA"]) / plan.data
    x, y = _idx(folder / "train-images-idx3-ubyte.gz", 16), _idx(folder / "train-labels-idx1-ubyte.gz", 8)
    test_x, test_y = (
        _idx(folder / "t10k-images-idx3-ubyte.gz", 16),
        _idx(folder / "t10k-labels-idx1-ubyte.gz", 8),
    )
    images = [a.reshape(-1, 28, 28, 1).astype(np.float32) / 255 for a in (x[: plan.rows * 784], test_x)]
    return images[0], y[: plan.rows].astype(np.int32), images[1], test_y.astype(np.int32)


def _idx(path: Path, header: int) -> np.ndarray:
    """Return the bytes of an IDX file behind its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)
