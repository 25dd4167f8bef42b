"""Charts with two axes as inline SVG: curves over a radius or epochs, reliability diagrams, histograms."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from reports import numbers
from reports.marks import Scale, around, dot, line, percent, picture, rect, steps, text

LEFT, RIGHT, TOP, FLOOR = 8.0, 98.0, 9.0, 86.0
NEAR = 6.0  # hundredths of the height that two names need


@dataclass(frozen=True)
class Point:
    """A value at x with its interval."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A named line of points, in order of x."""

    name: str
    points: tuple[Point, ...]

    def at(self, x: float) -> float:
        """Return the line's height at x, that of its end beyond an end."""
        place = bisect(self.points, x, key=lambda p: p.x)
        if place in (0, len(self.points)):
            return self.points[min(place, len(self.points) - 1)].value
        a, b = self.points[place - 1], self.points[place]
        return a.value + (b.value - a.value) * (x - a.x) / (b.x - a.x)


@dataclass(frozen=True)
class Mark:
    """A judged place: at x, the limit asked there."""

    x: float
    limit: float
    words: str


def curves(
    series: Iterable[Series],
    *,
    x_title: str,
    y_title: str,
    label: str,
    marks: Iterable[Mark] = (),
    dots: bool = True,
    hollow: bool = False,
) -> Markup:
    """Return lines over x with their 95 % bands, direct labels, and the limits where they are judged."""
    lines = [s for s in series if s.points]
    marks = list(marks)
    x, y = _x_scale(lines), _y_scale(lines, marks)
    parts = _frame(x, y, x_title, y_title)
    parts.append(_inside(lines, x, y))
    for mark in marks:
        at = y.at(mark.limit)
        parts += [line("cut", x.at(mark.x), x.at(mark.x), FLOOR, TOP)]
        parts += [line("lim", x.at(mark.x) - 2.5, x.at(mark.x) + 2.5, at, at)]
        parts += [_beside("lb", x.at(mark.x), at, mark.words, ".35em", 3)]
    if dots:
        for s in lines:
            for p in s.points:
                parts += _point(p, x, y, "dot hol" if hollow else "dot")
    parts += _names(lines, x, y)
    return picture("xy", parts, label)


def _x_scale(lines: list[Series]) -> Scale:
    """Return the scale over every x."""
    xs = [p.x for s in lines for p in s.points]
    low, high = min(xs), max(xs)
    return Scale(low, high if high > low else low + 1, LEFT, RIGHT)


def _y_scale(lines: list[Series], marks: list[Mark]) -> Scale:
    """Return 0 to 1 for shares that spread, else round ends; downward, since SVG's y grows downward."""
    values = [v for s in lines for p in s.points for v in (p.value, p.low, p.high) if v is not None]
    values += [m.limit for m in marks]
    low, high = min(values), max(values)
    ends = (0.0, 1.0) if low >= 0 and high <= 1 and high - low > 0.4 else around((low, high), pad=0.15)
    return Scale(*ends, FLOOR, TOP)


def _frame(x: Scale, y: Scale, x_title: str, y_title: str) -> list[Markup]:
    """Return the horizontal grid, both axes' labels and titles."""
    parts = [text("tk ax", LEFT - 8, 0, y_title, "start", ".8em")]
    for at in steps(y.low, y.high):
        parts += [line("grid", LEFT, RIGHT, y.at(at), y.at(at))]
        parts += [text("tk", LEFT - 1, y.at(at), numbers.tick(at), "end", ".35em")]
    parts.append(line("axis", LEFT, RIGHT, FLOOR, FLOOR))
    parts += [
        text("tk", x.at(at), FLOOR, numbers.tick(at), "middle", "1.35em") for at in steps(x.low, x.high)
    ]
    return [*parts, text("tk ax", (LEFT + RIGHT) / 2, FLOOR, x_title, "middle", "2.9em")]


def _inside(lines: list[Series], x: Scale, y: Scale) -> Markup:
    """Return the stretched inner picture: bands, then lines."""
    bands = [Markup('<path class="brk" d="{}"/>').format(path) for s in lines if (path := _band(s, x, y))]
    strokes = [
        Markup('<path class="ln l{}" d="{}"/>').format(i % 4, _path([(p.x, p.value) for p in s.points], x, y))
        for i, s in enumerate(lines)
    ]
    return Markup(
        '<svg x="{}" y="{}" width="{}" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">{}</svg>'
    ).format(
        percent(LEFT),
        percent(TOP),
        percent(RIGHT - LEFT),
        percent(FLOOR - TOP),
        Markup("").join([*bands, *strokes]),
    )


def _path(points: list[tuple[float, float]], x: Scale, y: Scale) -> str:
    """Return a path through points, in thousandths of the inner picture."""
    spots = [
        f"{(x.at(a) - LEFT) / (RIGHT - LEFT) * 1000:.0f} {(y.at(b) - TOP) / (FLOOR - TOP) * 1000:.0f}"
        for a, b in points
    ]
    return "M" + "L".join(spots)


def _band(series: Series, x: Scale, y: Scale) -> str:
    """Return the outline between the lower and upper bounds, where every point has both."""
    points = series.points
    if len(points) < 2 or any(p.low is None or p.high is None for p in points):
        return ""
    up = [(p.x, p.high) for p in points if p.high is not None]
    down = [(p.x, p.low) for p in reversed(points) if p.low is not None]
    return _path(up + down, x, y) + "Z"


def _point(p: Point, x: Scale, y: Scale, kind: str) -> list[Markup]:
    """Return a point with its vertical interval."""
    at = x.at(p.x)
    bar = [] if p.low is None or p.high is None else [line("wh", at, at, y.at(p.low), y.at(p.high))]
    return [*bar, dot(at, y.at(p.value), kind)]


def _names(lines: list[Series], x: Scale, y: Scale) -> list[Markup]:
    """Return each line's name at its end: the lowest line's below it, the others' above, kept apart."""
    if len(lines) < 2:
        return []
    ends = sorted((y.at(s.points[-1].value), x.at(s.points[-1].x), s.name) for s in lines)
    if any(below[0] - above[0] < NEAR for above, below in pairwise(ends)):
        return [_in_the_open(s, [o for o in lines if o is not s], x, y) for s in lines]
    parts, last = [], -100.0
    for i, (at, right, name) in enumerate(ends):
        last = at = max(at, last + NEAR)
        dy = "1.7em" if i == len(ends) - 1 else "-.9em"
        parts.append(_beside("lb", right, at, numbers.name(name, 28), dy, 0))
    return parts


def _in_the_open(series: Series, others: list[Series], x: Scale, y: Scale) -> Markup:
    """Return a line's name where the line is furthest from all others, on the side away from the nearest."""
    inner = [p for p in series.points if LEFT + 12 < x.at(p.x) < RIGHT - 12] or list(series.points)

    def nearest(p: Point) -> float:
        return min((y.at(p.value) - y.at(o.at(p.x)) for o in others), key=abs)

    p = max(inner, key=lambda p: abs(nearest(p)))
    at = y.at(p.value)
    below = nearest(p) > 0 and at < FLOOR - NEAR
    return text("lb", x.at(p.x), at, numbers.name(series.name, 28), "middle", "1.7em" if below else "-.9em")


def _beside(kind: str, x: float, y: float, words: str, dy: str, gap: float) -> Markup:
    """Return a label right of x, or left of it near the right edge."""
    return text(kind, x - gap, y, words, "end", dy) if x > 60 else text(kind, x + gap, y, words, "start", dy)


def reliability(bins: Iterable[Point], *, x_title: str, label: str) -> Markup:
    """Return observed over stated frequency, with intervals and the diagonal of a calibrated model."""
    x, y = Scale(0, 1, LEFT + 2, RIGHT - 1), Scale(0, 1, FLOOR, TOP)
    parts = []
    for at in steps(0, 1):
        parts += [line("grid", x.start, x.end, y.at(at), y.at(at))]
        parts += [text("tk", x.start - 1, y.at(at), numbers.tick(at), "end", ".35em")]
        parts += [text("tk", x.at(at), FLOOR, numbers.tick(at), "middle", "1.35em")]
    parts += [line("axis", x.start, x.end, FLOOR, FLOOR), line("diag", x.start, x.end, FLOOR, TOP)]
    parts += [text("tk ax", 0, 0, "observed frequency", "start", ".8em")]
    parts += [text("tk ax", (x.start + x.end) / 2, FLOOR, x_title, "middle", "2.9em")]
    for p in bins:
        parts += _point(p, x, y, "dot")
    return picture("xy sq1", parts, label)


def histogram(bars: Iterable[tuple[float, float, float]], *, label: str) -> Markup:
    """Return the rows of each bin (lower, upper, n) under a reliability diagram."""
    bars = list(bars)
    x, most = Scale(0, 1, LEFT + 2, RIGHT - 1), max((n for *_, n in bars), default=0) or 1
    parts = [line("axis", x.start, x.end, 92, 92), text("tk", x.start - 1, 92, "0", "end", ".1em")]
    parts += [text("tk", x.start - 1, 14, numbers.count(most), "end", ".35em")]
    for low, high, n in bars:
        tall = 78 * n / most
        parts.append(rect("bar", x.at(low) + 0.15, 92 - tall, x.at(high) - x.at(low) - 0.3, tall))
    return picture("xy hist", [*parts, text("tk", x.end, 8, "rows in each bin", "end")], label)
