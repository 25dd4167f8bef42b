"""Charts of judged numbers as inline SVG: an estimate's card, a requirement's row, a group's row."""

from __future__ import annotations

from markupsafe import Markup

from audit.evidence import Decision, Rule
from reports import numbers
from reports.marks import Scale, around, dot, line, picture, rect, steps, text, whiskers

LETTER = {"PASS": "p", "FAIL": "f", "INCONCLUSIVE": "i", "NOT-ESTIMABLE": "n"}


def zone(scale: Scale, rule: Rule, y: float, height: float) -> Markup:
    """Return the tinted side of the limit that passes."""
    limit = scale.at(rule.limit)
    if rule.at_least is not None:
        return rect("zone", limit, y, scale.end - limit, height)
    return rect("zone", scale.start, y, limit - scale.start, height)


def card(decision: Decision, title: str) -> Markup:
    """Return an estimate with its interval against its limit on a natural axis."""
    rule, estimate = decision.rule, decision.estimate
    scale = Scale(*_ends(decision))
    limit = scale.at(rule.limit)
    anchor = "start" if limit < 35 else "end" if limit > 65 else "middle"
    parts = [zone(scale, rule, 28, 42), line("axis", 4, 96, 70, 70)]
    for at in steps(scale.low, scale.high):
        parts += [line("axis", scale.at(at), scale.at(at), 70, 75)]
        parts += [text("tk", scale.at(at), 94, numbers.tick(at))]
    parts += [line("lim", limit, limit, 22, 75), text("lb", limit, 16, numbers.asked(rule), anchor)]
    if estimate is None or estimate.value is None:
        parts += [line("none", 6, 94, 49, 49)]
    else:
        parts += whiskers(scale, estimate.low, estimate.high, 49, caps=7)
        parts += [dot(scale.at(estimate.value), 49)]
    return picture(f"ib {LETTER[decision.verdict]}", parts, _said(decision, title, scale))


def _ends(decision: Decision) -> tuple[float, float]:
    """Return the ends of a card's axis: 0 to 1 where a share's story is that wide, else round ends near it."""
    estimate, limit = decision.estimate, decision.rule.limit
    bounds = (estimate.value, estimate.low, estimate.high) if estimate else ()
    known = [limit, *(v for v in bounds if v is not None)]
    wide = max(known) - min(known) > 0.35 and min(known) >= 0 and max(known) <= 1
    return (0.0, 1.0) if wide else around(known)


def _said(decision: Decision, title: str, scale: Scale) -> str:
    """Return the card's picture as a sentence."""
    estimate, rule = decision.estimate, decision.rule
    axis = f"on a scale from {numbers.tick(scale.low)} to {numbers.tick(scale.high)}"
    if estimate is None or estimate.value is None:
        return f"{title}: no estimate, {axis}; the limit is {numbers.asked(rule)}."
    value, interval = numbers.shown(estimate, rule.limit)
    return f"{title} {value} {interval}, {axis}; the limit is {numbers.asked(rule)}."


def lane() -> Markup:
    """Return the dotted lane of what was not measured."""
    return picture("ib n lane", [line("axis", 4, 96, 90, 90), line("none", 6, 94, 50, 50)])


def row(decision: Decision) -> Markup:
    """Return a requirement's interval aligned at its limit: right of the middle passes, on its own scale."""
    rule, estimate = decision.rule, decision.estimate
    parts = [rect("zone", 50, 0, 50, 100), line("lim", 50, 50, 0, 100)]
    if estimate is None or estimate.value is None:
        return picture("rb n", [*parts, line("none", 6, 94, 50, 50)])
    turned = 1 if rule.at_least is not None else -1

    def off(value: float | None) -> float | None:
        """Return how far on the passing side a value lies."""
        return None if value is None else turned * (value - rule.limit)

    low, value, high = off(estimate.low), turned * (estimate.value - rule.limit), off(estimate.high)
    low, high = (low, high) if turned > 0 else (high, low)
    reach = max(abs(v) for v in (low, value, high) if v is not None) * 1.15 or 1.0
    scale = Scale(-reach, reach)
    parts += [*whiskers(scale, low, high, 50), dot(scale.at(value), 50)]
    return picture(f"rb {LETTER[decision.verdict]}", parts)


def against(low: float | None, high: float | None, line_at: float) -> str:
    """Return on which side of a line an interval lies: 'below', 'above' or 'can’t tell'."""
    if high is not None and high < line_at:
        return "below"
    if low is not None and low >= line_at:
        return "above"
    return "can’t tell"


def group_row(
    scale: Scale, value: float | None, low: float | None, high: float | None, line_at: float | None
) -> Markup:
    """Return one group's rate with its interval, and the line it is held against where there is one."""
    parts = []
    side = "k"
    if line_at is not None:
        x = scale.at(line_at)
        parts += [rect("zone", x, 0, scale.end - x, 100), line("lim", x, x, 0, 100)]
        side = {"below": "f", "above": "k", "can’t tell": "o"}[against(low, high, line_at)]
    if value is None:
        return picture("fb o", [*parts, line("none", scale.start, scale.end, 50, 50)])
    parts += [*whiskers(scale, low, high, 50), dot(scale.at(value), 50)]
    return picture(f"fb {side}", parts)


def axis_row(scale: Scale) -> Markup:
    """Return the axis labels above a column of rows, the outer ones inside the column."""
    labels = []
    for at in steps(scale.low, scale.high):
        x = scale.at(at)
        anchor = "start" if x < 2 else "end" if x > 98 else "middle"
        labels.append(text("tk", x, 80, numbers.tick(at), anchor))
    return picture("fa", labels)


def dot_row(scale: Scale, value: float, low: float | None, high: float | None) -> Markup:
    """Return an importance: a stem from zero, the dot and its interval."""
    zero = scale.at(0)
    parts = [line("axis", zero, zero, 0, 100), line("stem", zero, scale.at(value), 50, 50)]
    return picture("im", [*parts, *whiskers(scale, low, high, 50), dot(scale.at(value), 50)])
