"""The network that a configuration names: built, then trained here, restored or used as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit import training
from audit.config import Loaded, ModelConfig
from audit.errors import ConfigError
from audit.evidence import Table
from audit.kept import Kept
from audit.store import sha256
from audit.subject import Dataset, DecisionRule, Model

if TYPE_CHECKING:
    from models.network import Network
    from models.rewrite.choose import Choice

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Assembled:
    """A model, how it was trained, how to write its weights, and how to train it again with changes.

    network: what is trained, as the model applies it or as a member of a mixture; another training that is given it
    shares its compiled code.
    start: the digest of the weights that training here started from, where it did not start anew.
    choice: whether it runs in a rewritten form.
    """

    model: Model
    network: Network | None = None
    training: Table | None = None
    save: Callable[[Path], object] | None = None
    weights: Any = None
    refit: Callable[..., Model] | None = None
    start: str = ""
    choice: Choice | None = None


@dataclass(frozen=True, eq=False)
class Order:
    """What every network of a run is made from, whatever its data and seed."""

    loaded: Loaded
    given: ModelConfig
    decision: DecisionRule
    kept: Kept | None
    tick: Tick


def started(order: Order, data: Dataset, seed: int) -> Network:
    """Return a freshly initialised built-in network, or the user's own."""
    from models import build, own

    given, train = order.given, data.reference
    assert given.network is not None
    if _without_parameters(given) and ".py" not in given.network:
        raise _untrained(given.network)
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
        offered = {"shape": shape, "outputs": outputs, "x_train": data.splits["train"].x}
        network = own.load(given.network, order.loaded.base, seed=seed, **offered)
        if _without_parameters(given) and own.random(
            network, given.network, order.loaded.base, seed=seed, **offered
        ):
            raise _untrained(given.network)
        return network
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


def _without_parameters(given: ModelConfig) -> bool:
    """Return whether nothing in the configuration gives a network parameters that are not random."""
    return given.train is None and given.weights is None and not given.untrained


def _untrained(network: str) -> ConfigError:
    """Return the error of a network of random parameters."""
    return ConfigError(
        f"model.network={network} with neither train nor weights, so that its parameters are random numbers",
        "model.train, model.weights, or a file that gives trained parameters whatever the seed",
        "add one; to audit an untrained network on purpose say model.untrained: true",
    )


def finished(
    order: Order, data: Dataset, digests: Mapping[str, str], network: Network, seed: int, like: Network | None
) -> Assembled:
    """Return a freshly initialised network restored or trained; with `like` it shares that one's compiled code."""
    from audit import rewriting
    from models import checkpoint

    loaded, given, kept = order.loaded, order.given, order.kept
    choice, start, trains, built_in = None, "", given.train is not None, not _code(loaded, given)
    origin = (
        "untrained: its parameters are random numbers"
        if given.untrained
        else "used as given, not trained here"
    )
    if like:
        network = replace(like, params=network.params)
    else:
        of = [given.network, given.options, _code(loaded, given), digests["train"]]
        network, choice = rewriting.chosen(network, data.reference.x, given.rewrite, of, kept)
    if given.weights is not None:
        network = replace(network, params=checkpoint.restore(loaded.path(given.weights), network.params))
        origin = f"weights restored from {Path(given.weights).name}"
        start = checkpoint.digest(network.params) if trains else ""
    how, done = given.train, training.Done(network)
    if how is not None:
        course = training.Course(given, how, data, order.decision)
        key = training.key(course, digests, seed, _code(loaded, given), start)
        done = training.kept_or_trained(course, network, seed, key, kept, order.tick)
        origin = f"trained here{course.manner}"
        if given.weights is not None:
            origin = f"fine-tuned here from {Path(given.weights).name}{course.manner}"

    def model(done: training.Done) -> Model:
        network = done.network
        return Model(
            name=given.name or network.name,
            apply=network.apply,
            params=network.params,
            outputs=given.outputs or (training.outputs_of(data) if trains or built_in else None),
            decision=order.decision,
            network=f"{given.network or ''} {_sorted(given.options)}".strip(),
            parts=network.parts,
            origin=origin,
            notes=(*_code(loaded, given), *rewriting.notes(choice), *done.notes),
        )

    def refit(*, seed: int = seed, perturb: Any = None, loss: Any = None) -> Model:
        assert how is not None
        fresh = network if start else replace(network, params=started(order, data, seed).params)  # same code
        course = training.Course(given, how, data, order.decision)
        return model(training.trained(course, fresh, seed, order.tick, perturb, loss))

    return Assembled(
        model(done),
        network,
        training=training.told(done, how, data) if how else None,
        save=(lambda folder: checkpoint.save(folder / "weights", done.network.params)) if how else None,
        weights=done.network.params if how else None,
        refit=refit if how else None,
        start=start,
        choice=choice,
    )


def _code(loaded: Loaded, given: ModelConfig) -> tuple[str, ...]:
    """Return the digest of the file of the user's own network, if it is one."""
    file, own, _ = (given.network or "").partition(".py")
    return (f"code of {file}.py: sha256 {sha256(loaded.path(f'{file}.py').read_bytes())}",) if own else ()


def _sorted(options: Mapping[str, Any]) -> str:
    """Return the options as text, in one order."""
    return ", ".join(f"{name}={options[name]}" for name in sorted(options))
