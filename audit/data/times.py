"""What time says of a table's rows: splits in its order, and remarks on gaps and repeats."""

from __future__ import annotations

import numpy as np

from audit.data import columns, splits
from audit.data.roles import Roles, SplitPlan
from audit.data.rows import Rows

HOUR = 3600


def divide(rows: Rows, roles: Roles, plan: SplitPlan) -> np.ndarray:
    """Return the split's name[n] of each row in the order of time; a test file's rows must be the latest."""
    assert roles.time is not None
    part, free = rows.stated.copy(), rows.stated == ""
    when = columns.times(rows.text[roles.time], roles.time)
    units = rows.text[roles.cluster] if roles.cluster else when
    if free.any():
        part[free] = splits.by_time(units[free], when[free], plan, test=bool(free.all()))
    splits.refuse_overlap(part, when)
    return part


def notes(when: np.ndarray, part: np.ndarray) -> list[str]:
    """Return when each split begins and ends, how many times repeat, and the gaps between distinct times."""
    spans = [f"{name} {_span(when[part == name])}" for name in splits.NAMES[::-1] if (part == name).any()]
    distinct = np.unique(when)
    found = [f"times: {', '.join(spans)}"]
    if len(distinct) < len(when):
        found.append(f"times: {len(when) - len(distinct)} rows repeat the time of another row")
    steps = np.diff(distinct)
    usual = np.median(steps) if len(steps) else None
    if usual and (steps > usual).any():
        gaps = int((steps > usual).sum())
        absent = int(sum(round(float(step / usual)) - 1 for step in steps[steps > usual]))
        found.append(
            f"times: {gaps} gaps, {absent} steps of {_length(usual)} without a row; the longest is of "
            f"{_length(steps.max())} after {distinct[steps.argmax()]}"
        )
    return found


def _span(when: np.ndarray) -> str:
    """Return 'from .. to ..'."""
    return f"from {when.min()} to {when.max()}"


def _length(step: np.generic) -> str:
    """Return a length of time in hours, or a plain number."""
    if isinstance(step, np.timedelta64):
        return f"{step / np.timedelta64(HOUR, 's'):g} hours"
    return f"{step:g}"
