"""Accuracy under the fast gradient sign method (FGSM), one step of the worst-case search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from audit import stats
from audit.attacks.losses import Loss
from audit.attacks.mapped import Mapped, Rows, Shared, fgsm_rows, gradient_rows, noise_rows
from audit.devices import map_examples
from audit.errors import DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.robustness import Target, inside, movable_scale, numbers, sample
from audit.metrics.sanity import Sign, beats, does_not_fall, gradients
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject, decide, run_model

NAMES = {"linf": "L-infinity", "l2": "L2"}
BATCH = 256  # rows a batch; larger ones leave more of the last batch to padding
QUICK = 200  # the most rows that a quick run tries
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FgsmOptions(Options):
    """Options of robustness.fgsm."""

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
    loss: Literal["cross-entropy", "margin"] = Field("cross-entropy", description="loss that is raised")
    rows: int | None = Field(1000, ge=1, description="test rows tried, drawn by the seed; null: all")


class _Search(NamedTuple):
    """What every radius shares."""

    subject: Subject
    target: Target
    options: FgsmOptions
    loss: Loss
    ctx: Context


class _Run(NamedTuple):
    """One radius: which rows[n] fell to the step, and which to noise; none that was decided wrongly before."""

    norm: str
    eps: float
    felled: np.ndarray
    by_noise: np.ndarray


@check(
    "robustness.fgsm",
    area="robustness",
    title="Accuracy under a single-step attack (FGSM)",
    needs=("gradient", "bounds", "classes"),
    measures=(
        Measure("clean_accuracy", "higher", "Accuracy on the rows tried, unperturbed.", "Clopper-Pearson"),
        Measure(
            "robust_accuracy",
            "higher",
            "Share of the rows that are decided correctly, unperturbed and after the step of size eps; an "
            "upper bound, since a stronger attack may find more.",
            "Clopper-Pearson, at most",
        ),
        Measure(
            "attack_success",
            "lower",
            "Share of the correctly decided rows that are decided wrongly after the step of size eps; a "
            "lower bound, since a stronger attack may find more.",
            "Clopper-Pearson, at least",
        ),
    ),
)
def fgsm(subject: Subject, options: FgsmOptions, ctx: Context) -> Findings:
    """Accuracy when each test row takes one step of size eps along the gradient's sign, or unit gradient for L2.

    The fast gradient sign method (Goodfellow et al. 2015), within the data's bounds, per norm and radius: the
    cheapest attack, so the weakest evidence. Every point that counts was verified apart from the attack:
    inside ball and box, fixed features untouched, and decided wrongly when the model is run on it.
    """
    limit = min(QUICK, options.rows or QUICK) if ctx.quick else options.rows
    search = _Search(subject, _target(subject, limit, ctx.seed), options, _loss(subject, options), ctx)
    if not np.any(search.target.scale):
        return _nothing_moves(search)
    runs = _runs(search)
    signs = _signs(search, runs)
    measurements = _measurements(search.target, runs, signs)
    return Findings(
        measurements=measurements,
        tables=(_curve(measurements, options), _sanity(signs)),
        not_measured=_not_measured(search),
        cost=_cost(search, runs),
    )


def _radii(o: FgsmOptions, norm: str) -> list[float]:
    """Return a norm's radii, ascending."""
    return sorted(set(o.l2_eps if norm == "l2" and o.l2_eps else o.eps))


def _loss(subject: Subject, o: FgsmOptions) -> Loss:
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
    """Try the single step and noise on every row decided correctly, at each norm and radius."""
    apply, at = s.subject.model.apply, np.flatnonzero(s.target.correct)
    radii = [(norm, eps) for norm in dict.fromkeys(s.options.norms) for eps in _radii(s.options, norm)]
    runs: list[_Run] = []
    for norm, eps in radii:
        s.ctx.tick(len(runs), len(radii))
        by_step = _felled(s, fgsm_rows(apply, norm, s.loss), norm, eps, at)
        by_noise = _felled(s, noise_rows(norm), norm, eps, at)
        runs.append(_Run(norm, eps, by_step, by_noise))
    return runs


def _felled(s: _Search, attack: Mapped, norm: str, eps: float, at: np.ndarray) -> np.ndarray:
    """Return which rows[n] the attack, tried on rows `at`, moves to a valid point decided wrongly."""
    felled = np.zeros(len(s.target.y), bool)
    if len(at):
        t, model = s.target, s.subject.model
        x, shared = t.x[at], _shared(s, eps)
        moved = map_examples(attack, shared, Rows(x, t.y[at], t.number[at]), batch=BATCH)
        valid = inside(x, moved, eps=eps, norm=norm, scale=t.scale, low=t.low, high=t.high)
        felled[at] = valid & (decide(run_model(model, moved, batch=BATCH), model) != t.y[at])
    return felled


def _shared(s: _Search, eps: float) -> Shared:
    """Return what every batch is given; eps is an array, so that one compilation serves every radius."""
    t = s.target
    return Shared(s.subject.model.params, s.ctx.key, np.float32(eps), t.scale, t.low, t.high)


def _signs(s: _Search, runs: list[_Run]) -> list[Sign]:
    """Return the signs that the attack works, or doesn't."""
    signs: list[Sign] = []
    for norm in dict.fromkeys(run.norm for run in runs):
        at = [run for run in runs if run.norm == norm]
        step = [run.felled[s.target.correct] for run in at]
        noise = [run.by_noise[s.target.correct] for run in at]
        signs.append(beats("the attack beats noise (least lead)", norm, step, noise))
        signs.append(does_not_fall(norm, step))
    t, correct = s.target, s.target.correct
    rows = Rows(t.x[correct], t.y[correct], t.number[correct])
    measure = gradient_rows(s.subject.model.apply, s.loss)
    sizes = map_examples(measure, _shared(s, 0.0), rows, batch=BATCH) if correct.any() else np.zeros(0)
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
        made += _at(run.norm, run.eps, robust=robust, success=success)
    return tuple(made)


def _at(norm: str, eps: float, *, robust: Estimate, success: Estimate) -> tuple[Measurement, Measurement]:
    """Return the two measurements at a radius."""
    where: dict[str, str | float | int] = {"norm": norm, "eps": eps}
    at = f"{NAMES[norm]}, eps {eps:g}"
    return (
        Measurement(
            name="robust_accuracy",
            label=f"Accuracy under FGSM, {at}",
            estimate=robust,
            better="higher",
            where=where,
        ),
        Measurement(
            name="attack_success",
            label=f"Success of FGSM, {at}",
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


def _curve(measurements: tuple[Measurement, ...], o: FgsmOptions) -> Table:
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
    note = f"FGSM on the {o.loss} loss. Upper bounds: a stronger attack, robustness.pgd, may find more."
    return Table(
        name="robust_accuracy",
        title="Accuracy under FGSM",
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
    rows = int(s.target.correct.sum())
    return {"forward": 2 * rows * len(runs), "gradient": rows * (len(runs) + 1)}
