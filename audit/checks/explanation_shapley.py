"""Explanation: which inputs carry the model's outputs, by Shapley values, and how much a sensitive one does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import Field

from audit import stats
from audit.attribution.peer import shap_values
from audit.attribution.reliance import Share, share
from audit.attribution.shapley import Attribution, explained, shapley
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.games.game import Game, explained_column, game_of, of_output, unit_of
from audit.games.ranking import mean_size, ranking, without_rounding
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject

SAME = 1e-3  # two exact computations may differ by this share of the largest explained output


class ShapleyOptions(Options):
    """Options of explanation.shapley."""

    rows: int = Field(200, ge=2, description="test rows explained, drawn by the seed")
    background: int = Field(64, ge=1, description="train rows that fill in missing inputs, drawn by the seed")
    exact_up_to: int = Field(10, ge=1, le=16, description="most players whose every coalition is evaluated")
    rounds: int = Field(8, ge=1, description="most sampling rounds: two permutation pairs a background row")
    target_error: float = Field(
        0.1, ge=0, description="a row's sampling stops at this standard error, as a share of its mean |value|"
    )
    patches: int = Field(4, ge=2, description="patches a side of an image; each patch is one player")
    batch: int = Field(2048, ge=1, description="inputs run through the model at a time")
    agreement_rows: int = Field(5, ge=0, description="rows also explained by shap (tables only; 0 for none)")


@check(
    "explanation.shapley",
    area="explanation",
    title="Explanation (Shapley values)",
    needs=("function", "numbers", "scores"),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure(
            "importance",
            "neither",
            "Mean absolute Shapley value of a feature or image patch: in log-odds of class 1, with more classes "
            "of the predicted class against the rest; in regression in the output's own unit.",
            "mean over the explained rows, given the background rows; sampling noise is in it",
            ends=(0, None),
        ),
        Measure(
            "reliance",
            "lower",
            "Share of all attribution, sum of |Shapley value|, that a sensitive attribute's own column carries; "
            "proxies are not in it.",
            "ratio of means over the explained rows, delta method on the logit scale",
        ),
        Measure(
            "shap_difference",
            "lower",
            "Largest absolute difference from shap's own explainer on a few rows.",
            "none: two computations of one number",
            ends=(0, None),
        ),
    ),
)
def explain(subject: Subject, options: ShapleyOptions, ctx: Context) -> Findings:
    """Attribute the model's outputs on random test rows to features or image patches, by Shapley values.

    Missing players are filled from random train rows independently of those present (the interventional
    game). Few players are solved exactly, more are sampled with standard errors. Only averages over rows
    leave the check. A sensitive attribute that is no feature has no reliance to measure: left out, it may
    still act through proxies, so a rule on it is NOT-ESTIMABLE and never passes by default.
    """
    options = _quick(options) if ctx.quick else options
    given = {"rows": options.rows, "background": options.background, "patches": options.patches}
    game = game_of(subject, **given, seed=ctx.seed)
    unit = unit_of(subject)
    found = _attribute(subject, game, options, ctx.key)
    size = _size(found, explained_column(subject, found.outputs))
    measurements = _importance(size, game, unit)
    tables = [ranking(measurements, "Shapley value", unit, _note(found, game))]
    measurements += _reliance(size, game, subject.data.test.groups)
    cost = {"rows_explained": len(size), "model_evaluations": found.evaluations}
    if options.agreement_rows > 0 and subject.data.modality == "table":
        difference, table, cost["shap_evaluations"] = _agreement(subject, game, found, options, ctx.seed)
        measurements.append(difference)
        tables += [table] if table else []
    return Findings(
        measurements=tuple(measurements),
        tables=tuple(tables),
        not_measured=_not_measured(subject, found, options),
        cost=cost,
    )


def _attribute(subject: Subject, game: Game, options: ShapleyOptions, key: Any) -> Attribution:
    """Compute the Shapley values of the drawn rows."""
    return shapley(
        game.apply,
        subject.model.params,
        game.rows.x,
        game.background,
        groups=game.groups,
        margin=game.margin,
        key=key,
        exact_up_to=options.exact_up_to,
        rounds=options.rounds,
        target_error=options.target_error,
        batch=options.batch,
        over=game.over,
    )


def _quick(options: ShapleyOptions) -> ShapleyOptions:
    """Return options that spend less."""
    fewer = {"rows": min(options.rows, 40), "background": min(options.background, 16)}
    return options.model_copy(update={**fewer, "rounds": min(options.rounds, 2), "agreement_rows": 0})


def _size(found: Attribution, column: np.ndarray) -> np.ndarray:
    """Return |value|[n, players] of the explained outputs, without the noise of rounding."""
    return without_rounding(of_output(found.values, column), found.outputs)


def _importance(size: np.ndarray, game: Game, unit: str) -> list[Measurement]:
    """Bound the mean |value| of every player."""
    return [
        Measurement(
            name="importance",
            label=f"Mean |Shapley value| of {name}",
            estimate=mean_size(size[:, p], game.rows.cluster),
            where={"feature": name},
            unit=unit,
        )
        for p, name in enumerate(game.names)
    ]


def _reliance(size: np.ndarray, game: Game, attributes: Iterable[str]) -> list[Measurement]:
    """Bound every sensitive attribute's share of the attribution."""
    return [
        Measurement(
            name="reliance",
            label=f"Share of the explanation carried by {attribute}",
            estimate=_share_of(attribute, size, game),
            better="lower",
            where={"attribute": attribute},
        )
        for attribute in attributes
    ]


def _share_of(attribute: str, size: np.ndarray, game: Game) -> Estimate:
    """Bound one attribute's share, or say that it is kept out of the features."""
    if attribute in game.names:
        return _bound(
            share(size[:, game.names.index(attribute)], size.sum(axis=1), game.rows.cluster), len(size)
        )
    return stats.not_estimable(
        f"kept out of the features: no feature is named {attribute}, so it has no attribution of its own, "
        "and proxies were not measured",
        n=len(size),
    )


def _bound(found: Share | None, n: int) -> Estimate:
    """Bound a share; one of exactly 0 or 1 has no spread, and is bounded like a rate never seen."""
    if found is None:
        return stats.not_estimable("the outputs depend on no feature", n=n)
    if found.value in (0.0, 1.0):
        method = "exact bound of a rate over the effective number of rows"
        return stats.rate_of(found.value * found.effective, found.effective, rows=n, method=method)
    value, error = found.logit
    method = "ratio of means, delta method on the logit scale"
    return stats.normal(value, error, n, link="logit", df=found.units - 1, method=method)


def _note(found: Attribution, game: Game) -> str:
    """Say what was explained, how, and what the intervals cover."""
    rows = f"{len(found.values)} random test rows against {len(game.background)} random train rows"
    covered = "The 95 % interval covers the choice of test rows, not that of the train rows."
    if found.standard_errors is None:
        return f"{rows}; {found.method}. {covered}"
    typical = float(np.median(found.standard_errors))
    return (
        f"{rows}; {found.method}. {covered} A row's value has a sampling error of about {typical:.2g}, "
        "which lifts the means of unimportant features by at most as much."
    )


def _agreement(
    subject: Subject, game: Game, found: Attribution, options: ShapleyOptions, seed: int
) -> tuple[Measurement, Table | None, int]:
    """Compare a few rows with shap, and count its evaluations; exact answers that differ are an error."""
    few = slice(0, options.agreement_rows)
    x, params, column = game.rows.x[few], subject.model.params, explained_column(subject, found.outputs)[few]
    errors = found.standard_errors

    def f(inputs: np.ndarray) -> np.ndarray:
        run = game.apply, params, inputs.astype(x.dtype)
        return explained(*run, margin=game.margin, batch=options.batch, over=game.over)

    ours = of_output(found.values[few], column)
    if not np.isfinite(ours).all():
        none = stats.not_estimable("its own values of these rows are not finite", n=len(x))
        label = "Largest difference from shap"
        return Measurement(name="shap_difference", label=label, estimate=none, better="lower"), None, 0
    peer = shap_values(f, x, game.background, exact=errors is None, seed=seed, columns=len(game.names))
    apart = float(np.abs(ours - of_output(peer.values, column)).max())
    if errors is None and apart > SAME * max(1.0, float(np.abs(found.outputs).max())):
        raise RuntimeError(f"exact Shapley values differ from shap's {peer.explainer} by {apart:.3g}")
    measurement = Measurement(
        name="shap_difference",
        label=f"Largest difference from shap's {peer.explainer}",
        estimate=stats.descriptive(apart, len(x), "largest absolute difference"),
        better="lower",
        unit=unit_of(subject),
    )
    own_error = 0.0 if errors is None else float(of_output(errors[few], column).max())
    evaluations = found.evaluations // len(found.values), peer.evaluations // len(x)
    row = (peer.explainer, len(x), apart, own_error, float(np.abs(ours).mean()), *evaluations)
    return measurement, _agreement_table(row), peer.evaluations


def _agreement_table(row: tuple[Scalar, ...]) -> Table:
    """Tabulate the comparison with shap."""
    columns = (
        Column(name="explainer", label="shap's explainer", kind="text"),
        Column(name="rows", label="rows", kind="count"),
        Column(name="difference", label="largest difference"),
        Column(name="standard_error", label="own largest standard error"),
        Column(name="size", label="mean |value|"),
        Column(name="evaluations", label="own evaluations a row", kind="count"),
        Column(name="shap_evaluations", label="shap's evaluations a row", kind="count"),
    )
    return Table(name="agreement", title="Agreement with shap", columns=columns, rows=(row,))


def _not_measured(subject: Subject, found: Attribution, options: ShapleyOptions) -> tuple[str, ...]:
    """Say what these numbers leave open."""
    said = [
        "Whether the explanation is faithful (deletion, insertion and randomisation tests) was not measured.",
        "Reliance on sensitive attributes through proxies among the features was not measured.",
    ]
    errors = found.standard_errors
    if errors is not None:
        size = np.abs(found.values).mean(axis=(1, 2))
        wide = int((errors.max(axis=(1, 2)) > options.target_error * size).sum())
        if wide:
            said.append(
                f"{wide} of {len(size)} rows were not explained to the standard error asked "
                f"({options.target_error:g} of the mean |value|) in {options.rounds} rounds."
            )
    if subject.data.modality != "table":
        said.append("Agreement with shap's own explainers was not measured on images.")
    return tuple(said)
