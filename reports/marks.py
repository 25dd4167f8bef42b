"""The strokes that every chart is drawn with: scales, ticks and SVG elements in percent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from reports import numbers


@dataclass(frozen=True)
class Scale:
    """A linear map from values [low, high] to percent of the picture [start, end], clipped."""

    low: float
    high: float
    start: float = 4.0
    end: float = 96.0

    def at(self, value: float) -> float:
        """Return the percent at which a value lies."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def steps(low: float, high: float, most: int = 6) -> list[float]:
    """Return at most `most` round values from low to high, both included when they are round."""
    step = round_step((high - low) / max(most - 1, 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def round_step(least: float) -> float:
    """Return the smallest of 1, 2, 2.5, 5 times a power of ten that is at least this."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= least * (1 - 1e-9))


def around(values: Iterable[float | None], *, pad: float = 0.3) -> tuple[float, float]:
    """Return round ends of an axis that holds the values with some air, never past 0 or 1 without need."""
    known = [v for v in values if v is not None]
    low, high = min(known), max(known)
    air = pad * (high - low) or 0.1 * abs(high) or 0.1
    step = round_step((high - low + 2 * air) / 4)
    down, up = math.floor((low - air) / step + 1e-9) * step, math.ceil((high + air) / step - 1e-9) * step
    down = max(down, 0.0) if low >= 0 else down
    up = min(up, 1.0) if high <= 1 else up
    return round(down, 10), round(up, 10)


def percent(x: float) -> str:
    """Return a coordinate: '12.5%'."""
    return f"{x:.2f}".rstrip("0").rstrip(".") + "%"


def line(kind: str, x1: float, x2: float, y1: float, y2: float) -> Markup:
    """Return a line of a CSS class."""
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        kind, percent(x1), percent(x2), percent(y1), percent(y2)
    )


def rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    """Return a rectangle of a CSS class; a negative width is nothing."""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        kind, percent(x), percent(y), percent(max(width, 0)), percent(max(height, 0))
    )


def dot(x: float, y: float, kind: str = "dot") -> Markup:
    """Return a dot; the r attribute is for browsers that don't take it from CSS."""
    return Markup('<circle class="{}" cx="{}" cy="{}" r="4"/>').format(kind, percent(x), percent(y))


def text(kind: str, x: float, y: float, words: str, anchor: str = "middle", dy: str = "0") -> Markup:
    """Return a label."""
    return Markup('<text class="{}" x="{}" y="{}" dy="{}" text-anchor="{}">{}</text>').format(
        kind, percent(x), percent(y), dy, anchor, numbers.visible(words)
    )


def picture(kind: str, parts: Iterable[Markup], label: str = "") -> Markup:
    """Return an SVG without viewBox: with a label an image of that sentence, without one decoration."""
    body = Markup("").join(parts)
    if label:
        return Markup('<svg class="{}" role="img" aria-label="{}">{}</svg>').format(
            kind, numbers.visible(label), body
        )
    return Markup('<svg class="{}" aria-hidden="true">{}</svg>').format(kind, body)


def whiskers(
    scale: Scale, low: float | None, high: float | None, y: float, *, caps: float = 0
) -> list[Markup]:
    """Return a horizontal interval; an absent bound runs to the scale's end."""
    if low is None and high is None:
        return []
    a = scale.at(scale.low if low is None else low)
    b = scale.at(scale.high if high is None else high)
    ends = [line("wh", x, x, y - caps, y + caps) for x in (a, b)] if caps else []
    return [line("wh", a, b, y, y), *ends]
