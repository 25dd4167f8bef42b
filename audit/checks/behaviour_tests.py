"""behaviour.tests: what the model must do whatever its accuracy: invariances, directions, monotonicity, rules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from audit import stats
from audit.behaviours.broken import Broken, by_change, by_search, by_value, on_data, refuse
from audit.behaviours.rows import Judged, judged
from audit.behaviours.written import Changed, Logic, Monotone, Written
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics.robustness import sample
from audit.registry import Context, Measure, Options, check
from audit.subject import Split, Subject

QUICK = 300
SAID = {
    "invariance": "must not answer otherwise",
    "direction": "must not answer the other way",
    "monotone": "must only rise, or fall",
    "rule": "must keep a rule",
}
NONE = "no row is one that the test is about, or that it changes"


class BehaviourOptions(Options):
    """Options of behaviour.tests."""

    tests: tuple[Written, ...] = Field(
        (), description="the tests, each with a name and a kind: invariance, direction, monotone or rule"
    )
    score_of: str | None = Field(
        None,
        description="class whose probability is the score; null: the favourable one, else class 1 of two",
    )
    rows: int | None = Field(1000, ge=1, description="test rows tried, drawn by the seed; null: all")


@check(
    "behaviour.tests",
    area="behaviour",
    title="Behavioural tests",
    needs=("function", "features"),
    tasks=("binary", "multiclass", "regression"),
    measures=(
        Measure(
            "violation_rate",
            "lower",
            "Share of the rows that a test is about for which the model breaks it.",
            "Clopper-Pearson; at least, where a search found them",
        ),
        Measure(
            "searched_violation_rate",
            "lower",
            "Share of all rows that break a rule once moved to where it holds, and on from there by a search; a "
            "lower bound, since a better search may find more.",
            "Clopper-Pearson, at least",
        ),
    ),
)
def behaviour_tests(subject: Subject, options: BehaviourOptions, ctx: Context) -> Findings:
    """Try declared behaviours on real test rows: how many rows break each of them.

    After CheckList (Ribeiro, Wu, Guestrin and Singh 2020): invariance, directional expectation, and rules that hold
    on rows of a kind (minimum functionality); monotonicity and rules are searched for counterexamples as well, each of
    which the model's own outputs confirm. A search that finds none proves nothing beyond what it tried.
    """
    names = [test.name for test in options.tests]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(
            f"behaviour.tests: two tests named {twice!r}", "a name of its own for each", "rename one"
        )
    if not options.tests:
        none = stats.not_estimable("no test is declared", 0)
        return Findings(measurements=(_measurement("(none)", "violation_rate", none),))
    limit = min(QUICK, options.rows or QUICK) if ctx.quick else options.rows
    test_rows = subject.data.test.take(sample(len(subject.data.test), limit, ctx.seed))
    about, x = judged(subject, options.score_of), np.asarray(test_rows.x)
    for test in options.tests:
        refuse(about, test, x)
    measured: list[Measurement] = []
    lines: list[tuple[Scalar, ...]] = []
    cost = {"forward": 0, "gradient": 0}
    for done, test in enumerate(options.tests):
        ctx.tick(done, len(options.tests))
        for name, found, side in _tried(about, test, x):
            m = _measurement(test.name, name, _rate(test_rows, found, side))
            measured.append(m)
            lines.append(_line(test, name, found, m.estimate))
            cost = {
                "forward": cost["forward"] + found.evaluations,
                "gradient": cost["gradient"] + found.gradients,
            }
    return Findings(
        measurements=tuple(measured), tables=(_table(lines),), not_measured=tuple(_left(subject)), cost=cost
    )


def _tried(about: Judged, test: Written, x: np.ndarray) -> Iterator[tuple[str, Broken, str]]:
    """Yield each measure of a test: its name, who breaks the test, and on which side the truth may lie."""
    if isinstance(test, Logic):
        yield "violation_rate", on_data(about, test, x), "two-sided"
        yield "searched_violation_rate", by_search(about, test, x), "at least"
    elif isinstance(test, Monotone):
        ends, whole = _range(about, test)
        yield "violation_rate", by_value(about, test, x, ends, whole), "at least"
    else:
        assert isinstance(test, Changed)
        yield "violation_rate", by_change(about, test, x), "two-sided"


def _range(about: Judged, test: Monotone) -> tuple[tuple[float, float], bool]:
    """Return the least and the largest training value of a feature, and whether all are whole numbers."""
    at = next(i for i, f in enumerate(about.subject.data.features) if f.name == test.feature)
    known = about.known[:, at]
    return (float(known.min()), float(known.max())), bool(about.whole()[at])


def _rate(rows: Split, found: Broken, side: str) -> Estimate:
    """Return the bounded share of rows that break a test."""
    if not len(found.rows):
        return stats.not_estimable(NONE, 0)
    cluster = None if rows.cluster is None else rows.cluster[found.rows]
    if side == "at least":
        return stats.rate(found.hits, cluster=cluster, side="at least")
    return stats.rate(found.hits, cluster=cluster)


def _measurement(test: str, name: str, estimate: Estimate) -> Measurement:
    """Return a measure of one test."""
    how = ", searched" if name.startswith("searched") else ""
    label = f"Rows that break the test “{test}”{how}"
    return Measurement(name=name, label=label, estimate=estimate, better="lower", where={"test": test})


def _line(test: Written, name: str, found: Broken, estimate: Estimate) -> tuple[Scalar, ...]:
    """Return the table's row of one measure."""
    how = "searched" if name.startswith("searched") or test.kind == "monotone" else "on the rows"
    ends = (estimate.value, estimate.low, estimate.high)
    return (test.name, SAID[test.kind], how, len(found.rows), int(found.hits.sum()), *ends, found.worst)


def _table(lines: list[tuple[Scalar, ...]]) -> Table:
    """Return every test with its counts."""
    columns = (
        *(
            Column(name=k, label=v, kind="text")
            for k, v in (("test", "Test"), ("kind", "Model"), ("how", "Found"))
        ),
        *(Column(name=k, label=v, kind="count") for k, v in (("rows", "Rows"), ("broken", "Break it"))),
        Column(name="value", label="Share", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
        Column(name="worst", label="Largest wrong change of the score"),
    )
    note = "Rows: those that the test is about and that its change moves. Counterexamples are confirmed by the model."
    return Table(
        name="behaviours", title="Declared behaviours", columns=columns, rows=tuple(lines), note=note
    )


def _left(subject: Subject) -> Iterator[str]:
    """Yield what the tests leave open."""
    yield "Behaviours that no test declares, and test rows beyond those drawn."
    yield "Whether changed rows are people that exist: combinations of values that no one has count like any other."
    if "gradient" not in subject.has:
        yield "Counterexamples between the values tried: the model has no gradient to search by."
