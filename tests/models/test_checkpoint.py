"""Checkpoints: what goes in comes out, and nothing else."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.adapt import from_nnx
from models.build import build
from models.checkpoint import digest, restore, save

PARAMS = {
    "params": {"w": jnp.arange(6.0).reshape(2, 3), "h": jnp.ones(3, jnp.bfloat16)},
    "constants": {"n": jnp.int32(3)},
}


def _zeros(tree):
    return jax.tree.map(jnp.zeros_like, tree)


def test_what_was_saved_is_restored_bit_for_bit(tmp_path):
    stated = save(tmp_path / "deep" / "a", PARAMS)
    back = restore(tmp_path / "deep" / "a", _zeros(PARAMS))
    assert digest(back) == digest(PARAMS) == stated
    assert jax.tree.structure(back) == jax.tree.structure(PARAMS)
    assert back["params"]["h"].dtype == jnp.bfloat16
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_networks_survive_a_round_trip(tmp_path, name):
    shape = (3,) if name == "mlp" else (8, 8, 1)
    x = np.random.default_rng(0).random((20, *shape), np.float32)
    one, other = (build(name, shape=shape, outputs=2, seed=s, x_train=x) for s in (0, 1))
    save(tmp_path / "a", one.params)
    back = restore(tmp_path / "a", other.params)
    np.testing.assert_array_equal(other.apply(back, x), one.apply(one.params, x))


def test_the_digest_tells_every_difference_and_not_the_order_of_keys():
    same = {"constants": PARAMS["constants"], "params": dict(reversed(PARAMS["params"].items()))}
    w, h = PARAMS["params"]["w"], PARAMS["params"]["h"]
    n = PARAMS["constants"]
    others = [
        {"params": {"w": w.at[0, 0].set(1e-30), "h": h}, "constants": n},
        {"params": {"w": w.reshape(3, 2), "h": h}, "constants": n},
        {"params": {"v": w, "h": h}, "constants": n},
        {"params": {"w": w, "h": h.astype(jnp.float16)}, "constants": n},
    ]
    assert digest(same) == digest(PARAMS)
    assert len({digest(PARAMS), *map(digest, others)}) == 5
    assert digest({"b": np.zeros(1, ">f4")}) == digest({"b": np.zeros(1, "<f4")})


class _Net(nnx.Module):
    def __init__(self, seed):
        rngs = nnx.Rngs(seed)
        self.layers = nnx.List([nnx.Linear(3, 2, rngs=rngs)])
        self.norm, self.drop = nnx.BatchNorm(2, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.drop(self.norm(self.layers[0](x)))


def test_an_nnx_state_saved_with_orbax_alone_is_restored(tmp_path):
    import orbax.checkpoint as ocp

    module, net = _Net(7), from_nnx(_Net(1))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "a", nnx.state(module))
    assert digest(restore(tmp_path / "a", net.params)) == digest(from_nnx(module).params)


def test_a_failed_save_leaves_nothing(tmp_path):
    with pytest.raises(Exception, match="object"):
        save(tmp_path / "a", {"params": {"w": object()}})
    assert not list(tmp_path.iterdir())


def test_a_folder_is_never_overwritten(tmp_path):
    save(tmp_path / "a", PARAMS)
    with pytest.raises(ValueError, match="does not exist yet"):
        save(tmp_path / "a", PARAMS)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", "no such folder"),
        ("file", "no such folder"),
        ("empty", "_METADATA"),
        ("broken", "expected an Orbax checkpoint"),
        ("weights.pkl", "a pickle runs code"),
        ("weights.joblib", "a pickle runs code"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(tmp_path, name, says):
    (tmp_path / "file").write_text("x")
    (tmp_path / "weights.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "_METADATA").write_text("{")
    with pytest.raises(ValueError, match=says) as caught:
        restore(tmp_path / name, PARAMS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("like", "says"),
    [
        (
            {"w": jnp.zeros((2, 4)), "h": PARAMS["params"]["h"]},
            r"params/w is float32\[2, 3\]; expected float32\[2, 4\]",
        ),
        (
            {"w": PARAMS["params"]["w"], "h": jnp.zeros(3)},
            r"params/h is bfloat16\[3\]; expected float32\[3\]",
        ),
        ({**PARAMS["params"], "b": jnp.zeros(3)}, "params/b is absent"),
        ({"w": PARAMS["params"]["w"]}, "params/h; expected only the network's own"),
    ],
)
def test_another_network_s_checkpoint_is_refused_by_its_first_leaf(tmp_path, like, says):
    save(tmp_path / "a", PARAMS)
    with pytest.raises(ValueError, match=says):
        restore(tmp_path / "a", {"params": like, "constants": PARAMS["constants"]})


@pytest.mark.parametrize("text", ['{"sha256": "0"}', "no json", "[]"])
def test_a_checkpoint_whose_digest_does_not_fit_is_refused(tmp_path, text):
    save(tmp_path / "a", PARAMS)
    (tmp_path / "a" / "digest.json").write_text(text)
    with pytest.raises(ValueError, match="altered" if text.startswith("{") else "unreadable"):
        restore(tmp_path / "a", PARAMS)


def test_arrays_changed_after_saving_are_refused(tmp_path):
    save(tmp_path / "a", PARAMS)
    other = {**PARAMS, "params": {**PARAMS["params"], "w": PARAMS["params"]["w"] + 1}}
    save(tmp_path / "b", other)
    (tmp_path / "b" / "digest.json").write_text(json.dumps({"sha256": digest(PARAMS)}))
    with pytest.raises(ValueError, match="altered"):
        restore(tmp_path / "b", PARAMS)
