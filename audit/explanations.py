"""Checks and measures explained in text, from the registry alone."""

from __future__ import annotations

from audit.errors import ConfigError
from audit.registry import Check, Measure, checks, nearest


def text(name: str) -> str:
    """Return what a check does and takes, or what a measure means; ConfigError with the nearest name."""
    known = checks()
    if name in known:
        return _check(known[name])
    found = [(c, m) for c in known.values() for m in c.measures if name in (m.name, f"{c.name}.{m.name}")]
    if not found:
        names = [*known, *(m.name for c in known.values() for m in c.measures)]
        raise ConfigError(f"there is no check or measure {name!r}", nearest(name, names), "see `audit list`")
    return "\n\n".join(_measure(check, measure) for check, measure in found)


def _check(check: Check) -> str:
    """Describe a check."""
    lines = [f"{check.name}: {check.title}", "", check.says, "", "Measures"]
    lines += [f"  {m.name}: {m.says} Better: {m.better}. Interval: {m.interval}." for m in check.measures]
    lines += ["", "Options"]
    for name, field in check.options.model_fields.items():
        lines.append(f"  {name} = {field.default!r}: {field.description}")
    lines += ["", f"Tasks: {', '.join(check.tasks)}. Needs: {', '.join(check.needs) or 'nothing more'}."]
    return "\n".join(lines)


def _measure(check: Check, measure: Measure) -> str:
    """Describe a measure."""
    return (f"{check.name}.{measure.name}\n  {measure.says}\n  Better: {measure.better}. "
            f"Interval: {measure.interval}.")  # fmt: skip
