"""The training loop: it learns, stops, keeps the best, repeats itself, and leaves constants alone."""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from sklearn.datasets import load_diabetes, load_digits

from models.adapt import from_function, from_linen, from_nnx
from models.build import build
from models.losses import binary_cross_entropy, class_weights, loss_of, softmax_cross_entropy
from models.recipe import Recipe
from models.train import fit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(203, 2)).astype(np.float32)
XOR = ((X[:, 0] > 0) ^ (X[:, 1] > 0)).astype(np.int32)
LINE = (X @ [1.0, -2.0] > 0.3).astype(np.int32)
PLAIN = Recipe(epochs=1, batch=512, learning_rate=0.1, optimizer="sgd", schedule="constant", weight_decay=0.0)


@cache
def _line(k):
    return from_function(lambda p, x: x @ p["w"] + p["b"], {"w": jnp.zeros((2, k)), "b": jnp.zeros((1, k))})


def _linear(k=1, scale=0.0):
    """A linear network with weights of one size; one function a width, so that compiled code is shared."""
    params = {"w": jnp.full((2, k), scale), "b": jnp.zeros((1, k))}
    return dataclasses.replace(_line(k), params={"params": params, "constants": {}})


@cache
def _mlp(dropout=0.2):
    options = {"hidden": [32], "dropout": dropout}
    return build("mlp", shape=(2,), outputs=1, seed=0, options=options, x_train=X)


def _accuracy(network, y):
    return ((np.asarray(network.apply(network.params, X))[:, 0] > 0) == y).mean()


def test_one_full_batch_step_is_the_textbook_s_gradient_step():
    weight = RNG.random(203) + 0.5
    result = fit(_linear(), (X, LINE, weight), None, "binary", PLAIN)
    residual = weight / weight.mean() * (0.5 - LINE)
    np.testing.assert_allclose(
        result.network.params["params"]["w"][:, 0], -0.1 * X.T @ residual / 203, rtol=1e-4
    )
    np.testing.assert_allclose(result.history[0].train, np.log(2), rtol=1e-5)


def test_every_row_counts_once_when_the_last_batch_is_incomplete():
    frozen = dataclasses.replace(PLAIN, batch=64, learning_rate=1e-12)
    result = fit(_linear(scale=1.0), (X, LINE), (X, LINE), "binary", frozen)
    logit = X.sum(axis=1, dtype=np.float64)
    expected = np.mean(np.logaddexp(0, logit) - LINE * logit)
    assert result.history[0].train == pytest.approx(expected, rel=1e-5)
    assert result.history[0].validation == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("adam", "cosine"), ("adamw", "constant"), ("sgd", "cosine")]
)
def test_a_separable_problem_is_learnt(optimizer, schedule):
    recipe = Recipe(
        epochs=40, batch=32, learning_rate=0.1, optimizer=optimizer, schedule=schedule, warmup=1.0
    )
    result = fit(_linear(), (X, LINE), None, "binary", recipe)
    assert _accuracy(result.network, LINE) > 0.97
    assert result.history[-1].train < 0.5 * result.history[0].train


def test_xor_is_learnt_by_an_mlp_but_not_by_a_line():
    recipe = Recipe(epochs=60, batch=32, learning_rate=0.01)
    assert _accuracy(fit(_mlp(), (X, XOR), None, "binary", recipe).network, XOR) > 0.95
    assert _accuracy(fit(_linear(), (X, XOR), None, "binary", recipe).network, XOR) < 0.8


def test_early_stopping_keeps_the_best_epoch_s_parameters():
    noise = RNG.integers(0, 2, 40).astype(np.int32)
    held = (X[40:120], XOR[40:120])
    recipe = Recipe(epochs=200, batch=8, learning_rate=0.03, patience=5, schedule="constant", min_delta=0.001)
    result = fit(_mlp(dropout=0.0), (X[:40], noise), held, "binary", recipe)
    losses = [row.validation for row in result.history]
    assert len(losses) == result.best_epoch + 5 < 200
    assert losses[result.best_epoch - 1] <= min(losses) + 0.001
    logit = np.asarray(result.network.apply(result.network.params, held[0]))
    again = float(binary_cross_entropy(0.0)(jnp.asarray(logit), jnp.asarray(held[1])).mean())
    assert again == pytest.approx(losses[result.best_epoch - 1], rel=1e-5)


def test_without_validation_the_last_epoch_is_kept_and_progress_is_told():
    told = []
    recipe = Recipe(epochs=3, patience=1)
    result = fit(_linear(), (X, XOR), None, "binary", recipe, progress=lambda *t: told.append(t))
    assert result.best_epoch == 3 and [row.validation for row in result.history] == [None] * 3
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_seed_determines_the_parameters():
    fits = [fit(_mlp(), (X, XOR), None, "binary", Recipe(epochs=2, seed=s)).network.params for s in (4, 4, 5)]
    jax.tree.map(np.testing.assert_array_equal, fits[0], fits[1])
    different = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), fits[0]["params"], fits[2]["params"])
    assert max(jax.tree.leaves(different)) > 0


def test_constants_do_not_move_and_parameters_do():
    net = build("mlp", shape=(2,), outputs=1, seed=0, x_train=X, y_train=X[:, 0] * 50 + 100)
    recipe = Recipe(epochs=2, weight_decay=0.5)
    after = fit(net, (X, X[:, 0] * 50 + 100), None, "regression", recipe).network.params
    assert jax.tree.leaves(net.params["constants"])
    jax.tree.map(np.testing.assert_array_equal, net.params["constants"], after["constants"])
    assert np.abs(net.params["params"]["last"]["kernel"] - after["params"]["last"]["kernel"]).max() > 0


class _Normed(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(2, momentum=0.9, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.last = nnx.Linear(2, 1, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(self.norm(x)))


class _LinenNormed(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool = False):
        x = linen.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        return linen.Dense(1)(linen.Dropout(0.1, deterministic=not train)(x))


def _normed(kind):
    if kind == "nnx":
        return from_nnx(_Normed(nnx.Rngs(0)))
    module = _LinenNormed()
    return from_linen(module, module.init(jax.random.key(0), X))


@pytest.mark.parametrize("kind", ["nnx", "linen"])
def test_batch_norm_networks_train_and_their_statistics_follow_the_data(kind):
    shifted = X * 3 + 10
    recipe = Recipe(epochs=40, batch=64, learning_rate=0.1)
    net = fit(_normed(kind), (shifted, LINE), None, "binary", recipe).network
    means = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(net.params["constants"])
        if "mean" in str(path)
    ]
    np.testing.assert_allclose(means[0], shifted.mean(axis=0), atol=0.5)
    assert ((np.asarray(net.apply(net.params, shifted))[:, 0] > 0) == LINE).mean() > 0.93


def test_inputs_may_be_a_tree():
    net = from_function(lambda p, x: x["a"] @ p["w"] + x["b"] @ p["w"], {"w": jnp.zeros((1, 1))})
    x = {"a": X[:, :1], "b": X[:, 1:]}
    recipe = Recipe(epochs=20, batch=32, learning_rate=0.1)
    net = fit(net, (x, (X.sum(axis=1) > 0).astype(int)), None, "binary", recipe).network
    assert net.params["params"]["w"][0, 0] > 1


def test_multiclass_and_multilabel_problems_are_learnt():
    both = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(np.int32)
    recipe = Recipe(epochs=40, batch=32, learning_rate=0.1)
    net = fit(_linear(k=2), (X, both), None, "multilabel", recipe).network
    assert ((np.asarray(net.apply(net.params, X)) > 0) == both).mean() > 0.97
    y = both @ [1, 2]
    net = fit(_linear(k=4), (X, y), None, "multiclass", recipe).network
    assert (np.asarray(net.apply(net.params, X)).argmax(axis=1) == y).mean() > 0.95


def test_perturb_sees_current_parameters_and_changes_what_is_learnt():
    def away(apply, params, x, y, key):
        gradient = jax.grad(lambda x: binary_cross_entropy(0.0)(apply(params, x), y).sum())(x)
        return x + 0.5 * jnp.sign(gradient)

    recipe = Recipe(epochs=40, batch=32, learning_rate=0.1)
    plain, hard = (fit(_linear(), (X, LINE), None, "binary", recipe, perturb=p) for p in (None, away))
    assert hard.history[-1].train > 2 * plain.history[-1].train
    assert (
        np.abs(hard.network.params["params"]["w"]).sum() < np.abs(plain.network.params["params"]["w"]).sum()
    )


def test_an_epoch_is_compiled_once_even_for_weakly_typed_parameters():
    from models.epoch import epoch_pass

    net = from_function(lambda p, x: x @ p["w"], {"w": jnp.full((2, 1), 0.5)})
    before = epoch_pass._cache_size()
    fit(net, (X, LINE), None, "binary", dataclasses.replace(PLAIN, epochs=3))
    assert epoch_pass._cache_size() == before + 1


def test_a_penalty_is_added_to_the_loss_of_the_rows_as_they_are():
    frozen = dataclasses.replace(PLAIN, learning_rate=1e-12)
    weight = RNG.random(203) + 0.5
    result = fit(
        _linear(scale=1.0), (X, LINE, weight), (X, LINE), "binary", frozen,
        perturb=lambda apply, params, x, y, key: x + 1.0, penalty=lambda a, b, y: (3 * (b - a)[:, 0] + y),
    )  # fmt: skip
    logit = X.sum(axis=1, dtype=np.float64)
    each = np.logaddexp(0, logit) - LINE * logit + 3 * 2.0 + LINE
    assert result.history[0].train == pytest.approx(np.average(each, weights=weight), rel=1e-5)
    assert result.history[0].validation == pytest.approx(each.mean(), rel=1e-5)


def test_a_loss_of_one_s_own_replaces_the_task_s():
    constant = from_function(lambda p, x: jnp.broadcast_to(p["m"], (len(x), 1)), {"m": jnp.zeros((1, 1))})
    y = np.concatenate([np.zeros(120), np.full(83, 100.0)])
    recipe = Recipe(epochs=60, batch=512, learning_rate=0.1, weight_decay=0.0)
    absolute = fit(constant, (X, y), None, "regression", recipe, loss=lambda o, y: jnp.abs(o[:, 0] - y))
    assert abs(float(absolute.network.params["params"]["m"][0, 0])) < 0.2  # the median is 0, the mean 41


def test_class_weights_balance_the_classes():
    y = np.asarray([0] * 6 + [1] * 2)
    np.testing.assert_allclose(class_weights("binary", y), [8 / 12] * 6 + [2.0] * 2)
    rare = (X[:, 0] + RNG.normal(size=203) > 2.0).astype(np.int32)
    recipe = Recipe(epochs=30, batch=32, learning_rate=0.1)
    plain, fair = (
        fit(_linear(), (X, rare), None, "binary", dataclasses.replace(recipe, class_weights=w)).network
        for w in (False, True)
    )
    flagged = [int((np.asarray(n.apply(n.params, X)) > 0).sum()) for n in (plain, fair)]
    assert flagged[1] > 1.5 * flagged[0]


def test_losses_equal_their_definitions():
    o, y = RNG.normal(size=(6, 3)), np.asarray([0, 1, 2, 2, 1, 0])
    p = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
    target = np.eye(3)[y] * 0.9 + 0.1 / 3
    given = softmax_cross_entropy(0.1)(jnp.asarray(o, jnp.float32), jnp.asarray(y))
    np.testing.assert_allclose(given, -(target * np.log(p)).sum(axis=1), rtol=1e-5)
    q, t = 1 / (1 + np.exp(-o)), np.asarray(o > 0, int)
    smooth = t * 0.8 + 0.1
    given = binary_cross_entropy(0.2)(jnp.asarray(o, jnp.float32), jnp.asarray(t))
    np.testing.assert_allclose(
        given, -(smooth * np.log(q) + (1 - smooth) * np.log(1 - q)).sum(axis=1), rtol=1e-5
    )
    r = RNG.normal(size=6) * 9
    given = loss_of("regression", jnp.zeros((1, 1)), r)(jnp.asarray(o[:, :1], jnp.float32), jnp.asarray(r))
    np.testing.assert_allclose(given, (o[:, 0] - r) ** 2 / r.var(), rtol=1e-5)


def test_the_learning_rate_rises_then_falls_to_zero():
    from models.epoch import Plan, optimizer

    recipe = Recipe(epochs=4, learning_rate=0.5, warmup=1.0, optimizer="sgd", weight_decay=0.0)
    tx = optimizer(Plan(len, len, lambda o, y: o, recipe, 8, 5))
    state, sizes = tx.init(jnp.zeros(1)), []
    for step in range(20):
        update, state = tx.update(jnp.full(1, 0.9**step), state, jnp.zeros(1))
        sizes.append(float(-update[0]))
    momentum = [sum(0.9**step for _ in range(step + 1)) for step in range(20)]
    rate = np.asarray(sizes) / momentum
    assert rate[0] == 0 and rate.argmax() == 5 and rate.max() == pytest.approx(0.5)
    expected = optax.warmup_cosine_decay_schedule(0.0, 0.5, 5, 20)
    np.testing.assert_allclose(rate, [float(expected(s)) for s in range(20)], atol=1e-6)


@pytest.mark.parametrize(
    ("train", "task", "says"),
    [
        ((X, LINE[:-1]), "binary", r"arrays of \[202, 203\] rows"),
        ((X[:0], LINE[:0]), "binary", "not empty"),
        ((X, LINE, -np.ones(203)), "binary", "weights below 0"),
        ((X, LINE + 1), "binary", "classes 1 to 2"),
        ((X, LINE), "multilabel", r"1 output\(s\) for task multilabel"),
        ((X, np.stack([X[:, 0]] * 2, 1)), "regression", r"1 output\(s\) for task regression"),
        ((X, LINE), "sorting", "task='sorting'"),
        ((X, LINE), "ranking", "item codes"),
        ((np.where(X > 2, np.nan, X), LINE), "binary", "training loss nan at epoch 1"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(train, task, says):
    with pytest.raises(ValueError, match=says) as caught:
        fit(_linear(), train, None, task, Recipe(epochs=2))
    assert "\n" not in str(caught.value)


def test_a_network_without_parameters_is_not_trained():
    with pytest.raises(ValueError, match="trainable parameters"):
        fit(from_function(lambda p, x: x, None), (X, LINE), None, "binary", Recipe())


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 2.5},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -1.0},
        {"patience": 0},
        {"label_smoothing": 1.0},
        {"schedule": "step"},
        {"optimizer": "lion"},
        {"class_weights": "yes"},
        {"seed": -1},
    ],
)
def test_a_recipe_out_of_range_is_refused(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name}={value!r}".replace("(", r"\(")):
        Recipe(**wrong)


def test_diabetes_progression_is_predicted_as_well_as_by_a_linear_model():
    x, y = load_diabetes(return_X_y=True, scaled=False)
    x = x.astype(np.float32)
    net = build("mlp", shape=(10,), outputs=1, seed=0, x_train=x[:300], y_train=y[:300])
    result = fit(net, (x[:300], y[:300]), (x[300:350], y[300:350]), "regression", Recipe(batch=32))
    error = np.asarray(result.network.apply(result.network.params, x[350:]))[:, 0] - y[350:]
    assert 1 - (error**2).mean() / y[350:].var() > 0.4  # ordinary least squares: about 0.5 on these rows


@pytest.mark.slow
def test_digits_are_read():
    images, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    images, y = images[order], y[order]
    x = (images / 16).reshape(-1, 8, 8, 1).astype(np.float32)
    net = build("cnn", shape=(8, 8, 1), outputs=10, seed=0)
    result = fit(
        net, (x[:1200], y[:1200]), (x[1200:1400], y[1200:1400]), "multiclass", Recipe(epochs=15, batch=64)
    )
    assert (
        np.asarray(result.network.apply(result.network.params, x[1400:])).argmax(1) == y[1400:]
    ).mean() > 0.97


@pytest.mark.slow
def test_adult_is_within_one_hundredth_of_gradient_boosting(data_root):
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    frames = [
        pd.read_csv(data_root / "adult" / f"{part}.csv.gz", keep_default_na=False)
        for part in ("train", "test")
    ]
    targets = [(frame.pop("income") == ">50K").to_numpy().astype(np.int32) for frame in frames]
    columns, inputs = [], [[], []]
    for name in frames[0]:
        numeric = pd.api.types.is_numeric_dtype(frames[0][name])
        codes = {v: i + 1 for i, v in enumerate(sorted(frames[0][name].unique()))}
        columns.append(0 if numeric else len(codes) + 1)
        for part, frame in zip(inputs, frames, strict=True):
            part.append(
                frame[name].to_numpy(float) if numeric else frame[name].map(codes).fillna(0).to_numpy(float)
            )
    x, x_test = (np.stack(part, axis=1).astype(np.float32) for part in inputs)
    y, order = targets[0], np.random.default_rng(0).permutation(len(x))
    held, train = order[:5000], order[5000:]
    net = build("mlp", shape=(14,), outputs=1, seed=0, columns=tuple(columns), x_train=x[train])
    recipe = Recipe(epochs=40, batch=256, patience=6)
    net = fit(net, (x[train], y[train]), (x[held], y[held]), "binary", recipe).network
    trees = HistGradientBoostingClassifier(random_state=0).fit(x[train], y[train])
    ours = roc_auc_score(targets[1], np.asarray(jax.jit(net.apply)(net.params, x_test))[:, 0])
    assert ours > roc_auc_score(targets[1], trees.decision_function(x_test)) - 0.01
