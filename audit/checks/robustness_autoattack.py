"""Accuracy under AutoAttack, the field's yardstick: four attacks in a row, and a fifth of our own."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from audit.attacks.autoattack import Stage, stages
from audit.attacks.balls import Norm
from audit.evidence import Column, Findings, Table
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import hygiene, results, tables
from audit.trials.search import NAMES, Search, middle, radii, search, walk_rows

QUICK = 32  # the most rows that a quick run tries
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TITLE = "AutoAttack"


class AutoAttackOptions(Options):
    """Options of robustness.autoattack."""

    version: Literal["standard", "plus"] = Field("standard", description="suite, as published")
    norms: tuple[Norm, ...] = Field(
        ("linf",), min_length=1, description="norms that bound a perturbation: linf, l2, l1"
    )
    eps: tuple[Positive, ...] = Field(
        (0.05,),
        min_length=1,
        description="radii: standard deviations of a table's features, shares of an image's pixel range",
    )
    l2_eps: tuple[Positive, ...] = Field(
        (), description="radii for l2 where they differ; empty: those of eps"
    )
    l1_eps: tuple[Positive, ...] = Field(
        (), description="radii for l1 where they differ; empty: those of eps"
    )
    annealed: bool = Field(
        True, description="a fifth stage: towards every class, the radius annealed from above"
    )
    probes: bool = Field(
        True, description="put the attack itself to the proof; without it no rule on it can PASS"
    )
    rows: int | None = Field(500, ge=1, description="test rows tried, drawn by the seed; null: all")


class _Tried(NamedTuple):
    """One stage at one norm and radius: the rows attacked, those felled, or why it was not run."""

    norm: Norm
    eps: float
    stage: Stage
    rows: int = 0
    felled: int = 0
    left_out: str = ""


class _Run(NamedTuple):
    """One norm and radius: the rows[n] felled up to it, its stages, why it is unfinished."""

    norm: Norm
    eps: float
    felled: np.ndarray
    tried: tuple[_Tried, ...]
    unfinished: str = ""


@check(
    "robustness.autoattack",
    area="robustness",
    title="Accuracy under AutoAttack",
    broken="counted",
    needs=("gradient", "bounds", "classes"),
    measures=(
        results.CLEAN,
        Measure(
            "robust_accuracy",
            "higher",
            "Share of the rows that are decided correctly and for which none of the suite's attacks found a "
            "wrongly decided point within eps; an upper bound, since a stronger attack may find more.",
            "Clopper-Pearson, at most",
        ),
        Measure(
            "attack_success",
            "lower",
            "Share of the correctly decided rows for which an attack found a wrongly decided point within "
            "eps; a lower bound, since a stronger attack may find more.",
            "Clopper-Pearson, at least",
        ),
    ),
)
def autoattack(subject: Subject, options: AutoAttackOptions, ctx: Context) -> Findings:
    """Accuracy when each test row is attacked by a suite of different attacks, each on the rows still standing.

    AutoAttack as published (Croce and Hein 2020): APGD-CE, APGD-T, FAB-T, Square, from cheap to dear, and after
    them a stage of our own whose radius is annealed from above. A row that fell within a smaller radius stays
    felled. Every point that counts was verified apart from the attack: inside ball and box, fixed features
    untouched, and decided wrongly when the model is run on it.
    """
    limit = min(QUICK, options.rows or QUICK) if ctx.quick else options.rows
    s = search(subject, limit, "cross-entropy", ctx)
    left_out = tables.not_measured(s, options.norms)
    if not np.any(s.target.scale):
        nothing = results.nothing_moves(s.target, radii(options), TITLE)
        return Findings(measurements=nothing, not_measured=left_out)
    runs, probes = _runs(s, options)
    signs, spent = hygiene.together([hygiene.general(s), *probes] if options.probes else [])
    fallen = [results.Fallen(run.norm, run.eps, run.felled, run.unfinished) for run in runs]
    measured = results.measurements(s.target, fallen, TITLE, tables.doubt(signs, probed=options.probes))
    return Findings(
        measurements=measured,
        tables=(
            tables.curve(measured, TITLE, _note(options)),
            _stages(runs, s.target.unit),
            tables.sanity(signs),
        ),
        not_measured=(*left_out, *_not_run(runs, s.target.unit)),
        cost=_cost(runs, spent),
    )


def _runs(s: Search, o: AutoAttackOptions) -> tuple[list[_Run], list[hygiene.Probed]]:
    """Return one run a norm and radius, ascending, and what the attack's probes at each middle radius say."""
    every = radii(o)
    felled = {norm: np.zeros(len(s.target.y), bool) for norm, _ in every}
    runs: list[_Run] = []
    probes: list[hygiene.Probed] = []
    for norm, eps in every:
        s.ctx.tick(len(runs), len(every))
        run = _run(s, o, norm, eps, felled[norm])
        if o.probes and not run.unfinished and (norm, eps) in middle(every):
            with s.ctx.timed(f"probes {norm}"):
                probes.append(hygiene.probe(s, norm, eps, s.target.correct & ~run.felled))
            run = run._replace(felled=run.felled | probes[-1].felled)
        runs.append(run)
        felled[norm] = run.felled
    return runs, probes


def _run(s: Search, o: AutoAttackOptions, norm: Norm, eps: float, before: np.ndarray) -> _Run:
    """Try the stages from cheap to dear, each on the rows still standing, until there is no need for more."""
    felled, tried, reason = before.copy(), [], ""
    for number, stage in enumerate(_suite(s, o, norm)):
        at = np.flatnonzero(s.target.correct & ~felled)
        reason = reason or _no_need(s, norm, eps, felled, number, len(at))
        if reason:
            tried.append(_Tried(norm, eps, stage, left_out=reason))
            continue
        with s.ctx.timed(stage.name):
            found = walk_rows(s, stage.walk, norm, eps, at)
        felled[at] |= found.felled
        tried.append(_Tried(norm, eps, stage, len(at), int(found.felled.sum())))
    return _Run(norm, eps, felled, tuple(tried), tables.OUT_OF_TIME if reason == tables.OUT_OF_TIME else "")


def _suite(s: Search, o: AutoAttackOptions, norm: Norm) -> tuple[Stage, ...]:
    """Return the stages for this model."""
    apply, classes = s.subject.model.apply, len(s.subject.data.classes)
    assert apply is not None
    return stages(o.version, apply, norm, s.loss, classes, annealed=o.annealed)


def _no_need(s: Search, norm: Norm, eps: float, felled: np.ndarray, number: int, standing: int) -> str:
    """Return why a stage is left out, or nothing."""
    if not standing:
        return "no row stands"
    if s.ctx.expired():
        return tables.OUT_OF_TIME
    so_far = results.measurements(s.target, [results.Fallen(norm, eps, felled)], TITLE, "")
    if number and all(s.ctx.settled(m) for m in so_far[1:]):
        return "no rule's verdict can change any more"
    return ""


def _note(o: AutoAttackOptions) -> str:
    """Return the suite in words."""
    fifth = " and a fifth stage of annealed radius" if o.annealed else ""
    return f"AutoAttack '{o.version}'{fifth}. Upper bounds: a stronger attack may find more."


def _stages(runs: list[_Run], unit: str) -> Table:
    """Return what each stage was given and what it broke."""
    columns = (
        Column(name="norm", label="Norm", kind="text"),
        Column(name="eps", label=f"eps {unit}"),
        Column(name="stage", label="Stage", kind="text"),
        Column(name="budget", label="Budget a row", kind="text"),
        Column(name="rows", label="Rows attacked", kind="count"),
        Column(name="felled", label="Rows felled", kind="count"),
        Column(name="forward", label="Forward passes", kind="count"),
        Column(name="gradient", label="Gradients", kind="count"),
        Column(name="left_out", label="Left out because", kind="text"),
    )
    rows = [
        (
            NAMES[t.norm],
            t.eps,
            t.stage.name,
            t.stage.says,
            t.rows,
            t.felled,
            t.rows * t.stage.cost.forward,
            t.rows * t.stage.cost.gradient,
            t.left_out,
        )
        for run in runs
        for t in run.tried
    ]
    return Table(
        name="stages",
        title="What each stage broke",
        columns=columns,
        rows=tuple(rows),
        note="Each stage attacks only the rows that still stand; passes are the most that its budget allows.",
    )


def _not_run(runs: list[_Run], unit: str) -> tuple[str, ...]:
    """Return the stages that a limit kept from running, and why."""
    left = [t for run in runs for t in run.tried if t.left_out and t.left_out != "no row stands"]
    return tuple(f"{t.stage.name} at {NAMES[t.norm]}, eps {t.eps:g} {unit}: {t.left_out}." for t in left)


def _cost(runs: list[_Run], probes: dict[str, int]) -> dict[str, int]:
    """Return the evaluations of the model and of its gradient, a row each, at most (padding apart)."""
    tried = [t for run in runs for t in run.tried]
    return {
        "forward": sum(t.rows * (t.stage.cost.forward + 1) for t in tried) + probes["forward"],
        "gradient": sum(t.rows * t.stage.cost.gradient for t in tried) + probes["gradient"],
    }
