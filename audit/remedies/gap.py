"""The penalty on the gap between groups: what a batch of training rows adds to the loss, and what it must know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from audit.remedies.options import ParityPenalty
from audit.remedies.parity_rows import events_of, groups_of
from audit.subject import Dataset, Split

STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gap:
    """The variance between groups of their mean favourable probability, times a weight.

    Within each event e (a class, or all rows) it is sum_g P(g | e) (m_ge - m_e)^2, with m_ge the mean score of the
    group's rows: the squared covariance of score and membership (Zafar et al. 2017) over P(g | e). A batch gives the
    U-statistic of it, the mean over pairs of different rows, which a small batch does not inflate by chance.
    """

    weight: Array
    favourable: int = field(metadata=STATIC)
    errors: bool = field(metadata=STATIC)

    def __call__(self, outputs: Array, y: Array, extra: dict[str, Array], real: Array) -> Array:
        """Return the penalty of logits[n, 1 or 2]; extra is that of `contrasts`, real 0.0 for filler."""
        score, event = self._score(outputs, y), extra["event"] * real[:, None]
        centre = (event * score[:, None]).sum(axis=0) / jnp.maximum(event.sum(axis=0), 1.0)
        off = score - (event * centre[None]).sum(axis=1)
        each = extra["contrast"] * (real * off)[:, None]
        pairs = jnp.maximum(real.sum() * (real.sum() - 1.0), 1.0)
        return self.weight * (jnp.square(each.sum(axis=0)) - jnp.square(each).sum(axis=0)).sum() / pairs

    def _score(self, outputs: Array, y: Array) -> Array:
        """Return the probability[n] of the favourable class, or of an error."""
        logit = outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]
        probability = jax.nn.sigmoid(logit if self.favourable == 1 else -logit)
        if not self.errors:
            return probability
        return jnp.where(y.reshape(-1) == self.favourable, 1.0 - probability, probability)


def gap(how: ParityPenalty, data: Dataset) -> Gap:
    """Return the penalty on this data."""
    assert data.favourable is not None
    return Gap(jnp.float32(how.weight), data.favourable, how.constraint == "error_rate_parity")


def contrasts(how: ParityPenalty, data: Dataset, split: Split) -> dict[str, Any]:
    """Return what the penalty must know of a split's rows: event[n, e] and contrast[n, groups x events].

    The mean over rows of contrast times score is sqrt(P(g | e)) (m_ge - m_e), one column for each group of the training
    rows and event; a pair without a row has zeros.
    """
    known = np.unique(groups_of(data.splits["train"], how.attribute))
    groups, events = groups_of(split, how.attribute), events_of(split, how.constraint, data.favourable)
    columns = [_contrast(groups == group, event) for event in events.T for group in known]
    return {"event": events.astype(np.float32), "contrast": np.stack(columns, axis=1).astype(np.float32)}


def _contrast(member: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Return the contrast[n] of a group with all rows of an event."""
    of, all_ = (member & event).sum(), event.sum()
    if not of:
        return np.zeros(len(member))
    return np.sqrt(of / all_) * len(member) * ((member & event) / of - event / all_)
