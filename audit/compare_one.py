"""One measure in two runs: how it changed, or why that cannot be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit import compare_notes, compare_pairs, gate_match
from audit.compare_pairs import Pairs
from audit.evidence import CheckResult, Estimate, Frozen, GroupMeans, GroupRates, Measurement, Record, Rule
from audit.row_outcomes import terms
from audit.stats.paired import Difference, independent, paired_mean, paired_rate

Better = Literal["higher", "lower", "neither"]
Word = Literal["better", "worse", "undecided", "no direction", "not comparable"]


class Change(Frozen):
    """One measure in both runs: its values a and b with their rows, b - a, and what that shows.

    rules: the blocking rules that name it, which make it gated. level: the one-sided level at which its
    regression was tested (Holm's). reason: why it cannot be compared.
    """

    check: str
    name: str
    label: str
    where: dict[str, str | float | int]
    better: Better = "neither"
    unit: str = ""
    a: float | None = None
    b: float | None = None
    n_a: int = 0
    n_b: int = 0
    rules: tuple[str, ...] = ()
    difference: Difference | None = None
    word: Word = "not comparable"
    level: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """A measurement with the result of its check."""

    result: CheckResult
    m: Measurement


def between(
    a: Record, b: Record, first: Found, second: Found, rules: Sequence[Rule], pairs: Pairs | None
) -> Change:
    """Return how one measure changed, or why that cannot be said; not yet a word."""
    x, y = first.m.estimate, second.m.estimate
    better = _direction(second.m, rules)
    change = _told(second, rules).model_copy(
        update={"a": x.value, "b": y.value, "n_a": x.n, "n_b": y.n, "better": better}
    )
    reason = compare_notes.apart(a, b) or _no_number(x, y)
    if not reason and rules and better == "neither":
        reason = "neither way is better, and its rules do not say which"
    difference = None if reason else _paired(first, second, x, y, pairs)
    if difference and difference.value and difference.low is None and difference.high is None:
        reason, difference = difference.note, None
    elif not reason and difference is None:
        reason = compare_notes.unlike(a, b, first.result, second.result) or _no_bounds(x, y)
        difference, reason = (None, reason) if reason else _independent(x, y)
    return change.model_copy(update={"difference": difference, "reason": reason})


def lone(found: Found, rules: Sequence[Rule], other: Record, *, in_a: bool) -> Change:
    """Return a gated measure that the other run does not have, with the reason."""
    e = found.m.estimate
    side = {"a": e.value, "n_a": e.n} if in_a else {"b": e.value, "n_b": e.n}
    why = next((text for rule in rules if (text := gate_match.find(rule, other.results)[1])), "")
    reason = f"not in the {'second' if in_a else 'first'} run" + (f": {why}" if why else "")
    return _told(found, rules).model_copy(update={**side, "reason": reason})


def _told(found: Found, rules: Sequence[Rule]) -> Change:
    """Return a change's name and place."""
    return Change(
        check=found.result.check,
        name=found.m.name,
        label=found.m.label,
        where=found.m.where,
        better=found.m.better,
        unit=found.m.unit,
        rules=tuple(dict.fromkeys(rule.id for rule in rules)),
    )


def _direction(m: Measurement, rules: Sequence[Rule]) -> Better:
    """Return which way is better: as the measure says, else as its rules do."""
    if m.better != "neither" or not rules:
        return m.better
    sides = {"higher" if rule.at_least is not None else "lower" for rule in rules}
    return "neither" if len(sides) > 1 else "higher" if "higher" in sides else "lower"


def _no_number(x: Estimate, y: Estimate) -> str:
    """Return why a run has no value, or nothing."""
    said = [
        f"the {run} run has none: {e.reason}" for run, e in (("first", x), ("second", y)) if e.value is None
    ]
    return "; ".join(said)


def _no_bounds(x: Estimate, y: Estimate) -> str:
    """Return why two values have no bounds that belong together, or nothing."""
    if x.kind != "bounded" or y.kind != "bounded":
        return x.reason or y.reason or "it is descriptive, shown without an honest interval"
    s, t = x.statistic, y.statistic
    grouped = (GroupRates, GroupMeans)
    if isinstance(s, grouped) and isinstance(t, grouped) and set(s.groups) != set(t.groups):
        return f"the groups differ: {', '.join(sorted(set(s.groups) ^ set(t.groups)))} in one run only"
    return ""


def _independent(x: Estimate, y: Estimate) -> tuple[Difference | None, str]:
    """Return the difference of two bounded estimates, or None and why there is none."""
    if x.statistic is None or y.statistic is None:
        return None, "it carries no statistics to bound it"
    note = "; ".join(dict.fromkeys(e.note for e in (x, y) if e.note))
    try:
        return independent(x.statistic, y.statistic).model_copy(update={"note": note}), ""
    except (ValueError, ArithmeticError) as error:
        return None, f"its statistics are impossible ({error})"


def _paired(before: Found, found: Found, x: Estimate, y: Estimate, pairs: Pairs | None) -> Difference | None:
    """Return the difference over paired rows, or None where row outcomes do not give the measure."""
    if pairs is None:
        return None
    measure = f"{found.result.check}.{found.m.name}"
    first = terms(pairs.a, measure, found.m.where, pairs.classes)
    second = terms(pairs.b, measure, found.m.where, pairs.classes)
    if first is None or second is None:
        bins = [int(side.result.options.get("bins", 15)) for side in (before, found)]
        if bins[0] != bins[1]:
            return None
        return compare_pairs.difference(pairs, found.result.check, found.m, bins[0], x, y)
    for of, e, which in ((first, x, "first"), (second, y, "second")):
        compare_pairs.verify(measure, float(np.mean(of.numbers)) if len(of.numbers) else math.nan, e, which)
    cluster = None if pairs.cluster is None else pairs.cluster[second.rows]
    make = paired_rate if second.rate else paired_mean
    return make(first.numbers, second.numbers, cluster=cluster)
