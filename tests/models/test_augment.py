"""Augmented and mixed training rows: closed forms, identities, seeds, what is refused, and evaluation left alone."""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.adapt import from_function
from models.augment import augmented, cut_out, relit, shifted
from models.epoch import Plan
from models.mixup import mixed, partners
from models.recipe import Augment, Recipe
from models.train import _order, fit

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 6, 5, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, 40).astype(np.int32)
STEP = Recipe(epochs=1, batch=64, learning_rate=0.1, optimizer="sgd", schedule="constant", weight_decay=0.0)
WITHIN = jax.jit(augmented, static_argnums=0)
FROZEN = dataclasses.replace(STEP, learning_rate=1e-12, batch=16)
EVERY = Augment(shift=2, flip=True, brightness=0.2, contrast=0.3, cutout=3)
SOFTMAX = from_function(
    lambda p, x: x.reshape(len(x), -1) @ p["w"], {"w": jnp.asarray(RNG.normal(size=(90, 3)), jnp.float32)}
)


def _moved(by):
    """A naive shift: every pixel by itself."""
    at = {(i, j): (min(max(i - by[0], 0), 5), min(max(j - by[1], 0), 4)) for i in range(6) for j in range(5)}
    return np.asarray([[IMAGES[0][at[i, j]] for j in range(5)] for i in range(6)])


@pytest.mark.parametrize("by", [(0, 0), (2, -1), (-3, 4), (0, 9)])
def test_a_shift_repeats_the_edges_and_one_of_nothing_is_the_identity(by):
    np.testing.assert_array_equal(shifted(IMAGES[0], jnp.asarray(by)), _moved(by))
    assert by != (0, 0) or np.array_equal(_moved(by), IMAGES[0])


def test_light_follows_its_formula_and_stays_within_the_range():
    image = IMAGES[0].astype(np.float64)
    expected = np.clip(image.mean() + 1.5 * (image - image.mean()) - 0.1, 0, 1)
    np.testing.assert_allclose(relit(IMAGES[0], jnp.float32(-0.1), jnp.float32(1.5)), expected, atol=1e-6)
    np.testing.assert_allclose(relit(IMAGES[0], jnp.float32(0), jnp.float32(1)), IMAGES[0], atol=1e-6)
    assert expected.min() == 0 and expected.max() == 1


@pytest.mark.parametrize(
    ("centre", "side", "inside"), [((2, 2), 3, 9), ((0, 0), 3, 4), ((5, 4), 2, 1 * 1 + 3), ((3, 2), 0, 0)]
)
def test_a_square_gets_the_mean_colour_as_far_as_it_lies_inside(centre, side, inside):
    out = np.asarray(cut_out(IMAGES[0], jnp.asarray(centre), side))
    changed = (out != IMAGES[0]).all(axis=2)
    assert changed.sum() == inside
    np.testing.assert_allclose(out[changed], np.tile(IMAGES[0].mean(axis=(0, 1)), (inside, 1)), rtol=1e-5)


def test_every_image_has_draws_of_its_own_that_reach_every_shift_and_no_further():
    same = np.tile(IMAGES[:1], (300, 1, 1, 1))
    out = np.asarray(WITHIN(Augment(shift=1, flip=True), same, jax.random.key(0)))
    at = [_moved((i, j)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    plain, flipped = ([(out == m[:, ::step]).all(axis=(1, 2, 3)).sum() for m in at] for step in (1, -1))
    assert sum(plain) + sum(flipped) == 300 and min(map(sum, zip(plain, flipped, strict=True))) > 15
    assert 110 < sum(flipped) < 190
    grey = np.full((500, 4, 4, 1), 0.5, np.float32)  # nothing for contrast to stretch
    added = np.asarray(WITHIN(Augment(brightness=0.2, contrast=0.9), grey, jax.random.key(2))) - 0.5
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-6
    assert abs(added.mean()) < 0.02 and 0.19 < np.abs(added).max() <= 0.2 + 1e-6


def test_all_changes_together_keep_shape_range_and_repeat_themselves():
    outs = [np.asarray(WITHIN(EVERY, IMAGES, jax.random.key(seed))) for seed in (0, 0, 1)]
    assert outs[0].shape == IMAGES.shape and outs[0].min() >= 0 and outs[0].max() <= 1
    np.testing.assert_array_equal(outs[0], outs[1])
    assert np.abs(outs[0] - outs[2]).max() > 0.1


def test_a_share_of_one_is_the_row_itself_and_half_is_the_mean():
    v = {"a": jnp.arange(6.0).reshape(3, 2)}
    np.testing.assert_array_equal(mixed(jnp.float32(1), v, partners(v))["a"], v["a"])
    np.testing.assert_allclose(mixed(jnp.float32(0.5), v, partners(v))["a"], [[1, 2], [3, 4], [2, 3]])


def test_shares_are_drawn_from_their_beta_distribution_and_the_order_is_that_of_the_plain_recipe():
    plan = Plan(len, len, lambda o, y: o, dataclasses.replace(STEP, mixup=0.2), 16, 2000)
    order, plain = (_order(p, 40, 0, 1) for p in (plan, dataclasses.replace(plan, recipe=STEP)))
    assert order[3].mean() == pytest.approx(0.5, abs=0.03)
    assert order[3].var() == pytest.approx(1 / (4 * 1.4), abs=0.01)  # 1 / (4 (2 alpha + 1))
    np.testing.assert_array_equal(order[1], plain[1])


TARGETS = {
    "multiclass": LABELS,
    "multilabel": np.stack([LABELS > 0, LABELS > 1], axis=1).astype(np.int32),
    "regression": RNG.normal(size=40),
}
WIDTH = {"multiclass": 3, "multilabel": 2, "regression": 1}


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_one_step_of_mixup_is_the_gradient_step_of_mixed_labels(task):
    x, y, k, alpha = IMAGES.reshape(40, -1)[:, :4], TARGETS[task], WIDTH[task], 5.0
    weight = RNG.random(40) + 0.5
    net = from_function(lambda p, x: x @ p["w"], {"w": jnp.full((4, k), 0.3)})
    recipe = dataclasses.replace(STEP, mixup=alpha, batch=40)
    w = fit(net, (x, y, weight), None, task, recipe).network.params["params"]["w"]

    _, order, _, share = _order(Plan(len, len, len, recipe, 40, 1), 40, 0, 1)
    order, share, partner, w0 = order[0], float(share[0]), np.roll(np.arange(40), -1), np.full((4, k), 0.3)
    target = (np.eye(3)[y] if task == "multiclass" else y.reshape(40, k)).astype(np.float64)[order]
    xs, v = x.astype(np.float64)[order], (weight / weight.mean())[order]
    x_mixed = share * xs + (1 - share) * xs[partner]
    outputs = x_mixed @ w0
    if task == "multiclass":
        predicted = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    else:
        predicted = outputs if task == "regression" else 1 / (1 + np.exp(-outputs))
    if task == "regression":
        predicted, target = 2 * predicted / y.var(), 2 * target / y.var()
    own, rest = share * v[:, None], (1 - share) * v[partner][:, None]
    residual = own * (predicted - target) + rest * (predicted - target[partner])
    np.testing.assert_allclose(w, w0 - 0.1 * x_mixed.T @ residual / 40, rtol=1e-4, atol=1e-5)
    assert 0.05 < share < 0.95


@cache
def _losses(augment, alpha, seed=0, weights=False):
    """The training and validation loss of a network that stays as it is, on rows changed so."""
    recipe = dataclasses.replace(FROZEN, augment=augment, mixup=alpha, seed=seed)
    net = (
        dataclasses.replace(SOFTMAX, params=jax.tree.map(jnp.zeros_like, SOFTMAX.params))
        if weights
        else SOFTMAX
    )
    rows = (IMAGES, LABELS, np.arange(1.0, 41)) if weights else (IMAGES, LABELS)
    return fit(net, rows, (IMAGES[:20], LABELS[:20]), "multiclass", recipe).history[0]


@pytest.mark.parametrize("changed", [(EVERY, 0.0), (None, 0.5)])
def test_evaluation_sees_rows_as_they_are_and_seeds_decide_the_rest(changed):
    plain, other = _losses(None, 0.0), _losses(*changed)
    assert other.validation == pytest.approx(plain.validation, rel=1e-6)
    assert other.train != pytest.approx(plain.train, rel=1e-3)
    assert other.train == _losses.__wrapped__(*changed).train
    assert other.train != pytest.approx(_losses(*changed, seed=1).train, rel=1e-4)


def test_filler_has_no_weight_in_a_mixture_either():
    assert _losses(None, 0.5, weights=True).train == pytest.approx(np.log(3), rel=1e-5)  # 8 of 48 are filler


@pytest.mark.parametrize(
    ("x", "task", "changed", "says"),
    [
        (IMAGES[:, 0], "multiclass", {"augment": EVERY}, r"augment of x of shape \(40, 5, 3\)"),
        ({"a": IMAGES}, "multiclass", {"augment": EVERY}, "several arrays"),
        (IMAGES * 255, "multiclass", {"augment": EVERY}, r"pixels from .* expected pixels in \[0, 1\]"),
        ((IMAGES > 0).astype(np.int32), "multiclass", {"mixup": 0.2}, "mixup of whole numbers"),
        (IMAGES, "ranking", {"mixup": 0.2}, "mixup for task ranking"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_one_line(x, task, changed, says):
    with pytest.raises(ValueError, match=says) as caught:
        fit(SOFTMAX, (x, LABELS), None, task, dataclasses.replace(STEP, **changed))
    assert "\n" not in str(caught.value)


def test_mixup_and_a_hook_exclude_each_other():
    with pytest.raises(ValueError, match="mixup with a hook"):
        fit(
            SOFTMAX, (IMAGES, LABELS), None, "multiclass", dataclasses.replace(STEP, mixup=0.2),
            perturb=lambda apply, params, x, y, key: x,
        )  # fmt: skip


def test_an_attack_starts_from_the_augmented_images():
    recipe = dataclasses.replace(FROZEN, augment=EVERY)
    same = fit(
        SOFTMAX, (IMAGES, LABELS), None, "multiclass", recipe, perturb=lambda apply, params, x, y, key: x
    )
    assert same.history[0].train == pytest.approx(_losses(EVERY, 0.0).train, rel=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shift": -1},
        {"cutout": 1.5},
        {"flip": 1},
        {"brightness": 1.0},
        {"contrast": float("nan")},
        {},
    ],
)
def test_an_augmentation_out_of_range_or_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong), "augment")):
        Augment(**wrong)


def test_a_recipe_s_words_name_what_is_changed():
    assert str(Augment(shift=2, contrast=0.5, flip=True)) == "shift 2, contrast 0.5, flip"
    with pytest.raises(ValueError, match="mixup=-1"):
        Recipe(mixup=-1)
