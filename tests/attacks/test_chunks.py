"""Auto-PGD in chunks: dropping rows and changing batches changes nothing for the rows that stay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attacks.chunks import Chunk, Run, advance_rows, chunks, clean_rows, place_rows, start_rows
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, apgd_rows
from audit.devices import map_examples

N, D = 32, 12
RNG = np.random.default_rng(8)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
NET = {
    "a": RNG.normal(0, 1, (D, 10)).astype(np.float32),
    "b": RNG.normal(0, 1, (10, 5)).astype(np.float32),
}
Y = np.argmax(np.tanh(X @ NET["a"]) @ NET["b"], axis=1).astype(np.int32)


def _net(params, x):
    """Return logits[n, 5]."""
    return jnp.tanh(x @ params["a"]) @ params["b"]


def _rows(n=N):
    return Rows(X[:n], Y[:n], np.arange(n, dtype=np.uint32))


def _shared(eps, params=NET):
    return Shared(params, jax.random.key(3), np.float32(eps), np.ones(D, np.float32), 0.0, 1.0)


def test_chunks_end_at_the_checkpoints():
    assert chunks(100) == [23, 19, 16, 13, 10, 7, 6, 6, 1]  # the first asks the model at the start, too
    assert sum(chunks(7)) == 8 and min(chunks(7)) > 0


@pytest.mark.parametrize("norm", ["linf", pytest.param("l1", marks=pytest.mark.slow)])
def test_chunks_with_fooled_rows_dropped_are_the_whole_run(norm):
    eps, total, targets, loss = {"linf": 0.05, "l1": 0.2}[norm], 20, 2, Loss("dlr")
    shared, rows = _shared(eps), _rows()
    whole = map_examples(apgd_rows(_net, norm, loss, total, 1, targets=targets), shared, rows)
    least = np.asarray(loss.margin(_net(NET, whole), Y))
    found = map_examples(clean_rows(_net, norm, loss, targets=targets), shared, rows)
    at, fooled = np.arange(N), np.zeros(N, bool)
    sizes = set()

    def keep(tree, standing):
        return jax.tree.map(lambda a: a[standing], tree)

    for run in range(targets):
        state = map_examples(start_rows(norm), Run(shared, run), (keep(rows, at), found))
        for steps in (1, 1, 1, 2, 3, 5, 8):  # 21: the start and 20 steps
            chunk = Chunk(shared, steps, total)
            state = map_examples(advance_rows(_net, norm, loss), chunk, (keep(rows, at), state))
            standing = state.found.margin >= 0
            fooled[at[~standing]] = True
            at, state = at[standing], keep(state, standing)
            sizes.add(len(at))
        found = state.found
    assert 2 < len(sizes) and fooled.any() and not fooled.all()
    np.testing.assert_array_equal(fooled, least < 0)
    np.testing.assert_allclose(found.margin, least[at], atol=1e-3)
    moved = map_examples(place_rows(norm), shared, (keep(rows, at), found))
    np.testing.assert_allclose(loss.margin(_net(NET, moved), Y[at]), least[at], atol=1e-3)


@pytest.mark.parametrize("norm", ["l2", pytest.param("l1", marks=pytest.mark.slow)])
def test_an_example_does_not_depend_on_its_batch(norm):
    rows, shared = _rows(), _shared({"linf": 0.1, "l2": 0.3, "l1": 0.6}[norm])
    attack = apgd_rows(_net, norm, Loss(), 10, 2)
    whole = map_examples(attack, shared, rows, batch=32)
    order = RNG.permutation(N)
    shuffled = map_examples(attack, shared, jax.tree.map(lambda a: a[order], rows), batch=32)
    few = map_examples(attack, shared, jax.tree.map(lambda a: a[:5], rows), batch=8)
    np.testing.assert_allclose(shuffled[np.argsort(order)], whole, atol=1e-5)
    np.testing.assert_allclose(few, whole[:5], atol=1e-5)
