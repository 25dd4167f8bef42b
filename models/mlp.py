"""The multilayer perceptron for tables: inputs in the features' own units, encoded inside the network."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from models.network import check_rate, check_units, problem

ACTIVATIONS = {"relu": nnx.relu, "gelu": nnx.gelu, "silu": nnx.silu, "tanh": nnx.tanh}
Columns = tuple[int, ...]  # a column's number of categories, code 0 (unseen) included; 0 for a numeric column


@dataclass(frozen=True)
class MLPOptions:
    """Options of `mlp`.

    hidden: units of each hidden layer. activation: relu, gelu, silu or tanh. dropout: rate after each
    hidden layer. bins: quantile bins of the piecewise-linear encoding of a numeric column, 0 for none.
    """

    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    dropout: float = 0.2
    bins: int = 64

    def __post_init__(self) -> None:
        check_units("hidden", self.hidden, None)
        check_rate("dropout", self.dropout)
        if self.activation not in ACTIVATIONS:
            raise problem(f"activation={self.activation!r}", "one of " + ", ".join(ACTIVATIONS), "choose one")
        if type(self.bins) is not int or self.bins < 0:
            raise problem(f"bins={self.bins!r}", "a whole number of at least 0", "0 turns the encoding off")


class Constant(nnx.Variable):
    """A fitted number that training must not move."""


class Numeric(nnx.Module):
    """Numeric columns standardised, and where bins > 0 also encoded piecewise-linearly.

    The encoding of x in bin t with edges b[t-1] < b[t] is clip((x - b[t-1]) / (b[t] - b[t-1]), 0, 1)
    (Gorishniy, Rubachev & Babenko 2022, On Embeddings for Numerical Features, eq. 1; outside the training
    range only the standardised value goes on). Edges are quantiles of the column's distinct training
    values, so that a column that is mostly 0 keeps its resolution elsewhere.
    """

    def __init__(self, columns: tuple[int, ...], x_train: np.ndarray, bins: int) -> None:
        from sklearn.preprocessing import StandardScaler  # imports pandas: a second that images need not wait

        self.columns = columns
        values = np.asarray(x_train, np.float64)[:, list(columns)]
        scaler = StandardScaler().fit(values)
        mean, scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
        self.mean, self.scale = (Constant(jnp.asarray(a, jnp.float32)) for a in (mean, scale))
        encoded = [_bins(z, bins) for z in ((values - mean) / scale).T]
        self.of = tuple(i for i, e in enumerate(encoded) for _ in e)
        left, width = np.concatenate(encoded).T
        self.left, self.span = (Constant(jnp.asarray(a, jnp.float32)) for a in (left, width))
        self.width = len(columns) + len(self.of)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the encoded columns [n, numeric + bins]."""
        z = (x[:, np.array(self.columns)] - self.mean[...][None]) / self.scale[...][None]
        if not self.of:
            return z
        within = (z[:, np.array(self.of)] - self.left[...][None]) / self.span[...][None]
        return jnp.concatenate([z, jnp.clip(within, 0, 1)], axis=1)


def _bins(z: np.ndarray, bins: int) -> np.ndarray:
    """Return (left edge, width) of each bin of a column: none where one line says it all."""
    quantiles = np.quantile(np.unique(z), np.linspace(0, 1, bins + 1))
    edges = np.unique(np.round(quantiles, 4))  # a narrower bin would turn rounding errors into jumps
    if bins == 0 or len(edges) < 3:
        return np.zeros((0, 2))
    return np.stack([edges[:-1], np.diff(edges)], axis=1)


def _dimensions(categories: int) -> int:
    """Return an embedding's dimensions for a column of this many categories (fastai's rule of thumb)."""
    return min(50, round(1.6 * categories**0.56))


class Categories(nnx.Module):
    """Embeddings of categorical columns, of min(50, round(1.6 c^0.56)) dimensions for c categories.

    Code 0, a category not seen in training, starts at the origin, the embeddings' centre, and stays there.
    """

    def __init__(self, columns: tuple[int, ...], sizes: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.columns, self.sizes = columns, sizes
        self.width = sum(map(_dimensions, sizes))
        self.tables = nnx.List(
            nnx.Param(0.1 * jax.random.normal(rngs.params(), (c, _dimensions(c))).at[0].set(0.0))
            for c in sizes
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the embeddings side by side; a code that is not one of the column's counts as unseen."""
        return jnp.concatenate(
            [
                table[...][jnp.where((x[:, j] > 0) & (x[:, j] < c), x[:, j], 0).astype(jnp.int32)]
                for j, c, table in zip(self.columns, self.sizes, self.tables, strict=True)
            ],
            axis=1,
        )


class MLP(nnx.Module):
    """Encoded columns through hidden layers with activation and dropout to outputs[n, k]."""

    def __init__(
        self, columns: Columns, outputs: int, options: MLPOptions, x_train: np.ndarray, *, rngs: nnx.Rngs
    ) -> None:
        numeric = tuple(j for j, c in enumerate(columns) if c == 0)
        categorical = tuple(j for j, c in enumerate(columns) if c > 0)
        parts = []
        if numeric:
            parts.append(Numeric(numeric, x_train, options.bins))
        if categorical:
            parts.append(Categories(categorical, tuple(columns[j] for j in categorical), rngs=rngs))
        self.parts = nnx.List(parts)
        width = sum(part.width for part in parts)
        self.hidden = nnx.List([])
        for units in options.hidden:
            self.hidden.append(nnx.Linear(width, units, kernel_init=nnx.initializers.he_uniform(), rngs=rngs))
            width = units
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.last = nnx.Linear(width, outputs, kernel_init=nnx.initializers.lecun_uniform(), rngs=rngs)
        self.activation = ACTIVATIONS[options.activation]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return outputs[n, k] of x[n, d]."""
        x = jnp.concatenate([part(x) for part in self.parts], axis=1)
        for layer in self.hidden:
            x = self.dropout(self.activation(layer(x)))
        return self.last(x)
