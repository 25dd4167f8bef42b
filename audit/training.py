"""How a configured network is trained: plainly, against an attack, or for parity between groups; and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from audit.config import ModelConfig, TrainConfig
from audit.digests import of_arrays, of_json, software, source_digest
from audit.errors import ConfigError
from audit.evidence import Column, Table
from audit.kept import Kept
from audit.meaning import OF_NUMBERS, Outputs
from audit.ready import refuse_training
from audit.remedies import parity_rows
from audit.remedies.options import WAYS, Adversarial, ParityPenalty, Reduction
from audit.store import write_bytes
from audit.subject import Dataset, DecisionRule, Model, decide, run_model
from audit.subject_unit import eps_unit

if TYPE_CHECKING:
    from audit.remedies.hooks import Hooks
    from models.network import Network
    from models.recipe import Recipe

Tick = Callable[[int, int], None]
History = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, eq=False)
class Course:
    """What a training depends on besides the network's start and the seed."""

    given: ModelConfig
    how: TrainConfig
    data: Dataset
    decision: DecisionRule

    @property
    def manner(self) -> str:
        """Return what is special about the training, or nothing."""
        how, changed = self.how, rows_changed(self.how)
        if how.adversarial:
            return f"{changed} on rows moved against it: {how.adversarial} {eps_unit(self.data)}"
        if how.parity:
            return f"{changed} with a penalty on the gap between groups: {how.parity}"
        return f"{changed} by reductions: {how.reductions}" if how.reductions else changed


@dataclass(frozen=True, eq=False)
class Done:
    """A trained network, its history row by row, notes for the record, and a mixture's number of members."""

    network: Network
    history: History = ()
    notes: tuple[str, ...] = ()
    members: int = 0


def rows_changed(how: TrainConfig) -> str:
    """Return how training rows are augmented or mixed, or nothing."""
    recipe = recipe_of(how, 0)
    said = f" on augmented images ({recipe.augment})" if recipe.augment else ""
    return said + (f" with mixup (alpha {how.mixup:g})" if how.mixup else "")


def refuse(given: ModelConfig, data: Dataset) -> None:
    """Raise ConfigError, before any work, for a training that these data or outputs do not allow."""
    how = given.train
    if how and given.outputs not in (None, known := outputs_of(data)):
        raise ConfigError(
            f"model.outputs={given.outputs} with model.train, whose loss is of {known}",
            f"outputs: {known}, or none",
            "leave model.outputs out, and let the network end without sigmoid or softmax",
        )
    if how:
        refuse_training(data)
        _refuse_changes(how, data)
    for options in (how and how.parity, how and how.reductions):
        if options is not None:
            refuse_way(options, given, data, f"model.train.{WAYS[type(options)]}")


def outputs_of(data: Dataset) -> Outputs:
    """Return what the outputs of a network trained here are: the loss takes them for nothing else."""
    return "values" if data.task in OF_NUMBERS else "logits"


def _refuse_changes(how: TrainConfig, data: Dataset) -> None:
    """Raise ConfigError where training rows cannot be augmented or mixed."""
    kind = f"{data.modality} data"
    if how.augment and data.modality != "image":
        raise ConfigError(f"model.train.augment of {kind}", "images", "leave it out")
    if how.mixup and (data.modality in ("text", "interactions") or data.task == "ranking"):
        raise ConfigError(f"model.train.mixup of {kind}", "inputs that are real numbers", "leave it out")
    codes = [f.name for f in data.features if f.kind == "categorical"]
    if how.mixup and codes:
        given = f"model.train.mixup with categorical features ({codes[0]})"
        raise ConfigError(given, "numeric ones: categories have no mean", "leave it out")


def refuse_way(options: ParityPenalty | Reduction, given: ModelConfig, data: Dataset, where: str) -> None:
    """Raise ConfigError where a way to train for parity between groups cannot be had."""
    parity_rows.refuse(data, options, where)
    _refuse_outputs(given, where)
    if isinstance(options, ParityPenalty):
        return
    if data.splits["train"].weight is not None:  # fairlearn counts every row once
        raise ConfigError(f"{where} of rows with weights", "none", "leave columns.weight out")
    if given.train and given.train.class_weights:
        raise ConfigError(f"{where} with class_weights", "one of the two", "leave class_weights out")


def _refuse_outputs(given: ModelConfig, where: str) -> None:
    """Raise ConfigError unless the network gives logits."""
    if given.outputs not in (None, "logits"):
        raise ConfigError(f"{where} with outputs={given.outputs}", "logits", "leave it out")


def key(course: Course, digests: Mapping[str, str], seed: int, code: tuple[str, ...], start: str) -> str:
    """Return the digest of all that trained weights depend on; start: that of the weights fine-tuned, or nothing."""
    given, how, data = course.given, course.how, course.data
    space = list(_hooks(given, how.adversarial, data).perturb.space) if how.adversarial else []
    fair = [data.favourable, str(course.decision)] if how.parity or how.reductions else []
    parts = [
        given.model_dump(mode="json", exclude={"scaling"}),  # which comes after training
        [digests["train"], digests["validation"], of_arrays(space), *fair],  # units, fixed features, bounds
        seed,
        code,
        start,
        software(),
        source_digest(),
    ]
    return f"weights-{of_json([*parts, jax.default_backend()])}"


def kept_or_trained(
    course: Course, network: Network, seed: int, key: str, kept: Kept | None, tick: Tick
) -> Done:
    """Return the weights that an earlier run trained from the same, or train and keep them."""
    from models import checkpoint, mixture

    folder = kept.folder_of(key) if kept else None
    if folder is not None:
        told = json.loads((folder / "history.json").read_text())
        like = mixture.empty(network, told["members"]) if told["members"] else network
        params = checkpoint.restore(folder / "weights", like.params)
        history = tuple(tuple(row) for row in told["history"])
        return Done(replace(like, params=params), history, tuple(told["notes"]), told["members"])
    done = trained(course, network, seed, tick, None, None)

    def fill(place: Path) -> None:
        checkpoint.save(place / "weights", done.network.params)
        told = {"history": done.history, "notes": done.notes, "members": done.members}
        write_bytes(place / "history.json", json.dumps(told).encode())

    if kept:
        kept.keep_folder(key, fill)
    return done


def trained(course: Course, network: Network, seed: int, tick: Tick, perturb: Any, loss: Any) -> Done:
    """Return the network trained on the train split; early stopping asks the validation split."""
    recipe = recipe_of(course.how, seed)
    if course.how.reductions:
        return _reduced(course, course.how.reductions, network, recipe, tick, perturb, loss)
    return _fitted(course, network, recipe, tick, perturb, loss)


def recipe_of(how: TrainConfig, seed: int) -> Recipe:
    """Return the training loop's recipe."""
    from models.recipe import Augment, Recipe

    plain = how.model_dump(exclude={"start", "adversarial", "parity", "reductions", "augment"})
    augment = Augment(**how.augment.model_dump()) if how.augment else None
    return Recipe(**plain, augment=augment, seed=seed)


def _fitted(course: Course, network: Network, recipe: Recipe, tick: Tick, perturb: Any, loss: Any) -> Done:
    """Return the network after one training."""
    from models.train import fit

    data, how = course.data, course.how
    if data.task == "ranking" and data.catalogue is None:
        raise ConfigError("model.train for a ranking task of a table", "source: interactions, or scores")
    train, validation = data.splits["train"], data.splits["validation"]
    penalty = replay = joint = extra = held = None
    if how.adversarial and perturb is None:
        perturb, penalty, replay = _hooks(course.given, how.adversarial, data)
    if how.parity:
        from audit.remedies.gap import contrasts, gap

        joint, extra = gap(how.parity, data), contrasts(how.parity, data, train)
        held = contrasts(how.parity, data, validation) if len(validation) else None
    result = fit(
        network,
        (train.x, train.y, train.weight, extra),
        (validation.x, validation.y, None, held) if len(validation) else None,
        data.task,
        recipe,
        perturb=perturb,
        penalty=penalty,
        replay=replay,
        joint=joint,
        loss=loss,
        progress=tick,
    )
    return Done(result.network, tuple(tuple(row) for row in result.history))


def _reduced(
    course: Course, how: Reduction, network: Network, recipe: Recipe, tick: Tick, perturb: Any, loss: Any
) -> Done:
    """Return the mixture of networks that reductions give."""
    from audit.reductions import reduced
    from models.mixture import mixture
    from models.train import fit

    split, calls = course.data.splits["train"], [0]
    recipe = replace(recipe, epochs=how.epochs or recipe.epochs, patience=None)

    def train(y: np.ndarray, weight: np.ndarray) -> Network:
        calls[0] += 1
        tick(min(calls[0], 3 * how.max_iter), 3 * how.max_iter)
        rows = (split.x, y.astype(np.int32), weight)
        return fit(network, rows, None, "binary", recipe, perturb=perturb, loss=loss).network

    def decided(one: Network) -> np.ndarray:
        model = Model("", network.apply, one.params, "logits", course.decision)
        return decide(run_model(model, split.x), model)

    found = reduced(course.data, how, train, decided)
    params, shares = [m.network.params for m in found.members], [m.share for m in found.members]
    history = tuple((i, m.share, m.error, m.violation) for i, m in enumerate(found.members, 1))
    return Done(mixture(network, params, shares, found.constant), history, (found.says,), len(params))


def _hooks(given: ModelConfig, adversarial: Adversarial, data: Dataset) -> Hooks:
    """Return the hooks of adversarial training."""
    from audit.remedies.hooks import hooks

    _refuse_outputs(given, "model.train.adversarial")
    return hooks(adversarial, data)


def told(done: Done, how: TrainConfig, data: Dataset) -> Table | None:
    """Return the loss curve, or the members of a mixture; None where there is nothing to tell."""
    if not done.history:
        return None
    if done.members:
        return _members(done.history)
    notes = (
        [f"The training loss is that of rows as trained on:{changed}."]
        if (changed := rows_changed(how))
        else []
    )
    notes += (
        [f"Of rows moved against the model: {how.adversarial} {eps_unit(data)}."] if how.adversarial else []
    )
    notes += [f"With the penalty on the gap between groups: {how.parity}."] if how.parity else []
    return Table(
        name="training",
        title="Loss by epoch",
        kind="loss",
        columns=(
            Column(name="epoch", label="Epoch", kind="count"),
            Column(name="train", label="Training loss"),
            Column(name="validation", label="Validation loss"),
        ),
        rows=done.history,
        note=" ".join(notes),
    )


def _members(history: History) -> Table:
    """Return the table of a mixture's networks."""
    return Table(
        name="training",
        title="Networks of the mixture",
        columns=(
            Column(name="network", label="Network", kind="count"),
            Column(name="share", label="Share"),
            Column(name="error", label="Error on the training rows"),
            Column(name="violation", label="Widest gap of a group to all, there"),
        ),
        rows=history,
        note="The model's probability is the networks' mean by share. Figures of the training rows, without intervals.",
    )
