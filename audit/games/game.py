"""The game that explanation checks share: rows, background and players drawn from a subject, and how to run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.attribution import margins, players
from audit.attribution.batching import eagerly
from audit.devices import map_examples
from audit.errors import DataError
from audit.metrics.sampling import sample
from audit.subject import Model, Split, Subject, meaning_of

ROUNDING = 1e-6  # smaller than this share of the largest output, a value is single precision's noise: 0


@dataclass(frozen=True, eq=False)
class Game:
    """What is explained: the model's function and margin, how to run it, rows, background and players."""

    apply: Callable[..., Any]
    margin: Callable[..., Any]
    over: Callable[..., Any]
    rows: Split
    background: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]


def game_of(subject: Subject, *, rows: int, background: int, patches: int, seed: int) -> Game:
    """Return the game of so many random test rows against so many random train rows.

    The players are a table's columns, or patches x patches rectangles of an image. Without train
    rows the judged ones stand in for missing inputs. DataError where inputs are neither, or the model cannot be run.
    """
    data, model = subject.data, subject.model
    if data.modality not in ("table", "image"):
        raise DataError(
            f"modality={data.modality}", "a table or images", "remove the checks named explanation"
        )
    test, train = draw(data.test, rows, seed), draw(data.reference, background, seed)
    if data.modality == "table":
        named, width = tuple(f.name for f in data.features), test.x.shape[1]
        names = named or tuple(f"column {i}" for i in range(width))
        groups = players.columns(len(names), width - len(names))
    else:
        height, width = test.x.shape[1:3]
        groups = players.patches(height, width, patches)
        side = range(1, patches + 1)
        names = tuple(f"patch row {i}, column {j}" for i in side for j in side)
    apply, margin, over = how_to_run(model)
    return Game(apply, margin, over, test, train.x, groups, names)


def draw(split: Split, rows: int, seed: int) -> Split:
    """Return so many rows at random, the same ones whatever the order of the split."""
    return split.take(sample(split.id, rows, seed))


def how_to_run(model: Model) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Return the model's function, the margin of its kind of outputs, and how batches of it are mapped."""
    apply = model.apply
    if apply is None:
        raise DataError("a file of scores", "a model that can be run on new inputs", "audit the model itself")
    kinds = {"logits": margins.log_odds, "probabilities": margins.log_odds_of_probabilities}
    margin = kinds.get(meaning_of(model), margins.identity)
    if model.differentiable:
        return apply, margin, map_examples
    return (lambda params, x: np.asarray(apply(params, np.asarray(x)), np.float32)), margin, eagerly


def explained_column(subject: Subject, outputs: np.ndarray) -> np.ndarray:
    """Return which of margins[n, outputs] is explained: class 1 of two, the likeliest of more, the only one."""
    n, columns = outputs.shape
    if subject.data.task == "multiclass":
        return outputs.argmax(axis=1)
    return np.full(n, columns - 1)


def of_output(values: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return values[n, players] of one output column a row, of values[n, players, outputs]."""
    return np.take_along_axis(values, column[:, None, None], axis=2)[:, :, 0]


def largest(outputs: np.ndarray) -> float:
    """Return the largest |output| of those that are finite, 0 where none is."""
    return float(np.abs(outputs[np.isfinite(outputs)]).max(initial=0.0))


def unit_of(subject: Subject) -> str:
    """Return the unit of what is explained."""
    return "" if subject.model.outputs == "values" else "log-odds"
