"""explanation.counterfactual: what would have to change for a favourable decision, at what cost, for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.attribution.counterfactual import Counterfactuals, counterfactuals
from audit.attribution.decision import toward
from audit.attribution.recourse import Space
from audit.attribution.tables import nearest, space_of
from audit.devices import map_examples
from audit.errors import ConfigError, DataError
from audit.evidence import Column, Findings, Measurement, Table
from audit.metrics.sampling import sample
from audit.registry import Context, Measure, Options, check
from audit.registry import nearest as nearest_name
from audit.subject import Feature, Model, Split, Subject, decide, run_model
from audit.trials.recourse import (
    UNIT,
    Recourse,
    by_group,
    changed,
    everyones_cost,
    everyones_success,
    overall,
)
from audit.trials.recourse_tables import changed_table, groups_table

LOOKED_AT = 100  # rows whose single changes are looked at for outputs that are not finite
NEIGHBOURS = 3000  # training rows among which a neighbour is looked for, at most
MEASURES = (
    Measure(
        "recourse_success",
        "higher",
        "Share of the rows decided unfavourably for which a permitted change with the favourable decision is found.",
        "exact (Clopper-Pearson); at least, since a longer search may find more",
    ),
    Measure(
        "recourse_cost",
        "lower",
        "Mean L1 distance to the nearest permitted row found that is decided favourably, over the rows that have one.",
        "of a mean, skewness-corrected",
        ends=(0, None),
    ),
    Measure(
        "features_changed",
        "lower",
        "Mean number of features changed.",
        "of a mean, skewness-corrected",
        ends=(0, None),
    ),
    Measure(
        "changed", "neither", "Share of the counterfactuals that change a feature.", "exact (Clopper-Pearson)"
    ),
    Measure(
        "group_recourse_success", "higher", "Recourse success of a group's rows.", "exact (Clopper-Pearson)"
    ),
    Measure(
        "group_recourse_cost",
        "lower",
        "Recourse cost of a group's rows.",
        "of a mean, skewness-corrected",
        ends=(0, None),
    ),
    Measure(
        "recourse_success_difference",
        "lower",
        "Largest difference in recourse success between groups.",
        "simultaneous over the groups",
    ),
    Measure(
        "recourse_cost_difference",
        "lower",
        "Largest difference in recourse cost between groups, over the rows that have a counterfactual.",
        "simultaneous over the groups",
        ends=(0, None),
    ),
    Measure(
        "neighbour_distance",
        "lower",
        "Median distance from a counterfactual to the nearest training row of the favourable class.",
        "none: descriptive",
        ends=(0, None),
    ),
)


class CounterfactualOptions(Options):
    """Options of explanation.counterfactual."""

    rows: int = Field(
        500, ge=2, description="test rows decided unfavourably that are searched, drawn by the seed"
    )
    actions: dict[str, Literal["up", "down", "fixed"]] = Field(
        default_factory=dict,
        description="what a feature may do: only rise (up), only fall (down), nothing (fixed)",
    )
    unit: Literal["sd", "mad"] = Field(
        "sd", description="what a number's change counts in: standard or median absolute deviations on train"
    )
    category_cost: float = Field(1.0, gt=0, description="deviations that a changed category counts as")
    starts: int = Field(4, ge=1, description="starts of each row's search")
    rounds: int = Field(12, ge=1, description="most single changes of a start")
    steps: int = Field(60, ge=1, description="gradient steps of a start")
    minimum_rows: int = Field(
        10, ge=2, description="rows below which a group is shown, named, and left out of comparisons"
    )
    lost: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of rows without a counterfactual above which no cost shows a PASS",
    )


@dataclass(frozen=True, eq=False)
class _Searched:
    """The rows searched, the changes allowed, and what the search says."""

    rows: Split
    space: Space
    result: Counterfactuals


@check(
    "explanation.counterfactual",
    area="explanation",
    title="Counterfactuals and recourse",
    needs=("gradient", "features", "classes", "favourable", "probabilities"),
    measures=MEASURES,
)
def recourse(subject: Subject, options: CounterfactualOptions, ctx: Context) -> Findings:
    """Search the nearest change that turns unfavourable decisions, and compare its cost between groups.

    Wachter, Mittelstadt and Russell (2018), with immutable features, ranges, directions and categories kept.
    Every counterfactual is decided anew by the model and its constraints are checked to the bit. A distance is
    that of the nearest one found. Rows without one are counted, and left out of every cost. Only averages over
    rows leave the check.
    """
    options = _quick(options) if ctx.quick else options
    _refuse(options, subject.data.features)
    searched = _search(subject, options, ctx.seed)
    if searched is None:
        none = stats.not_estimable("every test row is given the favourable decision")
        return Findings(measurements=(everyones_success(none), everyones_cost(none)))
    found = _summary(subject, searched, options)
    gaps, lines, notes = by_group(found, options.minimum_rows)
    features = changed(found)
    near, neighbours = _plausible(subject, searched, found.ok, ctx.seed)
    tables = [changed_table(found, features), *([groups_table(lines)] if lines else []), neighbours]
    return Findings(
        measurements=(*overall(found), *features, *gaps, near),
        tables=tuple(tables),
        not_measured=(*notes, *_not_measured(found)),
        cost={"rows_searched": len(found.ok), "model_evaluations": int(searched.result.evaluations.sum())},
    )


# ---------------------------------------------------------------- search


def _quick(options: CounterfactualOptions) -> CounterfactualOptions:
    """Return options that spend less."""
    return options.model_copy(update={"rows": min(options.rows, 60), "starts": 2, "rounds": 6, "steps": 20})


def _refuse(options: CounterfactualOptions, features: tuple[Feature, ...]) -> None:
    """Raise ConfigError for an action on no feature, or one that a category has not."""
    kinds = {f.name: f.kind for f in features}
    for name, action in options.actions.items():
        given = f"explanation.counterfactual: actions {name}: {action}"
        if name not in kinds:
            raise ConfigError(given, f"a feature; {nearest_name(name, kinds)}", "mend the name")
        if kinds[name] == "categorical" and action != "fixed":
            raise ConfigError(given, "fixed, since categories have no order", "fix it or leave it out")


def _search(subject: Subject, options: CounterfactualOptions, seed: int) -> _Searched | None:
    """Search the drawn rows; None where every row is decided favourably."""
    data, model = subject.data, subject.model
    if data.modality != "table":
        raise DataError(f"modality={data.modality}", "a table", "remove explanation.counterfactual")
    if model.apply is None or model.outputs == "values" or data.favourable is None:
        raise DataError("a model without decisions", "one that decides", "remove explanation.counterfactual")
    rows = _drawn(data.test, subject.predictions() != data.favourable, options.rows, seed)
    if not len(rows):
        return None
    told = {"actions": options.actions, "unit": options.unit, "category_cost": options.category_cost}
    space = space_of(data.columns, np.asarray(data.reference.x), **told)
    threshold = model.decision.threshold if model.decision.kind == "threshold" else None
    result = counterfactuals(
        model.apply,
        model.params,
        rows.x,
        space,
        toward=toward(data.favourable, model.outputs, threshold),
        starts=options.starts,
        rounds=options.rounds,
        steps=options.steps,
        over=map_examples,
    )
    _single_changes(model, rows.x, space)
    if not space.allows(rows.x, result.x).all():
        raise RuntimeError("a counterfactual breaks its own constraints: the search is wrong")
    return _Searched(rows, space, result)


def _single_changes(model: Model, x: np.ndarray, space: Space) -> None:
    """Ask the model about single changes of some rows, as the search does, where what is not finite is counted."""
    feature, value = space.moves()
    rows = np.repeat(x[:LOOKED_AT], len(feature), axis=0)
    low, high = space.ends(rows)
    changes = len(rows) // max(len(feature), 1)
    rows[np.arange(len(rows)), np.tile(feature, changes)] = np.tile(value, changes)
    if len(rows):
        run_model(model, np.clip(rows, low, high))


def _summary(subject: Subject, searched: _Searched, options: CounterfactualOptions) -> Recourse:
    """Return what the model itself confirms of the search."""
    data, rows, result, d = subject.data, searched.rows, searched.result, len(subject.data.features)
    ok = result.found & (decide(run_model(subject.model, result.x), subject.model) == data.favourable)
    return Recourse(
        ok=ok,
        distance=result.distance,
        shift=(result.x.astype(np.float64) - rows.x)[:, :d],
        names=tuple(f.name for f in data.features),
        numeric=searched.space.numeric[:d],
        still=searched.space.still[:d],
        groups=rows.groups,
        cluster=rows.cluster,
        lost=options.lost,
    )


def _drawn(split: Split, asked: np.ndarray, rows: int, seed: int) -> Split:
    """Return so many of the rows asked for at random, the same ones whatever the order of the split."""
    kept = split.take(np.flatnonzero(asked))
    return kept.take(sample(kept.id, rows, seed))


def _plausible(subject: Subject, searched: _Searched, ok: np.ndarray, seed: int) -> tuple[Measurement, Table]:
    """Compare how near counterfactuals and rows decided favourably lie to favourable training rows."""
    data = subject.data
    known = data.splits.get("train", data.test.take(np.arange(0)))  # a judged row would be its own neighbour
    train = _drawn(known, known.y == data.favourable, NEIGHBOURS, seed)
    usual = _drawn(data.test, subject.predictions() == data.favourable, len(ok), seed)
    lines = (
        ("counterfactuals", searched.result.x[ok]),
        ("rows decided unfavourably", searched.rows.x),
        ("rows decided favourably", usual.x),
    )
    middle = [
        float(np.median(_nearest(subject, searched, np.asarray(x), np.asarray(train.x))))
        if len(x) and len(train)
        else None
        for _, x in lines
    ]
    estimate = stats.not_estimable("no counterfactual, or no favourable training row")
    if middle[0] is not None:
        estimate = stats.descriptive(
            middle[0], int(ok.sum()), "median distance to the nearest of the rows drawn"
        )
    label = "Median distance from a counterfactual to the nearest favourable training row"
    columns = (
        Column(name="rows", label="rows", kind="text"),
        Column(name="n", label="n", kind="count"),
        Column(name="distance", label="median distance, deviations"),
    )
    title = f"Distance to the nearest of {len(train)} training rows of the favourable class"
    table = Table(
        name="plausibility",
        title=title,
        columns=columns,
        rows=tuple((name, len(x), m) for (name, x), m in zip(lines, middle, strict=True)),
        note="Every feature counts. A counterfactual much farther away than the last line is an unusual combination.",
    )
    return Measurement(
        name="neighbour_distance", label=label, estimate=estimate, better="lower", unit=UNIT
    ), table


def _nearest(subject: Subject, searched: _Searched, x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the distance[n] of each row to the nearest training row; of folds, to one outside the row's own."""
    d = len(subject.data.features)
    if subject.data.folds is None:
        return nearest(searched.space, x, train)
    fold, space, found = x[:, d], searched.space.of(d), np.full(len(x), np.inf)
    for k in np.unique(fold):
        others = train[train[:, d] != k]
        if len(others):
            found[fold == k] = nearest(space, x[fold == k, :d], others[:, :d])
    return found


def _not_measured(found: Recourse) -> Iterator[str]:
    """Yield what these numbers leave open."""
    yield "Whether the changes can be made, and what they cause: the features move alone, as if nothing followed."
    yield "Whether a nearer counterfactual exists: a distance is that of the nearest one found."
    yield "Whole numbers: a counterfactual takes any value within a feature's range."
    missing = int((~found.ok).sum())
    if missing:
        yield f"The cost of {missing} of {len(found.ok)} rows: no permitted change was found that turns them."
