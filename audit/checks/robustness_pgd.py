"""Accuracy under projected gradient descent (PGD), the iterative worst-case attack."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from audit.attacks.balls import Norm
from audit.attacks.gradient import TRAVEL
from audit.attacks.mapped import fgsm_rows, noise_rows
from audit.attacks.walks import pgd_walk
from audit.devices import batch_size
from audit.evidence import Findings
from audit.metrics.robustness import batch_of
from audit.metrics.sanity import Sign, Tried, beats, still_falls
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import hygiene, results, tables
from audit.trials.search import BATCH, Search, attack_rows, middle, radii, search, walk_rows

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
        description="radii: standard deviations of a table's features, shares of an image's pixel range",
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
    probes: bool = Field(
        True, description="put the attack itself to the proof; without it no rule on it can PASS"
    )
    rows: int | None = Field(1000, ge=1, description="test rows tried, drawn by the seed; null: all")


class _Run(NamedTuple):
    """One radius: the rows[n] felled by anything up to it, and what was tried at it."""

    felled: np.ndarray
    tried: Tried
    unfinished: str = ""


@check(
    "robustness.pgd",
    area="robustness",
    title="Accuracy under an iterative attack (PGD)",
    broken="counted",
    needs=("gradient", "bounds", "classes"),
    measures=(
        results.CLEAN,
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
    s = search(subject, o.rows, o.loss, ctx)
    left_out = tables.not_measured(s, o.norms)
    if not np.any(s.target.scale):
        return Findings(measurements=results.nothing_moves(s.target, radii(o), "PGD"), not_measured=left_out)
    runs, probes = _runs(s, o)
    signs, spent = hygiene.together([hygiene.general(s), *probes] if o.probes else [])
    signs = [*_signs([run.tried for run in runs]), *signs]
    fallen = [results.Fallen(run.tried.norm, run.tried.eps, run.felled, run.unfinished) for run in runs]
    measured = results.measurements(s.target, fallen, "PGD", tables.doubt(signs, probed=o.probes))
    return Findings(
        measurements=measured,
        tables=(tables.curve(measured, "PGD", _note(o)), tables.sanity(signs)),
        not_measured=(*left_out, *tables.unfinished(fallen, "PGD", s.target.unit)),
        cost=_cost(o, runs, spent),
    )


def _within_quick(o: PgdOptions) -> PgdOptions:
    """Return the options with no more rows, steps and restarts than a quick run spends."""
    return o.model_copy(update={k: min(most, getattr(o, k) or most) for k, most in QUICK.items()})


def _note(o: PgdOptions) -> str:
    """Return the budget in words."""
    budget = f"{o.steps} steps, {o.restarts} random start{'s' * (o.restarts > 1)}, on the {o.loss} loss"
    return f"PGD with {budget}. Upper bounds: a stronger attack may find more."


def _runs(s: Search, o: PgdOptions) -> tuple[list[_Run], list[hygiene.Probed]]:
    """Return one run a norm and radius, ascending, and what the attack's probes at each middle radius say.

    A row felled within a smaller radius stays felled.
    """
    every = radii(o)
    felled = {norm: np.zeros(len(s.target.y), bool) for norm, _ in every}
    runs: list[_Run] = []
    probes: list[hygiene.Probed] = []
    for norm, eps in every:
        s.ctx.tick(len(runs), len(every))
        run = _run(s, o, norm, eps, felled[norm])
        if o.probes and not run.unfinished and (norm, eps) in middle(every):
            probes.append(hygiene.probe(s, norm, eps, s.target.correct & ~run.felled))
            run = run._replace(felled=run.felled | probes[-1].felled)
        runs.append(run)
        felled[norm] = run.felled
    return runs, probes


def _run(s: Search, o: PgdOptions, norm: Norm, eps: float, before: np.ndarray) -> _Run:
    """Try PGD, the single step and noise on the rows that stand, and a few that fell before."""
    if s.ctx.expired():
        nothing = np.zeros(0, bool)
        return _Run(before, Tried(norm, eps, *[nothing] * 4), tables.OUT_OF_TIME)
    correct, apply = s.target.correct, s.subject.model.apply
    standing, fallen = np.flatnonzero(correct & ~before), np.flatnonzero(correct & before)
    at = batch_of(standing, fallen, batch_size(int(correct.sum()), BATCH, 1), AGAIN)
    step = TRAVEL[norm] / o.steps if o.step_size is None else o.step_size
    walk = pgd_walk(apply, norm, s.loss, o.steps, o.restarts)
    found = [walk_rows(s, walk, norm, eps, at, step)]
    found += [
        attack_rows(s, made, norm, eps, at) for made in (fgsm_rows(apply, norm, s.loss), noise_rows(norm))
    ]
    by = [f.felled for f in found]
    felled = before.copy()
    felled[at] |= np.any(by, axis=0)
    return _Run(felled, Tried(norm, eps, *by, again=before[at]))


def _signs(tried: list[Tried]) -> list[Sign]:
    """Return the signs that the attack works, or doesn't, from the rows it was tried on."""
    signs: list[Sign] = []
    for norm in dict.fromkeys(t.norm for t in tried):
        at = [t for t in tried if t.norm == norm]
        strong = [t.by_attack for t in at]
        signs += [
            beats("many steps beat one (least lead)", norm, strong, [t.by_step for t in at]),
            beats("the attack beats noise (least lead)", norm, strong, [t.by_noise for t in at]),
            still_falls(norm, at),
        ]
    return signs


def _cost(o: PgdOptions, runs: list[_Run], probes: dict[str, int]) -> dict[str, int]:
    """Return the evaluations of the model and of its gradient, a row each, at most (padding apart)."""
    rows = sum(len(run.tried.again) for run in runs)
    return {
        "forward": rows * (1 + 3) + probes["forward"],
        "gradient": rows * ((o.steps + 1) * o.restarts + 1) + probes["gradient"],
    }
