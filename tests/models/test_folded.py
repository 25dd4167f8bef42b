"""Networks of folds as one: each row's own network answers, and nothing flows into the column that says which."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.build import build
from models.folded import alike, folded

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype(np.float32)
FOLD = np.array([0, 1, 2] * 4)
ROWS = np.concatenate([X, FOLD[:, None]], axis=1).astype(np.float32)


def _network(seed, bins=0, x_train=X, outputs=1):
    options = {"hidden": [5], "bins": bins, "dropout": 0.1}
    return build("mlp", shape=(3,), outputs=outputs, seed=seed, options=options, x_train=x_train)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("outputs", [1, 4])
def test_each_row_is_answered_by_the_network_of_its_fold(shared, outputs):
    own = [_network(k, outputs=outputs) for k in range(3)]
    own = [replace(own[0], params=one.params) for one in own] if shared else own
    whole = folded(own)
    found = np.asarray(jax.jit(whole.apply)(whole.params, ROWS))
    for k, one in enumerate(own):
        expected = np.asarray(one.apply(one.params, X[FOLD == k]))
        np.testing.assert_allclose(found[FOLD == k], expected, rtol=1e-5, atol=1e-6)
    leaves = jax.tree.leaves(whole.params)
    assert sum(leaf.size for leaf in leaves) == sum(
        leaf.size for n in own for leaf in jax.tree.leaves(n.params)
    )


def test_no_gradient_reaches_the_fold_and_each_row_has_its_networks_own():
    first = _network(0)
    own = [replace(first, params=_network(k).params) for k in range(3)]
    whole = folded(own)
    slope = np.asarray(jax.grad(lambda x: whole.apply(whole.params, x).sum())(jnp.asarray(ROWS)))
    assert (slope[:, -1] == 0).all()
    for k, one in enumerate(own):
        expected = jax.grad(lambda x, one=one: one.apply(one.params, x).sum())(jnp.asarray(X[FOLD == k]))
        np.testing.assert_allclose(slope[FOLD == k, :-1], np.asarray(expected), rtol=1e-4, atol=1e-6)


def test_networks_are_alike_where_parameters_alone_differ():
    assert alike(_network(0), _network(1), X)
    assert not alike(_network(0), _network(0, outputs=2), X)
    one, other = X.copy(), X.copy()
    one[:, 0], other[:, 1] = 1.0, 1.0  # no bins of a constant: as many in all, but of other columns
    assert not alike(_network(0, 4, one), _network(0, 4, other), X)


def test_no_network_is_one_line():
    with pytest.raises(ValueError, match="one for each fold"):
        folded([])
