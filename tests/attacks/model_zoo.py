"""Small models of 8x8 digits to try the attacks' own tests on: honest ones, and ones that mask their gradient.

`HONEST[name](seed)` and `MASKED[name](seed)` return a Specimen(apply, params, x, y, meta). A masked model is an
honest one behind something that spoils the gradient and leaves the decisions as good; `meta.twin` decides alike
and has a gradient that leads somewhere, so an attack on the twin shows what one on the model missed. All are
deterministic and their examples independent: what looks random is drawn from the input's own bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array, lax
from zoo_networks import (
    RATE,
    STEPS,
    TEN,
    Apply,
    How,
    Net,
    cnn,
    dense,
    digits,
    fit,
    mlp,
    straight_through,
    trained,
)

from audit.attacks.losses import Loss
from models import train
from models.adapt import from_nnx
from models.recipe import Recipe

Kind = Literal["honest", "saturating", "quantised", "randomised", "shattered"]
EPS = 0.15  # L-infinity, pixels in [0, 1]: an ordinarily trained network stays right on one row in ten


class Meta(NamedTuple):
    """What a test needs to attack a model.

    loss: how its outputs are to be read. eps: an L-infinity radius at which a working attack succeeds on most
    rows of an ordinarily trained model. low, high: the inputs' box. twin, twin_loss: see the module.
    """

    kind: Kind
    loss: Loss = Loss()
    eps: float = EPS
    low: float = 0.0
    high: float = 1.0
    twin: Apply | None = None
    twin_loss: Loss = Loss()


class Specimen(NamedTuple):
    """A trained model and test rows: x[n, 8, 8, 1] of classes y[n]."""

    apply: Apply
    params: Any
    x: np.ndarray
    y: np.ndarray
    meta: Meta


def right(apply: Apply, params: Any, x: Any, y: np.ndarray, loss: Loss) -> np.ndarray:
    """Return whether each row[n] is decided as y."""
    return np.asarray(loss.margin(apply(params, jnp.asarray(x)), jnp.asarray(y)) >= 0)


# Honest models


def _plain(net: Net, classes=TEN, *, loss=Loss(), how=How(), norm=None, steps=STEPS):  # noqa: B008
    """Return a maker of a network trained in this way."""

    def make(seed: int) -> Specimen:
        params = trained(net, seed, classes, how, norm, steps)
        return Specimen(net.apply, params, *digits(classes)[2:], Meta("honest", loss))

    return make


def _reread(around: Callable[[Apply], Apply], unit: float = 1.0, loss=Loss()):  # noqa: B008
    """Return a maker of the plain MLP with outputs or inputs expressed in another way; unit: of its inputs."""
    apply = around(dense())

    def make(seed: int) -> Specimen:
        x, y = digits()[2:]
        meta = Meta("honest", loss, eps=EPS * unit, high=unit)
        return Specimen(apply, trained(MLP, seed), x * np.float32(unit), y, meta)

    return make


def _distilled(how: How, norm: str | None):
    """Return a maker of an MLP fitted to the probabilities, at temperature 1, of a teacher trained in this way."""

    @cache
    def student(seed: int) -> Any:
        teacher = trained(mlp(64, 10), seed + 1000, TEN, how, norm)
        return fit(MLP, seed, jax.nn.softmax(dense()(teacher, jnp.asarray(digits()[0]))))

    return lambda seed: Specimen(dense(), student(seed), *digits()[2:], Meta("honest"))


class _Regularised(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first, self.last = nnx.Linear(64, 32, rngs=rngs), nnx.Linear(32, 10, rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(32, rngs=rngs), nnx.Dropout(0.2, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x.reshape(len(x), -1))))))


@cache
def _regularised(seed: int) -> Specimen:
    """Return a Flax NNX network with batch norm and dropout, trained with both, in evaluation mode."""
    x, y, *_ = digits()
    recipe = Recipe(epochs=30, learning_rate=RATE, patience=None, seed=seed)
    network = train.fit(from_nnx(_Regularised(nnx.Rngs(seed))), (x, y), None, "multiclass", recipe).network
    return Specimen(network.apply, network.params, *digits()[2:], Meta("honest"))


MLP, ONE = mlp(32, 10), mlp(16, 1)
HONEST: dict[str, Callable[[int], Specimen]] = {
    "linear": _plain(mlp(10)),
    "MLP": _plain(MLP),
    "MLP, narrow": _plain(mlp(16, 10)),
    "MLP, wide": _plain(mlp(128, 10)),
    "MLP, two hidden layers": _plain(mlp(32, 32, 10)),
    "MLP, GELU": _plain(mlp(32, 10, activation="gelu")),
    "MLP, SiLU": _plain(mlp(32, 10, activation="silu")),
    "MLP, tanh": _plain(mlp(32, 10, activation="tanh")),
    "CNN": _plain(cnn(8, 16)),
    "CNN, wide": _plain(cnn(16, 32)),
    "CNN, tanh": _plain(cnn(8, 16, "tanh")),
    "logistic regression, one logit": _plain(mlp(1), (4, 9)),
    "MLP, one logit": _plain(ONE, (3, 8)),
    "MLP, one logit, a threshold": _plain(ONE, (3, 8), loss=Loss(threshold=0.7)),
    "MLP, two classes": _plain(mlp(16, 2), (3, 8)),
    "MLP, three classes": _plain(mlp(16, 3), (3, 5, 8)),
    "stopped early": _plain(MLP, steps=150),
    "label smoothing": _plain(MLP, how=How(smoothing=0.1)),
    "weight decay": _plain(MLP, how=How(decay=1e-3)),
    "batch norm and dropout": _regularised,
    "distilled": _distilled(How(), None),
    "distilled from a robust teacher": _distilled(How(eps=0.15), "linf"),
    "adversarial training, 0.05": _plain(MLP, how=How(eps=0.05), norm="linf"),
    "adversarial training, 0.10": _plain(MLP, how=How(eps=0.10), norm="linf"),
    "adversarial training, 0.15": _plain(MLP, how=How(eps=0.15), norm="linf"),
    "adversarial training, wide": _plain(mlp(128, 10), how=How(eps=0.15), norm="linf"),
    "adversarial training, CNN": _plain(cnn(8, 16), how=How(eps=0.10), norm="linf"),
    "adversarial training, L2": _plain(MLP, how=How(eps=1.0), norm="l2"),
    "probabilities": _reread(
        lambda f: lambda p, x: jax.nn.softmax(f(p, x)), 1.0, Loss(outputs="probabilities")
    ),
    "logits times 1,000": _reread(lambda f: lambda p, x: 1000 * f(p, x)),
    "logits at temperature 5": _reread(lambda f: lambda p, x: f(p, x) / 5),
    "pixels in [0, 16]": _reread(lambda f: lambda p, x: f(p, x / 16), 16.0),
}


# Masked models


def _inputs(kind: Kind, change: Callable[[Array], Array], net: Net = MLP, slope=lambda x: x):
    """Return a maker of a network behind a change of its inputs; the twin's gradient is that of slope."""

    def apply(params: Any, x: Array) -> Array:
        return net.apply(params, change(x))

    def twin(params: Any, x: Array) -> Array:
        return net.apply(params, straight_through(change(x), slope(x)))

    def make(seed: int) -> Specimen:
        params = trained(MLP if net is MLP else Net(apply, net.shapes), seed)
        return Specimen(apply, params, *digits()[2:], Meta(kind, twin=twin))

    return make


def _hidden(kind: Kind, activation: str):
    """Return a maker of a network with this activation, trained as its straight-through twin."""
    net = mlp(64, 10, activation=f"{activation}, straight through")

    def make(seed: int) -> Specimen:
        return Specimen(dense(activation), trained(net, seed), *digits()[2:], Meta(kind, twin=net.apply))

    return make


def _certain(net: Net, classes: tuple[int, ...], link: Callable[[Array], Array]):
    """Return a maker of a network whose outputs are probabilities that float32 can't tell from 0 and 1."""

    def apply(params: Any, x: Array) -> Array:
        return link(1000 * net.apply(params, x))

    def make(seed: int) -> Specimen:
        meta = Meta("saturating", Loss(outputs="probabilities"), twin=net.apply)
        return Specimen(apply, trained(net, seed, classes), *digits(classes)[2:], meta)

    return make


def _levels(x: Array, levels: int) -> Array:
    return jnp.round(x * (levels - 1)) / (levels - 1)


EDGES = (np.arange(16, dtype=np.float32) + 0.5) / 16  # between the 17 greys of the data


def _thermometer(x: Array) -> Array:
    return (x > EDGES[None, None, None]).astype(x.dtype)


def _ramps(x: Array) -> Array:
    return jnp.clip(4 * (x - EDGES[None, None, None]), -1, 1)


_PLACE = np.arange(8)
_COSINES = (
    np.cos((2 * _PLACE[None] + 1) * _PLACE[:, None] * np.pi / 16) * np.where(_PLACE, 0.5, 8**-0.5)[:, None]
)
COSINES = _COSINES.astype(np.float32)  # the orthonormal 8x8 discrete cosine transform


def _jpeg(x: Array, width: float = 0.35) -> Array:
    """Return the images with their cosine coefficients rounded to multiples of width."""
    rounded = jnp.round(jnp.einsum("ki,nijc,lj->nklc", COSINES, x, COSINES) / width) * width
    return jnp.einsum("ki,nklc,lj->nijc", COSINES, rounded, COSINES)


def _keys(x: Array) -> Array:
    """Return a JAX key[n] from the bits of each example: another one after the least change."""
    bits = lax.bitcast_convert_type(x.reshape(len(x), -1), jnp.uint32)
    odd = np.arange(bits.shape[1], dtype=np.uint32) * np.uint32(2654435761) * np.uint32(2) + np.uint32(1)
    return jax.vmap(jax.random.key)(jnp.sum(bits * odd[None], axis=1, dtype=jnp.uint32))


def _dithered(x: Array, levels: int = 8) -> Array:
    """Return x rounded at random to the level below or above (random discretisation)."""
    up = jax.vmap(lambda key: jax.random.uniform(key, x.shape[1:]))(_keys(x))
    return jnp.floor(x * (levels - 1) + up) / (levels - 1)


def _flipped(x: Array) -> Array:
    """Return x plus a little noise, each pixel with a gradient of random sign."""
    keys = _keys(x)
    noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
    sign = jax.vmap(lambda key: jax.random.rademacher(key, x.shape[1:], x.dtype))(keys)
    return straight_through(x + 0.05 * noise, sign * x)


def _sine(x: Array) -> Array:
    return x + 0.02 * jnp.sin(200 * jnp.pi * x)


def _sawtooth(x: Array) -> Array:
    """Return x moved by up to 0.02 so that it falls between jumps 0.02 apart."""
    stair = jnp.floor(50 * x) / 50
    return stair + 0.5 * (1 / 50 - (x - stair))


MASKED: dict[str, Callable[[int], Specimen]] = {
    "softmax of logits times 1,000": _certain(MLP, TEN, jax.nn.softmax),
    "sigmoid of a logit times 1,000": _certain(ONE, (3, 8), jax.nn.sigmoid),
    "saturated hidden units": _hidden("saturating", "step"),
    "8 levels a pixel": _inputs("quantised", lambda x: _levels(x, 8)),
    "16 levels a pixel": _inputs("quantised", lambda x: _levels(x, 16)),
    "thermometer code": _inputs("quantised", _thermometer, mlp(32, 10, inputs=64 * 16), _ramps),
    "JPEG-like": _inputs("quantised", _jpeg),
    "rounded hidden units": _hidden("quantised", "rounded"),
    "random discretisation": _inputs("randomised", _dithered),
    "noise and gradients of random sign": _inputs("randomised", _flipped),
    "sine": _inputs("shattered", _sine),
    "sawtooth": _inputs("shattered", _sawtooth),
}
