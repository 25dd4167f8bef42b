"""What these rows could have shown of a rule: from which truth on a PASS or a FAIL, and the rows that decide."""

from __future__ import annotations

import math
from typing import Any, Literal

from audit import stats
from audit.evidence import Estimate, GroupRates, Policy, Rule

Word = Literal["PASS", "FAIL"]


def truths(rule: Rule, e: Estimate, level: float, policy: Policy, *, fails: bool) -> dict[str, float | None]:
    """Return from which truths on samples like this show PASS, and FAIL at this level, with the policy's power.

    None where no truth does; for FAIL also where the number cannot show it at all.
    """
    return {
        "passes_at": _truth(rule, e, "PASS", policy.level, policy.power),
        "fails_at": _truth(rule, e, "FAIL", level, policy.power) if fails else None,
    }


def needed(rule: Rule, e: Estimate, level: float, policy: Policy) -> dict[str, Any]:
    """Return the rows that would decide were the truth as estimated: in all, and of each group with too few."""
    least = rule.at_least is not None
    good = e.value is not None and (e.value > rule.limit) == least
    alpha = policy.level if good else level
    rows = stats.rows_needed(
        e, rule.limit, at_least=least, at_most=not least, alpha=alpha, power=policy.power
    )
    if rows is None or e.statistic is None or not _counts_rows(e):
        return {"rows_needed": rows}
    each = stats.rows_by_group(
        e.statistic,
        rule.limit,
        "PASS" if good else "FAIL",
        at_least=least,
        alpha=alpha,
        power=policy.power,
    )
    return {"rows_needed": rows, "rows_by_group": each}


def unsupported(e: Estimate, level: float, word: Word) -> str:
    """Return why stored bootstrap replicates cannot show a word at this level, or nothing."""
    if e.statistic is None or level >= stats.sharpest(e.statistic):
        return ""
    least = stats.sharpest(e.statistic)
    return (
        f"{word} is judged at {level:.2g} here, and its stored replicates support no level below {least:.2g}"
    )


def _counts_rows(e: Estimate) -> bool:
    """Return whether the groups' denominators are rows, and not effective numbers that only stand for rows."""
    return not isinstance(e.statistic, GroupRates) or abs(math.fsum(e.statistic.n) - e.n) <= 1


def _truth(rule: Rule, e: Estimate, word: Word, alpha: float, power: float) -> float | None:
    """Return from which truth on the word is shown; None where the numbers allow none."""
    least = rule.at_least is not None
    if e.statistic is None:
        return None
    try:
        return stats.detectable(
            e.statistic, rule.limit, word, at_least=least, at_most=not least, alpha=alpha, power=power
        )
    except (ValueError, ArithmeticError):
        return None
