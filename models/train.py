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
import optax

from models.losses import Loss, class_weights, loss_of
from models.network import Network, problem
from models.recipe import Recipe

Perturb = Callable[[Callable[..., Any], Any, Any, Any, jax.Array], Any]
VALIDATION_BATCH = 1024


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


@dataclass(frozen=True)
class _Plan:
    """What the compiled epoch depends on besides arrays."""

    apply: Callable[..., Any]
    train_apply: Callable[..., Any]
    loss: Loss
    perturb: Perturb | None
    recipe: Recipe
    batch: int
    steps: int


def fit(
    network: Network,
    train: tuple[Any, ...],
    validation: tuple[Any, ...] | None,
    task: Literal["binary", "multiclass", "multilabel", "regression"],
    recipe: Recipe,
    *,
    perturb: Perturb | None = None,
    loss: Loss | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Return the network with the parameters of its best epoch on validation, or its last without one.

    train, validation: (x, y) or (x, y, weight[n]); x and y may be trees of arrays with leading axis n.
    perturb: (apply, params, x, y, key) -> x' replaces each training batch (adversarial training, with
    `apply` in evaluation mode). loss: (outputs[n, k], y) -> [n] in place of the task's own. progress:
    called with (epochs done, epochs). Equal arguments give equal parameters; the same `network.apply`
    again reuses the compiled code. Raises ValueError where there is nothing to train or the loss is not finite.
    """
    if not network.trainable:
        raise problem(
            f"network {network.name!r}", "trainable parameters", "give parameters, or do not train it"
        )
    x, y, weight = _rows(train)
    loss = loss or loss_of(
        task, network.apply(network.params, _take(x, slice(0, 1))), y, recipe.label_smoothing
    )
    if recipe.class_weights:
        weight = weight * class_weights(task, y)
    batch = min(recipe.batch, len(weight))
    static = replace(recipe, seed=0, patience=None, min_delta=0.0)
    plan = _Plan(network.apply, network.train_apply, loss, perturb, static, batch, -(-len(weight) // batch))
    data = jax.device_put((x, y, jnp.asarray(weight / weight.mean(), jnp.float32)))
    held = jax.device_put(_rows(validation)) if validation is not None else None
    params, history, best = _epochs(plan, network.params, data, held, recipe, progress)
    return Trained(replace(network, params=params), history, best)


def _epochs(
    plan: _Plan,
    params: Any,
    data: Any,
    held: Any,
    recipe: Recipe,
    progress: Callable[[int, int], None] | None,
) -> tuple[Any, tuple[Row, ...], int]:
    """Run the epochs; return the kept parameters, the losses and the epoch that was kept."""
    state = (params, _optimizer(plan).init(params["params"]))
    kept, best, lowest, history = params, 0, math.inf, []
    for epoch in range(1, recipe.epochs + 1):
        key = jax.random.fold_in(jax.random.key(recipe.seed), epoch)
        state, mean = _epoch(plan, state, data, _order(plan, len(data[2]), recipe.seed, epoch), key)
        row = Row(epoch, float(mean), None if held is None else float(_mean_loss(plan, state[0], held)))
        history.append(row)
        _check_finite(row, recipe)
        if progress:
            progress(epoch, recipe.epochs)
        if row.validation is None or row.validation < lowest - (recipe.min_delta if best else 0.0):
            kept, best, lowest = state[0], epoch, row.validation if row.validation is not None else math.inf
        elif recipe.patience is not None and epoch - best >= recipe.patience:
            break
    return kept, tuple(history), best


def _rows(split: tuple[Any, ...]) -> tuple[Any, Any, np.ndarray]:
    """Return x, y and the weights (ones where none are given) of a split, or say what does not fit."""
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
    return x, y, weight


def _check_finite(row: Row, recipe: Recipe) -> None:
    """Raise ValueError when a loss is not a finite number."""
    for name, value in (("training", row.train), ("validation", row.validation)):
        if value is not None and not math.isfinite(value):
            raise problem(
                f"{name} loss {value} at epoch {row.epoch}",
                "a finite loss",
                f"lower learning_rate={recipe.learning_rate:g} or look for missing or huge values in the data",
            )


def _take(tree: Any, rows: Any) -> Any:
    """Return these rows of every array."""
    return jax.tree.map(lambda a: a[rows], tree)


def _optimizer(plan: _Plan) -> optax.GradientTransformation:
    """Return the recipe's optimizer with its schedule over all steps."""
    recipe, steps = plan.recipe, plan.steps * plan.recipe.epochs
    rise = min(round(recipe.warmup * plan.steps), steps - 1)
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


def _order(plan: _Plan, n: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each step's number, its rows in an order random by epoch, and 1.0 where a row is not filler.

    Filler completes the last batch with rows of the first: at weight 0, but fit for batch statistics.
    """
    place = np.arange(plan.steps * plan.batch)
    rows = np.random.default_rng((seed, epoch)).permutation(n).astype(np.int32)[place % n]
    shape = (plan.steps, plan.batch)
    return np.arange(plan.steps), rows.reshape(shape), (place < n).astype(np.float32).reshape(shape)


@partial(jax.jit, static_argnums=0)
def _epoch(plan: _Plan, state: Any, data: Any, order: Any, key: jax.Array) -> tuple[Any, jax.Array]:
    """Return the state after one pass over the rows in their order, and the mean training loss."""
    (x, y, weight), optimizer = data, _optimizer(plan)

    def step(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        (params, moments), (number, rows, real) = state, batch
        bx, by, w = _take(x, rows), _take(y, rows), real * weight[rows]
        key_x, key_net = jax.random.split(jax.random.fold_in(key, number))
        if plan.perturb:
            bx = jax.lax.stop_gradient(plan.perturb(plan.apply, params, bx, by, key_x))

        def mean_loss(trainable: Any) -> tuple[jax.Array, Any]:
            whole = {"params": trainable, "constants": params["constants"]}
            outputs, constants = plan.train_apply(whole, bx, key_net)
            return (w * plan.loss(outputs, by)).sum() / real.sum(), constants

        (value, constants), grads = jax.value_and_grad(mean_loss, has_aux=True)(params["params"])
        updates, moments = optimizer.update(grads, moments, params["params"])
        trainable = optax.apply_updates(params["params"], updates)
        return ({"params": trainable, "constants": constants}, moments), value * real.sum()

    state, sums = jax.lax.scan(step, state, order)
    return state, sums.sum() / len(weight)


@partial(jax.jit, static_argnums=0)
def _mean_loss(plan: _Plan, params: Any, split: Any) -> jax.Array:
    """Return the weighted mean loss in evaluation mode, a batch at a time."""
    x, y, weight = split
    n = len(weight)
    size = min(n, VALIDATION_BATCH)
    place = jnp.arange(-(-n // size) * size).reshape(-1, size)

    def part(rows: jax.Array) -> jax.Array:
        w = jnp.where(rows < n, weight[rows % n], 0.0)
        return (w * plan.loss(plan.apply(params, _take(x, rows % n)), _take(y, rows % n))).sum()

    return jax.lax.map(part, place).sum() / weight.sum()
