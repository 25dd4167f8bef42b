"""What stands beside the verdict on the first screen: doubts about the subject, and what a policy asks less of."""

from __future__ import annotations

from audit.evidence import Concern, Record
from reports import numbers, words

BARS = "What it touches cannot PASS."


def lines(record: Record) -> list[str]:
    """Return one plain sentence a concern, and one for all that is weaker than in the policies included."""
    return [*(sentence(record, concern) for concern in record.concerns), *weakened(record)]


def sentence(record: Record, concern: Concern) -> str:
    """Return what is in doubt, what that bars, and what would remove it."""
    barred = [words.title(d) for d in record.decisions if d.cause == concern.name]
    kept = f" ({numbers.plural(len(barred), 'requirement')} inside the limit stay open.)" if barred else ""
    touched = "Nothing can PASS." if concern.touches == ("*",) else BARS
    said = words.ended(concern.says)
    return f"In doubt: {said[:1].upper()}{said[1:]} {touched}{kept} To remove it: {words.ended(concern.todo)}"


def weakened(record: Record) -> list[str]:
    """Return what the policy asks less of than the policies that it includes, in one sentence; or nothing."""
    found = [numbers.visible(text) for text in record.policy.weakened]
    if not found:
        return []
    name = numbers.name(record.policy.name, 40)
    return [f"Policy {name} is weaker than what it includes: {words.ended('; '.join(found))}"]


def looks(record: Record) -> str:
    """Return which look at its test rows this judgement is, as far as this machine knows, and what that costs."""
    earlier, policy = record.volatile.earlier_judgements, record.policy
    if earlier is None:
        return (
            "How often these test rows were judged before was not counted: there was no state folder for it."
        )
    cost = f"; alpha {policy.alpha:g} is divided by {policy.looks}" if policy.looks > 1 else ""
    return f"Look {earlier + 1} at these test rows on this machine, of {policy.looks} that the policy allows{cost}."


def on(record: Record, measure: str) -> str:
    """Return the doubts about the subject that bear on a measure, CHECK.MEASURE, joined."""
    return "; ".join(concern.says for concern in record.concerns if concern.bears_on(measure))
