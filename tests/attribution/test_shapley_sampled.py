"""Sampled Shapley values: unbiased, with standard errors that cover, and stopping when told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attribution.margins import identity
from audit.attribution.players import columns
from audit.attribution.shapley import shapley


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def network(params, x):
    for w in params[:-1]:
        x = jax.nn.relu(x @ w)
    return x @ params[-1]


D = 7
PARAMS = [1.2 * draw(0, D, 16), draw(1, 16, 16) / 2, draw(2, 16, 1)]
X, Z = draw(3, 30, D), draw(4, 40, D)


def values(seed=0, **options):
    settings = {"groups": columns(D), "margin": identity, "exact_up_to": 1, "target_error": 0.0, **options}
    return shapley(network, PARAMS, X, Z, key=jax.random.key(seed), **settings)


EXACT = values(exact_up_to=10).values


@pytest.mark.parametrize("rounds", [1, 3])
def test_standard_errors_cover_the_exact_values(rounds):
    errors = []
    for seed in range(20):
        found = values(seed, rounds=rounds)
        errors.append((found.values - EXACT) / found.standard_errors)
    z = np.concatenate(errors).ravel()
    covered = (np.abs(z) < 1.96).mean()
    assert 0.93 <= covered <= 0.99, covered
    assert abs(z.mean()) < 0.05


def test_more_rounds_shrink_the_error_as_the_root():
    rms = [np.sqrt(((values(5, rounds=r).values - EXACT) ** 2).mean()) for r in (1, 16)]
    assert 3.0 < rms[0] / rms[1] < 5.3  # 4 in expectation


def test_antithetic_pairs_are_exact_for_pairwise_interactions():
    q = draw(6, D, D)
    found = shapley(
        lambda p, x: ((x @ p) * x).sum(axis=1, keepdims=True),
        q,
        X[:5],
        Z[:1],
        groups=columns(D),
        margin=identity,
        exact_up_to=1,
        rounds=1,
    )
    a, b, s = X[:5], Z[:1], q + q.T
    expected = np.diag(q) * (a**2 - b**2)  # closed form of a quadratic game
    for j in range(D):
        for k in range(D):
            if k != j:
                expected[:, j] += s[j, k] * (a[:, j] - b[:, j]) * (a[:, k] + b[:, k]) / 2
    np.testing.assert_allclose(found.values[:, :, 0], expected, atol=2e-4)
    assert found.standard_errors.max() < 1e-4


def test_sampling_stops_for_an_example_once_its_error_is_small_enough():
    target, rounds = 0.15, 40
    found = values(2, rounds=rounds, target_error=target)
    size = np.abs(found.values).mean(axis=(1, 2))
    assert (found.standard_errors.max(axis=(1, 2)) <= target * size).all()
    a_round = 4 * (D - 1) * len(Z) * len(X)
    ends = len(X) + len(Z)
    assert a_round + ends <= found.evaluations < rounds * a_round / 2
    assert (found.evaluations - ends) % (4 * (D - 1) * len(Z)) == 0


def test_an_example_does_not_feel_that_others_stop_earlier():
    alone = shapley(
        network,
        PARAMS,
        X[:3],
        Z,
        groups=columns(D),
        margin=identity,
        key=jax.random.key(2),
        exact_up_to=1,
        rounds=40,
        target_error=0.15,
    )
    np.testing.assert_allclose(alone.values, values(2, rounds=40, target_error=0.15).values[:3], atol=1e-5)


def test_the_key_decides_the_draws():
    first, again, other = values(1, rounds=1), values(1, rounds=1), values(2, rounds=1)
    np.testing.assert_array_equal(first.values, again.values)
    assert np.abs(first.values - other.values).max() > 1e-3


def test_a_constant_model_has_values_and_errors_of_zero():
    found = shapley(
        lambda p, x: jnp.ones((len(x), 1)), None, X[:4], Z, groups=columns(D), margin=identity, exact_up_to=1
    )
    assert not found.values.any() and not found.standard_errors.any()
