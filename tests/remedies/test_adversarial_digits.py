"""Real digits: each kind of adversarial training makes a small network more robust than plain training does."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from audit import stats
from audit.attacks.gradient import pgd
from audit.remedies.hooks import Hooks, hooks
from audit.remedies.options import Adversarial
from audit.stats.paired import paired_rate
from audit.subject import Dataset, Split
from models.adapt import from_function
from models.recipe import Recipe
from models.train import fit

EPS = 0.1
IMAGES, DIGITS = load_digits(return_X_y=True)
X = (IMAGES / 16).astype(np.float32)
TRAIN, TEST = np.arange(900), np.arange(900, 1400)
DATA = Dataset("digits", "multiclass", "image", {"train": Split(X, DIGITS, np.arange(len(X)).astype(str))},
               low=np.zeros(64), high=np.ones(64))  # fmt: skip
METHODS = {
    "pgd": Adversarial(eps=EPS, steps=5),
    "trades": Adversarial(eps=EPS, steps=5, method="trades", beta=3.0),
    "free": Adversarial(eps=EPS, method="free", replays=4),
}


def forward(p, x):
    return jnp.tanh(x @ p["a"] + p["b"]) @ p["c"] + p["d"]


def start(seed):
    rng = np.random.default_rng(seed)
    a, c = rng.normal(size=(64, 48)) / 8, rng.normal(size=(48, 10)) / 7
    arrays = {"a": a, "b": np.zeros((1, 48)), "c": c, "d": np.zeros((1, 10))}
    return {name: jnp.asarray(value, jnp.float32) for name, value in arrays.items()}


NETWORK = from_function(forward, start(0))


@cache
def outcomes(method, seed):
    """Return which test rows stand under PGD after training, and which are right unperturbed."""
    from dataclasses import replace

    h = hooks(METHODS[method], DATA) if method else Hooks(None)
    network = replace(NETWORK, params={"params": start(seed), "constants": {}})
    recipe = Recipe(epochs=15, batch=50, learning_rate=0.01, seed=seed)
    network = fit(network, (X[TRAIN], DIGITS[TRAIN]), None, "multiclass", recipe, perturb=h.perturb,
                  penalty=h.penalty, replay=h.replay).network  # fmt: skip
    x, y = jnp.asarray(X[TEST]), jnp.asarray(DIGITS[TEST])
    keys = jax.random.split(jax.random.key(9), len(TEST))
    moved = pgd(network.apply, network.params, x, y, keys, eps=EPS, low=0.0, high=1.0, steps=20)
    at = [
        np.asarray(network.apply(network.params, rows)).argmax(axis=1) == DIGITS[TEST] for rows in (moved, x)
    ]
    return at[0] & at[1], at[1]


@pytest.mark.parametrize("method", METHODS)
def test_robust_accuracy_rises_for_every_seed(method):
    for seed in (0, 1, 2):
        (robust, clean), (plain, before) = outcomes(method, seed), outcomes("", seed)
        gain = paired_rate(plain, robust)
        assert gain.low is not None and gain.low > 0.05, (seed, gain)
        assert clean.mean() > before.mean() - 0.05
        assert stats.rate(robust).value > 0.3
