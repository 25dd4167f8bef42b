"""Where each rule of a policy stands: file and line, for annotations beside a merge request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from audit import yaml_text
from audit.evidence import Rule
from audit.locate import named, shipped


def places(config: Path, policy: Any, lines: Any, rules: Iterable[Rule]) -> dict[str, str]:
    """Return file:line of each rule by its id, files relative to the working folder.

    policy: what the configuration says of it, a source or a mapping; lines: those of the configuration's keys.

    A rule of a file that is not below the working folder stands where the configuration names its policy; if
    the configuration is not below it either, the rule has no place.
    """
    line = lines.get(("policy",), 1)
    if isinstance(policy, dict):
        found = _rules(config, policy, lines, ("policy",))
    else:
        found = _file(named(str(policy), shipped() / "policies", "policy", config.parent))
    known = {rule.id: _below(*found[rule.id]) for rule in rules if rule.id in found}
    every = {rule.id: known.get(rule.id) or _below(config, line) for rule in rules}
    return {rule: place for rule, place in every.items() if place}


def _file(path: Path) -> dict[str, tuple[Path, int]]:
    """Return the rules of a policy file and of what it includes."""
    value, lines = yaml_text.read(path)
    return _rules(path, value, lines, ())


def _rules(
    path: Path, policy: dict[str, Any], lines: Any, at: tuple[str, ...]
) -> dict[str, tuple[Path, int]]:
    """Return file and line of the rules of a policy's mapping; its own stand in for those it includes."""
    includes = policy.get("include", [])
    found: dict[str, tuple[Path, int]] = {}
    for include in [includes] if isinstance(includes, str) else includes:
        found |= _file(named(str(include), shipped() / "policies", "policy", path.parent))
    for i, rule in enumerate(policy.get("rules", [])):
        found[str(rule.get("id"))] = (path, lines.get((*at, "rules", i), 1))
    return found


def _below(path: Path, line: int) -> str:
    """Return file:line relative to the working folder, or nothing for a file that is not below it."""
    whole, here = path.resolve(), Path.cwd().resolve()
    return f"{whole.relative_to(here).as_posix()}:{line}" if whole.is_relative_to(here) else ""
