"""Cross-fitting: a network for every fold, trained on the other rows; all of them are the one model that is audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audit import networks
from audit.config import Loaded, ModelConfig
from audit.digests import dataset_digest
from audit.errors import ConfigError
from audit.evidence import Column, Table
from audit.networks import Assembled, Order, Tick
from audit.subject import Dataset, Model

FOLDS = "data.split.by=folds"
PROBES = 64  # rows on which networks are compared
NOTE = (
    "{n} networks judge a fold each; the network to be released, trained on all rows, would be another one. The run "
    "folder's weights hold them all, the folds along each array's first axis, or each under its fold"
)


def refuse(loaded: Loaded, given: ModelConfig) -> None:
    """Raise ConfigError, before any training, for what cannot be cross-fitted honestly."""
    calibrated = "none: every row is judged, so that none is left to fit it on"
    reasons = {
        "model.scores": (given.scores, "a network that is trained here, once for each fold"),
        "model.weights": (given.weights, "no weights, since what they were trained on is not known"),
        "model.scaling": (given.scaling, calibrated),
        "decision.parity": (loaded.config.decision.parity, calibrated),
        "model.train.reductions": (given.train and given.train.reductions, "a single network for each fold"),
    }
    for name, (there, expected) in reasons.items():
        if there is not None:
            raise ConfigError(f"{name} with {FOLDS}", expected, "or split by fraction")
    if getattr(loaded.config.data, "task", "") == "multilabel":
        raise ConfigError(f"{FOLDS} for a multilabel task", "a binary, multiclass or regression task")
    if given.train is None:
        raise ConfigError(
            f"{FOLDS} without model.train", "networks trained here", "add it, or split by fraction"
        )


def seen_by(data: Dataset, k: int) -> Dataset:
    """Return the data as network k meets them: its own train and validation rows, its fold as test, features alone."""
    assert data.folds is not None
    plain = replace(data.test, x=data.test.x[:, :-1])
    splits = {
        name: plain.take(np.flatnonzero(data.folds[k] == name)) for name in ("train", "validation", "test")
    }
    ends = {name: None if (a := getattr(data, name)) is None else a[:-1] for name in ("low", "high", "scale")}
    return replace(data, splits=splits, folds=None, **ends)


def seed_of(seed: int, k: int) -> int:
    """Return the seed of network k, drawn from the run's."""
    return int(np.random.default_rng((seed, k)).integers(2**31))


def assembled(order: Order, data: Dataset) -> Assembled:
    """Return the networks of all folds, each trained on what `seen_by` shows it, as one model of x[n, d + 1]."""
    from models import checkpoint
    from models.folded import folded

    own = _each(order, data)
    whole = folded([replace(one.network, params=one.model.params) for one in own if one.network is not None])

    def joined(models: Sequence[Model]) -> Model:
        params = folded([replace(whole, apply=m.apply, params=m.params) for m in models if m.apply]).params
        return replace(
            models[0],
            apply=whole.apply,
            params=params,
            parts=None,
            network=f"{len(models)} x {models[0].network}",
            notes=(*models[0].notes, NOTE.format(n=len(models))),
        )

    def refit(**changes: Any) -> Model:
        """Return all networks trained again, each from a seed of its own."""
        seed = changes.pop("seed", order.loaded.config.seed)
        return joined([one.refit(seed=seed_of(seed, k), **changes) for k, one in enumerate(own) if one.refit])

    model = joined([one.model for one in own])
    return Assembled(
        model,
        whole,
        training=_told(data, own),
        save=lambda folder: checkpoint.save(folder / "weights", model.params),
        weights=model.params,
        refit=refit,
        choice=own[0].choice,
    )


def _each(order: Order, data: Dataset) -> list[Assembled]:
    """Return the trained network of each fold; those that compute alike share compiled code."""
    from models.folded import alike

    assert data.folds is not None
    found: list[Assembled] = []
    first = None
    for k in range(len(data.folds)):
        own, seed = seen_by(data, k), seed_of(order.loaded.config.seed, k)
        fresh = networks.started(order, own, seed)
        first = first or fresh
        like = found[0].network if found and alike(first, fresh, own.test.x[:PROBES]) else None
        mine = replace(order, tick=_part(order.tick, k, len(data.folds)))
        found.append(networks.finished(mine, own, dataset_digest(own), fresh, seed, like))
    return found


def _part(tick: Tick, k: int, parts: int) -> Tick:
    """Return the progress of part k of so many."""
    return lambda done, total: tick(k * total + done, parts * total)


def _told(data: Dataset, own: Sequence[Assembled]) -> Table:
    """Return how the training of each fold's network went."""
    assert data.folds is not None
    rows = []
    for k, (part, one) in enumerate(zip(data.folds, own, strict=True), start=1):
        history = one.training.rows if one.training else ()
        held = [float(row[2]) for row in history if row[2] is not None]
        best = held.index(min(held)) if held else len(history) - 1
        counts = ((part == name).sum() for name in ("train", "validation", "test"))
        rows.append((k, *map(int, counts), len(history), *history[best]))
    labels = {
        "fold": "Fold",
        "rows": "Training rows",
        "held": "Validation rows",
        "judged": "Rows judged",
        "epochs": "Epochs",
        "kept": "Epoch kept",
    }
    return Table(
        name="training",
        title="Training of each fold's network",
        columns=(
            *(Column(name=name, label=label, kind="count") for name, label in labels.items()),
            Column(name="train", label="Training loss then"),
            Column(name="validation", label="Validation loss then"),
        ),
        rows=tuple(rows),
        note=one.training.note if (one := own[0]).training else "",
    )
