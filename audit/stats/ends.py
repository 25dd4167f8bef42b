"""The ends of what a statistic's value can be, from its family alone (no arrays)."""

from __future__ import annotations

from audit.evidence_statistics import (
    Extreme,
    GroupMeans,
    GroupRates,
    Mapped,
    Moments,
    Normal,
    Rate,
    RateOverHighest,
    RatePair,
    Replicates,
    Statistic,
)

Ends = tuple[float | None, float | None]
LINKS: dict[str, Ends] = {
    "identity": (None, None),
    "log": (0.0, None),
    "logit": (0.0, 1.0),
    "square": (0.0, None),
}


def ends(statistic: Statistic) -> Ends:
    """Return the least and the largest value that is possible, None where nothing bounds it."""
    match statistic:
        case Rate() | GroupRates() | RateOverHighest():
            return 0.0, 1.0
        case RatePair():
            return (-1.0, 1.0) if statistic.of == "difference" else (0.0, None)
        case Moments() | GroupMeans(of="maximum"):
            return statistic.low, statistic.high
        case GroupMeans():
            return 0.0, _width((statistic.low, statistic.high))
        case Normal():
            return LINKS[statistic.link]
        case Mapped():
            return 0.0, 1.0 if statistic.by == "f1" else None
        case Replicates():
            return statistic.ends
        case Extreme():
            return _of_several(statistic)


def _of_several(s: Extreme) -> Ends:
    """Return the ends of the largest of several values, or of the largest minus the smallest."""
    each = [ends(part) for part in s.each]
    lows, highs = [low for low, _ in each], [high for _, high in each]
    known_lows, known_highs = [v for v in lows if v is not None], [v for v in highs if v is not None]
    high = max(known_highs) if known_highs and len(known_highs) == len(highs) else None
    if s.of == "largest":
        return (max(known_lows) if known_lows else None), high
    return 0.0, _width((min(known_lows) if len(known_lows) == len(lows) else None, high))


def _width(pair: Ends) -> float | None:
    """Return how far apart two ends lie, None where one is not known."""
    low, high = pair
    return None if low is None or high is None else high - low
