"""The networks that read texts: padding and unknown tokens, one row at a time, options, and that they learn."""

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


def _made(network, outputs=3, length=6, **changes):
    options = SMALL[network] | changes
    return build.build(network, shape=(length,), outputs=outputs, seed=0, options=options, vocabulary=12)


def _ids(n=5, length=6):
    ids = np.random.default_rng(0).integers(2, 12, (n, length)).astype(np.int32)
    ids[:, 4:] = 0
    return ids


@KINDS
def test_a_row_is_read_by_itself_and_padding_says_nothing(network):
    made, ids = _made(network), _ids()
    apply = jax.jit(made.apply)
    outputs = np.asarray(apply(made.params, ids))
    assert outputs.shape == (5, 3)
    np.testing.assert_allclose(apply(made.params, ids[2:3]), outputs[2:3], atol=1e-5)
    shorter = build.build(network, shape=(4,), outputs=3, seed=0, options=SMALL[network], vocabulary=12)
    params = jax.tree.map(lambda a, b: a[tuple(map(slice, b.shape))], made.params, shorter.params)
    np.testing.assert_allclose(jax.jit(shorter.apply)(params, ids[:, :4]), outputs, atol=1e-5)


@KINDS
def test_a_text_without_tokens_and_an_id_beyond_the_vocabulary_have_outputs(network):
    made = _made(network)
    ids = np.array([[0] * 6, [99, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]], np.int32)
    outputs = np.asarray(jax.jit(made.apply)(made.params, ids))
    assert np.isfinite(outputs).all()
    np.testing.assert_array_equal(outputs[1], outputs[2])


@KINDS
def test_the_order_of_the_words_can_count(network):
    made, ids = _made(network), _ids()
    turned = ids.copy()
    turned[:, :4] = ids[:, 3::-1]
    apply = jax.jit(made.apply)
    assert not np.allclose(apply(made.params, ids), apply(made.params, turned), atol=1e-6)


@KINDS
def test_training_drops_tokens_by_chance(network):
    made, ids = _made(network, token_dropout=0.9), _ids()
    train = jax.jit(made.train_apply)
    first, again = (train(made.params, ids, jax.random.key(k))[0] for k in (0, 1))
    assert not np.allclose(first, again)


@KINDS
def test_a_text_network_learns_which_word_is_there(network):
    rng = np.random.default_rng(1)
    ids = rng.integers(4, 12, (256, 6)).astype(np.int32)
    y = rng.integers(0, 2, 256).astype(np.int32)
    ids[np.arange(256), rng.integers(0, 6, 256)] = 2 + y
    made = _made(network, outputs=1)
    done = fit(made, (ids, y), None, "binary", Recipe(epochs=20, batch=32, learning_rate=0.02, patience=None))
    assert ((np.asarray(jax.jit(made.apply)(done.network.params, ids))[:, 0] > 0) == y).mean() > 0.95


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
    ],
)
def test_options_that_cannot_be_are_refused(network, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build.build(network, shape=(6,), outputs=2, seed=0, options=wrong, vocabulary=12)


def test_a_transformer_without_blocks_pools_its_embeddings():
    made = build.build(
        "transformer",
        shape=(6,),
        outputs=2,
        seed=0,
        options={"layers": 0, "width": 4, "heads": 1},
        vocabulary=12,
    )
    assert jax.eval_shape(made.apply, made.params, _ids()).shape == (5, 2)
