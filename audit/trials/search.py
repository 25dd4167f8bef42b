"""Try an attack on test rows and count only what is proven apart from the attack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from audit.attacks.balls import Norm
from audit.attacks.lanes import Walk, in_lanes, lanes
from audit.attacks.losses import Loss, LossName
from audit.attacks.mapped import Rows, Shared
from audit.devices import batch_size, map_examples, mesh, queue_examples
from audit.errors import DataError
from audit.metrics.robustness import Target, inside, movable_scale, numbers
from audit.metrics.sampling import sample
from audit.registry import Context
from audit.subject import Subject, decide, run_model
from audit.subject_unit import eps_scale, eps_unit

NAMES: dict[str, str] = {"linf": "L-infinity", "l2": "L2", "l1": "L1"}
BATCH = 256  # rows a batch at most; larger ones leave more of the last batch to padding
PLACES = 1024  # an empty one costs no work
QUEUED = 2**26  # bytes of inputs on the devices at once, waiting for a lane


class Radii(Protocol):
    """Options that say which norms and radii are tried; another norm's own radii stand in `l2_eps`, ..."""

    @property
    def norms(self) -> tuple[Norm, ...]:
        """Return the norms."""
        ...

    @property
    def eps(self) -> tuple[float, ...]:
        """Return the radii of every norm that has none of its own."""
        ...


class Search(NamedTuple):
    """What every attack of a check shares: the subject, the rows and their space, the loss."""

    subject: Subject
    target: Target
    loss: Loss
    ctx: Context


class Found(NamedTuple):
    """What an attack returned for the rows tried: the inputs, which are valid, which are decided wrongly."""

    moved: np.ndarray
    valid: np.ndarray
    wrong: np.ndarray

    @property
    def felled(self) -> np.ndarray:
        """Return which rows were moved to a valid point that is decided wrongly."""
        return self.valid & self.wrong


def search(subject: Subject, limit: int | None, loss: LossName, ctx: Context) -> Search:
    """Return the search on all test rows, or on `limit` of them drawn by the seed.

    Raises DataError where the inputs are not one array of real numbers.
    """
    return Search(subject, _target(subject, limit, ctx.seed), loss_of(subject, loss), ctx)


def loss_of(subject: Subject, name: LossName) -> Loss:
    """Return the loss to raise, reading the outputs as the model's decision does."""
    rule = subject.model.decision
    threshold = rule.threshold if rule.kind == "threshold" else None
    return Loss(name, "probabilities" if subject.model.outputs == "probabilities" else "logits", threshold)


def radii(options: Radii) -> list[tuple[Norm, float]]:
    """Return every norm and radius, a norm's radii ascending."""
    found: list[tuple[Norm, float]] = []
    for norm in dict.fromkeys(options.norms):
        own: tuple[float, ...] = getattr(options, f"{norm}_eps", ()) or options.eps
        found.extend((norm, eps) for eps in sorted(set(own)))
    return found


def middle(every: list[tuple[Norm, float]]) -> list[tuple[Norm, float]]:
    """Return each norm's middle radius (of two the larger), where the attack itself is put to the proof."""
    own: dict[Norm, list[float]] = {}
    for norm, eps in every:
        own.setdefault(norm, []).append(eps)
    return [(norm, found[len(found) // 2]) for norm, found in own.items()]


def attack_rows(s: Search, attack: Any, norm: Norm, eps: float, at: np.ndarray) -> Found:
    """Return what the attack makes of rows `at`, each point judged again in float64 and by the model itself.

    Sizes are passed as arrays and batches padded to one size, so that one compilation serves every radius however
    many rows stand.
    """
    if not len(at):
        return _judged(s, norm, eps, at, s.target.x[:0])
    batch = abreast(s.target.x)
    whole = np.concatenate([at, np.repeat(at[:1], -len(at) % batch)])
    out = map_examples(attack, shared_of(s, eps), rows_of(s, whole), batch=batch)
    return _judged(s, norm, eps, at, out)


def walk_rows(
    s: Search,
    walk: Walk,
    norm: Norm,
    eps: float,
    at: np.ndarray,
    step_size: float = 0.0,
    *,
    shared: Any = None,
) -> Found:
    """Return what an attack that drops rows as they fall makes of rows `at`, judged again as in `attack_rows`.

    shared: what every batch is given, where it is not that of `shared_of`.
    """
    if not len(at):
        return _judged(s, norm, eps, at, s.target.x[:0])
    given = shared_of(s, eps, step_size) if shared is None else shared
    out = queue_examples(in_lanes(walk), given, rows_of(s, at), batch=places(s.target.x))
    return _judged(s, norm, eps, at, out)


def abreast(x: np.ndarray) -> int:
    """Return how many rows like x[n, ...] an attack moves at once: BATCH, or as many as stay in a processor's cache."""
    return min(BATCH, lanes(x) * mesh().size)


def places(x: np.ndarray) -> int:
    """Return how many places a queue for rows like x[n, ...] has: a power of two, bounded in bytes.

    At least PLACES where memory allows, however few rows there are: checks of 100 and of 1,000 share what they compile.
    """
    return batch_size(max(len(x), PLACES), max(BATCH, QUEUED // max(1, x[0].nbytes)), 1)


def _judged(s: Search, norm: Norm, eps: float, at: np.ndarray, out: Any) -> Found:
    """Return the inputs that an attack came back with for the rows (padding follows), and which are valid and wrong."""
    t, model = s.target, s.subject.model
    moved = np.asarray(getattr(out, "x", out))[: len(at)]  # some attacks say more than where they went
    if not len(at):
        return Found(moved, np.zeros(0, bool), np.zeros(0, bool))
    valid = inside(t.x[at], moved, eps=eps, norm=norm, scale=t.scale, low=t.low, high=t.high)
    return Found(moved, valid, decide(run_model(model, moved, batch=BATCH), model) != t.y[at])


def shared_of(s: Search, eps: float, step_size: float = 0.0) -> Shared:
    """Return what every batch is given."""
    t = s.target
    return Shared(
        s.subject.model.params, s.ctx.key, np.float32(eps), t.scale, t.low, t.high, np.float32(step_size)
    )


def rows_of(s: Search, at: np.ndarray) -> Rows:
    """Return rows `at` as an attack takes them."""
    return Rows(s.target.x[at], s.target.y[at], s.target.number[at])


def _target(subject: Subject, limit: int | None, seed: int) -> Target:
    """Return the rows to try and the space they may move in."""
    data = subject.data
    if isinstance(data.test.x, Mapping) or not np.issubdtype(np.asarray(data.test.x).dtype, np.floating):
        raise DataError("the inputs are not one array of real numbers", "continuous inputs", "leave it out")
    at = sample(data.test.id, limit, seed)
    rows = data.test.take(at)
    shape = rows.x.shape[1:]
    return Target(
        x=np.asarray(rows.x, np.float32),
        y=np.asarray(rows.y, np.int32),
        correct=subject.predictions()[at] == rows.y,
        number=numbers(rows.id),
        cluster=rows.cluster,
        scale=movable_scale(eps_scale(data), data.columns, shape),
        low=np.broadcast_to(np.asarray(data.low, np.float32), shape),
        high=np.broadcast_to(np.asarray(data.high, np.float32), shape),
        unit=eps_unit(data),
    )
