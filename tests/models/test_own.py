"""A user's own network file: every kind of network, whatever its name; every mistake in one line."""

import sys
import textwrap

import numpy as np
import pytest

from models.own import load

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
HEAD = "import jax, jax.numpy as jnp, flax.linen as linen\nfrom flax import nnx\nfrom dataclasses import dataclass\n"


def _load(folder, body, target="./net.py:build", name="net.py", **given):
    (folder / name).write_text(HEAD + textwrap.dedent(body))
    return load(target, folder, **{"shape": (3,), "outputs": 2, "seed": 5, "x_train": X, **given})


NNX = """
    @dataclass
    class Setting:
        width: int = 4

    class Net(nnx.Module):
        def __init__(self, d, k, rngs):
            self.linear = nnx.Linear(d, k, rngs=rngs)
        def __call__(self, x):
            return self.linear(x)

    def build(shape, outputs, seed):
        return Net(shape[0], outputs, nnx.Rngs(seed))
"""
GOOD = {
    "nnx": NNX,
    "linen": "def build(outputs): return linen.Dense(outputs)",
    "linen with variables": """
        def build(shape, outputs, *, seed):
            module = linen.Dense(outputs)
            return module, module.init(jax.random.key(seed), jnp.ones((1, *shape)))
        """,
    "function": "def build(shape, outputs): return (lambda p, x: x @ p['w']), {'w': jnp.ones((*shape, outputs))}",
    "everything": "def build(**given): return (lambda p, x: x[:, :given['outputs']] * p['w']), {'w': jnp.ones((1, 1))}",
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_of_network_is_taken(tmp_path, kind):
    net = _load(tmp_path, GOOD[kind])
    assert net.trainable and net.apply(net.params, X).shape == (8, 2)


def test_a_bare_function_is_a_network_without_parameters(tmp_path):
    net = _load(tmp_path, "def build(): return lambda x: x[:, :2]")
    assert not net.trainable
    np.testing.assert_array_equal(net.apply(net.params, X), X[:, :2])


def test_training_rows_and_seed_reach_the_function(tmp_path):
    body = "def build(x_train, seed): return (lambda p, x: x[:, :2] - p), jnp.asarray(x_train.mean(0)[None, :2]) + seed"
    net = _load(tmp_path, body)
    np.testing.assert_allclose(net.params["params"], X.mean(0)[None, :2] + 5, rtol=1e-6)


def test_two_outputs_may_serve_a_binary_task(tmp_path):
    net = _load(tmp_path, "def build(): return lambda x: x[:, :2]", outputs=1)
    assert net.apply(net.params, X).shape == (8, 2)


@pytest.mark.parametrize("name", ["models.py", "audit.py", "jax.py"])
def test_the_file_s_own_name_never_matters(tmp_path, name):
    before = sys.modules.get(name[:-3])
    net = _load(tmp_path, NNX, f"./{name}:build", name)
    assert net.apply(net.params, X).shape == (8, 2)
    assert sys.modules.get(name[:-3]) is before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_an_edited_file_is_read_anew(tmp_path):
    body = "def build(): return lambda x: x[:, :2] * {}"
    first, second = (_load(tmp_path, body.format(k)).apply(None or {"params": None}, X) for k in (1, 2))
    np.testing.assert_array_equal(2 * first, second)


BATCH = "def build(): return lambda x: (x - x.mean(0, keepdims=True))[:, :2]"
BAD = {
    "not a target": ("pass", "./net.py", "expected ./file.py:function"),
    "no file": ("pass", "./other.py:build", "no file"),
    "no function": ("def builds(): pass", "./net.py:build", "one of builds"),
    "syntax": ("def build(:", "./net.py:build", "does not import, line 4: SyntaxError"),
    "import": ("import no_such_thing", "./net.py:build", "line 4: ModuleNotFoundError"),
    "raises": ("def build():\n    raise KeyError('a\\nb')", "./net.py:build", "raised, line 5: KeyError"),
    "needs more": ("def build(shape, width): pass", "./net.py:build", "needs 'width'"),
    "returns a number": ("def build(): return 3", "./net.py:build", "returned int"),
    "returns nothing": ("def build(): pass", "./net.py:build", "returned NoneType"),
    "too many outputs": ("def build(): return lambda x: x", "./net.py:build", r"shape \(8, 3\)"),
    "no column": ("def build(): return lambda x: x[:, 0]", "./net.py:build", r"shape \(8,\)"),
    "not finite": ("def build(): return lambda x: x[:, :2] / 0", "./net.py:build", "not finite"),
    "batch statistics": (BATCH, "./net.py:build", "other rows of its batch"),
    "not JAX": ("def build(): return lambda x: float(x[0, 0])", "./net.py:build", "raised, line 4"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_is_told_in_one_line(tmp_path, mistake):
    body, target, says = BAD[mistake]
    with pytest.raises(ValueError, match=says) as caught:
        _load(tmp_path, body, target)
    assert "\n" not in str(caught.value)
