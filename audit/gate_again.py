"""A stored record judged again: its decisions under a policy, and the estimates that its statistics do not give."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator

from audit import gate, stats
from audit.evidence import Concern, Estimate, Policy, Record


def judged(record: Record, policy: Policy, on: dt.date, concerns: tuple[Concern, ...]) -> Record:
    """Return the record with the decisions, verdict, exit code and unmet requirements of its stored numbers.

    policy: its own or another. on: the date on which waivers count. concerns: those that hold under this policy.
    """
    decisions, verdict, code = gate.judge(
        record.results, policy, on=on, quick=record.quick, concerns=concerns
    )
    made = {"decisions": decisions, "verdict": verdict, "exit_code": code, "policy": policy}
    made |= {"concerns": concerns, "unmet": gate.unmet(record.results, policy)}
    return record.model_copy(update=made)


def estimates(record: Record) -> Iterator[str]:
    """Yield each stored estimate whose value or interval its own statistics do not give."""
    for result in record.results:
        for m in result.findings.measurements:
            wrong = _wrong(m.estimate)
            if wrong:
                where = "".join(f", {key}={value}" for key, value in sorted(m.where.items()))
                yield f"results.{result.check}: {m.name}{where} is {m.estimate.value:.6g}, {wrong}"


def _wrong(e: Estimate) -> str:
    """Return how a bounded estimate differs from its statistics, or nothing."""
    if e.value is None or e.statistic is None or e.kind != "bounded":
        return ""
    tail = (1 - e.level) / 2
    try:
        value = stats.point(e.statistic)
        low = None if e.low is None else stats.low_bound(e.statistic, tail)
        high = None if e.high is None else stats.high_bound(e.statistic, tail)
    except (ValueError, ArithmeticError) as error:
        return f"its statistics are impossible ({error})"
    if not _close(value, e.value):
        return f"its statistics make {value:.6g}"
    for name, end, own in (("low", e.low, low), ("high", e.high, high)):
        if end is not None and own is not None and not _close(own, end):
            return f"its interval's {name} end {end:.6g}, its statistics make {own:.6g}"
    return ""


def _close(a: float, b: float) -> bool:
    """Tell whether two numbers are one but for the last digits of another machine."""
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
