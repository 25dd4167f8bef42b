"""Checks, measures and remedies explained in text, from the registries alone."""

from __future__ import annotations

from typing import get_args

from audit.errors import ConfigError
from audit.registry import Check, Measure, Options, checks, nearest
from audit.remedies import Remedy, remedies


def text(name: str) -> str:
    """Return what a check or remedy does and takes, or what a measure means; ConfigError with the nearest name."""
    known, cures = checks(), remedies()
    if name in known:
        return _check(known[name])
    if name in cures:
        return _remedy(cures[name])
    found = [(c, m) for c in known.values() for m in c.measures if name in (m.name, f"{c.name}.{m.name}")]
    if not found:
        names = [*known, *cures, *(m.name for c in known.values() for m in c.measures)]
        raise ConfigError(
            f"there is no check, measure or remedy {name!r}", nearest(name, names), "see `audit list`"
        )
    return "\n\n".join(_measure(check, measure) for check, measure in found)


def _check(check: Check) -> str:
    """Describe a check."""
    lines = [f"{check.name}: {check.title}", "", check.says, "", "Measures"]
    lines += [f"  {m.name}: {m.says} Better: {m.better}. Interval: {m.interval}." for m in check.measures]
    lines += ["", "Options", *_options(check.options)]
    lines += ["", f"Tasks: {', '.join(check.tasks)}. Needs: {', '.join(check.needs) or 'nothing more'}."]
    return "\n".join(lines)


def _remedy(remedy: Remedy) -> str:
    """Describe a remedy."""
    lines = [
        f"{remedy.name}: {remedy.title} (a remedy)",
        "",
        remedy.says,
        "",
        "Options",
        *_options(remedy.options),
    ]
    needs = ", ".join((*remedy.needs, *(f"the check {check}" for check in remedy.checks)))
    return "\n".join([*lines, "", f"Needs: {needs or 'nothing more'}."])


def _options(options: type[Options]) -> list[str]:
    """Return a line an option, those of its parts below it."""
    lines = []
    for name, field in options.model_fields.items():
        value = "(required)" if field.is_required() else f"= {field.default!r}"
        lines.append(f"  {name} {value}: {field.description}")
        inner = [t for t in get_args(field.annotation) if isinstance(t, type) and issubclass(t, Options)]
        lines += [f"  {line}" for part in inner for line in _options(part)]
    return lines


def _measure(check: Check, measure: Measure) -> str:
    """Describe a measure."""
    return (f"{check.name}.{measure.name}\n  {measure.says}\n  Better: {measure.better}. "
            f"Interval: {measure.interval}.")  # fmt: skip
