"""behaviour.tests: what the model must do whatever its accuracy: invariances, directions, rules, written examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from audit import stats
from audit.behaviours.answers import Broken
from audit.behaviours.broken import by_change
from audit.behaviours.examples import by_example
from audit.behaviours.monotone import by_value
from audit.behaviours.refused import class_of, needs_score, refuse
from audit.behaviours.rows import Judged
from audit.behaviours.rules import by_search, on_data
from audit.behaviours.texts import by_words
from audit.behaviours.told import Outcome, examples, of_examples, of_rows, outcomes, versions, without_score
from audit.behaviours.written import Changed, Logic, Minimum, Monotone, Written
from audit.evidence import Estimate, Findings, Measurement
from audit.metrics.sampling import sample
from audit.registry import Context, Measure, Options, check
from audit.subject import Dataset, Split, Subject

QUICK = 300


class BehaviourOptions(Options):
    """Options of behaviour.tests."""

    tests: tuple[Written, ...] = Field(
        (),
        description="the tests, each with a name and a kind: invariance, direction, monotone, rule or minimum",
    )
    score_of: str | None = Field(
        None,
        description="class whose probability is the score; null: the favourable one, else class 1 of two",
    )
    rows: int | None = Field(1000, ge=1, description="test rows tried, drawn by the seed; null: all")


def _refuse(options: BehaviourOptions, data: Dataset) -> None:
    """Raise ConfigError for a test that the data cannot answer."""
    refuse(options.tests, options.score_of, data)


@check(
    "behaviour.tests",
    area="behaviour",
    title="Behavioural tests",
    broken="counted",
    needs=("function", "features or text"),
    tasks=("binary", "multiclass", "regression"),
    refuse=_refuse,
    measures=(
        Measure(
            "violation_rate",
            "lower",
            "Share of the rows that a test is about, or of the texts that its written examples make, for which the "
            "model breaks it.",
            "Clopper-Pearson; at least, where a search found them; exact where every written example was tried",
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
    """Try declared behaviours on real test rows and on written examples: how many break each of them.

    After CheckList (Ribeiro, Wu, Guestrin and Singh 2020): invariance and directional expectation under a change of
    features or of words, and minimum functionality, which is written examples that must be decided as they say.
    Monotonicity and rules of a table are searched for counterexamples as well, each of which the model's own outputs
    confirm; probes with more values then try to find what the searches missed, and a search that missed something
    shows no PASS. One that finds none proves nothing beyond what was tried; written examples are no sample of the rows.
    An output that is not finite breaks every test.
    """
    if not options.tests:
        none = stats.not_estimable("no test is declared", 0)
        return Findings(measurements=(_measurement("(none)", "rule", "violation_rate", none),))
    _refuse(options, subject.data)
    limit = min(QUICK, options.rows or QUICK) if ctx.quick else options.rows
    rows = subject.data.test.take(sample(subject.data.test.id, limit, ctx.seed))
    found: list[Outcome] = []
    listed, cost = [], {"forward": 0, "gradient": 0}
    for done, test in enumerate(options.tests):
        ctx.tick(done, len(options.tests))
        if "scores" not in subject.has and needs_score(test):
            names = ("violation_rate", "searched_violation_rate")
            found += [without_score(test, name) for name in names[: 2 if isinstance(test, Logic) else 1]]
            continue
        scored = class_of(test, options.score_of, subject.data) if "scores" in subject.has else None
        about = Judged(subject, scored)
        if isinstance(test, Minimum):
            tried = by_example(about, test, ctx.seed)
            found.append(of_examples(test, tried))
            listed.append((test, tried))
            cost["forward"] += 2 * len(tried.of)
            continue
        for name, broken, searched in _tried(about, test, rows, ctx.seed):
            found.append(of_rows(test, name, broken, rows, searched=searched))
            cost["forward"] += broken.evaluations
            cost["gradient"] += broken.gradients
    return Findings(
        measurements=tuple(_measurement(o.test.name, o.test.kind, o.name, o.estimate) for o in found),
        tables=(
            outcomes(found),
            *((versions(found),) if any(len(o.parts) > 1 for o in found) else ()),
            *((examples(listed, subject.data.classes),) if listed else ()),
        ),
        not_measured=tuple(_left(subject, options.tests)),
        cost=cost,
    )


def _tried(about: Judged, test: Written, rows: Split, seed: int) -> Iterator[tuple[str, Broken, bool]]:
    """Yield each measure of a test on rows: its name, who breaks the test, and whether they were searched for."""
    x = np.asarray(rows.x)
    if isinstance(test, Logic):
        yield "violation_rate", on_data(about, test, x), False
        yield "searched_violation_rate", by_search(about, test, x, rows.id, seed), True
    elif isinstance(test, Monotone):
        ends, whole = _range(about, test)
        yield "violation_rate", by_value(about, test, x, rows.id, ends, whole, seed), True
    else:
        assert isinstance(test, Changed)
        if test.of_text:
            assert rows.text is not None
            yield "violation_rate", by_words(about, test, x, rows.text.tolist()), False
        else:
            yield "violation_rate", by_change(about, test, x), False


def _range(about: Judged, test: Monotone) -> tuple[tuple[float, float], bool]:
    """Return the least and the largest training value of a feature, and whether all are whole numbers."""
    at = next(i for i, f in enumerate(about.subject.data.features) if f.name == test.feature)
    known = about.known[:, at]
    return (float(known.min()), float(known.max())), bool(about.whole()[at])


def _measurement(test: str, kind: str, name: str, estimate: Estimate) -> Measurement:
    """Return a measure of one test."""
    how = ", searched" if name.startswith("searched") else ""
    what = "Written examples that fail" if kind == "minimum" else "Rows that break"
    label = f"{what} the test “{test}”{how}"
    return Measurement(name=name, label=label, estimate=estimate, better="lower", where={"test": test})


def _left(subject: Subject, tests: tuple[Written, ...]) -> Iterator[str]:
    """Yield what the tests leave open."""
    yield "Behaviours that no test declares, and test rows beyond those drawn."
    if subject.data.features:
        yield "Whether changed rows are people that exist: combinations of values that no one has count like others."
        if "gradient" not in subject.has:
            yield "Counterexamples between the values tried: the model has no gradient to search by."
    else:
        yield "Whether a reader takes a changed text as the test does: words replaced or added by rule may read oddly."
    if any(isinstance(test, Minimum) for test in tests):
        yield "What resembles the written examples: they are no sample, so their share is of them alone."
