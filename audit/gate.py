"""Rules to decisions, decisions to a verdict and an exit code: PASS and FAIL only where a bound says so.

PASS when the one-sided 1 - alpha bound lies inside the limit. FAIL when the bound of the other side lies
beyond it at Holm's level over all blocking decisions (an advisory decision: at alpha). Otherwise
INCONCLUSIVE with the rows that would decide, or NOT-ESTIMABLE with the reason.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit import gate_match, gate_rows, gate_words, stats
from audit.errors import ConfigError
from audit.evidence import (
    WORST_FIRST,
    CheckResult,
    Concern,
    Decision,
    Estimate,
    GroupMeans,
    GroupRates,
    Measurement,
    Policy,
    Rule,
    Verdict,
    Waiver,
)

LEFT_OUT = 0.1  # of the rows: groups left out as too small that hold more leave too much unsaid for a PASS
EXIT: dict[Verdict, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "NOT-ESTIMABLE": 3}


@dataclass(frozen=True)
class _Case:
    """A rule on one measurement: what its bounds say, or why there are none."""

    rule: Rule
    reason: str = ""
    measurement: Measurement | None = None
    estimate: Estimate | None = None
    excluded: tuple[str, ...] = ()
    pass_bound: float = math.nan
    p_fail: float = 1.0


def refuse(policy: Policy, known: Mapping[str, Collection[str]]) -> None:
    """Raise ConfigError for a policy that these configured checks {check: measures} cannot answer.

    That is a rule whose check is not configured or whose measure does not exist, two rules of one id, a
    requirement of a check that is not configured, or a waiver for no rule. It runs before any work.
    """
    ids = [rule.id for rule in policy.rules]
    for rule in policy.rules:
        if ids.count(rule.id) > 1:
            raise ConfigError(f"policy {policy.name}: rule id={rule.id!r} twice", "ids that differ")
        if rule.check not in known:
            given = f"rule {rule.id}: measure={rule.measure!r}, of a check that is not configured"
            raise ConfigError(given, _nearest(rule.check, known), "configure the check or drop the rule")
        if rule.name not in known[rule.check]:
            given = f"rule {rule.id}: measure={rule.measure!r}, but {rule.check} makes no {rule.name!r}"
            raise ConfigError(given, _nearest(rule.name, known[rule.check]), "mend the rule")
    for name in policy.requires:
        if name not in known and name.rpartition(".")[0] not in known:
            given = f"policy {policy.name}: requires={name!r}, of a check that is not configured"
            raise ConfigError(given, _nearest(name, known), "configure the check or drop the requirement")
    for waiver in policy.waivers:
        if waiver.rule not in ids:
            raise ConfigError(
                f"waiver for rule={waiver.rule!r}, which is no rule", _nearest(waiver.rule, ids)
            )


def judge(
    results: Iterable[CheckResult],
    policy: Policy,
    *,
    on: dt.date,
    quick: bool = False,
    concerns: Sequence[Concern] = (),
) -> tuple[tuple[Decision, ...], Verdict, int]:
    """Return one decision for each rule and measurement it matches, the verdict and the exit code.

    The order of results and measurements changes nothing. A rule that nothing answers is NOT-ESTIMABLE.
    A waiver counts until its date, within a year, on the exit code only. A quick run is never PASS, nor is one that
    lacks what the policy requires: that is NOT-ESTIMABLE, or worse if a rule is. What a concern touches is never PASS:
    it is INCONCLUSIVE with the concern as cause, or worse.
    """
    found = list(results)
    lacking = bool(unmet(found, policy))
    cases = [case for rule in policy.rules for case in _cases(rule, found, policy)]
    family = [case.p_fail for case in cases if case.rule.severity == "blocking"]
    holm = iter(stats.holm_levels(family, policy.level))
    levels = [next(holm) if case.rule.severity == "blocking" else policy.level for case in cases]
    waivers = [waiver for waiver in policy.waivers if waiver.counts(on)]
    decisions = tuple(
        _decide(case, level, policy, quick=quick, waivers=waivers, concerns=concerns)
        for case, level in zip(cases, levels, strict=True)
    )
    blocking = [decision for decision in decisions if decision.rule.severity == "blocking"]
    verdict = _worst(blocking, lacking=lacking)
    unwaived = [decision for decision in blocking if decision.waiver is None]
    judged = unwaived or lacking or not blocking
    code = EXIT[_worst(unwaived, lacking=lacking)] if judged else EXIT["PASS"]
    return decisions, verdict, EXIT["INCONCLUSIVE"] if quick and code == 0 else code


def unmet(results: Iterable[CheckResult], policy: Policy) -> tuple[str, ...]:
    """Return a sentence for each thing the policy requires that is missing, skipped or crashed."""
    return gate_match.unmet(policy.requires, list(results))


def _worst(decisions: Sequence[Decision], *, lacking: bool) -> Verdict:
    """Return the worst verdict; without any decision nothing was shown, nor where something is lacking."""
    words: set[Verdict] = {decision.verdict for decision in decisions}
    words |= {"NOT-ESTIMABLE"} if lacking else set()
    for word in WORST_FIRST:
        if word in words:
            return word
    return "NOT-ESTIMABLE"


def _cases(rule: Rule, results: Sequence[CheckResult], policy: Policy) -> list[_Case]:
    """Return the rule's case on every measurement it matches, or one that says why there is none."""
    matched, reason = gate_match.find(rule, results)
    return [_case(rule, m, policy) for m in matched] or [_Case(rule, reason)]


def _case(rule: Rule, m: Measurement, policy: Policy) -> _Case:
    """Return what the bounds of one measurement say about the rule; anything impossible has none."""
    estimate, excluded, least = m.estimate, (), rule.at_least is not None
    try:
        estimate, excluded = _without_small_groups(m.estimate, policy.minimum_group_share)
        reason = _refusal(estimate) or _cannot_fail(rule, m, estimate)
        reason = reason or gate_rows.unsupported(estimate, policy.level, "PASS")
        if reason or estimate.statistic is None:
            return _Case(rule, reason, m, estimate, excluded)
        pass_bound = (stats.low_bound if least else stats.high_bound)(estimate.statistic, policy.level)
        p = 1.0
        if not _same_side(rule, estimate):
            p = stats.p_fail(estimate.statistic, rule.limit, at_least=least, at_most=not least)
    except (ValueError, ArithmeticError) as error:
        return _Case(rule, f"its statistics are impossible ({error})", m, estimate, excluded)
    return _Case(rule, "", m, estimate, excluded, pass_bound, p)


def _refusal(estimate: Estimate) -> str:
    """Return why the estimate cannot be judged, or nothing."""
    if estimate.value is None:
        return estimate.reason
    if estimate.kind != "bounded":
        return estimate.reason or "it is descriptive, shown but never judged, for it has no honest interval"
    if estimate.statistic is None:
        return "it carries no statistics to bound it"
    if not math.isclose(stats.point(estimate.statistic), estimate.value, rel_tol=1e-6, abs_tol=1e-9):
        return "its value is not that of its own statistics"
    return ""


def _cannot_fail(rule: Rule, m: Measurement, estimate: Estimate) -> str:
    """Return why a rule proves nothing: every possible value keeps it, or it asks for the worse side; or nothing."""
    least = rule.at_least is not None
    if (m.better, least) in (("higher", False), ("lower", True)):
        return (
            f"the rule asks for at {'least' if least else 'most'} {rule.limit:g}, though {m.better} is better"
        )
    worst = stats.ends(estimate.statistic)[0 if least else 1] if estimate.statistic else None
    if worst is not None and (rule.limit <= worst if least else rule.limit >= worst):
        return f"the rule cannot fail: every possible value keeps its limit {rule.limit:g}"
    return ""


def _without_small_groups(estimate: Estimate, share: float) -> tuple[Estimate, tuple[str, ...]]:
    """Return the estimate over groups with at least this share of the rows, and the names left out.

    A mean is over classes, not groups of people, and keeps all.
    """
    s = estimate.statistic
    if not isinstance(s, GroupRates | GroupMeans) or s.of == "mean" or estimate.kind != "bounded":
        return estimate, ()
    kept = [i for i, size in enumerate(s.sizes) if size >= share * math.fsum(s.sizes)]
    if len(kept) == len(s.groups):
        return estimate, ()

    columns = {name: values for name, values in s if isinstance(values, tuple)}
    fewer = s.model_copy(update={name: tuple(v[i] for i in kept) for name, v in columns.items()})
    summary = stats.summarise(fewer, side=estimate.side, note=estimate.note)
    rows = round(estimate.n * math.fsum(fewer.n) / max(math.fsum(s.n), 1.0))
    out = 1 - math.fsum(fewer.sizes) / math.fsum(s.sizes)
    doubt = estimate.doubt
    if out > LEFT_OUT:
        doubt = (
            doubt or f"groups below {share:g} of the rows were left out that together hold {out:.0%} of them"
        )
    return (
        summary.model_copy(update={"n": rows, "doubt": doubt}),
        tuple(name for i, name in enumerate(s.groups) if i not in kept),
    )


def _decide(
    case: _Case,
    level: float,
    policy: Policy,
    *,
    quick: bool,
    waivers: Sequence[Waiver],
    concerns: Sequence[Concern],
) -> Decision:
    """Return the case's decision, with FAIL at this level."""
    rule, m, e = case.rule, case.measurement, case.estimate
    waiver = next((waiver for waiver in waivers if waiver.rule == rule.id), None)
    told: dict[str, Any] = {
        "rule": rule,
        "where": m.where if m else rule.where,
        "label": m.label if m else rule.measure,
        "eps_unit": m.eps_unit if m else "",
        "estimate": e,
        "excluded_groups": case.excluded,
        "waiver": waiver,
    }
    if case.reason or m is None or e is None or e.value is None or e.statistic is None:
        name = gate_words.name_of(m) if m else rule.measure
        return Decision(verdict="NOT-ESTIMABLE", reason=gate_words.unknown(name, case.reason), **told)
    unsupported = gate_rows.unsupported(e, level, "FAIL")
    if unsupported and case.p_fail <= stats.sharpest(e.statistic):  # perhaps a FAIL, perhaps not
        why = gate_words.unknown(gate_words.name_of(m), unsupported)
        return Decision(verdict="NOT-ESTIMABLE", reason=why, **told)
    least, bound = rule.at_least is not None, case.pass_bound
    told |= gate_rows.truths(rule, e, level, policy, fails=not _same_side(rule, e))
    if case.p_fail <= level:
        beyond = (stats.high_bound if least else stats.low_bound)(e.statistic, level)
        why = gate_words.failed(rule, m, e, beyond, 1 - level, case.p_fail)
        told |= {"bound": _finite(beyond), "bound_level": 1 - level, "p_fail": case.p_fail}
        return Decision(verdict="FAIL", reason=why, **told)
    told |= {"bound": _finite(bound), "bound_level": 1 - policy.level, "p_fail": case.p_fail}
    inside = (bound >= rule.limit <= e.value) if least else (bound <= rule.limit >= e.value)
    barring = next((concern for concern in concerns if concern.bears_on(rule.measure)), None)
    if inside and barring is not None:
        why = gate_words.barred(rule, m, e, bound, barring)
        return Decision(verdict="INCONCLUSIVE", reason=why, cause=barring.name, **told)
    if inside and e.doubt:
        return Decision(verdict="INCONCLUSIVE", reason=gate_words.doubted(rule, m, e, bound), **told)
    if inside and quick:
        return Decision(verdict="INCONCLUSIVE", reason=gate_words.quick(rule, m, e, bound), **told)
    if inside:
        attacks = e.side == ("at most" if least else "at least")
        return Decision(
            verdict="PASS", reason=gate_words.passed(rule, m, e, bound, policy, attacks=attacks), **told
        )
    if _same_side(rule, e) and (e.value < rule.limit if least else e.value > rule.limit):
        return Decision(verdict="INCONCLUSIVE", reason=gate_words.unproven(rule, m, e, bound), **told)
    return _inconclusive(case, m, e, level, policy, told)


def _inconclusive(
    case: _Case, m: Measurement, e: Estimate, level: float, policy: Policy, told: dict[str, Any]
) -> Decision:
    """Return the decision that these rows cannot tell, with the rows that would."""
    rows = gate_rows.needed(case.rule, e, level, policy)
    why = gate_words.open_(case.rule, m, e, case.pass_bound, rows, policy)
    return Decision(verdict="INCONCLUSIVE", reason=why, **rows, **told)


def _same_side(rule: Rule, e: Estimate) -> bool:
    """Return whether the truth may be better than the number, so that no number can show a FAIL."""
    return e.side == ("at least" if rule.at_least is not None else "at most")


def _finite(value: float) -> float | None:
    """Return the bound, or None where it is infinite."""
    return value if math.isfinite(value) else None


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name, or all of them."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"perhaps {close[0]!r}" if close else "one of " + (", ".join(sorted(known)) or "none")
