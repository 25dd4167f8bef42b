"""What a behavioural test found, as an estimate and as lines of the report's tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from audit import stats
from audit.behaviours.answers import Broken
from audit.behaviours.examples import Tried
from audit.behaviours.written import Example, Minimum, Written
from audit.evidence import Column, Estimate, Scalar, Table
from audit.subject import UNDECIDED, Split

NONE = "no row is one that the test is about, or that it changes"
CENSUS = "all that the written examples make was tried: no sampling error, and nothing beyond them"
DRAWN = "Clopper-Pearson exact interval; texts drawn from all that the examples make, examples alike"
SAID = {
    "invariance": "must not answer otherwise",
    "direction": "must not answer the other way",
    "monotone": "must only rise, or fall",
    "rule": "must keep a rule",
    "minimum": "must decide as written",
}
LINES = 40  # examples listed


@dataclass(frozen=True)
class Outcome:
    """One measure of one test: its rows, those that break it, the bounded share, how found, the worst change, parts."""

    test: Written
    name: str
    how: str
    rows: int
    broken: int
    estimate: Estimate
    worst: float | None
    parts: tuple[tuple[str, int, int], ...] = ()


def without_score(test: Written, name: str) -> Outcome:
    """Return the outcome of a test of a score, of a model that gives decisions alone: there is none."""
    none = stats.not_estimable("the test is of a score, and the model gives decisions alone", 0)
    return Outcome(test, name, "not tried", 0, 0, none, None)


def of_rows(test: Written, name: str, found: Broken, rows: Split, *, searched: bool) -> Outcome:
    """Return the outcome on test rows: the exact interval of a proportion, of clusters where there are some.

    searched: more might be found, so that the share is a lower bound.
    """
    cluster = None if rows.cluster is None else rows.cluster[found.rows]
    if not len(found.rows):
        estimate = stats.not_estimable(NONE, 0)
    elif searched:
        estimate = stats.rate(found.hits, cluster=cluster, side="at least")
        estimate = estimate.model_copy(update={"doubt": found.doubt})
    else:
        estimate = stats.rate(found.hits, cluster=cluster)
    how = "searched" if searched else "on the rows"
    return Outcome(
        test, name, how, len(found.rows), int(found.hits.sum()), estimate, found.worst, found.parts
    )


def of_examples(test: Minimum, tried: Tried) -> Outcome:
    """Return the outcome on written examples: of what they make drawn, or all of it.

    All of it is no sample: examples count alike, whatever number of texts each makes, and the share has no error.
    """
    n, failed = len(tried.of), int(tried.failed.sum())
    if tried.drawn:
        estimate, how = stats.rate_of(failed, n, method=DRAWN), "on texts drawn"
    else:
        each = [float(tried.failed[tried.of == i].mean()) for i in range(len(test.examples))]
        estimate, how = stats.census(round(float(np.mean(each)), 12), n, CENSUS), "on every example"
    return Outcome(test, "violation_rate", how, n, failed, estimate, tried.worst)


def outcomes(found: list[Outcome]) -> Table:
    """Return every test with its counts."""
    columns = (
        *(
            Column(name=k, label=v, kind="text")
            for k, v in (("test", "Test"), ("kind", "Model"), ("how", "Found"))
        ),
        *(Column(name=k, label=v, kind="count") for k, v in (("rows", "Tried"), ("broken", "Break it"))),
        Column(name="value", label="Share", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
        Column(name="worst", label="Largest wrong change of the score"),
    )
    rows = tuple(
        (o.test.name, SAID[o.test.kind], o.how, o.rows, o.broken)
        + (o.estimate.value, o.estimate.low, o.estimate.high, o.worst)
        for o in found
    )
    note = "Tried: rows that a test is about and that its change moves, or examples. The model confirmed every break."
    return Table(name="behaviours", title="Declared behaviours", columns=columns, rows=rows, note=note)


def versions(found: list[Outcome]) -> Table:
    """Return each version of the tests that make several of a text, with how many rows each of them breaks."""
    columns = (
        Column(name="test", label="Test", kind="text"),
        Column(name="version", label="With", kind="text"),
        Column(name="rows", label="Rows", kind="count"),
        Column(name="broken", label="Break it", kind="count"),
        Column(name="value", label="Share", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
    )
    rows: list[tuple[Scalar, ...]] = []
    for o in found:
        for name, n, k in o.parts if len(o.parts) > 1 else ():
            e = stats.rate_of(k, n)
            rows.append((o.test.name, name, n, k, e.value, e.low, e.high))
    note = "A row breaks the test when any version does. Intervals take rows as independent."
    title = "What each version of the texts does"
    return Table(name="versions", title=title, columns=columns, rows=tuple(rows), note=note)


def examples(found: list[tuple[Minimum, Tried]], classes: tuple[str, ...]) -> Table:
    """Return the written examples, those that fail most first: what was tried, what failed, what was decided."""
    columns = (
        Column(name="test", label="Test", kind="text"),
        Column(name="example", label="Example", kind="text"),
        Column(name="expected", label="Expected", kind="text"),
        Column(name="tried", label="Tried", kind="count"),
        Column(name="failed", label="Failed", kind="count"),
        Column(name="instead", label="Most often instead", kind="text"),
        Column(name="one", label="One that failed", kind="text"),
    )
    rows = [_example(test, i, tried, classes) for test, tried in found for i in range(len(test.examples))]
    rows.sort(key=lambda row: -(row[4] / max(row[3], 1)))
    left = f"; {len(rows) - LINES} more are not listed" if len(rows) > LINES else ""
    note = f"Examples are the configuration's own, not rows of the data; slots in braces{left}."
    cells: tuple[tuple[Scalar, ...], ...] = tuple(rows[:LINES])
    return Table(name="examples", title="Written examples", columns=columns, rows=cells, note=note)


def _example(
    test: Minimum, i: int, tried: Tried, classes: tuple[str, ...]
) -> tuple[str, str, str, int, int, str, str]:
    """Return the line of one example."""
    example, own = test.examples[i], tried.of == i
    failed = np.flatnonzero(own & tried.failed)
    instead = one = ""
    if len(failed) and tried.decided is not None and example.then.decision:
        code = Counter(tried.decided[failed].tolist()).most_common(1)[0][0]
        instead = "no finite output" if code == UNDECIDED else classes[code]
    if len(failed) and tried.texts and example.slots:
        one = tried.texts[failed[0]]
    return test.name, _written(example), _expected(example), int(own.sum()), len(failed), instead, one


def _written(example: Example) -> str:
    """Return the example as written: its text, or its features."""
    return example.text or ", ".join(f"{name} = {value}" for name, value in example.set.items())


def _expected(example: Example) -> str:
    """Return what the example expects, in words."""
    then = example.then
    bounds = (("score at least", then.score_at_least), ("score at most", then.score_at_most))
    return " or ".join(then.decision) or ", ".join(f"{word} {at:g}" for word, at in bounds if at is not None)
