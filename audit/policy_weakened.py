"""What a policy asks less of than the policies that it includes, in sentences for the first screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.evidence_policy import Policy, Rule


def found(whole: Policy, included: Sequence[Policy]) -> tuple[str, ...]:
    """Return a sentence for each included rule or level that is weaker in the whole policy.

    An included rule that several policies state is compared with each; what they were told of themselves is kept.
    """
    rules = {rule.id: rule for rule in whole.rules}
    said = [text for part in included for text in part.weakened]
    for part in included:
        for rule in part.rules:
            said += [f"{rule.id} of {part.name} {text}" for text in _of_rule(rule, rules[rule.id])]
        said += [f"{part.name}: {text}" for text in _of_levels(part, whole)]
    return tuple(dict.fromkeys(said))


def _of_rule(before: Rule, now: Rule) -> Iterator[str]:
    """Yield in what a rule is weaker than the rule of its id before."""
    if before.severity == "blocking" and now.severity == "advisory":
        yield "is advisory here, blocking there"
    if before.measure != now.measure:
        yield f"is on {now.measure} here, on {before.measure} there"
    elif (before.at_least is None) != (now.at_least is None):
        yield f"asks for {_asked(now)} here, {_asked(before)} there"
    elif now.limit < before.limit if now.at_least is not None else now.limit > before.limit:
        yield f"asks for {_asked(now)} here, {_asked(before)} there"
    if not set(now.where.items()) <= set(before.where.items()):
        yield f"speaks of {_places(now)} here, of {_places(before)} there"


def _of_levels(before: Policy, now: Policy) -> Iterator[str]:
    """Yield which levels let more pass than those that a policy states."""
    if "alpha" in before.model_fields_set and now.level > before.level:
        yield f"alpha is {now.level:g} here, {before.level:g} there"
    if "minimum_group_share" in before.model_fields_set:
        share, old = now.minimum_group_share, before.minimum_group_share
        if share > old:
            yield f"groups below {share:g} of the rows are left out here, below {old:g} there"


def _asked(rule: Rule) -> str:
    """Return what a rule asks for."""
    return f"at least {rule.limit:g}" if rule.at_least is not None else f"at most {rule.limit:g}"


def _places(rule: Rule) -> str:
    """Return where a rule holds."""
    return ", ".join(f"{key} {value}" for key, value in sorted(rule.where.items())) or "everything"
