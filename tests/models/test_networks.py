"""The built-in networks: shapes, encodings, gradients, options."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from models.build import build, options_of


def _x(shape, n=6, seed=0):
    return np.random.default_rng(seed).random((n, *shape), np.float32)


def _mlp(x, columns=None, **options):
    return build("mlp", shape=x.shape[1:], outputs=2, seed=0, columns=columns, options=options, x_train=x)


@pytest.mark.parametrize("name", ["cnn", "classic_cnn", "resnet"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (9, 11, 2)])
def test_image_networks_return_one_row_of_outputs_an_example(name, shape):
    net = build(name, shape=shape, outputs=10, seed=0)
    assert jax.jit(net.apply)(net.params, _x(shape)).shape == (6, 10)


def test_sizes_are_those_of_the_textbook():
    assert (
        build("classic_cnn", shape=(28, 28, 1), outputs=10, seed=0).size == 3 * 3 * 32 + 32 + 5408 * 10 + 10
    )
    cnn = 3 * 3 * 32 + 32 + 3 * 3 * 32 * 64 + 64 + 3136 * 128 + 128 + 128 * 10 + 10
    assert build("cnn", shape=(28, 28, 1), outputs=10, seed=0).size == cnn


def test_classic_cnn_equals_linen_layers_with_the_same_weights():
    net, x = build("classic_cnn", shape=(28, 28, 1), outputs=10, seed=3), _x((28, 28, 1))
    p = net.params["params"]
    h = nn.Conv(32, (3, 3), padding="VALID").apply({"params": p["conv"]}, x)
    h = nn.max_pool(nn.relu(h), (2, 2), (2, 2)).reshape(len(x), -1)
    expected = nn.Dense(10).apply({"params": p["dense"]}, h)
    np.testing.assert_allclose(jax.jit(net.apply)(net.params, x), expected, atol=1e-5)


def test_cnn_equals_linen_layers_with_the_same_weights():
    net, x = build("cnn", shape=(9, 8, 2), outputs=3, seed=3, options={"features": (4, 6)}), _x((9, 8, 2))
    h, p = x, net.params["params"]
    for name, features in (("conv1", 4), ("conv2", 6)):
        h = nn.max_pool(nn.relu(nn.Conv(features, (3, 3)).apply({"params": p[name]}, h)), (2, 2), (2, 2))
    h = nn.relu(nn.Dense(128).apply({"params": p["dense1"]}, h.reshape(len(x), -1)))
    expected = nn.Dense(3).apply({"params": p["dense2"]}, h)
    np.testing.assert_allclose(jax.jit(net.apply)(net.params, x), expected, atol=1e-5)


def test_resnet_equals_linen_layers_with_the_same_weights():
    options = {"widths": (4, 8), "blocks": 1, "groups": 2}
    net, x = build("resnet", shape=(9, 8, 3), outputs=3, seed=3, options=options), _x((9, 8, 3))
    p = net.params["params"]

    def conv(p, y, stride=1):
        kernel = p["kernel"].shape
        layer = nn.Conv(kernel[3], kernel[:2], strides=(stride, stride), use_bias=False)
        return layer.apply({"params": p}, y)

    def norm(p, y):
        return nn.relu(nn.GroupNorm(num_groups=2).apply({"params": p}, y))

    h = conv(p["conv"], x)
    for b, stride in ((p["blocks"]["0"], 1), (p["blocks"]["1"], 2)):
        y = norm(b["norm1"], h)
        kept = conv(b["short"], y, stride) if "short" in b else h
        h = kept + conv(b["conv2"], norm(b["norm2"], conv(b["conv1"], y, stride)))
    assert "short" not in p["blocks"]["0"] and "short" in p["blocks"]["1"]
    expected = nn.Dense(3).apply({"params": p["dense"]}, norm(p["norm"], h).mean(axis=(1, 2)))
    np.testing.assert_allclose(jax.jit(net.apply)(net.params, x), expected, atol=1e-5)


def test_numeric_columns_are_standardised_as_scikit_learn_does_and_a_constant_column_is_safe():
    x = _x((3,), 40) * [1.0, 1000.0, 0.0] + [0.0, -5.0, 7.0]
    x = x.astype(np.float32)
    net = _mlp(x, hidden=[], bins=0)
    p = net.params["params"]["last"]
    expected = (
        StandardScaler().fit_transform(x.astype(np.float64)) @ p["kernel"] + np.asarray(p["bias"])[None]
    )
    np.testing.assert_allclose(jax.jit(net.apply)(net.params, x), expected, atol=1e-4)


def test_piecewise_linear_encoding_follows_its_definition():
    x = np.asarray([[0.0], [1.0], [2.0], [6.0]], np.float32)  # two bins: [0, 1.5] and [1.5, 6]
    net = _mlp(x, hidden=[], bins=2)
    p = net.params["params"]["last"]
    probe = np.asarray([-3.0, 0.0, 0.75, 1.5, 3.75, 6.0, 60.0])
    first, second = np.clip(probe / 1.5, 0, 1), np.clip((probe - 1.5) / 4.5, 0, 1)
    encoded = np.stack([(probe - 2.25) / x.std(), first, second], axis=1)
    expected = encoded @ p["kernel"] + np.asarray(p["bias"])[None]
    np.testing.assert_allclose(
        jax.jit(net.apply)(net.params, probe[:, None].astype(np.float32)), expected, atol=2e-3
    )


def test_outputs_have_a_gradient_in_the_raw_units_of_numeric_columns_only():
    x = np.concatenate([_x((2,), 50) * 100, np.ones((50, 1))], axis=1).astype(np.float32)
    net = _mlp(x, columns=(0, 0, 4))
    grad = np.asarray(jax.grad(lambda x: jax.jit(net.apply)(net.params, x).sum())(jnp.asarray(x[:5])))
    assert (grad[:, :2] != 0).all() and (grad[:, 2] == 0).all()


def test_an_unknown_code_is_the_unseen_category_at_the_origin():
    x = np.asarray([[1], [2], [3], [1]], np.float32)
    net = _mlp(x, columns=(4,), hidden=[])
    outputs = np.asarray(jax.jit(net.apply)(net.params, np.asarray([[0], [9], [-2], [2]], np.float32)))
    np.testing.assert_array_equal(outputs[:3], np.tile(net.params["params"]["last"]["bias"], (3, 1)))
    assert np.abs(outputs[3] - outputs[0]).max() > 0


def test_examples_are_independent_and_dropout_is_off_in_apply_and_on_in_training():
    x = _x((3,), 20)
    net = _mlp(x, dropout=0.5)
    whole = np.asarray(jax.jit(net.apply)(net.params, x))
    np.testing.assert_allclose(whole[3:4], jax.jit(net.apply)(net.params, x[3:4]), atol=1e-6)
    np.testing.assert_array_equal(whole, jax.jit(net.apply)(net.params, x))
    first, second, again = (
        np.asarray(jax.jit(net.train_apply)(net.params, x, jax.random.key(k))[0]) for k in (1, 2, 1)
    )
    assert np.abs(first - second).max() > 0
    np.testing.assert_array_equal(first, again)


def test_regression_outputs_are_in_the_target_s_unit():
    x, y = _x((3,), 50), 150 + 80 * np.random.default_rng(0).normal(size=50)
    options = {"hidden": []}
    plain = build("mlp", shape=(3,), outputs=1, seed=0, options=options, x_train=x)
    net = build("mlp", shape=(3,), outputs=1, seed=0, options=options, x_train=x, y_train=y)
    expected = np.asarray(jax.jit(plain.apply)(plain.params, x)) * y.std() + y.mean()
    np.testing.assert_allclose(jax.jit(net.apply)(net.params, x), expected, rtol=1e-5, atol=1e-3)


def test_a_seed_is_a_network():
    a, b, c = (build("cnn", shape=(8, 8, 1), outputs=3, seed=s).params for s in (1, 1, 2))
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert np.abs(a["params"]["conv1"]["kernel"] - c["params"]["conv1"]["kernel"]).max() > 0


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("mpl", {}, "perhaps 'mlp'"),
        ("perceiver", {}, "one of mlp, cnn, classic_cnn"),
        ("cnn", {"drop_out": 0.1}, "perhaps 'dropout'"),
        ("classic_cnn", {"hidden": 3}, "expected no options"),
        ("mlp", {"hidden": [64, -1]}, r"hidden=\(64, -1\)"),
        ("mlp", {"hidden": 64}, "hidden=64"),
        ("mlp", {"dropout": 1.0}, "dropout=1.0"),
        ("mlp", {"activation": "rellu"}, "activation='rellu'"),
        ("mlp", {"bins": -1}, "bins=-1"),
        ("cnn", {"features": [8]}, "2 positive whole"),
        ("resnet", {"widths": [12]}, "multiples of groups=8"),
        ("resnet", {"widths": []}, "multiples of groups=8"),
    ],
)
def test_a_wrong_name_or_option_is_refused_in_one_line(name, options, says):
    shape = (3,) if name == "mlp" else (8, 8, 1)
    with pytest.raises(ValueError, match=says) as caught:
        build(name, shape=shape, outputs=2, seed=0, options=options, x_train=_x((3,)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shape", "columns", "x", "says"),
    [
        ("mlp", (3,), None, None, "x_train of shape None"),
        ("mlp", (3,), None, np.zeros((4, 2), np.float32), r"x_train of shape \(4, 2\)"),
        ("mlp", (3,), None, np.full((4, 3), np.nan, np.float32), "missing or infinite"),
        ("mlp", (3,), (0, 0), np.zeros((4, 3), np.float32), "2 entries in columns"),
        ("mlp", (8, 8, 1), None, np.zeros((4, 8, 8, 1), np.float32), "use 'cnn'"),
        ("cnn", (3,), None, None, "use 'mlp'"),
        ("classic_cnn", (3, 8, 1), None, None, "at least 4x4"),
    ],
)
def test_data_that_do_not_fit_the_network_are_refused(name, shape, columns, x, says):
    with pytest.raises(ValueError, match=says):
        build(name, shape=shape, outputs=2, seed=0, columns=columns, x_train=x)


def test_options_are_frozen():
    with pytest.raises(AttributeError):
        options_of("mlp")().hidden = (1,)
