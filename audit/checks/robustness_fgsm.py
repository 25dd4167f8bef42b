"""Accuracy under the fast gradient sign method (FGSM), one step of the worst-case search."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from audit.attacks.balls import Norm
from audit.attacks.mapped import Rows, fgsm_rows, gradient_rows, noise_rows
from audit.devices import map_examples
from audit.evidence import Findings
from audit.metrics.sanity import Sign, beats, does_not_fall, gradients
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import results, tables
from audit.trials.search import BATCH, Search, attack_rows, radii, search, shared_of

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
        description="radii: standard deviations of a table's features, shares of an image's pixel range",
    )
    l2_eps: tuple[Positive, ...] = Field(
        (), description="radii for l2 where they differ; empty: those of eps"
    )
    loss: Literal["cross-entropy", "margin"] = Field("cross-entropy", description="loss that is raised")
    rows: int | None = Field(1000, ge=1, description="test rows tried, drawn by the seed; null: all")


class _Run(NamedTuple):
    """One radius: which rows[n] fell to the step, and which to noise; none that was decided wrongly before."""

    norm: Norm
    eps: float
    felled: np.ndarray
    by_noise: np.ndarray


@check(
    "robustness.fgsm",
    area="robustness",
    title="Accuracy under a single-step attack (FGSM)",
    broken="counted",
    needs=("gradient", "bounds", "classes"),
    measures=(
        results.CLEAN,
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
    s = search(subject, limit, options.loss, ctx)
    left_out = tables.not_measured(s, options.norms)
    if not np.any(s.target.scale):
        return Findings(
            measurements=results.nothing_moves(s.target, radii(options), "FGSM"), not_measured=left_out
        )
    runs = _runs(s, options)
    signs = _signs(s, runs)
    fallen = [results.Fallen(run.norm, run.eps, run.felled) for run in runs]
    measured = results.measurements(s.target, fallen, "FGSM", tables.doubt(signs))
    note = f"FGSM on the {options.loss} loss. Upper bounds: a stronger attack, robustness.pgd, may find more."
    rows = int(s.target.correct.sum())
    return Findings(
        measurements=measured,
        tables=(tables.curve(measured, "FGSM", note), tables.sanity(signs)),
        not_measured=left_out,
        cost={"forward": 2 * rows * len(runs), "gradient": rows * (len(runs) + 1)},
    )


def _runs(s: Search, o: FgsmOptions) -> list[_Run]:
    """Try the single step and noise on every row decided correctly, at each norm and radius."""
    apply, at, every = s.subject.model.apply, np.flatnonzero(s.target.correct), radii(o)
    runs: list[_Run] = []
    for norm, eps in every:
        s.ctx.tick(len(runs), len(every))
        felled = []
        for attack in (fgsm_rows(apply, norm, s.loss), noise_rows(norm)):
            felled.append(np.zeros(len(s.target.y), bool))
            felled[-1][at] = attack_rows(s, attack, norm, eps, at).felled
        runs.append(_Run(norm, eps, *felled))
    return runs


def _signs(s: Search, runs: list[_Run]) -> list[Sign]:
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
    sizes = map_examples(measure, shared_of(s, 0.0), rows, batch=BATCH) if correct.any() else np.zeros(0)
    return [*signs, *gradients(sizes)]
