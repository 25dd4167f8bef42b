"""Grad-CAM, attributions of tokens, and players that own several inputs: closed forms and naive sums."""

import jax
import numpy as np
import pytest
from scipy.stats import spearmanr

from audit.attribution.embedded import token_gradients
from audit.attribution.gradcam import grad_cam, upsampled
from audit.attribution.gradients import integrated_gradients
from audit.attribution.margins import identity, log_odds
from audit.attribution.players import columns, one_hot, patches, segments, totals
from audit.attribution.shapley import shapley
from audit.metrics.ranks import rank_correlation
from models.build import build


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_grad_cam_of_averaged_maps_is_the_class_activation_map():
    images, w = draw(0, 5, 6, 6, 4), draw(1, 4, 3)
    found = grad_cam(
        lambda p, x: x, lambda p, a: a.mean(axis=(1, 2)) @ p, w, images, margin=identity, batch=2
    )
    expected = np.maximum(images @ w, 0) / 36  # Zhou et al. 2016's map over the number of places
    np.testing.assert_allclose(found.maps, expected, atol=1e-6)
    np.testing.assert_allclose(found.outputs, images.mean(axis=(1, 2)) @ w, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"), [("cnn", {"features": (3, 5), "hidden": 8}), ("classic_cnn", {})]
)
def test_grad_cam_of_the_built_in_networks_is_the_naive_formula(name, options):
    network, x = build(name, shape=(8, 8, 1), outputs=3, seed=0, options=options), draw(2, 4, 8, 8, 1)
    features, head = network.parts
    activations = jax.jit(features)(network.params, x)
    np.testing.assert_allclose(
        jax.jit(head)(network.params, activations),
        jax.jit(network.apply)(network.params, x),
        rtol=1e-6,
        atol=1e-6,
    )
    column = np.array([0, 2, 1, 2])
    found = grad_cam(features, head, network.params, x, margin=log_odds, column=column)
    for i in range(4):
        slope = jax.grad(lambda a, i=i: log_odds(head(network.params, a))[0, column[i]])(
            activations[i : i + 1]
        )
        weights = np.asarray(slope)[0].mean(axis=(0, 1))
        expected = np.maximum((np.asarray(activations)[i] * weights).sum(axis=-1), 0)
        np.testing.assert_allclose(found.maps[i, :, :, 0], expected, atol=1e-6)
    every = grad_cam(features, head, network.params, x, margin=log_odds)
    np.testing.assert_allclose(found.maps[1, ..., 0], every.maps[1, ..., 2], atol=1e-6)


def test_networks_without_a_split_have_no_parts():
    assert build("mlp", shape=(2,), outputs=1, seed=0, x_train=draw(3, 20, 2)).parts is None


def test_a_constant_map_stays_constant_when_upsampled_and_vectors_are_refused():
    np.testing.assert_allclose(upsampled(np.full((2, 3, 3, 1), 0.5), 7, 8), np.full((2, 7, 8, 1), 0.5))
    with pytest.raises(ValueError, match="expected maps"):
        grad_cam(lambda p, x: x, lambda p, a: a, None, draw(4, 2, 3), margin=identity)
    with pytest.raises(ValueError, match="expected rows"):
        grad_cam(lambda p, x: x, lambda p, a: a, None, draw(4, 0, 3, 3, 1), margin=identity)


def test_tokens_are_their_embeddings_integrated_and_summed():
    params = {"table": draw(5, 7, 4), "w": draw(6, 4, 2)}
    tokens = np.array([[1, 2, 0], [3, 3, 6]])

    def embed(p, t):
        return p["table"][t]

    def linear(p, e):
        return e.sum(axis=1) @ p["w"]

    def squared(p, e):
        return (e.sum(axis=1) ** 2) @ p["w"]

    padding = np.zeros((1, 3), int)
    found = token_gradients(embed, linear, params, tokens, padding, margin=identity)
    expected = (params["table"][tokens] - params["table"][0]) @ params["w"]
    assert found.values.shape == (2, 3, 2)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert not found.values[0, 2].any()  # padding itself
    assert "of embeddings" in found.method
    curved = token_gradients(embed, squared, params, tokens, padding, margin=identity)
    np.testing.assert_allclose(curved.values.sum(axis=1), curved.outputs - curved.base, atol=1e-4)
    np.testing.assert_allclose(curved.values[1, 0], curved.values[1, 1], atol=1e-5)
    one = token_gradients(embed, squared, params, {"t": tokens}["t"], padding, margin=identity, column=[1, 0])
    np.testing.assert_allclose(
        one.values[:, :, 0], np.stack([curved.values[0, :, 1], curved.values[1, :, 0]]), atol=1e-5
    )


def test_tokens_given_as_a_tree_and_embeddings_of_another_shape():
    table = draw(7, 5, 3)
    given, padding = {"ids": np.array([[1, 4]])}, {"ids": np.array([[0, 0]])}

    def rest(p, e):
        return e.sum(axis=(1, 2))[:, None]

    found = token_gradients(lambda p, t: p[t["ids"]], rest, table, given, padding, margin=identity)
    np.testing.assert_allclose(found.values[0, :, 0], (table[[1, 4]] - table[0]).sum(axis=1), atol=1e-5)
    with pytest.raises(ValueError, match="expected \\[n, tokens, dimensions\\]"):
        token_gradients(lambda p, t: p[t["ids"]].sum(axis=1), rest, table, given, padding, margin=identity)


def test_one_hot_columns_belong_to_their_feature():
    np.testing.assert_array_equal(one_hot((1, 3, 2)), [0, 1, 1, 1, 2, 2])
    with pytest.raises(ValueError, match="at least one column"):
        one_hot((1, 0))
    w, x, z = draw(8, 4, 1), np.eye(4, dtype=np.float32)[[1, 2]], np.eye(4, dtype=np.float32)[[3]]
    found = shapley(lambda p, r: r @ p, w, x, z, groups=one_hot((1, 3)), margin=identity)
    np.testing.assert_allclose(found.values[:, 1, 0], w[[1, 2], 0] - w[3, 0], atol=1e-6)


def test_segments_are_contiguous_and_even():
    groups = segments(11, 4)
    assert (np.diff(groups) >= 0).all() and set(np.bincount(groups)) == {2, 3}
    for count in (0, 12):
        with pytest.raises(ValueError, match=f"count={count}"):
            segments(11, count)


def test_totals_of_integrated_gradients_are_the_shapley_values_of_a_linear_model():
    x, w, groups = draw(9, 3, 6, 6, 2), draw(10, 72, 2), patches(6, 6, 3)

    def f(p, x):
        return x.reshape(len(x), -1) @ p

    zero = np.zeros_like(x[:1])
    found = totals(integrated_gradients(f, w, x, zero, margin=identity).values, groups)
    exact = shapley(f, w, x, zero, groups=groups, margin=identity)
    np.testing.assert_allclose(found, exact.values, atol=1e-4)
    series, runs = draw(11, 3, 10, 2)[..., None], segments(10, 3)
    naive = np.stack([series[:, runs == p].sum(axis=(1, 2)) for p in range(3)], axis=1)
    np.testing.assert_allclose(totals(series, runs), naive, atol=1e-5)
    with pytest.raises(ValueError, match="leading axes"):
        totals(found, columns(5))


def test_rank_correlation_is_scipys_row_by_row():
    a, b = np.round(draw(12, 20, 7), 1), np.round(draw(13, 20, 7), 1)
    expected = [spearmanr(p, q).statistic for p, q in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), expected, atol=1e-12)
    assert np.isnan(rank_correlation(np.ones((1, 4)), a[:1, :4])).all()
