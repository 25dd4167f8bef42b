"""Adapted networks equal their originals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from models.adapt import from_function, from_linen, from_nnx

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


class _Module(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(11)])
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        self.seen = nnx.Intermediate(x)
        return self.drop(self.norm(x))


def test_an_nnx_module_keeps_its_outputs_and_is_not_changed():
    module = _Module(nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState))))
    net = from_nnx(module)
    outputs, constants = jax.jit(net.train_apply)(net.params, X, jax.random.key(0))
    assert not module.drop.deterministic and np.isfinite(outputs).all()
    jax.tree.map(
        np.testing.assert_array_equal, before, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState)))
    )
    np.testing.assert_allclose(
        jax.jit(net.apply)(net.params, X), nnx.view(module, **EVALUATION)(X), atol=1e-6
    )
    assert jax.tree.structure(constants) == jax.tree.structure(net.params["constants"])
    assert float(jnp.abs(constants["norm"]["mean"]).max()) > 0
    assert net.name == "_Module" and net.size == 11 * 12 + 6


EVALUATION = {"deterministic": True, "use_running_average": True}


def test_a_linen_module_keeps_its_outputs():
    class Module(linen.Module):
        @linen.compact
        def __call__(self, x, train: bool):
            x = linen.BatchNorm(use_running_average=not train)(linen.Dense(4)(x))
            return linen.Dropout(0.5, deterministic=not train)(x)

    module = Module()
    variables = module.init(jax.random.key(0), X, train=False)
    net = from_linen(module, variables)
    np.testing.assert_array_equal(net.apply(net.params, X), module.apply(variables, X, train=False))
    key = jax.random.key(1)
    outputs, constants = net.train_apply(net.params, X, key)
    expected, state = module.apply(variables, X, train=True, mutable=["batch_stats"], rngs={"dropout": key})
    np.testing.assert_array_equal(outputs, expected)
    jax.tree.map(np.testing.assert_array_equal, constants, state)


def test_a_linen_module_with_a_deterministic_flag():
    class Module(linen.Module):
        @linen.compact
        def __call__(self, x, deterministic: bool):
            return linen.Dropout(0.5, deterministic=deterministic)(x)

    net = from_linen(Module(), {})
    np.testing.assert_array_equal(net.apply(net.params, X), X)
    assert (np.asarray(net.train_apply(net.params, X, jax.random.key(0))[0]) == 0).any()
    assert not net.trainable


def test_a_function_keeps_its_outputs_and_its_parameters_train():
    net = from_function(lambda p, x: x @ p["w"], {"w": jnp.ones((3, 2))})
    np.testing.assert_array_equal(net.apply(net.params, X), X @ np.ones((3, 2), np.float32))
    assert net.trainable and net.size == 6
    with pytest.raises(ValueError, match=r"params\['n'\] has dtype int32"):
        from_function(lambda p, x: x, {"n": jnp.arange(3)})
