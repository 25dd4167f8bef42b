"""Adversarial training against what it must come to: closed forms on a linear model, the papers' own steps."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from audit.errors import ConfigError
from audit.remedies.hooks import hooks
from audit.remedies.options import Adversarial
from audit.subject import Dataset, Feature, Split
from models.adapt import from_function
from models.recipe import Recipe
from models.train import fit

RNG = np.random.default_rng(1)
N = 160
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = (X @ [1.0, -1.5, 0.5, 0.8] + RNG.logistic(size=N) > 0).astype(np.int32)
WEIGHT = RNG.random(N) + 0.5
SCALE = np.array([1.0, 0.5, 2.0, 1.0])
FREE = np.array([1.0, 1.0, 1.0, 0.0])  # the last feature is fixed
RATE, MOMENTUM = 0.05, 0.9
PLAIN = Recipe(epochs=25, batch=N, learning_rate=RATE, optimizer="sgd", schedule="constant", weight_decay=0.0)
START = np.array([0.6, -0.7, 0.4, 0.5], np.float32)


def dataset(task="binary", high=20.0, x=X, y=Y):
    split = Split(x, y, np.arange(len(y)).astype(str))
    features = tuple(
        Feature(f"f{i}", scale=s, mutable=bool(m)) for i, (s, m) in enumerate(zip(SCALE, FREE, strict=True))
    )
    return Dataset(
        "rows",
        task,
        "table",
        {"train": split, "test": split},
        classes=("a", "b"),
        features=features,
        low=np.full(4, -high),
        high=np.full(4, high),
        scale=SCALE,
    )


LINE = from_function(
    lambda p, x: x @ p["w"] + p["b"], {"w": jnp.asarray(START)[:, None], "b": jnp.full((1, 1), 0.1)}
)


def trained(options, recipe=PLAIN, data=None, validation=None, weight=WEIGHT):
    h = hooks(options, data or dataset())
    result = fit(LINE, (X, Y, weight), validation, "binary", recipe, perturb=h.perturb, penalty=h.penalty,
                 replay=h.replay)  # fmt: skip
    return result.network.params["params"], result.history


def robust_loss(p, eps, dual):
    """Return CE(margin - eps ||scale w||_dual)[n]: the exact worst case of a linear model."""
    sign = 2.0 * Y - 1
    norm = (
        jnp.abs(p["w"][:, 0] * SCALE * FREE).sum()
        if dual == 1
        else jnp.linalg.norm(p["w"][:, 0] * SCALE * FREE)
    )
    return jax.nn.softplus(-(sign * (X @ p["w"][:, 0] + p["b"][0, 0]) - eps * norm))


def descend(mean_loss, p, steps):
    """Return the parameters after gradient descent with momentum, and the losses on the way."""
    v, losses, slope = jax.tree.map(jnp.zeros_like, p), [], jax.jit(jax.value_and_grad(mean_loss))
    for _ in range(steps):
        value, g = slope(p)
        v = jax.tree.map(lambda a, b: MOMENTUM * a + b, v, g)
        p = jax.tree.map(lambda a, b: a - RATE * b, p, v)
        losses.append(float(value))
    return p, losses


@pytest.mark.parametrize(("norm", "dual", "steps", "rtol"), [("linf", 1, 4, 1e-4), ("l2", 2, 20, 3e-3)])
def test_pgd_training_of_a_linear_model_is_that_on_its_closed_form_robust_loss(norm, dual, steps, rtol):
    found, history = trained(Adversarial(norm=norm, eps=0.15, steps=steps))
    w = WEIGHT / WEIGHT.mean()
    start = LINE.params["params"]
    expected, losses = descend(lambda p: jnp.mean(w * robust_loss(p, 0.15, dual)), start, 25)
    for name in ("w", "b"):
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=rtol)
    np.testing.assert_allclose([row.train for row in history], losses, rtol=rtol)
    moved = np.abs(np.asarray(expected["w"]) - np.asarray(trained_plain()["w"])).max()
    assert moved > 0.05  # the attack matters here


def trained_plain():
    return fit(LINE, (X, Y, WEIGHT), None, "binary", PLAIN).network.params["params"]


def test_validation_is_judged_under_the_same_attack():
    _, history = trained(
        Adversarial(eps=0.15, steps=4), dataclasses.replace(PLAIN, epochs=1), validation=(X, Y)
    )
    after = descend(
        lambda p: jnp.mean(WEIGHT / WEIGHT.mean() * robust_loss(p, 0.15, 1)), LINE.params["params"], 1
    )
    expected = float(jnp.mean(robust_loss(after[0], 0.15, 1)))
    assert history[0].validation == pytest.approx(expected, rel=1e-4)


def test_trades_with_beta_0_is_plain_training():
    found, _ = trained(Adversarial(method="trades", eps=0.15, beta=0.0))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), found, trained_plain())


def test_trades_loss_is_cross_entropy_plus_beta_times_the_divergence_of_the_farthest_point():
    options = Adversarial(method="trades", eps=0.3, beta=2.5, steps=10)
    _, history = trained(options, dataclasses.replace(PLAIN, epochs=1), weight=np.ones(N))
    w, f = START.astype(np.float64), X @ START.astype(np.float64) + 0.1
    reach = 0.3 * np.abs(w * SCALE * FREE).sum()
    kl = np.stack([_kl(f, f + reach), _kl(f, f - reach)])
    cross_entropy = np.logaddexp(0, f) - Y * f
    assert cross_entropy.mean() + 2.5 * kl.min(axis=0).mean() <= history[0].train + 1e-5
    assert cross_entropy.mean() + 2.5 * kl.max(axis=0).mean() >= history[0].train - 1e-5
    h = hooks(options, dataset())
    moved = h.perturb(LINE.apply, LINE.params, jnp.asarray(X), Y, jax.random.key(0))
    at = np.asarray(LINE.apply(LINE.params, moved))[:, 0]
    np.testing.assert_allclose(np.abs(at - f), reach, rtol=1e-4)  # every row at one end or the other
    penalty = h.penalty(jnp.asarray(f)[:, None], jnp.asarray(at)[:, None], None)
    np.testing.assert_allclose(penalty, 2.5 * _kl(f, at), rtol=1e-3, atol=1e-6)


def _kl(a, b):
    """Return KL(Bernoulli(sigmoid a) || Bernoulli(sigmoid b))."""
    p, q = 1 / (1 + np.exp(-a)), 1 / (1 + np.exp(-b))
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


@pytest.mark.parametrize("replays", [1, 3])
def test_free_training_is_the_papers_algorithm(replays):
    """Shafahi et al. 2019, algorithm 1, written out: batches, replays, a perturbation carried on."""
    batch, epochs, eps, high = 40, 2, 0.2, 1.2
    recipe = dataclasses.replace(PLAIN, epochs=epochs, batch=batch)
    found, _ = trained(Adversarial(method="free", eps=eps, replays=replays), recipe, dataset(high=high))
    w, b = START.astype(np.float64), 0.1
    vw, vb, u = np.zeros(4), 0.0, np.zeros((batch, 4))
    weight = WEIGHT / WEIGHT.mean()
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng((0, epoch)).permutation(N)
        for rows in order.reshape(-1, batch):
            low, top = np.minimum(X[rows], -high), np.maximum(X[rows], high)
            for _ in range(replays):
                x = np.clip(X[rows] + u * SCALE * FREE, low, top)
                residual = weight[rows] * (1 / (1 + np.exp(-(x @ w + b))) - Y[rows])
                u = np.clip(u + eps * np.sign(np.outer(residual, w)) * FREE, -eps, eps)
                vw, vb = MOMENTUM * vw + residual @ x / batch, MOMENTUM * vb + residual.mean()
                w, b = w - RATE * vw, b - RATE * vb
    np.testing.assert_allclose(found["w"][:, 0], w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["b"][0, 0], b, rtol=1e-4, atol=1e-5)


def test_the_second_of_two_replays_steps_on_the_single_step_attack():
    recipe = dataclasses.replace(PLAIN, epochs=1, optimizer="adam")
    found, _ = trained(Adversarial(method="free", eps=0.2, replays=2), recipe, weight=np.ones(N))
    network = LINE
    p = network.params["params"]
    tx = optax.adam(RATE)
    state = tx.init(p)
    sign = (2.0 * Y - 1)[:, None]
    moved = X - 0.2 * SCALE * FREE * sign * np.sign(START)  # FGSM at the parameters before the first step
    for x in (X, moved):
        g = jax.grad(
            lambda p, x=x: optax.sigmoid_binary_cross_entropy(x @ p["w"] + p["b"], Y[:, None] * 1.0).mean()
        )(p)
        updates, state = tx.update(g, state, p)
        p = optax.apply_updates(p, updates)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, p)


@pytest.mark.parametrize("method", ["pgd", "trades", "free"])
def test_a_seed_determines_what_is_learnt_and_fixed_features_stay(method):
    options = Adversarial(method=method, eps=0.2, steps=3)
    recipe = dataclasses.replace(PLAIN, epochs=2, batch=50, label_smoothing=0.1, class_weights=True)
    runs = [trained(options, dataclasses.replace(recipe, seed=seed)) for seed in (3, 3, 4)]
    jax.tree.map(np.testing.assert_array_equal, runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1] != runs[2][1]
    h = hooks(options, dataset(high=1.0))
    moved = np.asarray(h.perturb(LINE.apply, LINE.params, jnp.asarray(X), Y, jax.random.key(1)))
    np.testing.assert_array_equal(moved[:, 3], X[:, 3])
    assert (np.abs(moved - X) <= 0.2 * SCALE + 1e-5).all()
    assert (moved <= np.maximum(X, 1.0)).all() and (moved >= np.minimum(X, -1.0)).all()


def test_another_radius_reuses_the_compiled_epoch():
    from models.epoch import epoch_pass

    network, recipe = LINE, dataclasses.replace(PLAIN, epochs=1)
    sizes = []
    for eps in (0.1, 0.2):
        fit(network, (X, Y), None, "binary", recipe, perturb=hooks(Adversarial(eps=eps), dataset()).perturb)
        sizes.append(epoch_pass._cache_size())
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"task": "regression"}, "regression task"),
        ({"low": None}, "without declared bounds"),
        ({"features": (), "scale": np.zeros(4)}, "all fixed"),
    ],
)
def test_what_cannot_be_attacked_is_refused_in_one_line(change, says):
    with pytest.raises(ConfigError, match=says) as error:
        hooks(Adversarial(eps=0.1), dataclasses.replace(dataset(), **change))
    assert "\n" not in str(error.value)
