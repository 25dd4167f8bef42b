"""Policies as data: a shipped name, a file or a mapping becomes a Policy; `include:` comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit import policy_weakened, yaml_text
from audit.config_errors import validated
from audit.errors import ConfigError
from audit.evidence import Policy
from audit.locate import named, shipped

LEVELS = ("alpha", "power", "minimum_group_share", "looks")


def load_policy(source: str | Policy, base: Path) -> Policy:
    """Return a policy given as itself, as a shipped name or as a path relative to base."""
    return source if isinstance(source, Policy) else _composed(_path(source, base), ())


def _composed(path: Path, seen: tuple[Path, ...]) -> Policy:
    """Read a policy file with what it includes."""
    if path.resolve() in seen:
        raise ConfigError(f"{path} includes itself", "policies without a cycle")
    value, lines = yaml_text.read(path)
    return with_includes(value, lines, str(path), (), path.parent, (*seen, path.resolve()))


def with_includes(
    value: dict[str, Any], lines: Any, name: str, at: tuple[str, ...], base: Path, seen: tuple[Path, ...]
) -> Policy:
    """Return the policy of a mapping; what it states replaces what it includes (rules by their id).

    Levels (alpha, power, minimum_group_share, looks) that it does not state are those of the last policy included
    that states them; requirements and crosswalks add up; waivers are never taken over. Without a name of its own it has
    those of the policies included. What is weaker than in a policy included is said in `weakened`.
    """
    value = dict(value)
    if "weakened" in value:
        raise ConfigError(f"{name}: policy.weakened", "nothing: it is found, not declared", "leave it out")
    includes = value.pop("include", [])
    paths = [_path(str(include), base) for include in ([includes] if isinstance(includes, str) else includes)]
    parts = [_composed(path, seen) for path in paths]
    if parts:
        value.setdefault("name", " + ".join(part.name for part in parts))
    policy = validated(Policy, value, lines, name, at)
    rules, levels = {}, {}
    for part in parts:
        rules.update({rule.id: rule for rule in part.rules})
        levels.update({level: getattr(part, level) for level in LEVELS if level in part.model_fields_set})
    own = [rule.id for rule in policy.rules]
    if len(own) != len(set(own)):
        raise ConfigError(f"{name}: two rules of the policy share an id", "ids that differ")
    rules.update({rule.id: rule for rule in policy.rules})
    taken = {level: value for level, value in levels.items() if level not in policy.model_fields_set}
    requires = dict.fromkeys(required for part in (*parts, policy) for required in part.requires)
    walks = {walk.name: walk for part in (*parts, policy) for walk in part.crosswalk}
    sums = {
        "rules": tuple(rules.values()),
        "requires": tuple(requires),
        "crosswalk": tuple(walks.values()),
    }
    whole = policy.model_copy(update={**sums, **taken})
    return whole.model_copy(update={"weakened": policy_weakened.found(whole, parts)})


def _path(source: str, base: Path) -> Path:
    """Return the file of a policy given by shipped name or by path."""
    return named(source, shipped() / "policies", "policy", base)
