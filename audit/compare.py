"""Two records of one task: which measures got better or worse, and whether a gated one shows a regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from audit import compare_notes, compare_one, gate_match, stats
from audit.compare_one import Change, Found, Word
from audit.compare_pairs import Pairs
from audit.evidence import Frozen, Record, Rule
from audit.row_outcomes import RowOutcomes, same_rows

Answer = Literal["REGRESSION", "NO REGRESSION SHOWN", "NOT COMPARABLE"]
Key = tuple[str, str, tuple[tuple[str, str], ...]]
EXIT: dict[Answer, int] = {"REGRESSION": 1, "NO REGRESSION SHOWN": 0, "NOT COMPARABLE": 3}
WORDS: tuple[Word, ...] = ("worse", "not comparable", "undecided", "better", "no direction")


class Run(Frozen):
    """One side of a comparison."""

    name: str
    run_id: str
    record: str
    model: str
    verdict: str


class Comparison(Frozen):
    """The changes from run a to run b, those of gated measures first, and the answer.

    REGRESSION: a gated measure is significantly worse. NOT COMPARABLE: none is, but there is no gated
    measure, or one cannot be compared, or a run was quick or is not verified. paired: how many rows both runs
    judged, if paired.
    """

    a: Run
    b: Run
    answer: Answer
    exit_code: int
    alpha: float
    paired: int | None
    changes: tuple[Change, ...]
    notes: tuple[str, ...]


def compare(
    a: Record,
    b: Record,
    outcomes_a: RowOutcomes | None = None,
    outcomes_b: RowOutcomes | None = None,
    *,
    alpha: float | None = None,
    unverified: bool = False,
) -> Comparison:
    """Return what changed from a to b, tested one-sided at alpha (by default that of b's policy).

    A measure that row outcomes give is paired where both runs judged the same rows; any other is bounded as
    of independent samples. Gated measures, those that a blocking rule of either policy names, are tested by
    Holm's procedure, all others by Benjamini and Hochberg's. unverified: bare records may show that nothing got
    worse, too. Raises StoreError where row outcomes are not
    those of their record.
    """
    alpha = b.policy.alpha if alpha is None else alpha
    gates, first, second = _gates(a, b), _measurements(a), _measurements(b)
    unequal = same_rows(outcomes_a, outcomes_b)
    pairs = None
    if outcomes_a and outcomes_b and not unequal:
        pairs = Pairs(outcomes_a, outcomes_b, b.facts.data.classes)
    changes = [
        compare_one.between(a, b, first[k], second[k], gates.get(k, []), pairs) for k in second if k in first
    ]
    lone = {k: first.get(k) or second[k] for k in (*first, *second) if (k in first) != (k in second)}
    for k, f in lone.items():
        if k in gates:
            changes.append(compare_one.lone(f, gates[k], b if k in first else a, in_a=k in first))
    changes = _worded([*changes, *_unmatched(a, b)], alpha)
    untold = (a.unverified or b.unverified) and not unverified
    answer = _answer(changes, open_=a.quick or b.quick or untold)
    return Comparison(
        a=_run(a),
        b=_run(b),
        answer=answer,
        exit_code=EXIT[answer],
        alpha=alpha,
        paired=len(pairs.a.id) if pairs else None,
        changes=tuple(sorted(changes, key=_order)),
        notes=compare_notes.notes(a, b, unequal, len(lone)),
    )


# ---------------------------------------------------------------- what belongs together


def _measurements(record: Record) -> dict[Key, Found]:
    """Return every measurement by its key, group comparisons over the groups that the gate judged."""
    judged = {
        _key(d.rule.check, d.rule.name, d.where): d.estimate
        for d in record.decisions
        if d.excluded_groups and d.estimate
    }
    found: dict[Key, Found] = {}
    for result in record.results:
        for m in result.findings.measurements:
            key = _key(result.check, m.name, m.where)
            found[key] = Found(result, m.model_copy(update={"estimate": judged.get(key, m.estimate)}))
    return found


def _key(check: str, name: str, where: Mapping[str, Any]) -> Key:
    """Return what two runs' measurements of one thing share; numbers up to rounding."""
    places = ((k, v if isinstance(v, str) else f"{float(v):.9g}") for k, v in where.items())
    return check, name, tuple(sorted(places))


def _blocking(a: Record, b: Record) -> list[Rule]:
    """Return both policies' blocking rules: a candidate that drops a rule hides no regression."""
    return [rule for rule in (*a.policy.rules, *b.policy.rules) if rule.severity == "blocking"]


def _gates(a: Record, b: Record) -> dict[Key, list[Rule]]:
    """Return the blocking rules on each measurement of either record."""
    gates: dict[Key, list[Rule]] = {}
    for rule in _blocking(a, b):
        both = [m for record in (a, b) for m in gate_match.find(rule, record.results)[0]]
        for key in {_key(rule.check, m.name, m.where) for m in both}:
            gates.setdefault(key, []).append(rule)
    return gates


def _unmatched(a: Record, b: Record) -> list[Change]:
    """Return the blocking rules that nothing in either record answers."""
    lost = {}
    for rule in _blocking(a, b):
        (in_a, why), (in_b, also) = (gate_match.find(rule, record.results) for record in (a, b))
        if not in_a and not in_b:
            reason = why if why == also else f"in the first run {why}; in the second {also}"
            lost[rule.id, rule.measure] = Change(
                check=rule.check, name=rule.name, label=rule.measure, where=rule.where, rules=(rule.id,),
                reason=reason,
            )  # fmt: skip
    return list(lost.values())


# ---------------------------------------------------------------- what it shows


def _worded(changes: Sequence[Change], alpha: float) -> list[Change]:
    """Return the changes with their words."""
    worse, better = _shown(changes, "worse", alpha), _shown(changes, "better", alpha)
    gated = [_p(c, "worse") for c in changes if c.rules]
    levels = iter(stats.holm_levels(gated, alpha))
    return [
        c.model_copy(update={"word": _word(c, w, g), "level": next(levels) if c.rules else None})
        for c, w, g in zip(changes, worse, better, strict=True)
    ]


def _shown(changes: Sequence[Change], word: Word, alpha: float) -> list[bool]:
    """Return which changes are shown to be so: gated ones by Holm, the rest by Benjamini and Hochberg."""
    gated = iter(stats.holm([_p(c, word) for c in changes if c.rules], alpha))
    rest = iter(stats.benjamini_hochberg([_p(c, word) for c in changes if not c.rules], alpha))
    return [next(gated if c.rules else rest) for c in changes]


def _p(change: Change, word: Word) -> float:
    """Return the one-sided p-value that the change is of this word by chance, 1 where it is not of it."""
    d = change.difference
    if d is None or d.value == 0 or change.better == "neither":
        return 1.0
    good = (d.value > 0) == (change.better == "higher")
    return d.p if good == (word == "better") else 1.0


def _word(change: Change, worse: bool, better: bool) -> Word:
    """Return the change's word."""
    if change.difference is None:
        return "not comparable"
    if change.better == "neither":
        return "no direction"
    return "worse" if worse else "better" if better else "undecided"


def _answer(changes: Sequence[Change], *, open_: bool) -> Answer:
    """Return the answer that the gated changes give; open_: it can be no all-clear (quick, or not verified).

    What could not be compared is never an all-clear.
    """
    words = {change.word for change in changes if change.rules}
    if "worse" in words:
        return "REGRESSION"
    return "NOT COMPARABLE" if open_ or not words or "not comparable" in words else "NO REGRESSION SHOWN"


def _order(change: Change) -> tuple[Any, ...]:
    """Return a key that sorts gated changes first, regressions first among them."""
    key = _key(change.check, change.name, change.where)
    return (not change.rules, WORDS.index(change.word), key)


def _run(record: Record) -> Run:
    """Return what names a run."""
    return Run(
        name=record.name,
        run_id=record.volatile.run_id,
        record=record.digest,
        model=record.facts.model.name,
        verdict=record.verdict,
    )
