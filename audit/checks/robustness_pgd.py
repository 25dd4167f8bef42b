"""Accuracy under projected gradient descent (PGD), the iterative worst-case attack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from audit import stats
from audit.attacks.balls import Norm
from audit.attacks.gradient import TRAVEL
from audit.attacks.losses import Loss
from audit.attacks.mapped import Mapped, Rows, Shared, fgsm_rows, gradient_rows, noise_rows, pgd_rows
from audit.devices import batch_size, map_examples
from audit.errors import DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.robustness import Target, batch_of, inside, movable_scale, numbers, sample
from audit.metrics.sanity import Sign, Tried, beats, gradients, still_falls
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject, decide, run_model

NAMES = {"linf": "L-infinity", "l2": "L2"}
BATCH = 256  # rows a batch; larger ones leave more of the last batch to padding
AGAIN = 16  # rows felled within a smaller radius that are tried again at a larger one
QUICK = {"rows": 200, "steps": 10, "restarts": 1}  # the most a quick run spends
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PgdOptions(Options):
    """Options of robustness.pgd."""

    norms: tuple[Literal["linf", "l2"], ...] = Field(
        ("linf", "l2"), min_length=1, description="norms that bound a perturbation: linf, l2"
    )
    eps: tuple[Positive, ...] = Field(
        (0.02, 0.05, 0.1),
        min_length=1,
        description="radii: standard deviations of a table's features, pixel values in [0, 1] of an image",
    )
    l2_eps: tuple[Positive, ...] = Field(
        (), description="radii for l2 where they differ; empty: those of eps"
    )
    steps: int = Field(40, ge=1, description="gradient steps from each start")
    restarts: int = Field(1, ge=1, description="random starts, the worst of which counts")
    step_size: Positive | None = Field(
        None, description="step, relative to eps; null: 2.5 / steps (linf), 5 / steps (l2)"
    )
    loss: Literal["cross-entropy", "margin"] = Field("cross-entropy", description="loss that is raised")
    rows: int | None = Field(1000, ge=1, description="test rows tried, drawn by the seed; null: all")


class _Search(NamedTuple):
    """What every radius shares."""

    subject: Subject
    target: Target
    options: PgdOptions
    loss: Loss
    ctx: Context


class _Run(NamedTuple):
    """One radius: the rows[n] felled by anything up to it, and what was tried at it."""

    felled: np.ndarray
    tried: Tried


@check(
    "robustness.pgd",
    area="robustness",
    title="Accuracy under an iterative attack (PGD)",
    needs=("gradient", "bounds", "classes"),
    measures=(
        Measure("clean_accuracy", "higher", "Accuracy on the rows tried, unperturbed.", "Clopper-Pearson"),
        Measure(
            "robust_accuracy",
            "higher",
            "Share of the rows that are decided correctly and for which no wrongly decided point was found "
            "within eps; an upper bound, since a stronger attack may find more.",
            "Clopper-Pearson, at most",
        ),
        Measure(
            "attack_success",
            "lower",
            "Share of the correctly decided rows for which a wrongly decided point was found within eps; "
            "a lower bound, since a stronger attack may find more.",
            "Clopper-Pearson, at least",
        ),
    ),
)
def pgd(subject: Subject, options: PgdOptions, ctx: Context) -> Findings:
    """Accuracy when each test row is moved, within eps and the data's bounds, to where the model does worst.

    Projected gradient descent (Madry et al. 2018), per norm and radius. A row is robust if it is decided
    correctly and no wrongly decided point was found: by PGD, by the single step and the random noise run
    beside it, or within a smaller radius. Every point that counts was verified apart from the attack:
    inside ball and box, fixed features untouched, and decided wrongly when the model is run on it.
    """
    o = _within_quick(options) if ctx.quick else options
    search = _Search(subject, _target(subject, o.rows, ctx.seed), o, _loss(subject, o), ctx)
    if not np.any(search.target.scale):
        return _nothing_moves(search)
    runs = _runs(search)
    signs = _signs(search, [run.tried for run in runs])
    measurements = _measurements(search.target, runs, signs)
    return Findings(
        measurements=measurements,
        tables=(_curve(measurements, o), _sanity(signs)),
        not_measured=_not_measured(search),
        cost=_cost(search, runs),
    )


def _within_quick(o: PgdOptions) -> PgdOptions:
    """Return the options with no more rows, steps and restarts than a quick run spends."""
    return o.model_copy(update={k: min(most, getattr(o, k) or most) for k, most in QUICK.items()})


def _radii(o: PgdOptions, norm: str) -> list[float]:
    """Return a norm's radii, ascending."""
    return sorted(set(o.l2_eps if norm == "l2" and o.l2_eps else o.eps))


def _loss(subject: Subject, o: PgdOptions) -> Loss:
    """Return the loss to raise, reading the outputs as the model's decision does."""
    rule = subject.model.decision
    threshold = rule.threshold if rule.kind == "threshold" else None
    return Loss(o.loss, "probabilities" if subject.model.outputs == "probabilities" else "logits", threshold)


def _target(subject: Subject, limit: int | None, seed: int) -> Target:
    """Return the rows to try and the space they may move in."""
    data = subject.data
    if isinstance(data.test.x, Mapping) or not np.issubdtype(np.asarray(data.test.x).dtype, np.floating):
        raise DataError("the inputs are not one array of real numbers", "continuous inputs", "leave it out")
    at = sample(len(data.test), limit, seed)
    rows = data.test.take(at)
    shape = rows.x.shape[1:]
    return Target(
        x=np.asarray(rows.x, np.float32),
        y=np.asarray(rows.y, np.int32),
        correct=subject.predictions()[at] == rows.y,
        number=numbers(rows.id),
        cluster=rows.cluster,
        scale=movable_scale(data.scale, data.features, shape),
        low=np.broadcast_to(np.asarray(data.low, np.float32), shape),
        high=np.broadcast_to(np.asarray(data.high, np.float32), shape),
    )


def _runs(s: _Search) -> list[_Run]:
    """Return one run a norm and radius, ascending; a row felled within a smaller radius stays felled."""
    radii: list[tuple[Norm, float]] = [
        (norm, eps) for norm in dict.fromkeys(s.options.norms) for eps in _radii(s.options, norm)
    ]
    felled = {norm: np.zeros(len(s.target.y), bool) for norm, _ in radii}
    runs: list[_Run] = []
    for norm, eps in radii:
        s.ctx.tick(len(runs), len(radii))
        runs.append(_run(s, norm, eps, felled[norm]))
        felled[norm] = runs[-1].felled
    return runs


def _run(s: _Search, norm: Norm, eps: float, before: np.ndarray) -> _Run:
    """Try PGD, the single step and noise on the rows that stand, and a few that fell before."""
    correct, o, apply = s.target.correct, s.options, s.subject.model.apply
    standing, fallen = np.flatnonzero(correct & ~before), np.flatnonzero(correct & before)
    at = batch_of(standing, fallen, batch_size(int(correct.sum()), BATCH, 1), AGAIN)
    attacks = (
        pgd_rows(apply, norm, s.loss, o.steps, o.restarts),
        fgsm_rows(apply, norm, s.loss),
        noise_rows(norm),
    )
    by = [_felled(s, attack, norm, eps, at) for attack in attacks]
    felled = before.copy()
    felled[at] |= np.any(by, axis=0)
    return _Run(felled, Tried(norm, eps, *by, again=before[at]))


def _felled(s: _Search, attack: Mapped, norm: Norm, eps: float, at: np.ndarray) -> np.ndarray:
    """Return which rows `at` the attack moves to a valid point that the model decides wrongly."""
    if not len(at):
        return np.zeros(0, bool)
    t, model = s.target, s.subject.model
    x = t.x[at]
    moved = map_examples(attack, _shared(s, norm, eps), Rows(x, t.y[at], t.number[at]), batch=BATCH)
    valid = inside(x, moved, eps=eps, norm=norm, scale=t.scale, low=t.low, high=t.high)
    return valid & (decide(run_model(model, moved, batch=BATCH), model) != t.y[at])


def _shared(s: _Search, norm: Norm, eps: float) -> Shared:
    """Return what every batch is given; sizes are arrays, so that one compilation serves them all."""
    t, o = s.target, s.options
    step = np.float32(TRAVEL[norm] / o.steps if o.step_size is None else o.step_size)
    return Shared(s.subject.model.params, s.ctx.key, np.float32(eps), t.scale, t.low, t.high, step)


def _signs(s: _Search, tried: list[Tried]) -> list[Sign]:
    """Return the signs that the attack works, or doesn't."""
    signs: list[Sign] = []
    for norm in dict.fromkeys(t.norm for t in tried):
        at = [t for t in tried if t.norm == norm]
        strong = [t.by_attack for t in at]
        signs += [
            beats("many steps beat one (least lead)", norm, strong, [t.by_step for t in at]),
            beats("the attack beats noise (least lead)", norm, strong, [t.by_noise for t in at]),
            still_falls(norm, at),
        ]
    t, correct = s.target, s.target.correct
    rows = Rows(t.x[correct], t.y[correct], t.number[correct])
    measure = gradient_rows(s.subject.model.apply, s.loss)
    sizes = (
        map_examples(measure, _shared(s, "linf", 0.0), rows, batch=BATCH) if correct.any() else np.zeros(0)
    )
    return [*signs, *gradients(sizes)]


def _measurements(t: Target, runs: list[_Run], signs: list[Sign]) -> tuple[Measurement, ...]:
    """Return the clean accuracy, and robust accuracy and attack success at each radius."""
    warned = sum(sign.result == "warn" for sign in signs)
    doubt = f"{warned} of {len(signs)} signs that the attack works are missing" if warned else ""
    made = [_clean(t)]
    for run in runs:
        found = (
            stats.rate(t.correct & ~run.felled, cluster=t.cluster, side="at most"),
            _success(t, run.felled),
        )
        robust, success = (estimate.model_copy(update={"doubt": doubt}) for estimate in found)
        made += _at(run.tried.norm, run.tried.eps, robust=robust, success=success)
    return tuple(made)


def _at(norm: str, eps: float, *, robust: Estimate, success: Estimate) -> tuple[Measurement, Measurement]:
    """Return the two measurements at a radius."""
    where: dict[str, str | float | int] = {"norm": norm, "eps": eps}
    at = f"{NAMES[norm]}, eps {eps:g}"
    return (
        Measurement(
            name="robust_accuracy",
            label=f"Accuracy under PGD, {at}",
            estimate=robust,
            better="higher",
            where=where,
        ),
        Measurement(
            name="attack_success",
            label=f"Success of PGD, {at}",
            estimate=success,
            better="lower",
            where=where,
        ),
    )


def _clean(t: Target) -> Measurement:
    """Return the accuracy on the rows tried, unperturbed."""
    return Measurement(
        name="clean_accuracy",
        label="Accuracy on the rows tried, unperturbed",
        estimate=stats.rate(t.correct, cluster=t.cluster),
        better="higher",
    )


def _success(t: Target, felled: np.ndarray) -> Estimate:
    """Return the share felled of the rows decided correctly."""
    if not t.correct.any():
        return stats.not_estimable("no row is decided correctly to begin with", 0)
    cluster = None if t.cluster is None else t.cluster[t.correct]
    return stats.rate(felled[t.correct], cluster=cluster, side="at least")


def _nothing_moves(s: _Search) -> Findings:
    """Return that nothing can be said where every feature is held fixed."""
    nothing = stats.not_estimable("every feature is fixed, so there is nothing to attack", 0)
    made = [_clean(s.target)]
    for norm in dict.fromkeys(s.options.norms):
        for eps in _radii(s.options, norm):
            made += _at(norm, eps, robust=nothing, success=nothing)
    return Findings(measurements=tuple(made), not_measured=_not_measured(s))


def _curve(measurements: tuple[Measurement, ...], o: PgdOptions) -> Table:
    """Return robust accuracy against eps, one series a norm; eps 0 is the clean accuracy."""
    clean = measurements[0].estimate
    rows = []
    for norm in dict.fromkeys(o.norms):
        robust = [m for m in measurements if m.name == "robust_accuracy" and m.where["norm"] == norm]
        for x, e in [(0.0, clean), *((float(m.where["eps"]), m.estimate) for m in robust)]:
            rows.append((NAMES[norm], x, e.value, e.low, e.high, e.n))
    columns = (
        Column(name="series", label="Norm", kind="text"),
        Column(name="x", label="eps"),
        Column(name="value", label="Accuracy", kind="rate"),
        Column(name="low", label="Low", kind="rate"),
        Column(name="high", label="High", kind="rate"),
        Column(name="n", label="Rows", kind="count"),
    )
    budget = f"{o.steps} steps, {o.restarts} random start{'s' * (o.restarts > 1)}, on the {o.loss} loss"
    note = f"PGD with {budget}. Upper bounds: a stronger attack may find more."
    return Table(
        name="robust_accuracy",
        title="Accuracy under PGD",
        kind="curve",
        columns=columns,
        rows=tuple(rows),
        note=note,
    )


def _sanity(signs: list[Sign]) -> Table:
    """Return the signs as a table."""
    columns = (
        Column(name="what", label="What should hold", kind="text"),
        Column(name="norm", label="Norm", kind="text"),
        Column(name="result", label="Result", kind="text"),
        Column(name="value", label="Seen"),
        Column(name="limit", label="Limit", kind="text"),
        Column(name="n", label="Rows", kind="count"),
    )
    return Table(
        name="sanity",
        title="Does the attack work?",
        columns=columns,
        rows=tuple((s.what, NAMES.get(s.norm, ""), s.result, s.value, s.limit, s.n) for s in signs),
        note="An attack that fails these proves nothing by finding nothing; what it did find stays proof.",
    )


def _not_measured(s: _Search) -> tuple[str, ...]:
    """Return what this check could not say."""
    data, tried = s.subject.data, len(s.target.y)
    said = [
        "Attacks beyond L-infinity and L2 balls: sparse changes, patches, rotations, corruptions.",
        "Certified robustness: no lower bound is given; a stronger attack may lower these accuracies.",
    ]
    if data.features:
        said.append("Whether a perturbed row is plausible: whole numbers and relations between columns.")
    if np.any(s.target.scale == 0):
        said.append(f"Changes of the {int(np.sum(s.target.scale == 0))} inputs held fixed.")
    if tried < len(data.test):
        said.append(f"The {len(data.test) - tried} test rows that were not drawn.")
    if data.test.weight is not None:
        said.append("Declared row weights: every row counts once.")
    return tuple(said)


def _cost(s: _Search, runs: list[_Run]) -> dict[str, int]:
    """Return the evaluations of the model and of its gradient, a row each (padding apart)."""
    rows, o = sum(len(run.tried.again) for run in runs), s.options
    return {
        "forward": rows * (1 + o.restarts + 3),
        "gradient": rows * (o.steps * o.restarts + 1) + int(s.target.correct.sum()),
    }
