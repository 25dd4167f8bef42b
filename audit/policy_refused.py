"""Which policies are refused before any work, since what they ask proves nothing: limits, directions, waivers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from audit.errors import ConfigError
from audit.evidence_policy import LONGEST_WAIVER, Policy, Rule
from audit.registry import Check, Measure


def refuse(policy: Policy, checks: Mapping[str, Check], on: dt.date | None = None) -> None:
    """Raise ConfigError for a rule that cannot fail, or cannot pass, and for a waiver of more than a year.

    checks: the configured ones by name; a rule of another check is somebody else's to refuse. on: the day, today
    unless given.
    """
    for rule in policy.rules:
        for measure in checks[rule.check].measures if rule.check in checks else ():
            if measure.name == rule.name:
                _refuse_direction(rule, measure)
                _refuse_limit(rule, measure)
    latest = (on or dt.datetime.now(dt.UTC).date()) + LONGEST_WAIVER
    for waiver in policy.waivers:
        if waiver.until > latest:
            given = f"waiver for rule={waiver.rule!r}: until {waiver.until}"
            raise ConfigError(
                given, f"a date within a year, {latest} at most", "waive it for less, or fix it"
            )


def _refuse_direction(rule: Rule, measure: Measure) -> None:
    """Raise ConfigError where the rule asks for the worse side of a measure."""
    wrong = {"higher": rule.at_most is not None, "lower": rule.at_least is not None}.get(measure.better)
    if wrong:
        asked, other = ("at_most", "at_least") if rule.at_most is not None else ("at_least", "at_most")
        raise ConfigError(
            f"rule {rule.id}: {asked}={rule.limit:g} on {rule.measure}, of which {measure.better} is better",
            f"{other}, since a rule against the measure's direction rewards a worse model",
            f"write {other}: LIMIT",
        )


def _refuse_limit(rule: Rule, measure: Measure) -> None:
    """Raise ConfigError where every possible value keeps the limit, or none does."""
    low, high = measure.ends
    least, limit = rule.at_least is not None, rule.limit
    worst, best = (low, high) if least else (high, low)
    asked = f"rule {rule.id}: {'at_least' if least else 'at_most'}={limit:g} on {rule.measure}"
    between = f"a limit inside its range, {_shown(low)} to {_shown(high)}"
    if worst is not None and (limit <= worst if least else limit >= worst):
        raise ConfigError(f"{asked}, which every value keeps: it proves nothing", between, "set the limit")
    if best is not None and (limit > best if least else limit < best):
        raise ConfigError(f"{asked}, which no value keeps", between, "set the limit")


def _shown(end: float | None) -> str:
    """Return an end of a range as text."""
    return "no end" if end is None else f"{end:g}"
