"""explanation.proxies: how much of the model's outputs the stand-ins of a sensitive attribute carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from audit import stats
from audit.attribution.reliance import Share, share
from audit.attribution.shapley import shapley
from audit.errors import DataError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.games.game import ROUNDING, how_to_run, largest
from audit.metrics.association import associations
from audit.metrics.categories import MISSING
from audit.metrics.sampling import sample
from audit.registry import Context, Measure, Options, check
from audit.subject import Model, Split, Subject

OWN, PROXY, OTHER = "own column", "proxy", "other"


class ProxiesOptions(Options):
    """Options of explanation.proxies."""

    association: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Cramer's V with the attribute, on train, from which on a feature is a proxy",
    )
    rows: int = Field(500, ge=2, description="test rows explained, drawn by the seed")
    background: int = Field(
        128, ge=1, description="train rows that fill in missing features, drawn by the seed"
    )
    batch: int = Field(2048, ge=1, description="inputs run through the model at a time")


@dataclass(frozen=True, eq=False)
class _Parts:
    """An attribute's features by their part (own column, proxy, other), with their association on train."""

    attribute: str
    part: tuple[str, ...]
    association: np.ndarray

    @property
    def players(self) -> tuple[str, ...]:
        """Return the parts that have features, in a fixed order."""
        return tuple(name for name in (OWN, PROXY, OTHER) if name in self.part)


@check(
    "explanation.proxies",
    area="explanation",
    title="Reliance on proxies",
    needs=("function", "features", "groups", "scores"),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure(
            "proxy_reliance",
            "lower",
            "Share of all attribution that the features associated with a sensitive attribute carry together, "
            "its own column apart.",
            "ratio of means over the explained rows, delta method on the logit scale",
        ),
        Measure(
            "joint_reliance",
            "lower",
            "Share of all attribution that an attribute's own column and its proxies carry.",
            "ratio of means over the explained rows, delta method on the logit scale",
        ),
    ),
)
def proxies(subject: Subject, options: ProxiesOptions, ctx: Context) -> Findings:
    """Attribute the outputs to an attribute's own column, its proxies taken together, and everything else.

    A feature is a proxy where it is associated with the attribute on the train rows (Cramer's V, numbers in
    tenths). The three are the players of an exact Shapley game on random test rows: joined players cannot
    divide, or hide from each other, what they carry together. An attribute without any proxy is
    NOT-ESTIMABLE: weaker features may still stand in for it together.
    """
    data = subject.data
    if data.modality != "table":
        raise DataError(f"modality={data.modality}", "a table", "remove explanation.proxies")
    options = _quick(options) if ctx.quick else options
    rows = _drawn(data.test, options.rows, ctx.seed)
    background = _drawn(data.reference, options.background, ctx.seed)
    measurements: list[Measurement] = []
    lines: list[tuple[Scalar, ...]] = []
    evaluations = 0
    for done, attribute in enumerate(data.test.groups, start=1):
        parts = _parts(subject, attribute, options.association)
        sizes, used = _sizes(subject.model, rows, background, parts, data.task, options.batch)
        evaluations += used
        measurements += _measure(parts, sizes, rows.cluster, options.association)
        lines += _lines(parts, [f.name for f in data.features])
        ctx.tick(done, len(data.test.groups))
    return Findings(
        measurements=tuple(measurements),
        tables=(_table(lines, options.association),),
        not_measured=(
            "Whether features stand in for an attribute together: each is tried alone for its association.",
            "Whether a proxy is justified: a feature may matter for the outcome and differ between groups.",
        ),
        cost={"rows_explained": len(rows), "model_evaluations": evaluations},
    )


def _quick(options: ProxiesOptions) -> ProxiesOptions:
    """Return options that spend less."""
    fewer = {"rows": min(options.rows, 60), "background": min(options.background, 16)}
    return options.model_copy(update=fewer)


def _drawn(split: Split, rows: int, seed: int) -> Split:
    """Return so many rows at random, the same ones whatever the order of the split."""
    return split.take(sample(split.id, rows, seed))


def _parts(subject: Subject, attribute: str, least: float) -> _Parts:
    """Return every feature's part; the association is that of the train rows whose group is known."""
    features, train = subject.data.features, subject.data.reference
    if attribute not in train.groups:
        raise DataError(
            f"attribute={attribute!r} is not in train", "every attribute in every split", "give it"
        )
    values = np.asarray(train.groups[attribute]).astype(str)
    known = values != MISSING
    found = np.zeros(len(features))
    if known.any():
        numeric = np.array([f.kind == "numeric" for f in features])
        found = associations(np.asarray(train.x)[known, : len(features)], numeric, values[known])
    part = tuple(
        OWN if f.name == attribute else PROXY if v >= least else OTHER
        for f, v in zip(features, found, strict=True)
    )
    return _Parts(attribute, part, found)


def _sizes(
    model: Model, rows: Split, background: Split, parts: _Parts, task: str, batch: int
) -> tuple[dict[str, np.ndarray], int]:
    """Return |Shapley value|[n] of every part on the explained output, and the model evaluations spent."""
    apply, margin, over = how_to_run(model)
    groups = np.array([parts.players.index(name) for name in parts.part])
    groups = np.append(groups, np.full(np.shape(rows.x)[1] - len(groups), -1))  # a fold is no player's
    told = {
        "groups": groups,
        "margin": margin,
        "batch": batch,
        "over": over,
        "exact_up_to": len(parts.players),
    }
    found = shapley(apply, model.params, np.asarray(rows.x), np.asarray(background.x), **told)
    n, outputs = found.outputs.shape
    column = found.outputs.argmax(axis=1) if task == "multiclass" else np.full(n, outputs - 1)
    size = np.abs(np.take_along_axis(found.values, column[:, None, None], axis=2)[:, :, 0])
    size = np.where(size <= ROUNDING * largest(found.outputs), 0.0, size)
    return {name: size[:, p] for p, name in enumerate(parts.players)}, found.evaluations


def _measure(
    parts: _Parts, sizes: dict[str, np.ndarray], cluster: np.ndarray | None, least: float
) -> list[Measurement]:
    """Bound the share of the proxies, and that of the attribute's own column with them."""
    whole = np.sum(list(sizes.values()), axis=0)
    where: dict[str, str | float | int] = {"attribute": parts.attribute}
    found = []
    for name, asked, label in (
        ("proxy_reliance", (PROXY,), f"Share of the explanation carried by proxies of {parts.attribute}"),
        ("joint_reliance", (OWN, PROXY), f"Share carried by {parts.attribute} and its proxies"),
    ):
        estimate = _none(parts.attribute, least, len(whole))
        if any(part in sizes for part in asked):
            part = np.sum([sizes[part] for part in asked if part in sizes], axis=0)
            estimate = _bound(share(part, whole, cluster), len(whole))
        found.append(Measurement(name=name, label=label, estimate=estimate, better="lower", where=where))
    return found


def _none(attribute: str, least: float, n: int) -> Estimate:
    """Say why there is no share."""
    return stats.not_estimable(
        f"no feature is associated with {attribute} at {least:g} or more; weaker ones may still stand in for it "
        "together: lower `association` to take them in",
        n=n,
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


def _lines(parts: _Parts, names: list[str]) -> list[tuple[Scalar, ...]]:
    """Return a line per feature, the most associated first."""
    order = np.argsort(-parts.association, kind="stable")
    return [(parts.attribute, names[j], float(parts.association[j]), parts.part[j]) for j in order]


def _table(lines: list[tuple[Scalar, ...]], least: float) -> Table:
    """Tabulate which features are proxies of what."""
    columns = (
        Column(name="attribute", label="attribute", kind="text"),
        Column(name="feature", label="feature", kind="text"),
        Column(name="association", label="Cramer's V with the attribute, train"),
        Column(name="part", label="counted as", kind="text"),
    )
    return Table(
        name="proxies",
        title=f"Which features stand in for an attribute (V of {least:g} or more)",
        columns=columns,
        rows=tuple(lines),
        note="V is corrected for its bias; numbers are taken in tenths.",
    )
