"""What checks of attributions share: the rows drawn, the players' names, the explained output, the ranking table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit import stats
from audit.attribution import margins, players
from audit.attribution.batching import eagerly
from audit.devices import map_examples
from audit.errors import DataError
from audit.evidence import Column, Estimate, Measurement, Scalar, Table
from audit.subject import Model, Split, Subject

FILL = "train"  # the split whose rows stand in for missing inputs
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


def game(subject: Subject, check: str, *, rows: int, background: int, patches: int, seed: int) -> Game:
    """Draw rows and background, and name the players; DataError where inputs are no table or image."""
    data = subject.data
    if data.modality not in ("table", "image"):
        raise DataError(f"modality={data.modality}", "a table or images", f"remove {check}")
    if FILL not in data.splits or not len(data.splits[FILL]):
        raise DataError("no train rows", "a train split to fill in missing features", "give one")
    explained, fill = draw(data.test, rows, seed), draw(data.splits[FILL], background, seed)
    if data.modality == "table":
        groups, names = players.columns(explained.x.shape[1]), tuple(f.name for f in data.features)
        names = names or tuple(f"column {i}" for i in groups)
    else:
        height, width = explained.x.shape[1:3]
        groups = players.patches(height, width, patches)
        side = range(1, patches + 1)
        names = tuple(f"patch row {i}, column {j}" for i in side for j in side)
    return Game(*_how_to_run(subject.model), explained, fill.x, groups, names)


def draw(split: Split, rows: int, seed: int) -> Split:
    """Return so many rows at random, the same ones whatever the order of the split."""
    by_id = np.argsort(split.id, kind="stable")
    return split.take(by_id[np.random.default_rng(seed).permutation(len(split))[:rows]])


def column(subject: Subject, outputs: np.ndarray) -> np.ndarray:
    """Return the explained output of each row: class 1 of two, the most probable of more, the only value."""
    if subject.data.task == "multiclass":
        return outputs.argmax(axis=1)
    return np.full(len(outputs), outputs.shape[1] - 1)


def without_rounding(values: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return |values|, 0 where they are but single precision's noise beside the outputs."""
    size = np.abs(values)
    return np.where(size > ROUNDING * np.abs(outputs).max(), size, 0.0)


def unit(subject: Subject) -> str:
    """Return the unit of attributions."""
    return "" if subject.model.outputs == "values" else "log-odds"


def mean_size(size: np.ndarray, cluster: np.ndarray | None) -> Estimate:
    """Bound one player's mean |value|; one that no explained row depends on has none to bound."""
    if not size.any():
        return stats.descriptive(0.0, len(size), "mean", note="no explained row depends on it")
    return stats.mean(size, cluster=cluster, low=0.0)


def ranking(importance: list[Measurement], what: str, unit: str, note: str) -> Table:
    """Tabulate the players' mean |value|, largest first."""
    rows: list[tuple[Scalar, ...]] = [
        (m.where["feature"], m.estimate.value, m.estimate.low, m.estimate.high) for m in importance
    ]
    columns = (
        Column(name="feature", label="feature", kind="text"),
        Column(name="value", label=f"mean |{what}|{f', {unit}' if unit else ''}"),
        Column(name="low", label="low"),
        Column(name="high", label="high"),
    )
    return Table(
        name="importance",
        title="What the model's outputs rest on",
        kind="importance",
        columns=columns,
        rows=tuple(sorted(rows, key=lambda row: -float(row[1] or 0.0))),
        note=note,
    )


def _how_to_run(model: Model) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Return the model's function, the margin of its kind of outputs, and how batches of it are mapped."""
    apply = model.apply
    if apply is None:
        raise DataError("a file of scores", "a model that can be run on new inputs", "audit the model itself")
    kinds = {"logits": margins.log_odds, "probabilities": margins.log_odds_of_probabilities}
    margin = kinds.get(model.outputs, margins.identity)
    if model.differentiable:
        return apply, margin, map_examples
    return (lambda params, x: np.asarray(apply(params, np.asarray(x)), np.float32)), margin, eagerly
