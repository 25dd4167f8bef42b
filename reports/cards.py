"""The first screen's areas: a card for each of four, a line for every other that is judged."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from audit.evidence import Decision, Record, Verdict
from reports import charts, front, numbers, words

CARDS = ("fairness", "robustness", "calibration", "explanation")


@dataclass(frozen=True)
class Card:
    """One area on the first screen."""

    title: str
    verdict: Verdict | None
    status: str
    letter: str
    sentence: str
    picture: Markup
    value: str
    interval: str
    counts: str


def cards(record: Record) -> list[Card]:
    """Return the four area cards; an area that was not measured says so."""
    return [_card(record, area) for area in CARDS]


def _card(record: Record, area: str) -> Card:
    """Return one area's card."""
    title, decisions = front.AREAS[area], front.of_area(record, area)
    if not decisions:
        status, sentence = unjudged(record, area)
        return Card(title, None, status, "d", sentence, charts.lane(), "", "", "")
    first = front.representative(decisions)
    judged = first.rule.severity == "blocking"
    value, interval = (
        numbers.shown(first.estimate, first.rule.limit) if first.estimate else ("no estimate", "")
    )
    total = numbers.plural(len(decisions), "requirement")
    return Card(
        title,
        first.verdict if judged else None,
        "" if judged else "advisory only",
        charts.LETTER[first.verdict] if judged else "d",
        front.area_sentence(first),
        charts.card(first, words.title(first)),
        value,
        interval,
        f"of {total}: {front.counted(decisions)}",
    )


def unjudged(record: Record, area: str) -> tuple[str, str]:
    """Return the status and sentence of an area without a decision."""
    results = [r for r in record.results if r.area == area]
    if not results:
        return "not measured", "No check of this area was configured."
    lost = [r for r in results if r.status != "ok"]
    if len(lost) == len(results):
        return "not measured", front.why_not(lost[0])
    return "not judged", "Measured, but no requirement of the policy judges it."


def beside(record: Record) -> list[Decision]:
    """Return the representative decision of every judged area that has no card."""
    areas = dict.fromkeys(front.area_of(record, d) for d in record.decisions)
    return [front.representative(front.of_area(record, area)) for area in areas if area not in CARDS]
