"""Explanation: whether the explanation is any good, by what happens when its players, parameters or inputs change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jax
import numpy as np

from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.games import faithful, tested
from audit.games.game import Game, game_of
from audit.games.study import BASELINES, Study, study
from audit.games.trust_options import TrustOptions
from audit.registry import Context, Measure, check
from audit.subject import Subject

ALIKE = 0.6  # a rank correlation from here on is that of much the same explanation
_GAIN = (
    "averaged over rows and minus the mean of random orders on the same rows: above 0, the explanation's order is "
    "better than chance."
)
_OVER_ROWS = "mean of the rows' paired differences, skewness-corrected t; clustered where rows are"
_OVER_DRAWS = "mean over rows, each with its own random draw, skewness-corrected t"
_BOOTSTRAP = "studentised bootstrap over rows, or over clusters"


@check(
    "explanation.trust",
    area="explanation",
    title="Is the explanation any good?",
    needs=("function", "numbers", "scores"),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure(
            "deletion_gain",
            "higher",
            f"Area under the output while players are taken away, most important first, {_GAIN}",
            _OVER_ROWS,
            ends=(None, None),
        ),
        Measure(
            "insertion_gain",
            "higher",
            f"Area under the output while players are put in, most important first, {_GAIN}",
            _OVER_ROWS,
            ends=(None, None),
        ),
        Measure(
            "comprehensiveness_gain",
            "higher",
            f"Drop of the output when the top shares of players are taken away, {_GAIN}",
            _OVER_ROWS,
            ends=(None, None),
        ),
        Measure(
            "sufficiency_gain",
            "higher",
            f"Drop of the output when only the top shares of players are kept, the smaller the better, {_GAIN}",
            _OVER_ROWS,
            ends=(None, None),
        ),
        Measure(
            "infidelity",
            "lower",
            "Mean squared difference between the values of random players replaced and the change of the output.",
            "mean over the rows, skewness-corrected t; clustered where rows are",
            ends=(0, None),
        ),
        Measure(
            "normalised_infidelity",
            "lower",
            "Infidelity over the mean squared change of the output: 0 is perfect, 1 no better than saying nothing.",
            _BOOTSTRAP,
            ends=(0, None),
        ),
        Measure(
            "max_sensitivity",
            "lower",
            "Largest change of the explanation under small random moves of the input, relative to its size.",
            "mean over the rows, a lower bound of the maximum",
            ends=(0, None),
        ),
        Measure(
            "randomisation_similarity",
            "lower",
            "Rank correlation of the explanation with that of the same network with random parameters: 1 means that "
            "it ignores what was learnt.",
            _OVER_DRAWS,
            ends=(-1, 1),
        ),
        Measure(
            "rank_stability",
            "higher",
            "Rank correlation of the importance of players with that from other rows, background or training.",
            f"against another background: {_OVER_DRAWS}; otherwise none",
            ends=(-1, 1),
        ),
        Measure(
            "top_overlap",
            "higher",
            "Jaccard overlap of the most important players with those from other rows, background or training.",
            f"against another background: {_OVER_DRAWS}; otherwise none",
        ),
        Measure(
            "faithfulness_shortfall",
            "lower",
            "Mean comprehensiveness gain of everyone else minus that of the group: above 0, it is explained worse.",
            _BOOTSTRAP,
            ends=(None, None),
        ),
    ),
)
def trust(subject: Subject, options: TrustOptions, ctx: Context) -> Findings:
    """Test an explanation of random test rows: is it better than chance, does it depend on the model, does it last.

    Deletion and insertion (Petsiuk et al. 2018), comprehensiveness and sufficiency (DeYoung et al. 2020) are
    taken minus the same of random orders and under two baselines; infidelity and max-sensitivity as in Yeh et
    al. (2019); parameters are randomised from the output down (Adebayo et al. 2018).
    """
    options = options.quick() if ctx.quick else options
    game = game_of(
        subject, rows=options.rows, background=options.background, patches=options.patches, seed=ctx.seed
    )
    measurements: list[Measurement] = []
    tables: list[Table] = []
    cost: dict[str, int] = {"rows_explained": len(game.rows), "model_evaluations": 0}
    for number, name in enumerate(dict.fromkeys(options.explainers)):
        s = study(name, subject, game, options.effort, jax.random.fold_in(ctx.key, number))
        found, drawn = _of(s, options, ctx)
        measurements += found
        tables += drawn
        cost["model_evaluations"] += s.tally["model_evaluations"]
    return Findings(
        measurements=tuple(measurements),
        tables=(_signs(measurements), *tables),
        not_measured=_not_measured(subject, game, options),
        cost=cost,
    )


def _of(s: Study, options: TrustOptions, ctx: Context) -> tuple[list[Measurement], list[Table]]:
    """Return everything that one explainer is tested for."""
    seeds = np.random.SeedSequence(ctx.seed).generate_state(5).tolist()
    found = [faithful.faithful(s, b, options, seed) for b, seed in zip(BASELINES, seeds, strict=False)]
    measurements = [m for f in found for of in (faithful.gains, faithful.fidelity) for m in of(s, f)]
    similarity, cascade = tested.randomised(s, options, seeds[2])
    measurements += [similarity, tested.moved(s, options, seeds[3])]
    measurements += tested.stable(s, options, seeds[4], ctx.refit)
    measurements += [m for f in found for m in faithful.shortfalls(s, f)]
    tables = [faithful.curve_table(s, f) for f in found]
    return measurements, [*tables, cascade] if cascade else tables


def _signs(measurements: Iterable[Measurement]) -> Table:
    """Tabulate whether each thing that a good explanation shows is shown."""
    columns = (
        Column(name="what", label="What should hold", kind="text"),
        Column(name="explainer", label="Explanation", kind="text"),
        Column(name="result", label="Result", kind="text"),
        Column(name="value", label="Seen"),
        Column(name="low", label="Low"),
        Column(name="high", label="High"),
        Column(name="n", label="Rows", kind="count"),
    )
    return Table(
        name="signs",
        title="Is the explanation any good?",
        columns=columns,
        rows=tuple(_rows_of_signs(measurements)),
        note="Shown, or shown not to hold, where the whole 95 % interval says so.",
    )


def _rows_of_signs(measurements: Iterable[Measurement]) -> Iterable[tuple[Scalar, ...]]:
    """Return a row for every gain and for the randomisation test."""
    for m in measurements:
        if m.name.endswith("_gain"):
            what = f"{m.name.removesuffix('_gain')} beats random orders, baseline {m.where['baseline']}"
            yield _sign(m, what, 0.0, above=True)
        elif m.name == "randomisation_similarity":
            yield _sign(
                m, f"random parameters change it: rank correlation under {ALIKE:g}", ALIKE, above=False
            )


def _sign(m: Measurement, what: str, limit: float, *, above: bool) -> tuple[Scalar, ...]:
    """Return whether the interval lies on the good side of the limit."""
    e = m.estimate
    return what, m.where["explainer"], _result(e, limit, above=above), e.value, e.low, e.high, e.n


def _result(e: Estimate, limit: float, *, above: bool) -> str:
    """Return 'shown', 'does not hold', 'not shown' or 'not estimable'."""
    if e.value is None or e.low is None or e.high is None:
        return "not estimable"
    if e.low > limit if above else e.high < limit:
        return "shown"
    return "does not hold" if (e.high <= limit if above else e.low >= limit) else "not shown"


def _not_measured(subject: Subject, game: Game, options: TrustOptions) -> tuple[str, ...]:
    """Say what these numbers leave open."""
    said: Sequence[str] = (
        "Whether people understand the explanation or decide better with it was not measured.",
        "Rows with missing players may lie where no data lie: what the model says there enters every curve.",
        "The intervals of gains and infidelity cover the rows and what fills them, not the explanation's background.",
    )
    left = len(subject.data.test) - len(game.rows)
    return (
        *said,
        *((f"The {left} test rows that were not drawn.",) if left else ()),
        *(() if options.retrain else ("Stability against training with another seed was not measured.",)),
    )
