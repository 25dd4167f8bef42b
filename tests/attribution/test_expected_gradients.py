"""Expected gradients: exact where the integrand is, unbiased with standard errors that cover, and not Shapley."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attribution.expected import expected_gradients
from audit.attribution.gradients import integrated_gradients
from audit.attribution.margins import identity
from audit.attribution.players import columns
from audit.attribution.shapley import shapley


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def network(params, x):
    return jax.nn.relu(x @ params[0]) @ params[1]


PARAMS = [draw(0, 4, 16), draw(1, 16, 2)]
X, Z = draw(2, 8, 4), draw(3, 43, 4)  # 43 rows: the last of six items is not full


def average(**options):
    """Integrated gradients from every background row in turn, averaged: the definition."""
    moves = options.pop("moves", True)
    column = options.pop("column", None)
    x, z = np.repeat(X, len(Z), axis=0), np.tile(Z, (len(X), 1))
    start = np.where(moves, z, x).astype(np.float32)
    column = None if column is None else np.repeat(column, len(Z))
    found = integrated_gradients(
        network, PARAMS, x, start, margin=identity, column=column, steps=256, most=256, batch=1024
    )
    return tuple(a.reshape(len(X), len(Z), *a.shape[1:]).mean(axis=1) for a in (found.values, found.base))


EXACT, BASE = average()


def test_antithetic_pairs_are_exact_on_a_product_of_two_features():
    def product(p, x):
        return x[:, :1] * x[:, 1:2]

    found = expected_gradients(product, None, X, Z, margin=identity, rounds=1)
    a, b = X[:, None, :2], Z[None, :, :2]
    expected = ((a - b) * (a + b)[..., ::-1] / 2).mean(
        axis=1
    )  # multilinear: the mean over rows of the closed form
    np.testing.assert_allclose(found.values[:, :2, 0], expected, atol=1e-5)
    assert found.standard_errors.max() < 1e-6 and found.completeness.max() < 1e-5


@pytest.mark.parametrize(("rounds", "least"), [(1, 0.90), (4, 0.925)])  # few background rows carry the kinks
def test_standard_errors_cover_integrated_gradients_averaged_over_the_background(rounds, least):
    z = []
    for seed in range(12):
        key = jax.random.key(seed)
        found = expected_gradients(
            network, PARAMS, X, Z, margin=identity, key=key, rounds=rounds, target_error=0.0
        )
        z.append((found.values - EXACT) / found.standard_errors)
    z = np.concatenate(z).ravel()
    covered = (np.abs(z) < 1.96).mean()
    assert least <= covered <= 0.98, covered
    assert abs(z.mean()) < 0.1
    np.testing.assert_allclose(found.base, BASE, atol=1e-5)


def test_a_row_stops_when_its_error_is_small_and_costs_are_counted():
    found = expected_gradients(network, PARAMS, X, Z, margin=identity, rounds=50, target_error=0.1)
    size = np.abs(found.values).mean(axis=(1, 2))
    done = found.standard_errors.max(axis=(1, 2)) <= 0.1 * size
    assert (done | (found.steps == 4 * 43 * 50)).all() and len(set(found.steps)) > 1
    assert found.evaluations == found.steps.sum() + 8 + 43


def test_columns_and_inputs_that_do_not_move():
    column, moves = np.arange(8) % 2, np.array([True, False, True, True])
    options = {"margin": identity, "rounds": 20, "target_error": 0.0}
    found = expected_gradients(network, PARAMS, X, Z, column=column, moves=moves, **options)
    values, base = average(column=column, moves=moves)
    assert not found.values[:, 1].any()
    assert (np.abs(found.values - values) <= 5 * found.standard_errors + 1e-4).all()
    np.testing.assert_allclose(found.base, base, atol=1e-5)
    only = expected_gradients(network, PARAMS, X, Z, column=column, rounds=1, margin=identity)
    np.testing.assert_allclose(only.base[:, 0], BASE[np.arange(8), column], atol=1e-5)


def test_a_row_draws_the_same_whoever_is_beside_it():
    options = {"margin": identity, "rounds": 2, "target_error": 0.0}
    whole = expected_gradients(network, PARAMS, X, Z, **options)
    few = expected_gradients(network, PARAMS, X[:3], Z, batch=4, **options)
    np.testing.assert_allclose(few.values, whole.values[:3], atol=1e-5)


def test_aumann_shapley_is_not_shapley_and_is_called_by_its_name():
    def least(p, x):
        return x.min(axis=1, keepdims=True)

    x, z = np.array([[1.0, 2.0]], np.float32), np.zeros((1, 2), np.float32)
    found = expected_gradients(least, None, x, z, margin=identity, rounds=1)
    exact = shapley(least, None, x, z, groups=columns(2), margin=identity)
    np.testing.assert_allclose(found.values[0, :, 0], [1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(exact.values[0, :, 0], [0.5, 0.5], atol=1e-6)
    assert "Aumann-Shapley" in found.method


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="rounds=0"):
        expected_gradients(network, PARAMS, X, Z, margin=identity, rounds=0)
    with pytest.raises(ValueError, match="rows of one shape"):
        expected_gradients(network, PARAMS, X, Z[:, :3], margin=jnp.abs)
