"""One compiled pass over the rows: the optimizer's steps, adversarial ones too, and the loss of a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from models.augment import augmented
from models.hooks import Hooks
from models.losses import Loss
from models.mixup import mixed, partners
from models.recipe import Recipe

VALIDATION_BATCH = 1024
AUGMENT = 2**30  # folded into a step's key, beyond every number that is folded in elsewhere


@dataclass(frozen=True)
class Plan:
    """What the compiled epoch depends on besides arrays."""

    apply: Callable[..., Any]
    train_apply: Callable[..., Any]
    loss: Loss
    recipe: Recipe
    batch: int
    steps: int
    replays: int = 1


class _Batch(NamedTuple):
    """A step's rows, their weights, what `joint` needs, 1.0 where a row is not filler, and the share of mixup."""

    x: Any
    y: Any
    weight: jax.Array
    extra: Any
    real: jax.Array
    share: jax.Array | None = None


@partial(jax.jit, static_argnums=0)
def epoch_pass(
    plan: Plan, state: Any, data: Any, order: Any, key: jax.Array, hooks: Hooks
) -> tuple[Any, jax.Array]:
    """Return the state after one pass over the rows in their order, and the mean training loss."""
    x, y, weight, extra = data

    def step(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        number, rows, real, share = batch
        b = _Batch(take(x, rows), take(y, rows), real * weight[rows], take(extra, rows), real)
        own = jax.random.fold_in(key, number)
        b = _changed(plan, b, share, own)
        if hooks.replay is None:
            state, value = _update(plan, hooks, state, b, own)
        else:
            keys = jax.vmap(jax.random.fold_in, (None, 0))(own, jnp.arange(plan.replays))
            state, values = jax.lax.scan(lambda s, k: _update(plan, hooks, s, b, k), state, keys)
            value = values.mean()
        return state, value * real.sum()

    state, sums = jax.lax.scan(step, state, order)
    return state, sums.sum() / len(weight)


def _changed(plan: Plan, b: _Batch, share: jax.Array, key: jax.Array) -> _Batch:
    """Return the batch with its images augmented and its rows mixed, as the recipe says."""
    how = plan.recipe
    if how.augment is not None:
        b = b._replace(x=augmented(how.augment, b.x, jax.random.fold_in(key, AUGMENT)))
    return b._replace(x=mixed(share, b.x, partners(b.x)), share=share) if how.mixup else b


def _update(plan: Plan, hooks: Hooks, state: Any, b: _Batch, key: jax.Array) -> tuple[Any, jax.Array]:
    """Return the state after one optimizer step on a batch, and the batch's mean loss before it."""
    params, moments, u = state
    key_x, key_net = jax.random.split(key)
    if hooks.replay is None:
        moved = _moved(plan, hooks, params, b.x, b.y, key_x)
    else:
        moved = hooks.replay.place(b.x, u)

    def mean_loss(trainable: Any, moved: Any) -> tuple[jax.Array, Any]:
        whole = {"params": trainable, "constants": params["constants"]}
        values, together, constants = _train_losses(plan, hooks, whole, b, moved, key_net)
        return values.sum() / b.real.sum() + together, constants

    if hooks.replay is None:
        found, grads = jax.value_and_grad(mean_loss, has_aux=True)(params["params"], moved)
    else:
        found, (grads, to_x) = jax.value_and_grad(mean_loss, (0, 1), has_aux=True)(params["params"], moved)
        u = hooks.replay.ascend(b.x, u, to_x)
    value, constants = found
    updates, moments = optimizer(plan).update(grads, moments, params["params"])
    trainable = optax.apply_updates(params["params"], updates)
    return ({"params": trainable, "constants": constants}, moments, u), value


def _moved(plan: Plan, hooks: Hooks, params: Any, x: Any, y: Any, key: jax.Array) -> Any:
    """Return the rows where `perturb` puts them, without a gradient of how it got there."""
    if hooks.perturb is None:
        return x
    return jax.lax.stop_gradient(hooks.perturb(plan.apply, params, x, y, key))


def _train_losses(
    plan: Plan, hooks: Hooks, params: Any, b: _Batch, moved: Any, key: jax.Array
) -> tuple[jax.Array, jax.Array | float, Any]:
    """Return each row's weighted loss[n] in training mode, what they add together, and the constants after it."""
    if hooks.penalty is None:
        outputs, constants = plan.train_apply(params, moved, key)
        return _of_labels(plan, outputs, b), _together(hooks, outputs, b), constants
    outputs, constants = plan.train_apply(params, b.x, key)
    after = {**params, "constants": constants}
    perturbed, constants = plan.train_apply(after, moved, jax.random.fold_in(key, 1))
    each = plan.loss(outputs, b.y) + hooks.penalty(outputs, perturbed, b.y)
    return b.weight * each, _together(hooks, outputs, b), constants


def _of_labels(plan: Plan, outputs: jax.Array, b: _Batch) -> jax.Array:
    """Return the weighted loss[n] against each row's label, or against both labels of a mixture."""
    own = b.weight * plan.loss(outputs, b.y)
    if b.share is None:
        return own
    y, weight = partners((b.y, b.weight))
    return mixed(b.share, own, weight * plan.loss(outputs, y))


def _together(hooks: Hooks, outputs: jax.Array, b: _Batch) -> jax.Array | float:
    """Return what the rows of a batch add to its mean loss together."""
    return 0.0 if hooks.joint is None else hooks.joint(outputs, b.y, b.extra, b.real)


@partial(jax.jit, static_argnums=0)
def mean_loss(plan: Plan, params: Any, split: Any, key: jax.Array, hooks: Hooks) -> jax.Array:
    """Return the weighted mean loss in evaluation mode, under attack where there is one, a batch at a time."""
    x, y, weight, extra = split
    n = len(weight)
    size = min(n, VALIDATION_BATCH)
    place = jnp.arange(-(-n // size) * size).reshape(-1, size)

    def part(rows: jax.Array) -> tuple[jax.Array, jax.Array | float]:
        real = (rows < n).astype(weight.dtype)
        rows = rows % n
        b = _Batch(take(x, rows), take(y, rows), real * weight[rows], take(extra, rows), real)
        moved = _moved(plan, hooks, params, b.x, b.y, jax.random.fold_in(key, rows[0]))
        outputs = plan.apply(params, moved if hooks.penalty is None else b.x)
        values = plan.loss(outputs, b.y)
        if hooks.penalty is not None:
            values = values + hooks.penalty(outputs, plan.apply(params, moved), b.y)
        return (b.weight * values).sum(), real.sum() * _together(hooks, outputs, b)

    each, together = jax.lax.map(part, place)
    return each.sum() / weight.sum() + together.sum() / n


def optimizer(plan: Plan) -> optax.GradientTransformation:
    """Return the recipe's optimizer with its schedule over all steps."""
    recipe, an_epoch = plan.recipe, plan.steps * plan.replays
    steps = an_epoch * recipe.epochs
    rise = min(round(recipe.warmup * an_epoch), steps - 1)
    if recipe.schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(
            0.0 if rise else recipe.learning_rate, recipe.learning_rate, rise, steps
        )
    elif rise:
        rate = optax.linear_schedule(0.0, recipe.learning_rate, rise)
    else:
        rate = recipe.learning_rate
    if recipe.optimizer == "adamw":
        return optax.adamw(rate, weight_decay=recipe.weight_decay)
    plain = optax.adam(rate) if recipe.optimizer == "adam" else optax.sgd(rate, momentum=0.9)
    return optax.chain(optax.add_decayed_weights(recipe.weight_decay), plain)


def take(tree: Any, rows: Any) -> Any:
    """Return these rows of every array."""
    return jax.tree.map(lambda a: a[rows], tree)
