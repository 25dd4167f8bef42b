"""One explanation under study: the rows it explains, its values, and what the output is worth without some players."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from audit.attribution.faithfulness import Worth
from audit.attribution.margins import chance
from audit.attribution.masking import Masking, masked
from audit.attribution.shapley import explained
from audit.errors import DataError
from audit.games.explainers import Effort, Explain, Name, explainer, one_by_one
from audit.games.game import Game, explained_column, how_to_run
from audit.subject import Model, Subject

BASELINES = ("mean", "train")


@dataclass(frozen=True, eq=False)
class Study:
    """An explainer on a game's rows: values[n, players] of margin column[n], and what they cost so far.

    side[n] is 1 where the explained output speaks for what the model says, -1 where it speaks against it
    (class 1 of two, where class 0 is likelier; an output below the background's mean).
    """

    name: Name
    subject: Subject
    game: Game
    effort: Effort
    explain: Explain
    column: np.ndarray
    side: np.ndarray
    values: np.ndarray
    key: Any
    tally: Counter[str]

    @property
    def sampled(self) -> bool:
        """Return whether the explanation has sampling noise of its own."""
        return self.name == "shapley" and self.values.shape[1] > self.effort.exact_up_to

    @property
    def classes(self) -> bool:
        """Return whether outputs are probabilities of classes."""
        return self.subject.model.outputs != "values"


def study(name: Name, subject: Subject, game: Game, effort: Effort, key: Any) -> Study:
    """Return the study of one explainer; DataError where there is nothing to rank or no gradient."""
    if len(game.names) < 2:
        raise DataError("one feature", "two or more, which an explanation can rank", "remove the check")
    if name == "gradient" and "gradient" not in subject.has:
        raise DataError("explainers: gradient", "a model with gradients", "leave gradient out")
    tally: Counter[str] = Counter()
    explain, params = explainer(name, game, effort, tally), subject.model.params
    outputs, base = (
        explained(game.apply, params, x, margin=game.margin, batch=min(effort.batch, len(x)), over=game.over)
        for x in (game.rows.x, game.background)
    )
    tally["model_evaluations"] += len(outputs) + len(base)
    column = explained_column(subject, outputs)
    own = np.take_along_axis(outputs, column[:, None], axis=1)[:, 0]
    zero = base.mean(axis=0)[column] if subject.model.outputs == "values" else 0.0
    side = np.where(own < zero, -1.0, 1.0) if subject.data.task != "multiclass" else np.ones(len(own))
    bare = Study(name, subject, game, effort, explain, column, side, np.empty((0, 0)), key, tally)
    rows = np.arange(len(own))
    return replace(bare, values=explain_rows(bare, params, rows, key))


def explain_rows(
    s: Study, params: Any, rows: np.ndarray, key: Any, explain: Explain | None = None
) -> np.ndarray:
    """Return the explanation[n, players] of these rows under other parameters, each with its own key."""
    x, column, f = s.game.rows.x[rows], s.column[rows], explain or s.explain

    def one(i: np.ndarray) -> np.ndarray:
        return f(params, x[i], column[i], s.game.background, jax.random.fold_in(key, int(i[0])))

    return one_by_one(one, len(rows))


def retrained(s: Study, model: Model, rows: np.ndarray) -> np.ndarray:
    """Return the explanation[n, players] that another model of the same kind has for these rows."""
    apply, margin, over = how_to_run(model)
    game = replace(s.game, apply=apply, margin=margin, over=over)
    return explain_rows(s, model.params, rows, s.key, explainer(s.name, game, s.effort, s.tally))


def masking(s: Study, baseline: str, fills: int, rng: np.random.Generator) -> Masking:
    """Return how missing players are filled: with the train rows' mean, or with a row's own random train rows.

    The mean of a categorical column is its commonest code.
    """
    train, n = fillers(s.subject), len(s.game.rows)
    if baseline == "mean":
        pool, which = _typical(s.subject)[None], np.zeros((n, 1), int)
    else:
        pool, which = train[rng.integers(len(train), size=n * fills)], np.arange(n * fills).reshape(n, fills)
    run, model = s.game, s.subject.model
    return Masking(
        run.apply, model.params, run.rows.x, pool, which, run.groups, batch=s.effort.batch, over=run.over
    )


def worth(s: Study, filled: Masking, *, explained_scale: bool = False) -> Worth:
    """Return member[n, k, players] -> output[n, k] with the other players filled.

    That is the probability of the likelier class, or the prediction towards the side on which it lies of the
    background's mean; on the explained scale it is the margin that the explanation's values add up to.
    """
    probable = s.classes and not explained_scale
    outcome = chance(s.game.margin) if probable else s.game.margin

    def of(member: np.ndarray) -> np.ndarray:
        s.tally["model_evaluations"] += member.shape[0] * member.shape[1] * filled.fills.shape[1]
        out = np.take_along_axis(masked(filled, member, outcome), s.column[:, None, None], axis=2)[..., 0]
        if explained_scale:
            return out
        return np.where(s.side[:, None] < 0, 1.0 - out if probable else -out, out)

    return of


def fillers(subject: Subject) -> np.ndarray:
    """Return the train rows' inputs in the order of their ids, from which a generator draws."""
    train = subject.data.reference
    return train.x[np.argsort(train.id, kind="stable")]


def _typical(subject: Subject) -> np.ndarray:
    """Return the mean train row, with the commonest code of each categorical column."""
    train, features = fillers(subject), subject.data.features
    mean = train.mean(axis=0, dtype=np.float64).astype(train.dtype)
    for i, feature in enumerate(features):
        if feature.kind == "categorical":
            codes, counts = np.unique(train[:, i], return_counts=True)
            mean[i] = codes[counts.argmax()]
    return mean
