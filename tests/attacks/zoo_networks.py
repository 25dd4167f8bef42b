"""Data, networks and training of the model zoo: 8x8 digits, one function object per form of network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax
from sklearn.datasets import load_digits

from audit.attacks.gradient import pgd
from models.rewrite.jaxpr import rewritten

Apply = Callable[[Any, Array], Array]
TEN = tuple(range(10))
TRAIN, TEST = 1300, 200
STEPS, BATCH, RATE = 500, 128, 5e-3


@cache
def digits(classes: tuple[int, ...] = TEN) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y of train and x, y of test: images in [0, 1] of these digits, numbered by their place."""
    images, target = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(target))
    x, y = (images[order] / 16).astype(np.float32).reshape(-1, 8, 8, 1), target[order]
    test = np.arange(len(y)) >= TRAIN
    rows = np.flatnonzero(~test & np.isin(y, classes))
    held = np.flatnonzero(test & np.isin(y, classes))[:TEST]
    place = np.searchsorted(classes, y).astype(np.int32)
    return x[rows], place[rows], x[held], place[held]


class Net(NamedTuple):
    """A network's function and the shapes of its weights."""

    apply: Apply
    shapes: tuple[tuple[int, ...], ...]


def straight_through(value: Array, slope: Array) -> Array:
    """Return value exactly, with the gradient of slope."""
    return lax.stop_gradient(value) + (slope - lax.stop_gradient(slope))


def _step(z: Array) -> Array:
    return jnp.tanh(300 * z)


def _rounded(z: Array) -> Array:
    return jnp.round(2 * jax.nn.relu(z)) / 2


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "step": _step,
    "step, straight through": lambda z: straight_through(_step(z), jnp.tanh(z)),
    "rounded": _rounded,
    "rounded, straight through": lambda z: straight_through(_rounded(z), jax.nn.relu(z)),
}


@cache
def dense(activation: str = "relu") -> Apply:
    """Return dense layers with the activation between them."""

    def apply(params: Any, x: Array) -> Array:
        h, act = x.reshape(len(x), -1), ACTIVATIONS[activation]
        for w, b in params[:-1]:
            h = act(h @ w + b[None])
        w, b = params[-1]
        return h @ w + b[None]

    return apply


@cache
def convolutional(activation: str = "relu") -> Apply:
    """Return padded 3x3 convolutions, each with a 2x2 max-pool, and a dense layer."""

    def apply(params: Any, x: Array) -> Array:
        for w, b in params[:-1]:
            z = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = nnx.max_pool(ACTIVATIONS[activation](z + b[None, None, None]), (2, 2), (2, 2))
        w, b = params[-1]
        return x.reshape(len(x), -1) @ w + b[None]

    return rewritten(apply)


def mlp(*units: int, activation: str = "relu", inputs: int = 64) -> Net:
    """Return a dense network of these units, the outputs last."""
    return Net(dense(activation), tuple(zip((inputs, *units), units, strict=False)))


def cnn(first: int, second: int, activation: str = "relu") -> Net:
    """Return a network of two convolutions for ten classes."""
    return Net(convolutional(activation), ((3, 3, 1, first), (3, 3, first, second), (4 * second, 10)))


class How(NamedTuple):
    """The numbers of a training, all traced; eps matters where a norm asks for adversarial training."""

    smoothing: float = 0.0
    decay: float = 0.0
    eps: float = 0.0


@partial(jax.jit, static_argnames=("apply", "norm", "steps"))
def _fit(apply, params, seed, x, target, how, norm, steps):
    """Return the parameters after Adam on the cross-entropy with target[n, k], on PGD's inputs with a norm."""
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    target = target * (1 - how.smoothing) + how.smoothing / target.shape[1]

    def loss(params: Any, x: Array, target: Array) -> Array:
        logits = apply(params, x)
        logits = logits if logits.shape[1] > 1 else jnp.concatenate([jnp.zeros_like(logits), logits], 1)
        decay = how.decay * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        return optax.softmax_cross_entropy(logits, target).mean() + decay

    def step(state: Any, key: Array) -> tuple[Any, None]:
        params, moments = state
        rows = jax.random.randint(key, (BATCH,), 0, len(x))
        bx, bt = x[rows], target[rows]
        if norm:
            keys, by = jax.random.split(key, BATCH), jnp.argmax(bt, 1)
            bx = pgd(apply, params, bx, by, keys, eps=how.eps, norm=norm, low=0.0, high=1.0, steps=4)
        updates, moments = optimizer.update(jax.grad(loss)(params, bx, bt), moments)
        return (optax.apply_updates(params, updates), moments), None

    keys = jax.random.split(jax.random.key(seed), steps)
    return lax.scan(step, (params, optimizer.init(params)), keys)[0][0]


def fit(net: Net, seed: int, target: Any, classes=TEN, how=How(), norm=None, steps=STEPS) -> Any:  # noqa: B008
    """Return the network's parameters, trained on the digits of these classes with target[n, k]."""
    rng = np.random.default_rng(seed)
    start = [(rng.normal(0, np.sqrt(2 / np.prod(s[:-1])), s), np.zeros(s[-1])) for s in net.shapes]
    start = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), start)
    return _fit(net.apply, start, seed, digits(classes)[0], jnp.asarray(target), how, norm, steps)


@cache
def trained(net: Net, seed: int, classes=TEN, how=How(), norm=None, steps=STEPS) -> Any:  # noqa: B008
    """Return the same, trained on the classes themselves."""
    target = np.eye(len(classes), dtype=np.float32)[digits(classes)[1]]
    return fit(net, seed, target, classes, how, norm, steps)
