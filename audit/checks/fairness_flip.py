"""fairness.flip: what the model decides when only the sensitive attribute's own column is set to another value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import flips
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import UNDECIDED, Feature, Subject, decide, probabilities, run_model

EXACT, SKEWED = "exact (Clopper-Pearson)", "skewness-corrected t"
MEASURES = (
    Measure(
        "flip_rate",
        "lower",
        "Share of rows whose decision changes for at least one other value of the attribute.",
        EXACT,
    ),
    Measure(
        "lost_favourable",
        "lower",
        "Share of rows given the favourable outcome that lose it for at least one other value, of all rows.",
        EXACT,
    ),
    Measure(
        "gained_favourable",
        "lower",
        "Share of rows not given the favourable outcome that gain it for at least one other value, of all rows.",
        EXACT,
    ),
    Measure(
        "score_change",
        "lower",
        "Mean over rows of the largest change of the score: half of the summed changes of the class "
        "probabilities, so the change of the probability in binary tasks; of the prediction in regression.",
        SKEWED,
    ),
    Measure("pair_flip_rate", "lower", "Share of a group's rows decided otherwise as another group.", EXACT),
)
LABELS = {
    "flip_rate": "Rows decided otherwise when {} is set to another value",
    "lost_favourable": "Rows that lose the favourable outcome when {} is set to another value",
    "gained_favourable": "Rows that gain the favourable outcome when {} is set to another value",
    "score_change": "Mean of the largest score change when {} is set to another value",
}
Kind = Literal["lost", "gained"]


class FlipOptions(Options):
    """What fairness.flip flips."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to flip; empty: every one that the data declare"
    )


@dataclass(frozen=True, eq=False)
class _Before:
    """Each row's score[n, k], and its decided class[n], None where the task has none."""

    score: np.ndarray
    decided: np.ndarray | None


@dataclass(frozen=True, eq=False)
class _Flip:
    """One group's value given to rows[m] of others: changed, lost and gained[m] (None: undefined), moved[m]."""

    to: str
    rows: np.ndarray
    moved: np.ndarray
    changed: np.ndarray | None
    lost: np.ndarray | None
    gained: np.ndarray | None


@check(
    "fairness.flip",
    area="fairness",
    title="Counterfactual flips of the attribute",
    broken="counted",
    needs=("function", "groups", "features"),
    tasks=("binary", "multiclass", "regression"),
    measures=MEASURES,
)
def fairness_flip(subject: Subject, options: FlipOptions, ctx: Context) -> Findings:
    """Return how often a decision changes when the attribute's own column is set to every other value.

    A categorical column is set to every other category, a numeric one to the median of every other band's
    training rows; all else stays as it was. A flip is not counterfactual fairness (Kusner, Loftus, Russell and
    Silva 2017): what depends on the attribute in the world stays as it was, and the people so made up may be
    implausible. No flip at all shows only that the model does not read the column, never that it is fair.
    """
    names = _attributes(subject, options.attributes)
    before = _before(subject)
    measurements: list[Measurement] = []
    lines: list[tuple[Scalar, ...]] = []
    notes: list[str] = []
    for done, name in enumerate(names, start=1):
        settings, why = _settings(subject, name)
        if settings is None:
            measurements += _refused(subject, name, why)
        else:
            found = [_flip(subject, before, name, *one) for one in settings.each()]
            measurements += _overall(subject, name, settings, found)
            pairs = list(_pairs(subject, name, settings, found))
            measurements += [m for m, _ in pairs]
            lines += [line for _, line in pairs]
            notes += _left(name, settings)
        ctx.tick(done, len(names))
    notes += _not_measured(subject, names)
    return Findings(measurements=tuple(measurements), tables=(_table(lines),), not_measured=tuple(notes))


# ---------------------------------------------------------------- what is set


def _attributes(subject: Subject, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the attributes to flip: those asked for, else all; ConfigError for an unknown one."""
    known = subject.data.test.groups
    for name in asked:
        if name not in known:
            raise ConfigError(f"fairness.flip: attributes={name!r}", nearest(name, known), "mend the list")
    return tuple(dict.fromkeys(asked)) or tuple(known)


def _settings(subject: Subject, name: str) -> tuple[flips.Settings | None, str]:
    """Return what the attribute's column may be set to, or None and why it cannot be flipped."""
    place = _column(subject, name)
    if place is None:
        return None, f"{name} is kept out of the features, so the model cannot read it directly"
    if subject.model.decisions:
        return None, "decisions are made by thresholds of each group beside the model, which no flip can run"
    feature, test = subject.data.features[place], subject.data.test
    if feature.kind == "categorical":
        found = flips.of_categories(np.asarray(test.x)[:, place], feature.categories)
    else:
        found = _bands(subject, name, place, feature)
    if len(found.values) < 2 or not (found.own >= 0).any():
        return None, f"{name} has {len(found.values)} known values, where a flip needs two and a row of one"
    return found, ""


def _bands(subject: Subject, name: str, place: int, feature: Feature) -> flips.Settings:
    """Return the settings of a numeric attribute, from the training rows where there are any."""
    test, train = subject.data.test, subject.data.splits.get("train")
    known = train if train is not None and len(train) and name in train.groups else test
    return flips.of_bands(
        np.asarray(test.groups[name]).astype(str),
        np.asarray(known.groups[name]).astype(str),
        np.asarray(known.x)[:, place],
        feature.low,
        feature.high,
    )


def _column(subject: Subject, name: str) -> int | None:
    """Return the place of the feature of this name, None where it is none."""
    return next((i for i, f in enumerate(subject.data.features) if f.name == name), None)


# ---------------------------------------------------------------- what comes of it


def _before(subject: Subject) -> _Before:
    """Return the judged rows as they are, from one run of the model as every flip is."""
    return _read(subject, run_model(subject.model, subject.data.test.x))


def _read(subject: Subject, outputs: np.ndarray) -> _Before:
    """Return scores and decisions of outputs[n, k]."""
    if subject.data.task == "regression":
        return _Before(np.asarray(outputs, np.float64), None)
    decided = decide(outputs, subject.model)
    if "scores" not in subject.has:
        return _Before(np.zeros((len(decided), 1)), decided)
    return _Before(probabilities(outputs, subject.model.outputs), decided)


def _flip(subject: Subject, before: _Before, name: str, to: str, value: float, rows: np.ndarray) -> _Flip:
    """Run the model on these rows with the attribute's column set to one value."""
    if not len(rows):
        none = np.zeros(0, bool)
        return _Flip(to, rows, np.zeros(0), none, none, none)
    x = np.array(subject.data.test.x)[rows]
    x[:, _column(subject, name)] = value
    after = _read(subject, run_model(subject.model, x))
    moved = np.abs(after.score - before.score[rows]).sum(axis=1)
    if before.decided is None or after.decided is None:
        return _Flip(to, rows, moved, None, None, None)
    old, new, good = before.decided[rows], after.decided, subject.data.favourable
    if good is None:
        return _Flip(to, rows, moved / 2, old != new, None, None)
    lost = (old == good) & (new != good)
    gained = (old != good) & (
        (new == good) | (new == UNDECIDED)
    )  # an output that is not finite counts against it
    return _Flip(to, rows, moved / 2, old != new, lost, gained)


def _overall(
    subject: Subject, name: str, settings: flips.Settings, found: list[_Flip]
) -> Iterator[Measurement]:
    """Yield what holds over every other value: whether any changes the decision, and the largest change."""
    asked = np.flatnonzero(settings.own >= 0)
    largest = np.zeros(len(settings.own))
    for flip in found:
        largest[flip.rows] = np.maximum(largest[flip.rows], flip.moved)
    parts = {
        "flip_rate": [(f.rows, f.changed) for f in found],
        "lost_favourable": [(f.rows, f.lost) for f in found],
        "gained_favourable": [(f.rows, f.gained) for f in found],
    }
    for measure, each in parts.items():
        known = [(rows, hit) for rows, hit in each if hit is not None]
        if len(known) == len(each):
            any_ = np.zeros(len(settings.own), bool)
            for rows, hit in known:
                any_[rows] |= hit
            yield _measurement(measure, name, _rate(subject, any_, asked))
    if "scores" not in subject.has:
        none = stats.not_estimable("the model gives decisions and no score", n=len(asked))
        yield _measurement("score_change", name, none)
        return
    cluster = subject.data.test.cluster
    change = stats.mean(
        largest[asked],
        cluster=None if cluster is None else cluster[asked],
        low=0.0,
        high=None if subject.data.task == "regression" else 1.0,
    )
    yield _measurement("score_change", name, change)


def _rate(subject: Subject, hits: np.ndarray, rows: np.ndarray) -> Estimate:
    """Return the bounded share of hits[n] among rows."""
    cluster = subject.data.test.cluster
    return stats.rate(hits[rows], cluster=None if cluster is None else cluster[rows])


def _pairs(
    subject: Subject, name: str, settings: flips.Settings, found: list[_Flip]
) -> Iterator[tuple[Measurement, tuple[Scalar, ...]]]:
    """Yield for each group as each other one the share decided otherwise, and the table's row."""
    for code, group in enumerate(settings.values):
        for flip in found:
            own = settings.own[flip.rows] == code
            if not own.any() or flip.changed is None:
                continue
            hits = np.zeros(len(settings.own), bool)
            hits[flip.rows] = flip.changed
            rate = _rate(subject, hits, flip.rows[own])
            where: dict[str, str | float | int] = {"attribute": name, "group": group, "set_to": flip.to}
            label = f"Rows of {name} = {group} decided otherwise as {flip.to}"
            yield (
                Measurement(name="pair_flip_rate", label=label, estimate=rate, better="lower", where=where),
                _line(name, group, flip, own, rate),
            )


def _line(name: str, group: str, flip: _Flip, own: np.ndarray, rate: Estimate) -> tuple[Scalar, ...]:
    """Return one pair's row of the table."""
    counts = (None if hit is None else int(hit[own].sum()) for hit in (flip.changed, flip.lost, flip.gained))
    change = float(np.mean(np.sort(flip.moved[own])))
    return (name, group, flip.to, int(own.sum()), *counts, rate.value, rate.low, rate.high, change)


def _refused(subject: Subject, name: str, why: str) -> Iterator[Measurement]:
    """Yield the measures of an attribute that cannot be flipped, with the reason."""
    for measure in LABELS if subject.data.task != "regression" else ("score_change",):
        yield _measurement(measure, name, stats.not_estimable(why, n=len(subject.data.test)))


def _measurement(measure: str, name: str, estimate: Estimate) -> Measurement:
    """Return a measurement of an attribute."""
    label = LABELS[measure].format(name)
    return Measurement(
        name=measure, label=label, estimate=estimate, better="lower", where={"attribute": name}
    )


# ---------------------------------------------------------------- table and what was not measured


def _table(lines: list[tuple[Scalar, ...]]) -> Table:
    """Return each group as each other one."""
    text = {"attribute": "Attribute", "group": "Rows of", "set_to": "Set to"}
    counts = {"rows": "Rows", "changed": "Changed", "lost": "Lost favourable", "gained": "Gained favourable"}
    columns = (
        *(Column(name=key, label=label, kind="text") for key, label in text.items()),
        *(Column(name=key, label=label, kind="count") for key, label in counts.items()),
        Column(name="value", label="Share changed", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
        Column(name="change", label="Mean score change"),
    )
    return Table(
        name="flips", title="Flips from each group to each other", columns=columns, rows=tuple(lines)
    )


def _left(name: str, settings: flips.Settings) -> Iterator[str]:
    """Yield which rows could not be flipped."""
    lost = int((settings.own < 0).sum())
    if lost:
        yield f"Flips of {lost} rows whose {name} is missing or was not seen in training."


def _not_measured(subject: Subject, names: tuple[str, ...]) -> Iterator[str]:
    """Yield what no flip says."""
    yield (
        "Counterfactual fairness (Kusner et al. 2017): a flip changes the attribute's own column alone, and what "
        "depends on the attribute in the world stays as it was; that needs a causal model."
    )
    yield "How plausible the people are that a flip makes up: combinations that no one has count like any other."
    yield "What the model reads of the attribute from other features: a model that never flips may use proxies."
    yield f"Flips of attributes other than {', '.join(names)}, and of several at once."
    if subject.data.task != "regression" and subject.data.favourable is None:
        yield "In whose favour decisions turn: the data declare no favourable class."
