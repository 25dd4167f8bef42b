"""Before anything is trained: what each rule of the policy could and could not show with this many rows.

The checks measure a model that is always right on the real test rows, the gate judges it, and so every
denominator, group, exclusion and skipped check is the one that a run will meet. Then each rule is asked, by
samples from worlds with a known true value, from where on its own bound would read PASS or FAIL.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from audit import check_refused, gate, gate_crosswalk, plan_oracle, plan_worlds, policy_refused
from audit.assemble import read_data
from audit.config import Loaded
from audit.data import names
from audit.evidence import CheckResult, Decision, GroupRates, Rate
from audit.plan_words import Outlook, Plan, PlanRow, overall, says, text
from audit.plan_worlds import Word, World
from audit.registry import checks as every_check
from audit.registry import find
from audit.stats.power import chance, reaches
from audit.subject import Dataset

__all__ = ["Plan", "PlanRow", "plan", "text"]
RESOLUTION = 2e-4  # of a true value; three decimals are shown
ROW_STEPS = 5  # halvings of a doubling: rows are found to 2 in 100


def plan(loaded: Loaded, data: Dataset | None = None) -> Plan:
    """Return what every rule of the policy could show on the test rows; only the data are read.

    `data` stands in for the configuration's block. Raises AuditError for anything the user can mend.
    """
    checks = {name: find(name) for name in loaded.config.checks}
    gate.refuse(loaded.policy, {name: [m.name for m in check.measures] for name, check in checks.items()})
    policy_refused.refuse(loaded.policy, checks)
    gate_crosswalk.refuse(loaded.policy, every_check())
    dataset = names.with_names(data) if data is not None else read_data(loaded)
    check_refused.refuse(loaded, dataset)
    subject = plan_oracle.oracle(loaded, dataset)
    results = plan_oracle.results(loaded, subject)
    decisions, _, _ = gate.judge(results, loaded.policy, on=dt.date.min)
    blocking = sum(decision.rule.severity == "blocking" for decision in decisions)
    ran = {result.check: result for result in results}
    whole = Plan(
        policy=loaded.policy.name,
        data=dataset.name,
        test_rows=len(dataset.test),
        alpha=loaded.policy.level,
        power=loaded.policy.power,
        blocking=blocking,
        rows=(),
        assumptions=_assumptions(dataset, results, loaded.policy.level, blocking),
    )
    rows = tuple(_row(decision, ran[decision.rule.check], dataset, loaded, whole) for decision in decisions)
    rows = tuple(row.model_copy(update={"says": says(row, whole)}) for row in rows)
    whole = whole.model_copy(update={"rows": rows})
    return whole.model_copy(update={"says": overall(whole)})


def _row(decision: Decision, result: CheckResult, data: Dataset, loaded: Loaded, whole: Plan) -> PlanRow:
    """Return one decision's row."""
    rule, estimate = decision.rule, decision.estimate
    level = whole.alpha / max(whole.blocking, 1) if rule.severity == "blocking" else whole.alpha

    def row(outlook: Outlook, **more: Any) -> PlanRow:
        return PlanRow(
            rule=rule.id,
            measure=rule.measure,
            label=decision.label,
            where=decision.where,
            limit=rule.limit,
            at_least=rule.at_least is not None,
            severity=rule.severity,
            outlook=outlook,
            fail_level=level,
            n=estimate.n if estimate else None,
            excluded_groups=decision.excluded_groups,
            **more,
        )

    if result.status == "ok" and rule.check not in plan_oracle.PLANNED:
        return row(
            "no plan", reason=f"{rule.measure} depends on the trained model, not on counted rows alone"
        )
    if decision.verdict == "NOT-ESTIMABLE":
        reason = decision.reason.partition("cannot be judged: ")[2]
        if estimate and plan_worlds.chosen(rule):
            return row("no plan", reason=f"for a model that is always right {decision.label}: {reason}")
        return row("NOT-ESTIMABLE", reason=reason)
    world = plan_worlds.of(decision, data, getattr(loaded.options[rule.check], "bins", 0))
    if world is None:
        return row("no plan", reason=f"{rule.measure} depends on the spread of the model's own errors")
    return row(**_found(decision, world, level, whole))


def _found(decision: Decision, world: World, level: float, whole: Plan) -> dict[str, Any]:
    """Return the chances and true values of one decision in its world."""
    rule, estimate = decision.rule, decision.estimate
    assert estimate is not None
    least = rule.at_least is not None
    ideal, worst = (world.high, world.low) if least else (world.low, world.high)
    edge = min(max(rule.limit, world.low), world.high)

    def likely(word: Word, value: float, growth: float = 1.0) -> bool:
        found, alpha = world.samples(value, growth, word), whole.alpha if word == "PASS" else level
        return reaches(whole.power, found, rule.limit, word, at_least=least, at_most=not least, alpha=alpha)

    typical, now = (edge + ideal) / 2, world.samples(ideal, 1.0, "PASS")
    at_ideal = chance(now, rule.limit, "PASS", at_least=least, at_most=not least, alpha=whole.alpha)
    possible = at_ideal > 0 or world.conceivable(rule, whole.alpha)
    one_sided = estimate.side == ("at least" if least else "at most")
    tried = estimate.n if rule.check in plan_oracle.STAND_IN else whole.test_rows
    needed = [_growth(partial(likely, "PASS", value), world) for value in (ideal, typical)]
    return {
        "outlook": _outlook(at_ideal >= whole.power, possible),
        "groups": world.groups,
        "assumed": world.assumed,
        "easier": world.easier,
        "always_right": estimate.value if isinstance(estimate.statistic, Rate | GroupRates) else None,
        "ideal": ideal,
        "ideal_chance": at_ideal,
        "pass_from": _nearest(partial(likely, "PASS"), ideal, edge),
        "fail_from": None if one_sided else _nearest(partial(likely, "FAIL"), worst, edge),
        "one_sided": one_sided,
        "rows_at_ideal": _times(needed[0], estimate.n),
        "test_rows_at_ideal": _times(needed[0], tried),
        "typical": typical,
        "rows_at_typical": _times(needed[1], estimate.n),
        "test_rows_at_typical": _times(needed[1], tried),
    }


def _outlook(likely: bool, possible: bool) -> Outlook:
    """Return what the ideal value comes to."""
    if likely:
        return "can PASS"
    return "can hardly PASS" if possible else "cannot PASS"


def _nearest(holds: Callable[[float], bool], sure: float, limit: float) -> float | None:
    """Return the value nearest the limit at which it holds, by halving from `sure`; None if not even there."""
    if not holds(sure):
        return None
    inside, outside = sure, limit
    while abs(inside - outside) > RESOLUTION:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside


def _growth(enough: Callable[[float], bool], world: World) -> float | None:
    """Return about the least factor on the rows that is enough, to 2 in 100; None where none is realistic."""
    few, many = 1.0, 1.0
    if enough(1.0):
        while world.n * few > 2 and enough(few):
            few, many = few / 2, few
    else:
        while not enough(many):
            few, many = many, many * 2
            if world.n * many > world.most:
                return None
    for _ in range(ROW_STEPS):
        middle = math.sqrt(few * many)
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many


def _times(growth: float | None, rows: int) -> int | None:
    """Return the rows grown, rounded up."""
    return None if growth is None else math.ceil(growth * rows)


def _assumptions(
    data: Dataset, results: tuple[CheckResult, ...], alpha: float, blocking: int
) -> tuple[str, ...]:
    """Return what every row takes for granted."""
    said = ["the test rows stay as they are, and denominators are those of a model that is always right."]
    if blocking:
        level = f"FAIL of a blocking rule is read at {alpha / blocking:.2g}"
        said.append(f"{level}, alpha {alpha:g} over {blocking} blocking decisions (Holm's first step).")
    if data.test.cluster is not None:
        said.append("rows of one cluster (person) count as one row where such a model treats them alike.")
    if any(result.check in plan_oracle.STAND_IN and result.status == "ok" for result in results):
        said.append("an attack or edit is tried on the rows its check draws, however many steps it takes.")
    return tuple(said)
