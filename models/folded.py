"""Networks that judge a fold each as one network: a row's last column says which of them answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.network import Network, Params, problem


def folded(networks: Sequence[Network]) -> Network:
    """Return a network of x[n, d + 1]: networks[k] answers for the d first columns of rows whose last column is k.

    No output has a gradient in the last column. Networks that share one `apply` run side by side, their parameters
    stacked; others one after the other. It is not meant to be trained on. ValueError without a network.
    """
    if not networks:
        raise problem("no network", "one for each fold", "give them")
    same = all(network.apply is networks[0].apply for network in networks)
    each = _side_by_side(networks) if same else _in_turn(networks)
    params = _stacked(networks) if same else _named(networks)

    def apply(params: Params, x: Any) -> jax.Array:
        x = jnp.asarray(x)
        outputs = each(params, x[:, :-1])  # [folds, n, k]
        fold = jnp.round(x[:, -1]).astype(jnp.int32)
        return jnp.take_along_axis(outputs, fold[None, :, None], axis=0)[0]

    def train_apply(params: Params, x: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        del key
        return apply(params, x), params["constants"]

    return Network(apply, params, train_apply, networks[0].name)


def alike(one: Network, other: Network, x: Any) -> bool:
    """Return whether two networks compute the same of the same parameters, so that one `apply` serves both.

    Their operations must be the same, and what is fixed inside them must tell on no row of x[n, ...], in evaluation or
    in training mode.
    """
    shapes = [jax.tree.map(lambda a: (jnp.shape(a), jnp.result_type(a)), n.params) for n in (one, other)]
    if shapes[0] != shapes[1]:
        return False
    modes = zip(_modes(one), _modes(other), strict=True)
    return all(_same(f, g, other.params, x) for f, g in modes)


def _modes(network: Network) -> tuple[Any, Any]:
    """Return the network's function in evaluation and, with a fixed key, in training mode."""
    return network.apply, lambda params, x: network.train_apply(params, x, jax.random.key(0))[0]


def _same(f: Any, g: Any, params: Params, x: Any) -> bool:
    """Return whether two functions are the same operations and give x the same outputs."""
    if str(jax.make_jaxpr(f)(params, x)) != str(jax.make_jaxpr(g)(params, x)):
        return False
    return np.array_equal(np.asarray(f(params, x)), np.asarray(g(params, x)), equal_nan=True)


def _stacked(networks: Sequence[Network]) -> Params:
    """Return the networks' parameters, every leaf with a first axis of folds."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(network.params for network in networks))


def _side_by_side(networks: Sequence[Network]) -> Any:
    """Return (params, x) -> outputs[folds, n, k] of networks of one function."""
    return jax.vmap(networks[0].apply, (0, None))


def _named(networks: Sequence[Network]) -> Params:
    """Return the networks' parameters, each under its fold."""
    return {
        part: {f"fold_{k}": network.params[part] for k, network in enumerate(networks, start=1)}
        for part in ("params", "constants")
    }


def _in_turn(networks: Sequence[Network]) -> Any:
    """Return (params, x) -> outputs[folds, n, k] of networks of different functions."""

    def each(params: Params, x: Any) -> jax.Array:
        own = [{part: params[part][f"fold_{k}"] for part in params} for k in range(1, len(networks) + 1)]
        return jnp.stack([network.apply(p, x) for network, p in zip(networks, own, strict=True)])

    return each
