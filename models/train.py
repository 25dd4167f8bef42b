"""Minibatch training with optax: one jitted scan per epoch, early stopping on the validation loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from models import augment, mixup
from models.epoch import Plan, epoch_pass, mean_loss, optimizer, take
from models.hooks import Hooks, Joint, Penalty, Perturb, Replay, hooks_of
from models.losses import Loss, class_weights, loss_of
from models.network import Network, problem
from models.recipe import Recipe


class Row(NamedTuple):
    """The mean losses of one epoch; validation is None where there is no validation split."""

    epoch: int
    train: float
    validation: float | None


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network, its losses by epoch (from 1), and the epoch whose parameters were kept."""

    network: Network
    history: tuple[Row, ...]
    best_epoch: int


def fit(
    network: Network,
    train: tuple[Any, ...],
    validation: tuple[Any, ...] | None,
    task: Literal["binary", "multiclass", "multilabel", "regression", "ranking"],
    recipe: Recipe,
    *,
    perturb: Perturb | None = None,
    penalty: Penalty | None = None,
    replay: Replay | None = None,
    joint: Joint | None = None,
    loss: Loss | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Return the network with the parameters of its best epoch on validation, or its last without one.

    train, validation: (x, y), (x, y, weight[n]) or (x, y, weight[n], extra) with what `joint` needs to know of each
    row; x, y and extra may be trees of arrays with leading axis n, and weight None.
    loss: (outputs[n, k], y) -> [n] in place of the task's own. progress: called with (epochs done, epochs).
    Equal arguments give equal parameters; the same `network.apply` again reuses the compiled code. Raises
    ValueError where there is nothing to train or the loss is not finite.

    Adversarial training: perturb, (apply, params, x, y, key) -> x' with `apply` in evaluation mode, takes
    the place of each batch; validation rows are moved by it too, so that the best epoch is the best under
    attack. With penalty, (outputs of x, outputs of x', y) -> [n], the loss is that of x plus the penalty.
    replay repeats each training batch, moved by the weights' own backward pass; perturb then serves
    validation alone.

    joint: (outputs[n, k], y, extra, real[n]) -> what a batch as a whole adds to its mean loss, on validation too;
    real is 0.0 for rows that only fill the batch up.

    The recipe's augmentation comes before perturb and replay; its mixup goes with no hook.
    """
    if not network.trainable:
        raise problem(
            f"network {network.name!r}", "trainable parameters", "give parameters, or do not train it"
        )
    x, y, weight, extra = _rows(train)
    hooks = hooks_of(perturb, penalty, replay, joint)
    _refuse(recipe, x, task, hooks)
    loss = loss or loss_of(
        task, network.apply(network.params, take(x, slice(0, 1))), y, recipe.label_smoothing
    )
    if recipe.class_weights:
        weight = weight * class_weights(task, y)
    batch = min(recipe.batch, len(weight))
    static = replace(recipe, seed=0, patience=None, min_delta=0.0)
    steps, replays = -(-len(weight) // batch), replay.times if replay else 1
    plan = Plan(network.apply, network.train_apply, loss, static, batch, steps, replays)
    data = jax.device_put((x, y, jnp.asarray(weight / weight.mean(), jnp.float32), extra))
    held = jax.device_put(_rows(validation)) if validation is not None else None
    params = jax.tree.map(_typed, network.params)
    params, history, best = _epochs(plan, params, data, held, recipe, hooks, progress)
    return Trained(replace(network, params=params), history, best)


def _refuse(recipe: Recipe, x: Any, task: str, hooks: Hooks) -> None:
    """Raise ValueError where the recipe changes rows that it does not fit."""
    if recipe.augment is not None:
        augment.refuse(x)
    if recipe.mixup:
        mixup.refuse(x, task, any(hook is not None for hook in hooks))


def _epochs(
    plan: Plan,
    params: Any,
    data: Any,
    held: Any,
    recipe: Recipe,
    hooks: Hooks,
    progress: Callable[[int, int], None] | None,
) -> tuple[Any, tuple[Row, ...], int]:
    """Run the epochs; return the kept parameters, the losses and the epoch that was kept."""
    state = (params, optimizer(plan).init(params["params"]), _unmoved(plan, hooks, data[0]))
    keys = partial(jax.random.fold_in, jax.random.key(recipe.seed))
    kept, best, lowest, history = params, 0, math.inf, []
    for epoch in range(1, recipe.epochs + 1):
        order = _order(plan, len(data[2]), recipe.seed, epoch)
        state, mean = epoch_pass(plan, state, data, order, keys(epoch), hooks)
        held_loss = None if held is None else float(mean_loss(plan, state[0], held, keys(0), hooks))
        row = Row(epoch, float(mean), held_loss)
        history.append(row)
        _check_finite(row, recipe)
        if progress:
            progress(epoch, recipe.epochs)
        if row.validation is None or row.validation < lowest - (recipe.min_delta if best else 0.0):
            kept, best, lowest = state[0], epoch, row.validation if row.validation is not None else math.inf
        elif recipe.patience is not None and epoch - best >= recipe.patience:
            break
    return kept, tuple(history), best


def _typed(leaf: Any) -> jax.Array:
    """Return an array of the leaf's own, not weak, type: a weak one would compile the epoch again."""
    return jnp.asarray(leaf, jnp.asarray(leaf).dtype)


def _unmoved(plan: Plan, hooks: Hooks, x: Any) -> Any:
    """Return the zero perturbation that replays start from, or None without them."""
    if hooks.replay is None:
        return None
    return jax.tree.map(lambda a: jnp.zeros((plan.batch, *a.shape[1:]), a.dtype), x)


def _rows(split: tuple[Any, ...]) -> tuple[Any, Any, np.ndarray, Any]:
    """Return x, y, weights (ones where none are given) and extra of a split, or say what does not fit."""
    x, y = split[:2]
    sizes = {len(leaf) for leaf in jax.tree.leaves((x, y, *split[2:]))}
    if len(sizes) != 1 or 0 in sizes:
        raise problem(
            f"arrays of {sorted(sizes)} rows", "x, y and weight of one length, not empty", "match them"
        )
    n = sizes.pop()
    weight = np.asarray(split[2], np.float64) if len(split) > 2 and split[2] is not None else np.ones(n)
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise problem("weights below 0, not finite or all 0", "weights of at least 0", "mend the weights")
    return x, y, weight, split[3] if len(split) > 3 else None


def _check_finite(row: Row, recipe: Recipe) -> None:
    """Raise ValueError when a loss is not a finite number."""
    for name, value in (("training", row.train), ("validation", row.validation)):
        if value is not None and not math.isfinite(value):
            raise problem(
                f"{name} loss {value} at epoch {row.epoch}",
                "a finite loss",
                f"lower learning_rate={recipe.learning_rate:g} or look for missing or huge values in the data",
            )


def _order(plan: Plan, n: int, seed: int, epoch: int) -> tuple[np.ndarray, ...]:
    """Return each step's number, its rows in an order random by epoch, 1.0 where a row is not filler, and its share
    of mixup.

    Filler completes the last batch with rows of the first: at weight 0, but fit for batch statistics.
    """
    random, alpha = np.random.default_rng((seed, epoch)), plan.recipe.mixup
    place = np.arange(plan.steps * plan.batch)
    rows = random.permutation(n).astype(np.int32)[place % n]
    share = random.beta(alpha, alpha, plan.steps) if alpha else np.ones(plan.steps)
    shape = (plan.steps, plan.batch)
    real = (place < n).astype(np.float32).reshape(shape)
    return np.arange(plan.steps), rows.reshape(shape), real, share.astype(np.float32)
