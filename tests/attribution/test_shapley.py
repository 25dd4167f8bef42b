"""Exact Shapley values against closed-form games, a naive enumeration and the axioms."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.attribution.batching import eagerly
from audit.attribution.margins import identity, log_odds, log_odds_of_probabilities
from audit.attribution.players import columns, patches
from audit.attribution.shapley import shapley, weights
from audit.devices import map_examples


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def linear(w, x):
    return x @ w


def network(params, x):
    for w in params[:-1]:
        x = jnp.tanh(x @ w)
    return x @ params[-1]


def naive(f, x, background, players):
    """Shapley's formula, subset by subset, for one example; f(rows) -> [rows, outputs]."""

    def value(coalition):
        keep = np.isin(groups, list(coalition))
        return f(np.where(keep, x, background)).mean(axis=0)

    groups, phi = players, []
    n = groups.max() + 1
    for p in range(n):
        others = [q for q in range(n) if q != p]
        total = 0.0
        for size in range(n):
            scale = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for s in itertools.combinations(others, size):
                total = total + scale * (value({*s, p}) - value(set(s)))
        phi.append(total)
    return np.stack(phi)


def network_params(seed, d, k):
    return [1.5 * draw(seed, d, 8), draw(seed + 1, 8, 8), draw(seed + 2, 8, k)]


def test_linear_model_with_any_background_is_weight_times_distance_from_the_mean():
    x, z, w = draw(0, 6, 5), draw(1, 11, 5), draw(2, 5, 2)
    found = shapley(linear, w, x, z, groups=columns(5), margin=identity)
    expected = (x - z.mean(axis=0))[:, :, None] * w
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert found.standard_errors is None
    assert found.evaluations == 6 * 2**5 * 11 + 6 + 11


def test_naive_enumeration_agrees_on_a_network_with_grouped_columns():
    params, x, z = network_params(3, 6, 3), draw(4, 3, 6), draw(5, 7, 6)
    groups = np.array([0, 1, 1, 2, 0, 3])
    found = shapley(network, params, x, z, groups=groups, margin=log_odds)
    f = jax.jit(lambda rows: log_odds(network(params, rows)))
    for i in range(3):
        expected = naive(lambda rows: np.asarray(f(rows)), x[i], z, groups)
        np.testing.assert_allclose(found.values[i], expected, atol=2e-5)


@pytest.mark.parametrize("exact_up_to", [10, 1])
def test_product_of_two_features_shares_the_interaction_equally(exact_up_to):
    x, z = draw(6, 4, 3), np.zeros((1, 3), np.float32)
    found = shapley(
        lambda p, rows: rows[:, :1] * rows[:, 1:2],
        None,
        x,
        z,
        groups=columns(3),
        margin=identity,
        exact_up_to=exact_up_to,
    )
    half = x[:, 0] * x[:, 1] / 2
    np.testing.assert_allclose(found.values[:, :, 0], np.stack([half, half, 0 * half], 1), atol=1e-6)


def test_majority_and_glove_games_have_their_textbook_values():
    one, zero = np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32)

    def majority(p, x):
        return jnp.float32(x.sum(axis=1, keepdims=True) >= 2)

    def glove(p, x):  # one left glove, two right ones: the pair is worth 1
        return x[:, :1] * jnp.maximum(x[:, 1:2], x[:, 2:])

    for game, expected in ((majority, [1 / 3, 1 / 3, 1 / 3]), (glove, [2 / 3, 1 / 6, 1 / 6])):
        found = shapley(game, None, one, zero, groups=columns(3), margin=identity)
        np.testing.assert_allclose(found.values[0, :, 0], expected, atol=1e-6)


def test_weights_solve_every_unanimity_game():
    players = 4
    matrix, bits = weights(players), np.arange(2**players)
    for carrier in range(1, 2**players):
        v = (bits & carrier == carrier).astype(float)
        members = np.array([(carrier >> p) & 1 for p in range(players)])
        np.testing.assert_allclose(matrix @ v, members / members.sum(), atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_axioms_hold_for_any_network(seed):
    params, x, z = network_params(seed, 4, 2), draw(seed + 7, 2, 4), draw(seed + 8, 3, 4)
    params[0][3] = 0.0  # a dummy
    params[0][1] = params[0][0]  # twins, with equal inputs
    x[:, 1], z[:, 1] = x[:, 0], z[:, 0]
    found = shapley(network, params, x, z, groups=columns(4), margin=identity, exact_up_to=10)
    np.testing.assert_allclose(found.values.sum(axis=1), found.outputs - found.base, atol=1e-5)
    assert np.abs(found.values[:, 3]).max() < 1e-6
    np.testing.assert_allclose(found.values[:, 0], found.values[:, 1], atol=1e-5)


@pytest.mark.parametrize("exact_up_to", [10, 1])
def test_examples_are_independent_and_batches_change_nothing(exact_up_to):
    params, x, z = network_params(9, 6, 2), draw(10, 5, 6), draw(11, 7, 6)
    options = {"groups": columns(6), "margin": identity, "exact_up_to": exact_up_to, "target_error": 0.2}
    whole = shapley(network, params, x, z, **options)
    for few in (
        shapley(network, params, x[:2], z, **options),
        shapley(network, params, x, z, batch=256, over=map_examples, **options),
        shapley(network, params, x, z, batch=600, over=eagerly, **options),
    ):
        n = len(few.values)
        np.testing.assert_allclose(few.values, whole.values[:n], atol=1e-5)


def test_no_batch_is_larger_than_asked_and_all_have_one_shape():
    shapes = set()

    def seen(p, rows):
        shapes.add(rows.shape)
        return rows @ p

    for exact_up_to in (10, 1):
        shapes.clear()
        shapley(
            seen,
            draw(0, 6, 1),
            draw(1, 9, 6),
            draw(2, 5, 6),
            groups=columns(6),
            margin=identity,
            batch=50,
            exact_up_to=exact_up_to,
        )
        ends = {(8, 6), (4, 6)}  # 9 rows and 5 background rows, by powers of two
        inner = shapes - ends  # the second time the ends are compiled already
        assert len(inner) == 1 and inner.pop()[0] <= 50


def test_images_are_explained_by_patches_with_their_channels():
    x, z, w = draw(12, 3, 6, 6, 2), draw(13, 4, 6, 6, 2), draw(14, 6, 6, 2)
    groups = patches(6, 6, 2)
    found = shapley(
        lambda p, rows: (rows * p[None]).sum(axis=(1, 2, 3))[:, None], w, x, z, groups=groups, margin=identity
    )
    each = ((x - z.mean(axis=0)) * w).sum(axis=3)
    expected = np.stack([each[:, groups == p].sum(axis=1) for p in range(4)], axis=1)
    np.testing.assert_allclose(found.values[:, :, 0], expected, atol=1e-4)


def test_patches_tile_the_image_evenly():
    groups = patches(28, 30, 4)
    sizes = np.bincount(groups.ravel())
    assert groups.shape == (28, 30) and len(sizes) == 16
    assert sizes.min() >= 7 * 7 and sizes.max() <= 7 * 8
    assert groups[0, 0] == 0 and groups[0, -1] == 3 and groups[-1, 0] == 12
    with pytest.raises(ValueError, match="side=5"):
        patches(4, 9, 5)


def test_a_single_player_takes_the_whole_difference():
    x, z, w = draw(0, 3, 2), draw(1, 4, 2), draw(2, 2, 1)
    found = shapley(linear, w, x, z, groups=np.array([0, 0]), margin=identity, exact_up_to=0)
    np.testing.assert_allclose(found.values[:, 0], found.outputs - found.base, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "background", "groups", "message"),
    [
        (draw(0, 3, 4), draw(1, 0, 4), columns(4), "rows of one shape"),
        (draw(0, 3, 4), draw(1, 3, 5), columns(4), "rows of one shape"),
        (draw(0, 3, 4), draw(1, 3, 4), columns(3), "leading axes"),
        (draw(0, 3, 4), draw(1, 3, 4), np.array([0, 1, 3, 3]), "own at least one"),
        (draw(0, 3, 4), draw(1, 3, 4), np.array([-2, 0, 1, 1]), "own at least one"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, background, groups, message):
    with pytest.raises(ValueError, match=message):
        shapley(linear, draw(2, 4, 1), x, background, groups=groups, margin=identity)


def test_log_odds_are_those_of_the_softmax():
    logits = 6 * draw(20, 50, 4)
    logits[0], logits[1] = 0.0, [5.0, 5.0, -80.0, 3.0]
    exact = logits.astype(np.float64)
    others = [np.log(np.exp(np.delete(exact, c, axis=1)).sum(axis=1)) for c in range(4)]
    found = np.asarray(log_odds(jnp.asarray(logits)))
    np.testing.assert_allclose(found, exact - np.stack(others, axis=1), atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(log_odds(jnp.asarray(logits + 3)), found, atol=1e-4)
    one = draw(21, 5, 1)
    np.testing.assert_array_equal(log_odds(jnp.asarray(one)), one)


def test_log_odds_of_probabilities_stay_finite_at_the_ends():
    p = np.array([[0.0, 1.0], [0.25, 0.75]], np.float32)
    found = np.asarray(log_odds_of_probabilities(jnp.asarray(p)))
    np.testing.assert_allclose(found[1], [-np.log(3), np.log(3)], rtol=1e-5)
    np.testing.assert_allclose(found[0], [-16.1, 16.1], atol=0.3)
