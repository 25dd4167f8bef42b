"""What is explained in the timings: perceptrons trained on a known function, the digits' network; their job files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.peers.cases import weights
from benchmarks.peers.victims import victim

HIDDEN = (128, 128, 128)
STEPS = 600  # of training
Layers = list[tuple[Any, Any]]


def perceptron(params: Layers, x: Any) -> Any:
    """Return outputs[n, 1] of x[n, d]: dense layers with ReLU between them."""
    for w, b in params[:-1]:
        x = jax.nn.relu(x @ w + b[None])
    return x @ params[-1][0] + params[-1][1][None]


def table_job(path: Path, d: int, rows: int, background: int) -> Path:
    """Write a perceptron of 3 x 128 units for d columns, trained on a function with interactions, and its rows."""
    rng = np.random.default_rng(d)
    x = rng.normal(size=(rows + background + 4000, d)).astype(np.float32)
    y = (
        np.sin(2 * x[:, 0])
        + x[:, 1] * x[:, 2]
        + np.maximum(x[:, 3], x[:, 4]) * x[:, 5]
        + 0.5 * x.sum(1) / np.sqrt(d)
    )
    params = _trained(_drawn(rng, (d, *HIDDEN, 1)), x[rows + background :], y[rows + background :, None])
    given = {f"w{i}": np.asarray(w) for i, (w, _) in enumerate(params)}
    given |= {f"b{i}": np.asarray(b) for i, (_, b) in enumerate(params)}
    given |= {"x": x[:rows], "z": x[rows : rows + background], "column": np.zeros(rows, np.int64)}
    given["outputs"] = np.asarray(jax.jit(perceptron)(params, x[:rows]))
    np.savez(path, allow_pickle=False, how=np.asarray(json.dumps({"kind": "mlp"})), **given)
    return path


def digits_job(path: Path, rows: int, folder: Path) -> Path:
    """Write the digits' network, so many of scikit-learn's digits, a black baseline and the predicted classes."""
    from sklearn.datasets import load_digits

    folder.mkdir(parents=True, exist_ok=True)
    network = victim("digits", folder, 10).network
    digits: Any = load_digits()
    x = np.asarray(digits.images[:rows, ..., None] / 16, np.float32)
    outputs = np.asarray(jax.jit(network.apply)(network.params, x))
    given = {f"weights/{name}": array for name, array in weights(network).items()}
    given |= {"x": x, "z": np.zeros_like(x[:1]), "column": outputs.argmax(1), "outputs": outputs}
    np.savez(path, allow_pickle=False, how=np.asarray(json.dumps({"kind": "cnn"})), **given)
    return path


def read(path: str) -> dict[str, np.ndarray]:
    """Return a job's arrays."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def layers(given: dict[str, np.ndarray]) -> Layers:
    """Return the perceptron's layers."""
    return [(given[f"w{i}"], given[f"b{i}"]) for i in range(len(HIDDEN) + 1)]


def _drawn(rng: np.random.Generator, sizes: tuple[int, ...]) -> Layers:
    """Return He-normal weights and no biases."""
    pairs = zip(sizes, sizes[1:], strict=False)
    return [
        (jnp.asarray(rng.normal(size=s) * np.sqrt(2 / s[0]), jnp.float32), jnp.zeros(s[1])) for s in pairs
    ]


def _trained(params: Layers, x: np.ndarray, y: np.ndarray) -> Layers:
    """Return the layers after so many steps of Adam on batches of 256."""
    optimiser = optax.adam(1e-3)

    @jax.jit
    def step(params: Layers, state: Any, x: Any, y: Any) -> tuple[Layers, Any]:
        slope = jax.grad(lambda p: jnp.mean((perceptron(p, x) - y) ** 2))(params)
        moved, state = optimiser.update(slope, state)
        return optax.apply_updates(params, moved), state  # pyright: ignore[reportReturnType]

    state, rng = optimiser.init(params), np.random.default_rng(0)
    for _ in range(STEPS):
        at = rng.integers(0, len(x), 256)
        params, state = step(params, state, x[at], y[at].astype(np.float32))
    return params
