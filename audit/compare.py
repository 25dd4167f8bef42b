"""Two records of one task: which measures got better or worse, and whether a gated one shows a regression."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from audit import compare_notes, gate_match, stats
from audit.errors import StoreError
from audit.evidence import CheckResult, Estimate, Frozen, GroupRates, Measurement, Record, Rule
from audit.row_outcomes import RowOutcomes, Terms, terms
from audit.stats.paired import Difference, independent, paired_mean, paired_rate

Word = Literal["better", "worse", "undecided", "no direction", "not comparable"]
Answer = Literal["REGRESSION", "NO REGRESSION SHOWN", "NOT COMPARABLE"]
Better = Literal["higher", "lower", "neither"]
Key = tuple[str, str, tuple[tuple[str, str], ...]]
EXIT: dict[Answer, int] = {"REGRESSION": 1, "NO REGRESSION SHOWN": 0, "NOT COMPARABLE": 3}


class Change(Frozen):
    """One measure in both runs: a and b with their rows, b - a, and what that shows.

    rules: the blocking rules that name it. level: the one-sided level at which a regression of a gated
    measure was tested (Holm). reason: why it cannot be compared.
    """

    check: str
    name: str
    label: str
    where: dict[str, str | float | int]
    better: Better
    unit: str = ""
    a: float | None
    b: float | None
    n_a: int
    n_b: int
    rules: tuple[str, ...] = ()
    difference: Difference | None = None
    word: Word = "not comparable"
    level: float | None = None
    reason: str = ""


class Run(Frozen):
    """One side of a comparison."""

    name: str
    run_id: str
    record: str
    model: str
    verdict: str


class Comparison(Frozen):
    """The changes from run a to run b, regressions of gated measures first, and the answer.

    REGRESSION: a gated measure is significantly worse. NOT COMPARABLE: none is, but there is no gated
    measure, one could not be compared, or a run was quick. paired: the rows that both runs judged.
    """

    a: Run
    b: Run
    answer: Answer
    exit_code: int
    alpha: float
    paired: int | None
    changes: tuple[Change, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """A measurement with the check's result that holds it."""

    result: CheckResult
    m: Measurement


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The outcomes of both runs on the same rows, and the classes' names."""

    a: RowOutcomes
    b: RowOutcomes
    classes: tuple[str, ...]


def compare(
    a: Record,
    b: Record,
    outcomes_a: RowOutcomes | None = None,
    outcomes_b: RowOutcomes | None = None,
    *,
    alpha: float | None = None,
) -> Comparison:
    """Return what changed from a to b, tested one-sided at alpha (by default that of b's policy).

    Measures that row outcomes give are paired where both runs judged the same rows, all others bounded as
    independent samples. Over gated measures, those that a blocking rule of either policy names, Holm's
    procedure holds; over the others Benjamini and Hochberg's. Raises StoreError where row outcomes are not
    those of their record.
    """
    alpha = b.policy.alpha if alpha is None else alpha
    gates, apart = _gates(a, b), compare_notes.apart(a, b)
    pairs, pairing = _pair(a, b, outcomes_a, outcomes_b)
    first, second = _measurements(a), _measurements(b)
    shared = [_change(a, b, first[k], second[k], gates.get(k), pairs, apart) for k in second if k in first]
    lone = [k for k in (*first, *second) if (k in first) != (k in second)]
    lost = [_lost(first.get(k), second.get(k), gates[k]) for k in lone if k in gates]
    changes = _judged([*shared, *lost, *_unmatched(a, b)], alpha)
    answer = _answer(changes, quick=a.quick or b.quick)
    return Comparison(
        a=_run(a),
        b=_run(b),
        answer=answer,
        exit_code=EXIT[answer],
        alpha=alpha,
        paired=len(pairs.a.id) if pairs else None,
        changes=tuple(sorted(changes, key=_rank)),
        notes=(*apart, *compare_notes.notes(a, b, pairing, paired=pairs is not None, lone=len(lone) - len(lost))),
    )


# ---------------------------------------------------------------- what there is


def _measurements(record: Record) -> dict[Key, _Found]:
    """Return every measurement by its key, group comparisons over the groups that the gate judged."""
    judged = {
        _key(d.rule.check, d.rule.name, d.where): d.estimate
        for d in record.decisions
        if d.excluded_groups and d.estimate
    }
    found = {}
    for result in record.results:
        for m in result.findings.measurements:
            key = _key(result.check, m.name, m.where)
            found[key] = _Found(result, m.model_copy(update={"estimate": judged.get(key, m.estimate)}))
    return found


def _key(check: str, name: str, where: Mapping[str, Any]) -> Key:
    """Return what makes two measurements the same; numbers up to rounding."""
    places = (
        (key, value if isinstance(value, str) else f"{float(value):.9g}") for key, value in where.items()
    )
    return check, name, tuple(sorted(places))


def _rules(a: Record, b: Record) -> list[Rule]:
    """Return the blocking rules of both policies: a candidate cannot drop a rule to hide a regression."""
    both = (*a.policy.rules, *b.policy.rules)
    return [rule for rule in dict.fromkeys_like(both)] if False else [r for r in both if r.severity == "blocking"]


def _gates(a: Record, b: Record) -> dict[Key, list[Rule]]:
    """Return the blocking rules on each measurement of either record."""
    gates: dict[Key, list[Rule]] = {}
    for rule in _rules(a, b):
        for record in (a, b):
            for m in gate_match.find(rule, record.results)[0]:
                gates.setdefault(_key(rule.check, m.name, m.where), []).append(rule)
    return gates
