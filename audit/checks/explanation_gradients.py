"""Explanation: which inputs the model's outputs rest on along a path from a baseline; where a CNN's maps speak."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from audit import stats
from audit.attribution.expected import expected_gradients
from audit.attribution.gradcam import Heat, grad_cam, upsampled
from audit.attribution.gradients import integrated_gradients
from audit.attribution.paths import Gradients
from audit.attribution.players import totals
from audit.attribution.shapley import explained, shapley
from audit.errors import DataError
from audit.evidence import Findings, Measurement, Table
from audit.games import gradient_quality as quality
from audit.games import heat
from audit.games.game import Game, explained_column, game_of, unit_of
from audit.games.ranking import mean_size, ranking, without_rounding
from audit.metrics.ranks import rank_correlation
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.subject_unit import pixel_range
from audit.trials import pictures

SAME = 1e-3  # a network's parts must give its outputs to this share of the largest
NAMES = {"integrated": "integrated gradient", "expected": "expected gradient"}


class GradientsOptions(Options):
    """Options of explanation.gradients."""

    rows: int = Field(200, ge=2, description="test rows explained, drawn by the seed")
    background: int = Field(64, ge=1, description="train rows behind the baseline, drawn by the seed")
    method: Literal["integrated", "expected"] = Field(
        "integrated", description="integrated gradients from one baseline, or their mean over the train rows"
    )
    baseline: Literal["mean", "low"] = Field(
        "mean",
        description="where integrated gradients start: the train rows' mean, or the least allowed value",
    )
    steps: int = Field(16, ge=1, description="points on a path at first, of integrated gradients")
    most_steps: int = Field(512, ge=1, description="most points on a path, of integrated gradients")
    tolerance: float = Field(
        0.01,
        gt=0,
        description="completeness error at which a path has points enough, as a share of sum |value|",
    )
    rounds: int = Field(8, ge=1, description="most rounds of expected gradients: four points a train row")
    target_error: float = Field(
        0.1,
        ge=0,
        description="a row's expected gradients stop at this standard error, as a share of mean |value|",
    )
    patches: int = Field(4, ge=2, description="patches a side of an image, over which values are summed")
    batch: int = Field(256, ge=1, description="inputs run through the model at a time")
    agreement_rows: int = Field(40, ge=0, description="rows also ranked by Shapley values; 0 for none")
    pictures: int = Field(0, ge=0, le=24, description="images shown beside their heat; 0: none of the rows")


class _Found(NamedTuple):
    """Rows and players, their gradients, |value|[n, players], which inputs move, each row's explained output."""

    game: Game
    gradients: Gradients
    size: np.ndarray
    moves: np.ndarray
    column: np.ndarray


@check(
    "explanation.gradients",
    area="explanation",
    title="Explanation (gradients)",
    needs=("gradient",),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure(
            "importance",
            "neither",
            "Mean absolute integrated (or expected) gradient of a feature or image patch: in log-odds of class 1, with "
            "more classes of the predicted class against the rest; in regression in the output's own unit.",
            "mean over the explained rows, given the baseline; error of quadrature or sampling is in it",
            ends=(0, None),
        ),
        Measure(
            "completeness_error",
            "lower",
            "Largest completeness error of a row: by how much its values miss the difference of the outputs, over "
            "the sum of their absolute values.",
            "none: descriptive",
            ends=(0, None),
        ),
        Measure(
            "rank_agreement",
            "higher",
            "Mean over rows of Spearman's correlation between a row's absolute gradients and its absolute Shapley "
            "values: 1 is the same ranking, 0 none in common.",
            "mean over the rows compared; noise of the Shapley values lowers it",
            ends=(-1, 1),
        ),
    ),
)
def gradients(subject: Subject, options: GradientsOptions, ctx: Context) -> Findings:
    """Attribute the model's outputs on random test rows to features or image patches, by gradients along a path.

    Integrated gradients from a baseline, with as many steps as each row needs, or their mean over train rows. A
    category's code has no gradient: such columns keep their value on the path and have no importance here. A
    convolutional network that tells its last convolution apart gets Grad-CAM too. Only averages over rows leave
    the check, unless pictures are asked for.
    """
    o = _quick(options) if ctx.quick else options
    size = {"rows": o.rows, "background": o.background, "patches": o.patches}
    game = game_of(subject, **size, seed=ctx.seed)
    found = _attributed(subject, game, o, ctx.key)
    unit, heated = unit_of(subject), _heat(subject, found, o)
    importance = _importance(found, o, unit)
    tables = [
        ranking(importance, NAMES[o.method], unit, _note(found, o)),
        quality.table(found.gradients, o.tolerance),
    ]
    measurements = [*importance, quality.completeness(found.gradients)]
    cost = {"rows_explained": len(found.size), "model_evaluations": found.gradients.evaluations}
    if o.agreement_rows:
        agreement, cost["shapley_evaluations"] = _agreement(subject, found, o, ctx.key)
        measurements.append(agreement)
    if heated is not None:
        cost["grad_cam_evaluations"] = heated.evaluations
        tables.append(heat.table(heated.maps[..., 0], game))
    if o.pictures and subject.data.modality == "image" and pictures.drawable(game.rows.x.shape[1:]):
        tables.append(_pictures(subject, found, heated, o.pictures))
    return Findings(
        measurements=tuple(measurements),
        tables=tuple(tables),
        not_measured=_not_measured(subject, found, o, heated),
        cost=cost,
    )


def _quick(o: GradientsOptions) -> GradientsOptions:
    """Return options that spend less."""
    most = {"rows": 40, "background": 16, "most_steps": 64, "rounds": 2, "agreement_rows": 10}
    return o.model_copy(update={name: min(limit, getattr(o, name)) for name, limit in most.items()})


def _attributed(subject: Subject, game: Game, o: GradientsOptions, key: Any) -> _Found:
    """Compute the gradients of the drawn rows."""
    params, x = subject.model.params, game.rows.x
    run = {"margin": game.margin, "batch": o.batch, "over": game.over}
    column = explained_column(subject, explained(game.apply, params, x, **run))
    moves = _moves(subject, x.shape[1:])
    run |= {"column": column, "moves": moves}
    if o.method == "expected":
        sampling = {"key": key, "rounds": o.rounds, "target_error": o.target_error}
        found = expected_gradients(game.apply, params, x, game.background, **run, **sampling)
    else:
        points = {"steps": min(o.steps, o.most_steps), "most": o.most_steps, "tolerance": o.tolerance}
        found = integrated_gradients(game.apply, params, x, _baseline(subject, game, o), **run, **points)
    values = totals(found.values, game.groups)[:, :, 0]
    return _Found(game, found, without_rounding(values, found.outputs), moves, column)


def _moves(subject: Subject, shape: tuple[int, ...]) -> np.ndarray:
    """Return which inputs of an example move along the path: all but a table's categorical columns."""
    features = subject.data.columns if subject.data.modality == "table" else ()
    moves = np.asarray([f.kind != "categorical" for f in features]) if features else np.ones(shape, bool)
    if not moves.any():
        raise DataError("a table of categorical columns only", "a numeric column", "use explanation.shapley")
    return moves


def _baseline(subject: Subject, game: Game, o: GradientsOptions) -> np.ndarray:
    """Return the path's start, one example."""
    low = subject.data.low
    if o.baseline == "mean":
        return game.background.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    if low is None or not np.isfinite(low).all():
        raise DataError("baseline=low without declared bounds", "low for every input", "use baseline: mean")
    return np.broadcast_to(np.asarray(low, np.float32), game.rows.x.shape[1:])[None]


def _fixed(found: _Found) -> np.ndarray:
    """Return which players have no gradient."""
    players = found.size.shape[1]
    return ~found.moves[:players] if found.moves.ndim == 1 else np.zeros(players, bool)


def _importance(found: _Found, o: GradientsOptions, unit: str) -> list[Measurement]:
    """Bound the mean |value| of every player."""
    none = "a category's code has no gradient: explanation.shapley explains such columns"
    size, fixed = found.size, _fixed(found)
    return [
        Measurement(
            name="importance",
            label=f"Mean |{NAMES[o.method]}| of {name}",
            estimate=stats.not_estimable(none, n=len(size))
            if fixed[p]
            else mean_size(size[:, p], found.game.rows.cluster),
            where={"feature": name},
            unit=unit,
        )
        for p, name in enumerate(found.game.names)
    ]


def _agreement(subject: Subject, found: _Found, o: GradientsOptions, key: Any) -> tuple[Measurement, int]:
    """Compare a few rows' ranking of players with that by Shapley values, and count the evaluations."""
    game, few = found.game, slice(0, o.agreement_rows)
    other = shapley(
        game.apply,
        subject.model.params,
        game.rows.x[few],
        game.background[:32],
        groups=game.groups,
        margin=game.margin,
        key=key,
        exact_up_to=8,
        rounds=2,
        target_error=0.0,
        over=game.over,
    )
    values = np.take_along_axis(other.values, found.column[few][:, None, None], axis=2)[:, :, 0]
    use = ~_fixed(found)
    theirs = without_rounding(values, other.outputs)[:, use]
    rho = rank_correlation(found.size[few][:, use], theirs)
    measurement = Measurement(
        name="rank_agreement",
        label="Mean rank correlation with Shapley values",
        estimate=quality.mean_rank(rho, None if game.rows.cluster is None else game.rows.cluster[few]),
        better="higher",
    )
    return measurement, other.evaluations


def _heat(subject: Subject, found: _Found, o: GradientsOptions) -> Heat | None:
    """Return Grad-CAM of the explained outputs; None where the network's last convolution is not told apart."""
    parts, game = subject.model.parts, found.game
    if parts is None or subject.data.modality != "image":
        return None
    run = {"margin": game.margin, "column": found.column, "batch": o.batch, "over": game.over}
    made = grad_cam(*parts, subject.model.params, game.rows.x, **run)
    own = found.gradients.outputs
    apart = float(np.abs(made.outputs - own).max())
    if apart > SAME * max(1.0, float(np.abs(own).max())):
        raise RuntimeError(f"the network's features and head differ from its own outputs by {apart:.3g}")
    return made


def _pictures(subject: Subject, found: _Found, heated: Heat | None, count: int) -> Table:
    """Show the first explained rows beside their heat."""
    x, names = found.game.rows.x[:count], subject.data.classes
    size = np.abs(found.gradients.values[:count, ..., 0]).sum(axis=-1)
    maps = None if heated is None else upsampled(heated.maps[:count], *x.shape[1:3])[..., 0]
    told = [names[c] if c < len(names) else "" for c in found.column[:count]]
    ends = pixel_range(subject.data)
    return heat.pictures(x if ends is None else pictures.within(x, *ends), size, maps, told)


def _note(found: _Found, o: GradientsOptions) -> str:
    """Say what was explained, how, and what the intervals cover."""
    start = {"mean": "the mean of", "low": "the least allowed values, not from"}[o.baseline]
    start = "each of" if o.method == "expected" else start
    note = (
        f"{len(found.size)} random test rows; {found.gradients.method}, from {start} "
        f"{len(found.game.background)} random train rows. "
        "The 95 % interval covers the choice of test rows, not that of the baseline."
    )
    errors = found.gradients.standard_errors
    if errors is None:
        return note
    return f"{note} An input's value has a sampling error of about {float(np.median(errors)):.2g}."


def _not_measured(
    subject: Subject, found: _Found, o: GradientsOptions, heated: Heat | None
) -> tuple[str, ...]:
    """Say what these numbers leave open."""
    said = ["Whether the explanation is faithful was not measured."]
    wide, n = int((quality.incomplete(found.gradients) > o.tolerance).sum()), len(found.size)
    if wide:
        said.append(
            f"The values of {wide} of {n} rows do not add up to within {o.tolerance:g} of sum |value|."
        )
    if _fixed(found).any():
        said.append("Categorical columns have no gradient and were held at each row's own value.")
    if subject.data.modality == "image" and heated is None:
        said.append("Grad-CAM does not apply: the network does not tell its last convolution apart.")
    if o.method == "expected":
        said.append("Expected gradients are Aumann-Shapley values, which are not Shapley values.")
    return tuple(said)
