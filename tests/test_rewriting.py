"""The form that a network runs in: chosen once, remembered, said in the record."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from audit import rewriting
from audit.kept import Kept
from models.adapt import from_nnx

X = np.random.default_rng(0).random((8, 6, 6, 1)).astype(np.float32)


class Net(nnx.Module):
    """One convolution, one pool."""

    def __init__(self):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=nnx.Rngs(0))

    def __call__(self, x):
        return nnx.max_pool(self.conv(x), (2, 2), (2, 2)).sum((1, 2))


def test_a_choice_by_measure_is_made_once_for_a_network(tmp_path, monkeypatch):
    kept, network = Kept(tmp_path, b"key"), from_nnx(Net())
    first, choice = rewriting.chosen(network, X, None, ["net"], kept)
    assert (choice.convolutions, choice.pools) == (1, 1) and choice.before_ms > 0 and choice.after_ms > 0
    monkeypatch.setattr(rewriting, "faster", lambda *a, **k: pytest.fail("measured again"))
    again, same = rewriting.chosen(network, X, None, ["net"], kept)
    assert same == choice and (again.apply is network.apply) == (first.apply is network.apply)
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        rewriting.chosen(network, X, None, ["another"], kept)


def test_what_is_asked_for_is_taken_and_said(tmp_path):
    kept, network = Kept(tmp_path, b"key"), from_nnx(Net())
    own, choice = rewriting.chosen(network, X, False, ["net"], kept)
    assert own is network and rewriting.notes(choice) == () == rewriting.notes(None)
    new, choice = rewriting.chosen(network, X, True, ["net"], kept)
    assert new.apply is not network.apply and "(1 and 1)" in rewriting.notes(choice)[0]
    np.testing.assert_allclose(new.apply(new.params, X), network.apply(network.params, X), rtol=1e-4)
    g, h = (
        jax.grad(lambda x, a=n: jnp.sum(jnp.sin(a.apply(a.params, x))))(jnp.asarray(X))
        for n in (new, network)
    )
    np.testing.assert_allclose(g, h, atol=1e-5)
    assert not list(tmp_path.rglob("choice.json"))
    assert rewriting.measured(choice) == {"rewriting": choice.reason}
    timed = dataclasses.replace(choice, before_ms=1.25, after_ms=0.34)
    assert "1.25 ms a row's gradient before, 0.34 ms after" in rewriting.measured(timed)["rewriting"]
    assert rewriting.measured(None) == {}
