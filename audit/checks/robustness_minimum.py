"""The smallest perturbation that changes each decision, and so accuracy at every radius at once."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from audit import stats
from audit.attacks.balls import Norm
from audit.attacks.mapped import minimum_rows
from audit.attacks.minimum import minimum_cost
from audit.devices import map_examples
from audit.evidence import Findings, Measurement, Table
from audit.metrics.robustness import inside
from audit.registry import Context, Measure, Options, check
from audit.subject import UNDECIDED, Subject, decide, run_model
from audit.trials import hygiene, pictures, results, tables
from audit.trials.search import BATCH, NAMES, Search, abreast, middle, radii, rows_of, search, shared_of

QUICK = {"rows": 64, "steps": 50}  # the most a quick run spends
POINTS = 20  # of the curve
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TITLE = "minimum-norm attack (FMN)"


class MinimumOptions(Options):
    """Options of robustness.minimum."""

    norms: tuple[Norm, ...] = Field(
        ("linf", "l2"), min_length=1, description="norms that are made small: linf, l2, l1"
    )
    eps: tuple[Positive, ...] = Field(
        (0.02, 0.05, 0.1),
        min_length=1,
        description="radii measured: standard deviations of a table's features, shares of an image's pixel range",
    )
    l2_eps: tuple[Positive, ...] = Field(
        (), description="radii for l2 where they differ; empty: those of eps"
    )
    l1_eps: tuple[Positive, ...] = Field(
        (), description="radii for l1 where they differ; empty: those of eps"
    )
    steps: int = Field(200, ge=1, description="gradient steps towards each class")
    targets: int = Field(
        9, ge=0, description="most likely wrong classes aimed at, each in turn; 0: all at once"
    )
    pictures: int = Field(
        0,
        ge=0,
        le=24,
        description="images shown with their smallest perturbation, a norm; 0: none of the rows",
    )
    probes: bool = Field(
        True, description="put the attack itself to the proof; without it no rule on it can PASS"
    )
    rows: int | None = Field(200, ge=1, description="test rows tried, drawn by the seed; null: all")


class _Found(NamedTuple):
    """One norm: each target row's nearest wrongly decided point that was proven, its size (inf where none)."""

    norm: Norm
    moved: np.ndarray
    size: np.ndarray
    decided: np.ndarray


@check(
    "robustness.minimum",
    area="robustness",
    title="Smallest perturbation that changes a decision",
    broken="counted",
    needs=("gradient", "bounds", "classes"),
    measures=(
        results.CLEAN,
        Measure(
            "robust_accuracy",
            "higher",
            "Share of the rows that are decided correctly and whose nearest wrongly decided point found lies "
            "beyond eps; an upper bound, since a stronger attack may find nearer ones.",
            "Clopper-Pearson, at most",
        ),
        Measure(
            "attack_success",
            "lower",
            "Share of the correctly decided rows with a wrongly decided point within eps; a lower bound.",
            "Clopper-Pearson, at least",
        ),
        Measure(
            "median_size",
            "higher",
            "Median size of the smallest perturbation found, over the rows decided correctly; an upper bound.",
            "none: descriptive",
            ends=(0, None),
        ),
    ),
)
def minimum(subject: Subject, options: MinimumOptions, ctx: Context) -> Findings:
    """How small a change of each test row turns its decision, and so robust accuracy at every radius.

    The fast minimum-norm attack (Pintor et al. 2021), in each norm, towards the most likely wrong classes in turn.
    Every point that counts was verified apart from the attack: inside the box and within its own size, fixed
    features untouched, and decided wrongly when the model is run on it.
    """
    o = _within_quick(options) if ctx.quick else options
    s = search(subject, o.rows, "cross-entropy", ctx)
    left_out = tables.not_measured(s, o.norms)
    if not np.any(s.target.scale):
        return Findings(measurements=results.nothing_moves(s.target, radii(o), TITLE), not_measured=left_out)
    found, unfinished = _found(s, o)
    probes, known = _proof(s, o, found)
    signs, spent = hygiene.together(probes)
    measured = results.measurements(
        s.target, _fallen(s, o, known), TITLE, tables.doubt(signs, probed=o.probes)
    )
    shown = [_pictures(s, o, found)] if o.pictures and pictures.drawable(s.target.x.shape[1:]) else []
    return Findings(
        measurements=(*measured, *(_median(s, f) for f in known)),
        tables=(_curve(s, known), tables.sanity(signs), *shown),
        not_measured=(*left_out, *unfinished),
        cost=_cost(s, o, len(found), spent),
    )


def _within_quick(o: MinimumOptions) -> MinimumOptions:
    """Return the options with no more rows and steps than a quick run spends."""
    return o.model_copy(update={k: min(most, getattr(o, k) or most) for k, most in QUICK.items()})


def _found(s: Search, o: MinimumOptions) -> tuple[list[_Found], tuple[str, ...]]:
    """Return the nearest points in each norm, and the norms that the time budget left out."""
    found: list[_Found] = []
    norms = tuple(dict.fromkeys(o.norms))
    for norm in norms:
        s.ctx.tick(len(found), len(norms))
        if s.ctx.expired():
            return found, tuple(f"{NAMES[n]}: {tables.OUT_OF_TIME}." for n in norms[len(found) :])
        with s.ctx.timed(norm):
            found.append(_nearest(s, o, norm))
    return found, ()


def _nearest(s: Search, o: MinimumOptions, norm: Norm) -> _Found:
    """Return the proven nearest points of the rows decided correctly."""
    t, model = s.target, s.subject.model
    at = np.flatnonzero(t.correct)
    moved, size, decided = t.x.copy(), np.where(t.correct, np.inf, 0.0), t.y.copy()
    if len(at):
        attack = minimum_rows(model.apply, norm, s.loss, o.steps, o.targets)
        out = map_examples(attack, shared_of(s, 0.0), rows_of(s, at), batch=abreast(s.target.x))
        decided[at] = decide(run_model(model, out.x, batch=BATCH), model)
        space = {"scale": t.scale, "low": t.low, "high": t.high}
        for i, row in enumerate(at):
            eps = float(out.size[i])
            held = np.isfinite(eps) and inside(t.x[[row]], out.x[[i]], eps=eps, norm=norm, **space)[0]
            if held and decided[row] != t.y[row]:
                moved[row], size[row] = out.x[i], eps
    return _Found(norm, moved, size, decided)


def _proof(s: Search, o: MinimumOptions, found: list[_Found]) -> tuple[list[hygiene.Probed], list[_Found]]:
    """Return what the probes say at each norm's middle radius, and the sizes with what the probes found there."""
    if not o.probes:
        return [], found
    probes, known = [hygiene.general(s)], []
    radius = dict(middle(radii(o)))
    for f in found:
        eps = radius[f.norm]
        probes.append(hygiene.probe(s, f.norm, eps, s.target.correct & (f.size > eps)))
        known.append(f._replace(size=np.where(probes[-1].felled, np.minimum(f.size, eps), f.size)))
    return probes, known


def _fallen(s: Search, o: MinimumOptions, found: list[_Found]) -> list[results.Fallen]:
    """Return the rows felled at each radius; a norm that was not tried in time says so."""
    sizes = {f.norm: f.size for f in found}
    nobody = np.full(len(s.target.y), np.inf)
    return [
        results.Fallen(
            norm,
            eps,
            s.target.correct & (sizes.get(norm, nobody) <= eps),
            "" if norm in sizes else tables.OUT_OF_TIME,
        )
        for norm, eps in radii(o)
    ]


def _median(s: Search, f: _Found) -> Measurement:
    """Return the median size of the smallest perturbations of the rows decided correctly."""
    own = f.size[s.target.correct]
    method = "median over rows of the smallest perturbation found"
    middle_size = float(np.median(own)) if len(own) else np.inf
    estimate = (
        stats.descriptive(middle_size, len(own), method)
        if np.isfinite(middle_size)
        else stats.not_estimable("for half of the rows or more no perturbation was found", len(own), method)
    )
    return Measurement(
        name="median_size",
        label=f"Median smallest perturbation, {NAMES[f.norm]}",
        estimate=estimate,
        better="higher",
        where={"norm": f.norm},
        unit=s.target.unit,
    )


def _curve(s: Search, found: list[_Found]) -> Table:
    """Return accuracy over eps at the sizes that fell rows, a norm a series."""
    rows = []
    for f in found:
        finite = f.size[np.isfinite(f.size) & s.target.correct]
        at = np.quantile(finite, np.linspace(0, 1, POINTS), method="inverted_cdf") if len(finite) else []
        for eps in dict.fromkeys([0.0, *map(float, at)]):
            stands = stats.rate(s.target.correct & (f.size > eps), cluster=s.target.cluster, side="at most")
            rows.append((f.norm, eps, stands))
    note = f"From each row's smallest perturbation, by the {TITLE}. Upper bounds: a stronger attack may find more."
    return tables.curve_of(rows, "Accuracy at every radius", note, s.target.unit)


def _pictures(s: Search, o: MinimumOptions, found: list[_Found]) -> Table:
    """Return the images whose decision the smallest perturbations change."""
    t, names = s.target, s.subject.data.classes
    pairs = []
    for f in found:
        order = np.argsort(np.where(t.correct, f.size, np.inf), kind="stable")[: o.pictures]
        for i in (i for i in order if np.isfinite(f.size[i]) and t.correct[i]):
            true = names[t.y[i]]
            decided = "no finite output" if f.decided[i] == UNDECIDED else names[f.decided[i]]
            pairs.append(pictures.Pair(f.norm, t.x[i], f.moved[i], float(f.size[i]), true, decided))
    return pictures.strip(pairs, t.low, t.high, t.unit)


def _cost(s: Search, o: MinimumOptions, norms: int, probes: dict[str, int]) -> dict[str, int]:
    """Return the evaluations of the model and of its gradient, a row each (padding apart)."""
    each = minimum_cost(classes=len(s.subject.data.classes), steps=o.steps, targets=o.targets)
    rows = int(s.target.correct.sum()) * norms
    return {
        "forward": rows * (each.forward + 1) + probes["forward"],
        "gradient": rows * each.gradient + probes["gradient"],
    }
