"""accuracy.confusion: which classes are taken for which, where there are too many for a matrix to be read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.confusion import confusion_matrix
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import Subject

LEVEL = 0.05


class ConfusionOptions(Options):
    """Options of accuracy.confusion."""

    most: int = Field(20, ge=1, description="pairs of classes in the table, the most confused first")
    pairs: tuple[tuple[str, str], ...] = Field(
        (), description="pairs (true class, class decided) whose share is measured, named beforehand"
    )


class _Pair(NamedTuple):
    """A true class and a wrong one, how often it is decided, and its share of the true class's rows."""

    true: int
    wrong: int
    rows: int
    share: Estimate


@check(
    "accuracy.confusion",
    area="accuracy",
    title="Classes taken for one another",
    needs=("classes",),
    measures=(
        Measure(
            "confusion",
            "lower",
            "Share of a class's rows that are decided to be of one other class, of a pair named beforehand.",
            "exact (Clopper-Pearson)",
        ),
        Measure(
            "largest_confusion",
            "lower",
            "The largest share of a class's rows that are decided to be of one other class.",
            "none: descriptive, the largest of many",
        ),
        Measure(
            "confused_pairs",
            "neither",
            "Pairs of classes of which more than 0.05 are taken for the other one, beyond doubt for all pairs at once.",
            "none: descriptive",
            ends=(0, None),
        ),
    ),
)
def confusion(subject: Subject, options: ConfusionOptions, ctx: Context) -> Findings:
    """Return which classes are most often decided to be which other class, with limits that hold for all pairs at once.

    The largest of many shares is large by chance as well, so the table's limits are exact ones at 5 % over the number
    of pairs (Bonferroni), and only pairs that the configuration names beforehand are measures to judge.
    """
    classes, test = subject.data.classes, subject.data.test
    predicted = subject.predictions()
    matrix = confusion_matrix(test.y, predicted, len(classes))
    among = len(classes) * (len(classes) - 1)
    named = [_pair(subject, predicted, *_codes(classes, pair)) for pair in dict.fromkeys(options.pairs)]
    found = _most_confused(subject, predicted, matrix)
    surely = sum(_limits(pair.share, among)[0] > 0.05 for pair in found)
    rows = int(matrix.sum())
    largest = (
        stats.descriptive(float(found[0].share.value or 0.0), rows, f"largest of {among} shares")
        if found
        else stats.descriptive(0.0, rows, f"largest of {among} shares")
    )
    return Findings(
        measurements=(
            *(_measured(classes, pair) for pair in named),
            Measurement(
                name="largest_confusion",
                label="Largest confusion of two classes",
                estimate=largest,
                better="lower",
            ),
            Measurement(
                name="confused_pairs",
                label="Pairs of classes confused beyond doubt",
                estimate=stats.descriptive(float(surely), rows, f"of {among} pairs at once"),
            ),
        ),
        tables=(_table(classes, matrix, found[: options.most], among),),
        not_measured=("Whether two confused classes mean the same to the people who labelled them.",),
    )


def _codes(classes: tuple[str, ...], pair: tuple[str, str]) -> tuple[int, int]:
    """Return the codes of a named pair; ConfigError for an unknown class, or the same one twice."""
    for name in pair:
        if name not in classes:
            raise ConfigError(f"accuracy.confusion: pairs={name!r}", nearest(name, classes), "mend the list")
    if pair[0] == pair[1]:
        raise ConfigError(f"accuracy.confusion: pairs={list(pair)}", "two different classes", "mend the list")
    return classes.index(pair[0]), classes.index(pair[1])


def _pair(subject: Subject, predicted: np.ndarray, true: int, wrong: int) -> _Pair:
    """Return the share of a class's rows that are decided to be of another one."""
    test = subject.data.test
    of = test.y == true
    cluster = None if test.cluster is None else test.cluster[of]
    hits = predicted[of] == wrong
    return _Pair(true, wrong, int(hits.sum()), stats.rate(hits, cluster=cluster))


def _most_confused(subject: Subject, predicted: np.ndarray, matrix: np.ndarray) -> list[_Pair]:
    """Return every pair that occurs, the largest share first, ties in the classes' order."""
    wrong = matrix - np.diag(np.diag(matrix))
    pairs = [_pair(subject, predicted, int(a), int(b)) for a, b in np.argwhere(wrong > 0)]
    return sorted(pairs, key=lambda p: (-(p.share.value or 0.0), -p.rows, p.true, p.wrong))


def _limits(share: Estimate, among: int) -> tuple[float, float]:
    """Return the share's exact limits at 5 % over the number of pairs; 0 and 1 where it has none."""
    if share.statistic is None:
        return 0.0, 1.0
    half = LEVEL / 2 / among
    return stats.low_bound(share.statistic, half), stats.high_bound(share.statistic, half)


def _measured(classes: tuple[str, ...], pair: _Pair) -> Measurement:
    """Return the measurement of a named pair."""
    true, wrong = classes[pair.true], classes[pair.wrong]
    return Measurement(
        name="confusion",
        label=f"{true} taken for {wrong}",
        estimate=pair.share,
        better="lower",
        where={"true": true, "decided": wrong},
    )


def _table(classes: tuple[str, ...], matrix: np.ndarray, pairs: list[_Pair], among: int) -> Table:
    """Return the most confused pairs with limits for all pairs at once, and the way back beside each."""
    columns = (
        Column(name="true", label="True class", kind="text"),
        Column(name="decided", label="Taken for", kind="text"),
        Column(name="count", label="Rows", kind="count"),
        Column(name="n", label="Rows of the class", kind="count"),
        Column(name="share", label="Share", kind="rate"),
        Column(name="share low", label="Low", kind="rate"),
        Column(name="share high", label="High", kind="rate"),
        Column(name="back", label="The other way", kind="count"),
    )
    rows = [
        (classes[p.true], classes[p.wrong], p.rows, int(matrix[p.true].sum()), p.share.value)
        + (*_limits(p.share, among), int(matrix[p.wrong, p.true]))
        for p in pairs
    ]
    note = f"Limits hold for all {among:,} pairs at once (95 %, exact, Bonferroni)."
    title = "Classes most often taken for another one"
    return Table(name="confused", title=title, columns=columns, rows=tuple(rows), note=note)
