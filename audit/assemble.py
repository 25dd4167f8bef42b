"""Configuration to dataset and model: read, build, train or restore, adapt."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audit.config import DecisionConfig, EmbeddedData, ImageData, Loaded, ModelConfig, TableData
from audit.digests import of_json, software, source_digest
from audit.errors import ConfigError, ModelError
from audit.evidence import Column, Table
from audit.kept import Kept
from audit.store import sha256
from audit.subject import Dataset, DecisionRule, Model

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Assembled:
    """A model, how it was trained, how to write its weights, and how to train it again with changes."""

    model: Model
    training: Table | None = None
    save: Callable[[Path], None] | None = None
    refit: Callable[..., Model] | None = None


def read_data(loaded: Loaded) -> Dataset:
    """Return the dataset of the configuration's data block."""
    from audit.data import embedded, images, tables
    from audit.data.roles import Roles, SplitPlan

    data = loaded.config.data
    if data is None:
        raise ConfigError("data is missing", "a data block, or a Dataset given to audit.run", "add it")
    plan = SplitPlan(**data.split.model_dump(), seed=loaded.config.seed)
    if isinstance(data, EmbeddedData):
        return embedded.load(data.dataset, plan)
    name = data.name or loaded.config.name
    path = {key: loaded.path(text) if text else None for key, text in _files(data).items()}
    if isinstance(data, TableData):
        roles = Roles(**data.columns.model_dump())
        return tables.load(
            name, data.task, path["path"], path["test"], roles, plan,
            obtain=data.obtain, licence=data.licence, sha256=data.sha256,
        )  # fmt: skip
    return images.load(
        name, path["path"], path["labels"], path["test"], path["test_labels"], data.classes, plan,
        obtain=data.obtain, licence=data.licence, favourable=data.favourable,
    )  # fmt: skip


def read_model(
    loaded: Loaded, data: Dataset, digests: Mapping[str, str], kept: Kept | None, tick: Tick
) -> Assembled:
    """Return the model of the configuration's model block: trained, restored, adapted or read as scores."""
    given = loaded.config.model
    if given is None:
        raise ConfigError("model is missing", "a model block, or a Model given to audit.run", "add it")
    if (given.scores is None) == (given.network is None):
        raise ConfigError("model", "exactly one of network and scores")
    decision = decision_rule(loaded.config.decision, data)
    if given.scores is not None:
        return Assembled(_scores(loaded, given, data, decision))
    try:
        return _network(loaded, given, data, digests, kept, tick, decision)
    except ValueError as error:  # models/ may not know our errors; its ValueErrors are one readable line
        raise ModelError(f"model: {error}") from error


def decision_rule(given: DecisionConfig, data: Dataset) -> DecisionRule:
    """Return the decision rule, by default a threshold for binary tasks and the largest output for classes."""
    usual = {"binary": "threshold", "multiclass": "argmax", "ranking": "top_k"}.get(data.task, "none")
    kind = given.rule or usual
    if kind == "threshold" and data.task != "binary":
        raise ConfigError(f"decision.rule=threshold for a {data.task} task", "argmax")
    return DecisionRule(kind, given.threshold, given.k)


def _files(data: TableData | ImageData) -> dict[str, str | None]:
    """Return the paths a data block names."""
    if isinstance(data, TableData):
        return {"path": data.path, "test": data.test}
    return {"path": data.path, "labels": data.labels, "test": data.test, "test_labels": data.test_labels}


def _scores(loaded: Loaded, given: ModelConfig, data: Dataset, decision: DecisionRule) -> Model:
    """Return a file of scores as a model."""
    from audit.data import scores

    assert given.scores is not None
    path = loaded.path(given.scores)
    return Model(
        name=given.name or path.stem,
        apply=None,
        outputs=given.outputs,
        decision=decision,
        differentiable=False,
        network="a file of scores",
        scores=scores.load(path, data),
        origin=path.name,
    )


def _network(
    loaded: Loaded,
    given: ModelConfig,
    data: Dataset,
    digests: Mapping[str, str],
    kept: Kept | None,
    tick: Tick,
    decision: DecisionRule,
) -> Assembled:
    """Build the network, then restore or train it."""
    from models import checkpoint

    assert given.network is not None
    seed = loaded.config.seed
    network = _build(loaded, given, data, seed)
    history: tuple[tuple[float, ...], ...] = ()
    origin = "used as given, not trained here"
    if given.weights is not None:
        network = network.with_params(checkpoint.restore(loaded.path(given.weights), network.params))
        origin = f"weights restored from {Path(given.weights).name}"
    if given.train is not None:
        key = _training_key(loaded, given, data, digests)
        network, history = _trained(network, given, data, seed, key, kept, tick)
        origin = "trained here"
    as_model = functools.partial(_as_model, given=given, data=data, decision=decision, origin=origin)

    def refit(*, seed: int = seed, perturb: Any = None, loss: Any = None) -> Model:
        fresh = _build(loaded, given, data, seed)
        return as_model(_fit(fresh, given, data, seed, tick, perturb, loss).network)

    return Assembled(
        as_model(network),
        training=_loss_table(history) if history else None,
        save=(lambda folder: checkpoint.save(folder / "weights", network.params)) if given.train else None,
        refit=refit if given.train else None,
    )
