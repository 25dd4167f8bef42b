"""What each word of a text is worth to the class decided, and what the words ranked first are worth together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from audit.attribution.embedded import token_gradients
from audit.attribution.faithfulness import counts_of
from audit.attribution.margins import chance
from audit.attribution.masking import Masking, masked
from audit.attribution.paths import Gradients
from audit.attribution.ranks import places, spearman
from audit.attribution.shapley import Attribution, explained, shapley
from audit.attribution.words import PAD, UNKNOWN, on_words, opened, table_of
from audit.games.explainers import Effort
from audit.games.game import ROUNDING, explained_column, how_to_run, largest, of_output
from audit.games.wording import Wording, by_word
from audit.subject import Subject

Explainer = Literal["shapley", "integrated"]
SAME = 1e-3  # a network cut open must give its own outputs to this share of the largest


@dataclass(frozen=True, eq=False)
class Texts:
    """Rows as words and how to run the model on them: margin column[n] is explained, side[n] is -1 where that
    speaks against the class decided (class 1 of two, where class 0 is likelier)."""

    subject: Subject
    w: Wording
    apply: Any
    margin: Any
    over: Any
    column: np.ndarray
    side: np.ndarray
    batch: int

    @property
    def decided(self) -> np.ndarray:
        """Return the class[n] that words speak for: the explained one, or the other of two."""
        if self.subject.data.task == "multiclass":
            return self.column
        return (self.side > 0).astype(int)


def texts(subject: Subject, w: Wording, batch: int) -> Texts:
    """Return rows of words, ready to be explained."""
    apply, margin, over = how_to_run(subject.model)
    outputs = explained(
        apply, subject.model.params, w.rows.x, margin=margin, batch=min(batch, len(w.rows)), over=over
    )
    column = explained_column(subject, outputs)
    own = np.take_along_axis(outputs, column[:, None], axis=1)[:, 0]
    two = subject.data.task != "multiclass"
    side = np.where(own < 0, -1.0, 1.0) if two else np.ones(len(own))
    return Texts(subject, w, apply, margin, over, column, side, batch)


def shapley_words(t: Texts, effort: Effort, key: Any) -> tuple[np.ndarray, Attribution]:
    """Return the Shapley values[n, words] for the class decided: players are words, and absent ones are left out."""
    found = shapley(
        on_words(t.apply, t.w.rows.x.shape[1]),
        t.subject.model.params,
        t.w.x,
        np.zeros_like(t.w.x[:1]),
        groups=np.arange(t.w.x.shape[1]),
        margin=t.margin,
        key=key,
        exact_up_to=effort.exact_up_to,
        rounds=effort.rounds,
        target_error=effort.target_error,
        batch=effort.batch,
        over=t.over,
    )
    values = of_output(found.values, t.column) * t.side[:, None]
    small = np.abs(values) <= ROUNDING * largest(found.outputs)
    return np.where(small | ~t.w.real, 0.0, values), found


def integrated_words(
    t: Texts, *, steps: int, most: int, tolerance: float
) -> tuple[np.ndarray, Gradients] | str:
    """Return the sums[n, words] of integrated gradients over a word's tokens, for the class decided, or why not.

    The path runs from a text of unknown tokens, one for each token, in the space of embeddings.
    """
    model, tokens = t.subject.model, t.subject.data.tokens
    assert tokens is not None
    leaf = table_of(model.params, tokens.vocabulary) if model.differentiable else None
    ids = t.w.rows.x
    if leaf is None or ids.shape[1] + 1 > tokens.vocabulary:
        return "the model has no single table of embeddings with a row for each token, through which to differentiate"
    found = token_gradients(
        *opened(t.apply, leaf),
        model.params,
        ids,
        np.where(ids == PAD, PAD, UNKNOWN).astype(ids.dtype),
        margin=t.margin,
        column=t.column,
        steps=min(steps, most),
        most=most,
        tolerance=tolerance,
        batch=t.batch,
        over=t.over,
    )
    outputs = explained(
        t.apply, model.params, ids, margin=t.margin, batch=min(t.batch, len(ids)), over=t.over
    )
    own = np.take_along_axis(outputs, t.column[:, None], axis=1)
    if np.abs(found.outputs - own).max() > SAME * max(1.0, float(np.abs(own).max())):
        return "the model reads more of a token than its embedding, so that no path between embeddings explains it"
    return by_word(t.w, found.values[:, :, 0]) * t.side[:, None], found


@dataclass(frozen=True, eq=False)
class Along:
    """The probability of the class decided: whole[n], without the first words of an order, with them alone [n, k]."""

    whole: np.ndarray
    without: np.ndarray
    alone: np.ndarray

    @property
    def comprehensiveness(self) -> np.ndarray:
        """Return the mean fall[n] when the first words are left out (DeYoung et al. 2020)."""
        return self.whole - self.without.mean(axis=1)

    @property
    def sufficiency(self) -> np.ndarray:
        """Return the mean fall[n] when only the first words are kept."""
        return self.whole - self.alone.mean(axis=1)


def along(t: Texts, values: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> Along:
    """Return what becomes of the output along the order of values[n, words], at shares of each text's own words."""
    order = places(np.where(t.w.real, values, -np.inf), rng)
    counts = np.stack([counts_of(int(n), shares) for n in t.w.counts])
    first = order[:, None, :] < counts[:, :, None]
    everything = np.ones_like(first[:, :1])
    found = _worth(t, np.concatenate([everything, ~first, first], axis=1))
    k = len(shares)
    return Along(found[:, 0], found[:, 1 : k + 1], found[:, k + 1 :])


def at_random(t: Texts, orders: int, shares: Sequence[float], rng: np.random.Generator) -> Along:
    """Return the mean of what becomes of the output along random orders of each text's words."""
    found = [along(t, rng.random(t.w.real.shape), shares, rng) for _ in range(orders)]
    return Along(
        found[0].whole,
        np.mean([f.without for f in found], axis=0),
        np.mean([f.alone for f in found], axis=0),
    )


def agreement(t: Texts, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation[n] of |a| and |b| over each text's own words; NaN where one ranks nothing."""
    each = zip(np.abs(a), np.abs(b), t.w.counts, strict=True)
    return np.array([spearman(x[None, :n], y[None, :n])[0] if n > 1 else np.nan for x, y, n in each])


def _worth(t: Texts, member: np.ndarray) -> np.ndarray:
    """Return the probability[n, k] of the class decided with the words of member[n, k, words] kept."""
    n = len(t.w.rows)
    masking = Masking(
        on_words(t.apply, t.w.rows.x.shape[1]),
        t.subject.model.params,
        t.w.x,
        np.zeros_like(t.w.x[:1]),
        np.zeros((n, 1), int),
        np.arange(t.w.x.shape[1]),
        batch=t.batch,
        over=t.over,
    )
    found = of_output(masked(masking, member, chance(t.margin)), t.column)
    return np.where(t.side[:, None] < 0, 1.0 - found, found)
