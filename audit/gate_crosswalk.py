"""Which evidence a crosswalk may name, refused before any work where there is none of that name."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import get_args

from audit.errors import ConfigError
from audit.evidence import Area, DataFacts, Facts, ModelFacts, Policy

STATED = ("not_measured", "digests", "remedies")  # fields of the record that state something themselves


def refuse(policy: Policy, known: Collection[str]) -> None:
    """Raise ConfigError for a control whose evidence none of these checks could ever give.

    A check that is merely not configured is no mistake: its controls read "no evidence". CHECK.NAME may be a
    table, which no check declares, so only its check is looked up.
    """
    for walk in policy.crosswalk:
        for control in walk.controls:
            for name in control.evidence:
                wrong = _wrong(name, known)
                if wrong:
                    given = f"crosswalk {walk.name}, control {control.id}: evidence={name!r}"
                    raise ConfigError(given, wrong, "mend the crosswalk")


def _wrong(name: str, known: Collection[str]) -> str:
    """Return what was expected instead of this name, or nothing where it is right."""
    root, _, rest = name.partition(".")
    if root in ("facts", "record"):
        return _wrong_fact(root, rest)
    check = name.rpartition(".")[0]
    if name in get_args(Area) or name in known or check in known:
        return ""
    names = [*known, *get_args(Area)]
    close = difflib.get_close_matches(name, names, n=1) or difflib.get_close_matches(check, names, n=1)
    return f"perhaps {close[0]!r}" if close else "an area, a check, a check's measure or table, or a fact"


def _wrong_fact(root: str, path: str) -> str:
    """Return which facts there are, or nothing where this is one."""
    if root == "record":
        return "" if path in STATED else f"record. and one of {', '.join(STATED)}"
    part, _, name = path.partition(".")
    if path == "software" or (part == "system" and name):
        return ""
    if part in ("system", "software"):
        return "facts.system.FIELD, or facts.software"
    fields = {"data": DataFacts.model_fields, "model": ModelFacts.model_fields}.get(part)
    if fields is None:
        return f"facts. and one of {', '.join(Facts.model_fields)}, then a field"
    return "" if name in fields else f"facts.{part}. and one of {', '.join(fields)}"
