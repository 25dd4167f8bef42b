"""The zoo is what it claims: honest models fall to PGD, masked ones only to an attack on their twin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_zoo import HONEST, MASKED, right

from audit.attacks.gradient import noise, pgd

QUICK = {"MLP", "logistic regression, one logit"}
QUICK |= {"softmax of logits times 1,000", "8 levels a pixel", "random discretisation", "sawtooth"}


def _named(zoo):
    return pytest.mark.parametrize(
        "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in zoo]
    )


def _keys(s):
    return jax.random.split(jax.random.key(3), len(s.y))


def _space(s, times=1.0):
    return {"eps": s.meta.eps * times, "low": s.meta.low, "high": s.meta.high}


def _accuracy(s, x):
    return right(s.apply, s.params, x, s.y, s.meta.loss).mean()


@_named(HONEST)
def test_an_honest_model_is_accurate_and_falls_to_pgd(name):
    s = HONEST[name](0)
    assert s.meta.kind == "honest" and s.x.min() >= s.meta.low and s.x.max() <= s.meta.high
    clean = _accuracy(s, s.x)
    assert clean > 0.9
    assert _accuracy(s, noise(jnp.asarray(s.x), _keys(s), **_space(s))) > clean - 0.1
    once, far = (
        _accuracy(s, pgd(s.apply, s.params, s.x, s.y, _keys(s), loss=s.meta.loss, **_space(s, times)))
        for times in (1, 4)
    )
    assert once < clean - 0.2 and far <= 0.01


@_named(MASKED)
def test_a_masked_model_hides_what_its_twin_shows(name):
    s = MASKED[name](0)
    assert s.meta.twin is not None and _accuracy(s, s.x) > 0.9
    found = pgd(s.apply, s.params, s.x, s.y, _keys(s), loss=s.meta.loss, **_space(s))
    moved = pgd(s.meta.twin, s.params, s.x, s.y, _keys(s), loss=s.meta.twin_loss, **_space(s))
    for x in (s.x, found, moved):
        alike = right(s.meta.twin, s.params, x, s.y, s.meta.twin_loss)
        np.testing.assert_array_equal(right(s.apply, s.params, x, s.y, s.meta.loss), alike)
    assert _accuracy(s, found) > 0.85 and _accuracy(s, moved) < 0.25


@_named(["random discretisation", "noise and gradients of random sign", "8 levels a pixel"])
def test_a_randomised_model_draws_from_the_input_alone(name):
    s = MASKED[name](0)
    x = jnp.clip(jnp.asarray(s.x[:50]), 0.01, 0.99)
    logits = np.asarray(s.apply(s.params, x))
    np.testing.assert_allclose(s.apply(s.params, x[7:8]), logits[7:8], rtol=1e-4, atol=1e-4)
    shift = np.abs(np.asarray(s.apply(s.params, x.at[:, 0, 0, 0].add(1e-6))) - logits).max(axis=1)
    randomised = s.meta.kind == "randomised"
    assert (shift > 0.1).mean() > 0.9 if randomised else (shift < 1e-3).all()


def test_a_seed_decides_the_parameters_and_the_function_is_shared():
    one, again, other = HONEST["MLP"](0), HONEST["MLP"](0), HONEST["MLP"](1)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), one.params, again.params)
    assert jax.tree.all(same) and not (one.params[0][0] == other.params[0][0]).any()
    assert one.apply is other.apply


def test_the_zoo_has_every_kind():
    kinds = [make(0).meta.kind for name, make in MASKED.items() if name in QUICK]
    assert set(kinds) == {"saturating", "quantised", "randomised", "shattered"}
    assert len(HONEST) >= 20 and len(MASKED) >= 8 and not set(HONEST) & set(MASKED)
