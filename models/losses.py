"""The loss of each task, one value an example."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from models.network import problem

Loss = Callable[[jax.Array, Any], jax.Array]


def loss_of(task: str, outputs: jax.Array, y: np.ndarray, smoothing: float = 0.0) -> Loss:
    """Return the task's loss (outputs[n, k], y) -> [n]; ValueError where outputs and targets do not fit.

    binary: sigmoid cross-entropy of one logit, or softmax of two. multiclass: softmax cross-entropy.
    multilabel: the sum of sigmoid cross-entropies. regression: the squared error over the variance of y,
    so that 1 is the loss of the best constant. ranking: softmax cross-entropy over all items, of codes from 1.
    """
    k, y = np.shape(outputs)[-1], np.asarray(y)
    if task == "ranking":
        return _of_items(k, y, smoothing)
    if task == "regression":
        variance = y.astype(np.float64).reshape(len(y), -1).var(axis=0)
        _check_width(task, k, len(variance))
        return squared(tuple(float(v) if v > 0 else 1.0 for v in variance))
    if task == "multilabel":
        _check_width(task, k, y.shape[1] if y.ndim == 2 else 0)
        return binary_cross_entropy(smoothing)
    if task not in ("binary", "multiclass"):
        raise problem(
            f"task={task!r}",
            "binary, multiclass, multilabel, regression or ranking",
            "or pass a loss of your own",
        )
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= max(k, 2):
        raise problem(
            f"classes {low} to {high}", f"0 to {max(k, 2) - 1} for {k} output(s)", "match outputs to classes"
        )
    if task == "multiclass" and k == 1 and high > 1:
        _check_width(task, k, high + 1)
    return binary_cross_entropy(smoothing) if k == 1 else softmax_cross_entropy(smoothing)


def _of_items(k: int, y: np.ndarray, smoothing: float) -> Loss:
    """Return the loss of ranking, or say which codes are none of the items'."""
    if y.ndim != 2 or y.dtype.kind not in "iu" or y.min() < 0 or y.max() > k:
        given = f"y of shape {y.shape} and type {y.dtype}, at most {y.max() if y.size else 0}"
        raise problem(given, f"item codes[n, m] of 0 (none) to {k}", "match outputs to items")
    return next_items(smoothing)


def _check_width(task: str, given: int, expected: int) -> None:
    """Raise ValueError unless the outputs are as many as the targets."""
    if given != expected:
        raise problem(f"{given} output(s) for task {task}", str(expected), "match the network's outputs to y")


@cache
def binary_cross_entropy(smoothing: float) -> Loss:
    """Return the sum over outputs of the sigmoid cross-entropy with targets 0 and 1, smoothed."""

    def loss(outputs: jax.Array, y: jax.Array) -> jax.Array:
        target = y.reshape(outputs.shape).astype(outputs.dtype) * (1 - smoothing) + smoothing / 2
        return optax.sigmoid_binary_cross_entropy(outputs, target).sum(axis=1)

    return loss


@cache
def softmax_cross_entropy(smoothing: float) -> Loss:
    """Return the softmax cross-entropy with class indices, smoothed."""

    def loss(outputs: jax.Array, y: jax.Array) -> jax.Array:
        target = jax.nn.one_hot(y, outputs.shape[1], dtype=outputs.dtype)
        return optax.softmax_cross_entropy(outputs, target * (1 - smoothing) + smoothing / outputs.shape[1])

    return loss


@cache
def next_items(smoothing: float) -> Loss:
    """Return the mean softmax cross-entropy of the items y, codes from 1, where 0 is none.

    outputs[n, steps, items] of each step in training, whose next item is y[n, steps]; or outputs[n, items] after
    the last step, of every item of y[n, m].
    """

    def loss(outputs: jax.Array, y: jax.Array) -> jax.Array:
        log_p, column = jax.nn.log_softmax(outputs), jnp.maximum(y - 1, 0)
        if outputs.ndim == 3:
            own = jnp.take_along_axis(log_p, column[:, :, None], axis=2)[:, :, 0]
            spread = log_p.mean(axis=2)
        else:
            own = jnp.take_along_axis(log_p, column, axis=1)
            spread = jnp.broadcast_to(log_p.mean(axis=1, keepdims=True), own.shape)
        real = (y > 0).astype(own.dtype)
        each = -((1 - smoothing) * own + smoothing * spread)
        return (real * each).sum(axis=1) / jnp.maximum(real.sum(axis=1), 1)

    return loss


@cache
def squared(variance: tuple[float, ...]) -> Loss:
    """Return the mean over targets of the squared error over the target's variance."""

    def loss(outputs: jax.Array, y: jax.Array) -> jax.Array:
        error = outputs - y.reshape(outputs.shape).astype(outputs.dtype)
        return (jnp.square(error) / jnp.asarray(variance, outputs.dtype)[None]).mean(axis=1)

    return loss


def class_weights(task: str, y: np.ndarray) -> np.ndarray:
    """Return the weight[n] n / (classes n_c) of each row of class c (scikit-learn's 'balanced')."""
    if task not in ("binary", "multiclass"):
        raise problem(f"class_weights for task {task}", "binary or multiclass", "turn class_weights off")
    classes, of, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
    return (len(of) / (len(classes) * counts))[of]
