"""A model whose probabilities are scaled on the calibration rows: `model.scaling`, and what the remedy tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from audit.errors import ConfigError, ModelError
from audit.subject import Dataset, Model, observe
from models.scaling import Method, Scaling, fit_scaling

FITTED = "calibration"
TINY = 1e-7  # a probability of 0 or 1 has no finite log-odds


def refuse(data: Dataset, outputs: str | None, given: str) -> None:
    """Raise ConfigError where there is nothing to scale, or no rows to fit on."""
    if data.task not in ("binary", "multiclass") or outputs not in ("logits", "probabilities"):
        raise ConfigError(f"{given} for a {data.task} task with outputs={outputs}", "probabilities to scale")
    if not len(data.splits.get(FITTED, ())):
        raise ConfigError(f"{given} without {FITTED} rows", "some to fit on", "split them off")


def scaled(model: Model, data: Dataset, method: Method) -> Model:
    """Return the model with its logits scaled, fitted on the calibration rows; one of probabilities gets logits.

    What the model's outputs mean must be known (`with_meaning`).
    Raises ConfigError where there is nothing to scale, ModelError where those rows cannot be scaled.
    """
    refuse(data, model.outputs, f"model.scaling={method}")
    split = data.splits[FITTED]
    outputs = observe(model, replace(data, splits={FITTED: split})).outputs.get(FITTED)
    if outputs is None:
        raise ModelError(f"scaling={method} of scores", f"scores of the {FITTED} rows too", "add them")
    try:
        fitted = fit_scaling(_logits(np.asarray(outputs, np.float64), model.outputs, np), split.y, method)
    except ValueError as error:
        raise ModelError(f"model: {error}") from error
    note = f"Logits scaled ({method}) with the least log loss on {len(split):,} {FITTED} rows: {fitted}."
    return replace(
        model,
        apply=model.apply and _applied(model.apply, model.outputs),
        params={
            "model": model.params,
            "slope": _single(fitted.slope),
            "intercept": _single(fitted.intercept),
        },
        parts=model.parts and _parts(*model.parts, model.outputs),
        outputs="logits",
        scores={name: _scores(values, model.outputs, fitted) for name, values in model.scores.items()},
        notes=(*model.notes, note),
    )


def _applied(apply: Callable[[Any, Any], Any], outputs: str | None) -> Callable[[Any, Any], Any]:
    """Return apply with scaled logits."""

    def scaled_apply(params: Any, x: Any) -> Any:
        return params["slope"] * _logits(apply(params["model"], x), outputs, jnp) + params["intercept"]

    return scaled_apply


def _parts(
    features: Callable[[Any, Any], Any], head: Callable[[Any, Any], Any], outputs: str | None
) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return the parts of the scaled model: the same activations, the head's logits scaled."""
    return (lambda params, x: features(params["model"], x)), _applied(head, outputs)


def _scores(values: np.ndarray, outputs: str | None, fitted: Scaling) -> np.ndarray:
    """Return a file's scores, scaled."""
    return fitted.slope * _logits(np.asarray(values, np.float64), outputs, np) + fitted.intercept


def _logits(out: Any, outputs: str | None, xp: Any) -> Any:
    """Return outputs[n, k] as logits."""
    if outputs == "logits":
        return out
    p = xp.clip(out, TINY, 1 - TINY)
    return xp.log(p) - xp.log1p(-p) if out.shape[1] == 1 else xp.log(p)


def _single(values: np.ndarray) -> np.ndarray:
    """Return values[k] as [1, k] in the model's own precision."""
    return np.asarray(values[None], np.float32)
