"""A weighted mixture of networks of one kind, and of constant answers, as one network: its average probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.network import Network, Params, problem


def mixture(network: Network, members: Sequence[Params], shares: Any, constant: Any = (0.0, 0.0)) -> Network:
    """Return a network whose one logit is that of sum_k share_k p_k(x) + constant_1, of a binary task.

    network: gives the members' functions; its outputs are one logit or two. members: their parameters. shares: one
    a member. constant: what answers always 0 and always 1 contribute. All shares are at least 0 and sum to 1;
    ValueError otherwise, and without a member, for then nothing depends on x. It is not meant to be trained on.
    """
    shares, constant = np.asarray(shares, np.float64), np.asarray(constant, np.float64)
    whole = np.concatenate([shares, constant])
    if not len(members) or len(shares) != len(members) or (whole < 0).any() or abs(whole.sum() - 1) > 1e-6:
        raise problem(
            f"{len(members)} members with shares {shares.tolist()} and constants {constant.tolist()}",
            "a member at least, and shares that sum to 1",
            "correct them",
        )
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    fixed = {
        "members": stacked["constants"],
        "shares": jnp.asarray(shares, jnp.float32),
        "constant": jnp.asarray(constant, jnp.float32),
    }

    def apply(params: Params, x: Any) -> jax.Array:
        constants = params["constants"]
        whole = {"params": params["params"], "constants": constants["members"]}
        outputs = jax.vmap(network.apply, (0, None))(whole, x)
        logit = outputs[..., 0] if outputs.shape[-1] == 1 else outputs[..., 1] - outputs[..., 0]
        ends = [
            _log_mean(s * logit, constants["shares"], constants["constant"][i]) for i, s in enumerate((-1, 1))
        ]
        return (ends[1] - ends[0])[:, None]

    def train_apply(params: Params, x: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        del key
        return apply(params, x), params["constants"]

    return Network(apply, {"params": stacked["params"], "constants": fixed}, train_apply, network.name)


def empty(network: Network, size: int) -> Network:
    """Return a mixture of so many equal members, to restore a checkpoint into."""
    return mixture(network, [network.params] * size, np.full(size, 1 / size))


def _log_mean(logit: jax.Array, shares: jax.Array, constant: jax.Array) -> jax.Array:
    """Return log(sum_k share_k sigmoid(logit_k) + constant)[n] of logit[k, n], without loss at either end."""
    parts = jax.nn.logsumexp(jax.nn.log_sigmoid(logit), axis=0, b=shares[:, None])
    return jnp.logaddexp(parts, jnp.log(constant))
