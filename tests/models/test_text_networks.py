"""The networks that read texts: padding and unknown tokens, one row at a time, options, and that they learn."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models import build
from models.recipe import Recipe
from models.tokens import pooled
from models.train import fit

SMALL = {
    "gru": {"embedding": 8, "hidden": 8, "dropout": 0.0, "token_dropout": 0.0},
    "transformer": {"width": 8, "layers": 1, "heads": 2, "hidden": 16, "dropout": 0.0, "token_dropout": 0.0},
}
KINDS = pytest.mark.parametrize("network", SMALL)


@lru_cache
def _made(network, token_dropout=0.0):
    options = SMALL[network] | {"token_dropout": token_dropout}
    return build.build(network, shape=(6,), outputs=3, seed=0, options=options, vocabulary=12)


@lru_cache
def _apply(network):
    return jax.jit(_made(network).apply)


def _ids(n=5, length=6):
    ids = np.random.default_rng(0).integers(2, 12, (n, length)).astype(np.int32)
    ids[:, 4:] = 0
    return ids


@KINDS
def test_a_row_is_read_by_itself_in_order_and_padding_says_nothing(network):
    made, apply, ids = _made(network), _apply(network), _ids()
    outputs = np.asarray(apply(made.params, ids))
    assert outputs.shape == (5, 3)
    np.testing.assert_allclose(apply(made.params, ids[[2, 2, 1, 1, 2]])[0], outputs[2], atol=1e-5)
    loud = jax.tree.map(lambda leaf: leaf.at[0].set(99.0) if leaf.shape[0] == 12 else leaf, made.params)
    np.testing.assert_allclose(apply(loud, ids), outputs, atol=1e-5)
    turned = ids.copy()
    turned[:, :4] = ids[:, 3::-1]
    assert not np.allclose(apply(made.params, turned), outputs, atol=1e-6)


@KINDS
def test_a_text_without_tokens_and_an_id_beyond_the_vocabulary_have_outputs(network):
    ids = np.zeros((5, 6), np.int32)
    ids[1, 0], ids[2, 0] = 99, 1
    outputs = np.asarray(_apply(network)(_made(network).params, ids))
    assert np.isfinite(outputs).all()
    np.testing.assert_array_equal(outputs[1], outputs[2])


@KINDS
def test_training_drops_tokens_by_chance(network):
    made, ids = _made(network, 0.9), _ids()
    train = jax.jit(made.train_apply)
    first, again = (train(made.params, ids, jax.random.key(k))[0] for k in (0, 1))
    assert not np.allclose(first, again)


@pytest.mark.slow
@KINDS
def test_a_text_network_learns_which_word_is_there(network):
    rng = np.random.default_rng(1)
    ids = rng.integers(4, 12, (256, 6)).astype(np.int32)
    y = rng.integers(0, 2, 256).astype(np.int32)
    ids[np.arange(256), rng.integers(0, 6, 256)] = 2 + y
    made = _made(network)
    recipe = Recipe(epochs=20, batch=32, learning_rate=0.02, patience=None)
    done = fit(made, (ids, y), None, "multiclass", recipe)
    assert (np.asarray(_apply(network)(done.network.params, ids)).argmax(1) == y).mean() > 0.95


def test_pooling_is_the_mean_and_the_maximum_of_the_real_tokens():
    states = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 3)), jnp.float32)
    x = jnp.asarray([[5, 6, 0, 0], [0, 0, 0, 0]])
    expected = np.concatenate([states[0, :2].mean(0), states[0, :2].max(0)])
    np.testing.assert_allclose(pooled(states, x), [expected, np.zeros(6)], rtol=1e-6)


@KINDS
def test_inputs_that_are_no_tokens_are_refused(network):
    for shape, vocabulary in (((6,), None), ((8, 8, 1), 12)):
        with pytest.raises(ValueError, match="token ids of shape"):
            build.build(network, shape=shape, outputs=2, seed=0, vocabulary=vocabulary)


@pytest.mark.parametrize(
    ("network", "wrong"),
    [
        ("gru", {"hidden": 0}),
        ("gru", {"both": "yes"}),
        ("gru", {"token_dropout": 1.0}),
        ("transformer", {"layers": -1}),
        ("transformer", {"width": 10, "heads": 4}),
        ("transformer", {"dropout": 1.5}),
        ("transformer", {"norm": 1}),
    ],
)
def test_options_that_cannot_be_are_refused(network, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build.build(network, shape=(6,), outputs=2, seed=0, options=wrong, vocabulary=12)


def test_a_transformer_without_blocks_has_outputs():
    options = {"layers": 0, "width": 4, "heads": 1}
    made = build.build("transformer", shape=(6,), outputs=2, seed=0, options=options, vocabulary=12)
    assert jax.eval_shape(made.apply, made.params, _ids()).shape == (5, 2)
