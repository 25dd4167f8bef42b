"""Whether more work on a measurement could still change a rule's verdict: what an attack asks before it goes on."""

from __future__ import annotations

from audit import gate_match, stats
from audit.evidence import Measurement, Policy, Rule

MOST = (
    10_000  # decisions in Holm's family at most, so that alpha over it is a level no decision falls short of
)


def settled(check: str, m: Measurement, policy: Policy) -> bool:
    """Return whether no rule's verdict on the check's measurement can change, however much worse it gets.

    That is where every rule on it is a FAIL at the strictest level that Holm's procedure could ask of it, or
    no rule speaks of it. A verdict that is not yet FAIL can still become one. Only for policies that allow
    it (budget: verdict).
    """
    if policy.budget != "verdict":
        return False
    return all(_failed(rule, m, policy) for rule in policy.rules if gate_match.speaks_of(rule, check, m))


def _failed(rule: Rule, m: Measurement, policy: Policy) -> bool:
    """Return whether the rule fails on the measurement whatever the other rules say."""
    statistic, least = m.estimate.statistic, rule.at_least is not None
    one_sided = m.estimate.side == ("at least" if least else "at most")  # the truth may be better: no FAIL
    if statistic is None or one_sided:
        return False
    level = policy.level / MOST if rule.severity == "blocking" else policy.level
    return stats.p_fail(statistic, rule.limit, at_least=least, at_most=not least) <= level
