"""The plan as values and words: one row a rule and measurement, one plain sentence each, lines for a terminal."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from audit.evidence import Frozen, Severity

Outlook = Literal["can PASS", "can hardly PASS", "cannot PASS", "NOT-ESTIMABLE", "no plan"]


class PlanRow(Frozen):
    """What one rule could show on one measurement with these rows, were the truth as assumed."""

    rule: str
    measure: str
    label: str
    where: dict[str, str | float | int] = Field(default_factory=dict)
    limit: float
    at_least: bool
    severity: Severity
    outlook: Outlook
    n: int | None = Field(default=None, description="the measure's denominator")
    groups: dict[str, int] = Field(default_factory=dict, description="each group's denominator")
    excluded_groups: tuple[str, ...] = ()
    assumed: str = ""
    easier: str = Field(default="", description="what would need fewer rows than assumed")
    always_right: float | None = Field(default=None, description="value of a model that is always right")
    ideal: float | None = Field(default=None, description="the best true value: gap 0, ratio 1, rate 1")
    ideal_chance: float | None = Field(default=None, description="chance of PASS at the ideal")
    pass_from: float | None = Field(default=None, description="true value nearest the limit that PASSes")
    fail_from: float | None = Field(default=None, description="true value nearest the limit that FAILs")
    fail_level: float = Field(description="alpha of FAIL: after Holm where blocking")
    rows_at_ideal: int | None = Field(default=None, description="denominator to PASS at the ideal value")
    test_rows_at_ideal: int | None = Field(default=None, description="the same in test rows at these shares")
    typical: float | None = Field(default=None, description="halfway between limit and ideal")
    rows_at_typical: int | None = Field(default=None, description="denominator to PASS at the typical value")
    test_rows_at_typical: int | None = Field(default=None, description="the same in test rows")
    one_sided: bool = Field(default=False, description="the number only bounds the truth: FAIL is impossible")
    reason: str = ""
    says: str = ""


class Plan(Frozen):
    """What a policy could show with these rows, before anything is trained."""

    policy: str
    data: str
    test_rows: int
    alpha: float
    power: float
    blocking: int = Field(description="blocking decisions, over which Holm's levels are taken")
    rows: tuple[PlanRow, ...]
    assumptions: tuple[str, ...] = ()
    says: str = ""


def says(row: PlanRow, plan: Plan) -> str:
    """Return the row in one plain sentence or a few."""
    if row.outlook == "NOT-ESTIMABLE":
        return f"{row.label} would read NOT-ESTIMABLE: {row.reason.rstrip('.')}."
    if row.outlook == "no plan":
        return f"no plan: {row.reason.rstrip('.')}."
    parts = [f"{row.label} counts {_rows(row)}{_left_out(row)}."]
    parts += [_passing(row, plan), _failing(row, plan)]
    if row.pass_from is not None and row.fail_from is not None:
        parts.append("Between the two expect INCONCLUSIVE.")
    if row.always_right is not None and _beyond(row, row.always_right):
        parts.append(f"A model that is always right has {_number(row.always_right)} here, beyond the limit.")
    return " ".join([*parts, f"Assumed: {row.assumed}."] if row.assumed else parts)


def overall(plan: Plan) -> str:
    """Return what the whole policy can come to."""
    blocking = [row for row in plan.rows if row.severity == "blocking"]
    if not blocking:
        return f"Policy {plan.policy} has no blocking rule, so the whole will read NOT-ESTIMABLE."
    never = [row for row in blocking if row.outlook in ("cannot PASS", "NOT-ESTIMABLE")]
    hardly = [row for row in blocking if row.outlook == "can hardly PASS"]
    unknown = [row for row in blocking if row.outlook == "no plan"]
    count = f"Of {len(blocking)} blocking decisions on {plan.test_rows:,} test rows"
    said = [
        f"{len(rows)} {what} ({', '.join(dict.fromkeys(row.rule for row in rows))})"
        for rows, what in (
            (never, "cannot PASS"),
            (hardly, "can hardly PASS even at the best true value, as far as assumed here"),
            (unknown, "cannot be planned"),
        )
        if rows
    ]
    if never:
        end = "No model can make the whole PASS with these rows."
    elif hardly:
        end = "The whole will seldom PASS with these rows, unless the truth is kinder than assumed."
    elif len(unknown) == len(blocking):
        end = "Whether the whole can PASS is not foreseen."
    elif unknown:
        end = "The others can each PASS; each says from which true value on."
    else:
        end = "These rows can show a PASS; each rule says from which true value on."
    return f"{count}, {', '.join(said) or 'each can PASS'}. {end}"


def text(plan: Plan) -> str:
    """Return the plan as aligned lines: a table, then a sentence a row, then what was assumed."""
    head = (
        "rule",
        "outlook",
        "limit",
        "rows",
        "PASS from",
        "FAIL from",
        "rows if ideal",
        "if halfway",
        "measure",
    )
    table = [head, *(_cells(row) for row in plan.rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(head) - 1)]
    lines = [
        f"Plan of policy {plan.policy} on {plan.data}: {plan.test_rows:,} test rows, PASS at "
        f"{_percent(1 - plan.alpha)}, power {_percent(plan.power)}",
        "",
    ]
    lines += ["  ".join([*map(str.ljust, line, widths), line[-1]]) for line in table]
    lines += ["", *(f"{row.rule}: {row.says}" for row in plan.rows), "", plan.says]
    return "\n".join([*lines, *(f"Assumed throughout: {said}" for said in plan.assumptions)])


def _passing(row: PlanRow, plan: Plan) -> str:
    """Return from which true value on PASS is likely, or why it isn't, and how many rows would do."""
    if row.pass_from is not None:
        side = "or more" if row.at_least else "or less"
        more = "" if row.typical is None or _inside(row.typical, row) else f"; {_needed(row, ideal=False)}"
        value = _number(row.pass_from, up=row.at_least)
        return (
            f"A true value of {value} {side} reads PASS in at least {_percent(plan.power)} of audits{more}."
        )
    if row.outlook == "cannot PASS":
        return f"That is too few for any model to PASS; {_needed(row, ideal=True)}."
    seen = row.ideal_chance or 0.0
    often = "under 1 %" if seen < 0.005 else f"only {_percent(seen)}"
    fewer = f" ({row.easier} need fewer)" if row.easier else ""
    ideal = f"Even a true value of {_number(row.ideal)} reads PASS in {often} of audits"
    return f"{ideal}; {_needed(row, ideal=True)}{fewer}."


def _needed(row: PlanRow, *, ideal: bool) -> str:
    """Return how many rows the ideal or the typical value needs."""
    value, n, test = (
        (row.ideal, row.rows_at_ideal, row.test_rows_at_ideal)
        if ideal
        else (row.typical, row.rows_at_typical, row.test_rows_at_typical)
    )
    if n is None:
        return f"a true {_number(value)} needs more rows than are realistic"
    whole = f", {test:,} test rows in all" if test is not None and test != n else ""
    return f"a true {_number(value)} needs about {n:,} rows{whole}"


def _failing(row: PlanRow, plan: Plan) -> str:
    """Return from which true value on FAIL is likely."""
    if row.one_sided:
        return "FAIL is impossible: an attack shows only one side of the truth."
    if row.fail_from is None:
        return f"No true value reads FAIL in {_percent(plan.power)} of audits."
    side = "or less" if row.at_least else "or more"
    value = f"A true value of {_number(row.fail_from, up=not row.at_least)} {side}"
    return f"{value} reads FAIL in at least {_percent(plan.power)}."


def _rows(row: PlanRow) -> str:
    """Return the denominators; of many groups the smallest and the largest."""
    each = sorted(row.groups.items(), key=lambda item: item[1])
    if not each:
        return f"{row.n:,} rows"
    if len(each) > 4:
        (small, least), (large, most) = each[0], each[-1]
        return f"{row.n:,} rows in {len(each)} groups, from {least:,} ({small}) to {most:,} ({large})"
    return f"{row.n:,} rows ({', '.join(f'{name} {n:,}' for name, n in each)})"


def _left_out(row: PlanRow) -> str:
    """Return the groups that the policy leaves out."""
    return f", without {', '.join(row.excluded_groups)}" if row.excluded_groups else ""


def _cells(row: PlanRow) -> tuple[str, ...]:
    """Return the row's cells of the table."""
    sign = ">=" if row.at_least else "<="
    advisory = " (advisory)" if row.severity == "advisory" else ""
    return (
        row.rule,
        row.outlook + advisory,
        f"{sign} {row.limit:g}",
        _count(row.n),
        _number(row.pass_from, up=row.at_least),
        "never" if row.one_sided else _number(row.fail_from, up=not row.at_least),
        _count(row.rows_at_ideal),
        _count(row.rows_at_typical),
        row.label,
    )


def _inside(value: float, row: PlanRow) -> bool:
    """Return whether a true value is known to PASS."""
    return row.pass_from is not None and (value >= row.pass_from if row.at_least else value <= row.pass_from)


def _beyond(row: PlanRow, value: float) -> bool:
    """Return whether a value breaks the limit."""
    return value < row.limit if row.at_least else value > row.limit


def _number(value: float | None, *, up: bool | None = None) -> str:
    """Return a value at three decimals, rounded up, down or to the nearest."""
    if value is None:
        return "-"
    if up is not None:
        value = (math.ceil(value * 1000 - 1e-6) if up else math.floor(value * 1000 + 1e-6)) / 1000
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def _count(rows: int | None) -> str:
    """Return a number of rows, or a dash."""
    return "-" if rows is None else f"{rows:,}"


def _percent(share: float) -> str:
    """Return a share as a whole percentage; the chances are no more exact than that."""
    return f"{100 * share:.0f} %"
