"""The explanations that a game can be given: any function of parameters, inputs, background and a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from audit.attribution.departure import gradient_times_departure
from audit.attribution.shapley import shapley
from audit.games.game import ROUNDING, Game, largest, of_output

Name = Literal["shapley", "gradient"]
Explain = Callable[[Any, np.ndarray, np.ndarray, np.ndarray, Any], np.ndarray]


@dataclass(frozen=True)
class Effort:
    """How much work an explanation may be, as in explanation.shapley."""

    exact_up_to: int
    rounds: int
    target_error: float
    batch: int


def explainer(name: Name, game: Game, effort: Effort, tally: Counter[str]) -> Explain:
    """Return f(params, x[n], column[n], background[b], key) -> values[n, players] of margin column[n].

    shapley: Shapley values against the background. gradient: gradient times the departure from the
    background's mean. Model evaluations are added to the tally.
    """
    return _shapley(game, effort, tally) if name == "shapley" else _gradient(game, effort, tally)


def one_by_one(f: Callable[[np.ndarray], np.ndarray], rows: int) -> np.ndarray:
    """Return f([i]) of each row i, joined: every use of an explainer then shares one compiled size."""
    return np.concatenate([f(np.array([i])) for i in range(rows)])


def _shapley(game: Game, effort: Effort, tally: Counter[str]) -> Explain:
    """Return Shapley values, those within rounding of 0 as 0."""

    def explain(
        params: Any, x: np.ndarray, column: np.ndarray, background: np.ndarray, key: Any
    ) -> np.ndarray:
        found = shapley(
            game.apply,
            params,
            x,
            background,
            groups=game.groups,
            margin=game.margin,
            key=key,
            exact_up_to=effort.exact_up_to,
            rounds=effort.rounds,
            target_error=effort.target_error,
            batch=effort.batch,
            over=game.over,
        )
        tally["model_evaluations"] += found.evaluations
        values = of_output(found.values, column)
        return np.where(np.abs(values) <= ROUNDING * largest(found.outputs), 0.0, values)

    return explain


def _gradient(game: Game, effort: Effort, tally: Counter[str]) -> Explain:
    """Return gradient times departure."""

    def explain(
        params: Any, x: np.ndarray, column: np.ndarray, background: np.ndarray, key: Any
    ) -> np.ndarray:
        tally["model_evaluations"] += len(x)
        return gradient_times_departure(
            game.apply,
            params,
            x,
            background.mean(axis=0, dtype=np.float64).astype(x.dtype),
            groups=game.groups,
            margin=game.margin,
            column=column,
            batch=effort.batch,
            over=game.over,
        )

    return explain
