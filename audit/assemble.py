"""Configuration to dataset and model: read, build, train or restore, adapt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from audit import crossfit, networks, parity, scaling, training
from audit.config import (
    DecisionConfig,
    EmbeddedData,
    ImageData,
    InteractionData,
    Loaded,
    ModelConfig,
    TableData,
    TextData,
)
from audit.errors import ConfigError, ModelError, users_code
from audit.kept import Kept
from audit.networks import Assembled, Order, Tick
from audit.ready import plan_of, refuse_guesses
from audit.subject import Dataset, DecisionRule, Model, with_meaning

if TYPE_CHECKING:
    from audit.data.roles import SplitPlan
    from models.network import Network
    from models.scaling import Method

Kind = Literal["argmax", "threshold", "each", "top_k", "none"]


def read_data(loaded: Loaded, *, ready: bool = False) -> Dataset:
    """Return the dataset of the configuration's data block; ready: a model is given in Python, none trained here."""
    data = loaded.config.data
    if data is None:
        raise ConfigError("data is missing", "a data block, or a Dataset given to audit.run", "add it")
    if isinstance(data, InteractionData):
        from audit import read_interactions

        return read_interactions.read(loaded, data)
    found = _read(loaded, data, plan_of(loaded, data, ready=ready))
    refuse_guesses(loaded, found, ready=ready)
    return found


def _read(loaded: Loaded, data: EmbeddedData | TableData | ImageData | TextData, plan: SplitPlan) -> Dataset:
    """Return the dataset of a block of tables, images or texts."""
    from audit.data import embedded, images, tables
    from audit.data.derived import Derived
    from audit.data.roles import Roles

    images_inside = isinstance(data, EmbeddedData) and data.dataset == "digits"
    if plan.by == "folds" and (images_inside or not isinstance(data, TableData | EmbeddedData)):
        raise ConfigError(f"{crossfit.FOLDS} for what is no table", "a table", "split by fraction")
    if isinstance(data, EmbeddedData):
        return embedded.load(data.dataset, plan)
    name = data.name or loaded.config.name
    if isinstance(data, TableData):
        return tables.load(
            name,
            data.task,
            *_files(loaded, data),
            Roles(**data.columns.model_dump(exclude={"derive"})),
            plan,
            derive={name: Derived(**one.model_dump()) for name, one in data.columns.derive.items()},
            obtain=data.obtain,
            licence=data.licence,
            sha256=data.sha256,
            apart=loaded.config.model.columns if loaded.config.model else (),
        )
    if isinstance(data, TextData):
        return _texts(loaded, data, name, plan)
    named = images.Arrays(**data.arrays.model_dump()) if data.arrays else None
    return images.load(
        name,
        _optional(loaded, data.path, data.obtain),
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
    from audit.data import outside, texts
    from audit.data.roles import Roles
    from audit.data.vocabulary import VocabularyPlan

    given = data.columns.model_dump()
    found = texts.load(
        name,
        data.task,
        *_files(loaded, data),
        given.pop("text"),
        Roles(**given),
        plan,
        VocabularyPlan(**data.tokens.model_dump()),
        obtain=data.obtain,
        licence=data.licence,
        sha256=data.sha256,
    )
    if data.outside is None:
        return found
    path, licence = loaded.path(data.outside.path, data.outside.obtain), data.outside.licence
    return outside.added(found, path, data.outside.text, obtain=data.outside.obtain, licence=licence)


def _files(loaded: Loaded, data: TableData | TextData) -> tuple[Path, Path | None]:
    """Return the file of rows, and that of test rows where it is another."""
    first, second = (data.path, data.test) if data.path is not None else (data.test, None)
    assert first is not None
    return loaded.path(first, data.obtain), _optional(loaded, second, data.obtain)


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
    decision = decision_rule(loaded.config.decision, data, given.outputs)
    _refuse(loaded, given, data)
    if given.scores is not None:
        made = Assembled(_scores(loaded, given, data, decision))
    else:
        from models import own

        try:
            order = Order(loaded, given, decision, kept, tick)
            made = (
                crossfit.assembled(order, data)
                if data.folds is not None
                else _network(order, data, digests, like)
            )
        except ValueError as error:  # models/ may not know our errors; its ValueErrors are one readable line
            raise ModelError(f"model: {error}") from error
        except Exception as error:
            told = own.at_fault(given.network or "", error)
            if told is None:
                raise
            raise ModelError(f"model: {told}") from error
    with users_code(f"model {made.model.name}"):
        made = replace(made, model=with_meaning(made.model, data))
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
    if data.folds is not None:
        crossfit.refuse(loaded, given)
    training.refuse(given, data)
    if given.scores is not None and data.catalogue is not None:
        raise ConfigError("model.scores for a ranking task", "a network, or a Model given to audit.run")
    if given.scaling is not None:
        scaling.refuse(data, given.outputs or "logits", f"model.scaling={given.scaling}")
    if loaded.config.decision.parity is not None:
        if given.outputs == "decisions":
            raise ConfigError(
                "decision.parity with outputs: decisions", "scores to set thresholds of", "leave it out"
            )
        parity.refuse(data, loaded.config.decision.parity, "decision.parity")


def with_scaling(made: Assembled, data: Dataset, method: Method) -> Assembled:
    """Return what was assembled with the model's logits scaled, and those of every model trained again."""
    again = made.refit

    def refit(**changes: Any) -> Model:
        assert again is not None
        return scaling.scaled(again(**changes), data, method)

    return replace(made, model=scaling.scaled(made.model, data, method), refit=refit if again else None)


def decision_rule(given: DecisionConfig, data: Dataset, outputs: str | None = None) -> DecisionRule:
    """Return the decision rule: by default a threshold for binary tasks and each label, else the largest output.

    outputs that are decisions have none; ConfigError where one is given for them.
    """
    if outputs == "decisions":
        asked = sorted({"rule", "threshold", "k"} & given.model_fields_set)
        if asked:
            raise ConfigError(
                f"decision.{asked[0]} with outputs: decisions",
                "no rule beside what the model decides",
                f"leave decision.{asked[0]} out",
            )
        return DecisionRule("given_each" if data.task == "multilabel" else "given")
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
    _refuse_target(loaded, given, path)
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


def _refuse_target(loaded: Loaded, given: ModelConfig, path: Path) -> None:
    """Raise ConfigError where a score column is the target's own column of the data's file."""
    data = loaded.config.data
    if not isinstance(data, TableData | TextData):
        return
    files = [loaded.path(one).resolve() for one in (data.path, data.test) if one]
    targets = {name.strip() for name in data.columns.target.split(",")} & set(given.columns)
    if targets and path.resolve() in files:
        raise ConfigError(
            f"model.columns={sorted(targets)[0]!r}, the target of the data's own file",
            "a column of scores",
            "what is to be predicted is no prediction",
        )


def _id(loaded: Loaded) -> str:
    """Return the column that holds the rows' own ids."""
    data = loaded.config.data
    return (data.columns.id if isinstance(data, TableData | TextData) else None) or "id"


def _network(order: Order, data: Dataset, digests: Mapping[str, str], like: Network | None) -> Assembled:
    """Return the configured network, built and then restored or trained."""
    seed = order.loaded.config.seed
    return networks.finished(order, data, digests, networks.started(order, data, seed), seed, like)
