"""Configuration to dataset and model: read, build, train or restore, adapt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit import parity, scaling, training
from audit.config import (
    DecisionConfig,
    EmbeddedData,
    InteractionData,
    Loaded,
    ModelConfig,
    TableData,
    TextData,
)
from audit.errors import ConfigError, ModelError
from audit.evidence import Table
from audit.kept import Kept
from audit.store import sha256
from audit.subject import Dataset, DecisionRule, Model

if TYPE_CHECKING:
    from audit.data.roles import SplitPlan
    from models.network import Network
    from models.rewrite.choose import Choice
    from models.scaling import Method

Tick = Callable[[int, int], None]
Kind = Literal["argmax", "threshold", "each", "top_k", "none"]
History = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Assembled:
    """A model, how it was trained, how to write its weights, and how to train it again with changes.

    network: what is trained, as the model applies it or as a member of a mixture; another training that is given it
    shares its compiled code.
    choice: whether it runs in a rewritten form.
    """

    model: Model
    network: Network | None = None
    training: Table | None = None
    save: Callable[[Path], object] | None = None
    weights: Any = None
    refit: Callable[..., Model] | None = None
    choice: Choice | None = None


def read_data(loaded: Loaded) -> Dataset:
    """Return the dataset of the configuration's data block."""
    from audit.data import embedded, images, tables
    from audit.data.derived import Derived
    from audit.data.roles import Roles, SplitPlan

    data = loaded.config.data
    if data is None:
        raise ConfigError("data is missing", "a data block, or a Dataset given to audit.run", "add it")
    if isinstance(data, InteractionData):
        from audit import read_interactions

        return read_interactions.read(loaded, data)
    plan = SplitPlan(**data.split.model_dump(), seed=loaded.config.seed)
    if isinstance(data, EmbeddedData):
        return embedded.load(data.dataset, plan)
    name = data.name or loaded.config.name
    if isinstance(data, TableData):
        return tables.load(
            name,
            data.task,
            loaded.path(data.path, data.obtain),
            _optional(loaded, data.test, data.obtain),
            Roles(**data.columns.model_dump(exclude={"derive"})),
            plan,
            derive={name: Derived(**one.model_dump()) for name, one in data.columns.derive.items()},
            obtain=data.obtain,
            licence=data.licence,
            sha256=data.sha256,
        )
    if isinstance(data, TextData):
        return _texts(loaded, data, name, plan)
    named = images.Arrays(**data.arrays.model_dump()) if data.arrays else None
    return images.load(
        name,
        loaded.path(data.path, data.obtain),
        _optional(loaded, data.labels, data.obtain),
        _optional(loaded, data.test, data.obtain),
        _optional(loaded, data.test_labels, data.obtain),
        data.classes,
        plan,
        obtain=data.obtain,
        licence=data.licence,
        favourable=data.favourable,
        arrays=named,
        sha256=data.sha256,
    )


def _texts(loaded: Loaded, data: TextData, name: str, plan: SplitPlan) -> Dataset:
    """Return the dataset of a block of texts."""
    from audit.data import texts
    from audit.data.roles import Roles
    from audit.data.vocabulary import VocabularyPlan

    given = data.columns.model_dump()
    return texts.load(
        name,
        data.task,
        loaded.path(data.path, data.obtain),
        _optional(loaded, data.test, data.obtain),
        given.pop("text"),
        Roles(**given),
        plan,
        VocabularyPlan(**data.tokens.model_dump()),
        obtain=data.obtain,
        licence=data.licence,
        sha256=data.sha256,
    )


def read_model(
    loaded: Loaded,
    data: Dataset,
    digests: Mapping[str, str],
    kept: Kept | None,
    tick: Tick,
    like: Network | None = None,
) -> Assembled:
    """Return the model of the configuration's model block: trained, restored, adapted or read as scores.

    like: the network of the same block without its training, whose compiled code is then shared.
    """
    given = loaded.config.model
    if given is None:
        raise ConfigError("model is missing", "a model block, or a Model given to audit.run", "add it")
    if (given.scores is None) == (given.network is None):
        raise ConfigError("model", "exactly one of network and scores")
    decision = decision_rule(loaded.config.decision, data)
    _refuse(loaded, given, data)
    if given.scores is not None:
        made = Assembled(_scores(loaded, given, data, decision))
    else:
        try:
            made = _network(loaded, given, data, digests, kept, tick, decision, like)
        except ValueError as error:  # models/ may not know our errors; its ValueErrors are one readable line
            raise ModelError(f"model: {error}") from error
    if given.scaling is not None:
        made = with_scaling(made, data, given.scaling)
    how = loaded.config.decision.parity
    return (
        made
        if how is None
        else replace(made, model=parity.with_parity(made.model, data, how, loaded.config.seed))
    )


def _refuse(loaded: Loaded, given: ModelConfig, data: Dataset) -> None:
    """Raise ConfigError, before any training, for what cannot be fitted after it."""
    training.refuse(given, data)
    if given.scores is not None and data.catalogue is not None:
        raise ConfigError("model.scores for a ranking task", "a network, or a Model given to audit.run")
    if given.scaling is not None:
        scaling.refuse(data, given.outputs, f"model.scaling={given.scaling}")
    if loaded.config.decision.parity is not None:
        parity.refuse(data, loaded.config.decision.parity, "decision.parity")


def with_scaling(made: Assembled, data: Dataset, method: Method) -> Assembled:
    """Return what was assembled with the model's logits scaled, and those of every model trained again."""
    again = made.refit

    def refit(**changes: Any) -> Model:
        assert again is not None
        return scaling.scaled(again(**changes), data, method)

    return replace(made, model=scaling.scaled(made.model, data, method), refit=refit if again else None)


def decision_rule(given: DecisionConfig, data: Dataset) -> DecisionRule:
    """Return the decision rule: by default a threshold for binary tasks and each label, else the largest output."""
    usual: dict[str, Kind] = {
        "binary": "threshold", "multilabel": "threshold", "multiclass": "argmax", "ranking": "top_k",
    }  # fmt: skip
    kind = given.rule or usual.get(data.task, "none")
    if kind == "threshold" and data.task not in ("binary", "multilabel"):
        raise ConfigError(f"decision.rule=threshold for a {data.task} task", "argmax")
    if data.task == "multilabel":
        if kind != "threshold":
            raise ConfigError(f"decision.rule={kind} for a multilabel task", "threshold")
        kind = "each"
    return DecisionRule(kind, given.threshold, given.k)


def _optional(loaded: Loaded, text: str | None, todo: str) -> Path | None:
    """Return a path of the configuration, or None."""
    return loaded.path(text, todo) if text else None


def _scores(loaded: Loaded, given: ModelConfig, data: Dataset, decision: DecisionRule) -> Model:
    """Return a file of scores as a model."""
    from audit.data import scores

    assert given.scores is not None
    path = loaded.path(
        given.scores,
        loaded.config.data.obtain if isinstance(loaded.config.data, TableData | TextData) else "",
    )
    own = f" ({', '.join(given.columns)})" if given.columns else ""
    drawn = (f"Scores of {given.span[0]:g} to {given.span[1]:g}, read as 0 to 1.",) if given.span else ()
    return Model(
        name=given.name or path.stem,
        apply=None,
        outputs=given.outputs,
        decision=decision,
        differentiable=False,
        network="a file of scores",
        scores=scores.load(
            path, data, outputs=given.outputs, id=_id(loaded), columns=given.columns, span=given.span
        ),
        origin=f"{path.name}{own}",
        notes=drawn,
    )


def _id(loaded: Loaded) -> str:
    """Return the column that holds the rows' own ids."""
    data = loaded.config.data
    return (data.columns.id if isinstance(data, TableData | TextData) else None) or "id"


def _network(
    loaded: Loaded,
    given: ModelConfig,
    data: Dataset,
    digests: Mapping[str, str],
    kept: Kept | None,
    tick: Tick,
    decision: DecisionRule,
    like: Network | None,
) -> Assembled:
    """Build the network, then restore or train it."""
    from audit import rewriting
    from models import checkpoint

    seed, origin = loaded.config.seed, "used as given, not trained here"
    network, choice = _build(loaded, given, data, seed), None
    if like:
        network = replace(like, params=network.params)
    else:
        of = [given.network, given.options, _code(loaded, given), digests["train"]]
        network, choice = rewriting.chosen(network, data.splits["train"].x, given.rewrite, of, kept)
    if given.weights is not None:
        network = replace(network, params=checkpoint.restore(loaded.path(given.weights), network.params))
        origin = f"weights restored from {Path(given.weights).name}"
    how, done = given.train, training.Done(network)
    if how is not None:
        course = training.Course(given, how, data, decision)
        key = training.key(course, digests, seed, _code(loaded, given), _weights(loaded, given))
        done = training.kept_or_trained(course, network, seed, key, kept, tick)
        origin = f"trained here{course.manner}"

    def finished(done: training.Done) -> Model:
        network = done.network
        return Model(
            name=given.name or network.name,
            apply=network.apply,
            params=network.params,
            outputs=given.outputs,
            decision=decision,
            network=f"{given.network or ''} {_sorted(given.options)}".strip(),
            parts=network.parts,
            origin=origin,
            notes=(*_code(loaded, given), *rewriting.notes(choice), *done.notes),
        )

    def refit(*, seed: int = seed, perturb: Any = None, loss: Any = None) -> Model:
        assert how is not None
        fresh = replace(network, params=_build(loaded, given, data, seed).params)  # shares compiled code
        course = training.Course(given, how, data, decision)
        return finished(training.trained(course, fresh, seed, tick, perturb, loss))

    return Assembled(
        finished(done),
        network,
        training=training.told(done, how) if how else None,
        save=(lambda folder: checkpoint.save(folder / "weights", done.network.params)) if how else None,
        weights=done.network.params if how else None,
        refit=refit if how else None,
        choice=choice,
    )


def _weights(loaded: Loaded, given: ModelConfig) -> str:
    """Return the folder of the weights that are restored, or nothing."""
    return str(loaded.path(given.weights)) if given.weights else ""


def _build(loaded: Loaded, given: ModelConfig, data: Dataset, seed: int) -> Network:
    """Return a freshly initialised built-in network, or the user's own."""
    from models import build, own

    train = data.splits["train"]
    assert given.network is not None
    if data.catalogue is not None:
        if given.network not in build.OF_HISTORIES:
            raise ConfigError(
                f"model.network={given.network} for a ranking task",
                "two_tower or sequential",
                "give a model of your own to audit.run",
            )
        items, shape = data.catalogue.size, train.x["history"].shape[1:]
        return build.build(given.network, shape=shape, outputs=items, seed=seed, options=given.options)
    shape = np.shape(train.x)[1:]
    outputs = {"binary": 1, "multiclass": len(data.classes), "multilabel": len(data.classes)}.get(
        data.task, 1
    )
    if ".py" in given.network:
        if given.options:
            raise ConfigError(
                f"model.options={given.options} for a network of your own", "none", "put them in it"
            )
        return own.load(given.network, loaded.base, shape=shape, outputs=outputs, seed=seed, x_train=train.x)
    return build.build(
        given.network,
        shape=shape,
        outputs=outputs,
        seed=seed,
        options=given.options,
        columns=tuple(len(f.categories) + 1 if f.kind == "categorical" else 0 for f in data.features) or None,
        x_train=train.x,
        y_train=train.y if data.task == "regression" else None,
        vocabulary=data.tokens.vocabulary if data.tokens else None,
    )


def _code(loaded: Loaded, given: ModelConfig) -> tuple[str, ...]:
    """Return the digest of the file of the user's own network, if it is one."""
    file, own, _ = (given.network or "").partition(".py")
    return (f"code of {file}.py: sha256 {sha256(loaded.path(f'{file}.py').read_bytes())}",) if own else ()


def _sorted(options: Mapping[str, Any]) -> str:
    """Return the options as text, in one order."""
    return ", ".join(f"{name}={options[name]}" for name in sorted(options))
