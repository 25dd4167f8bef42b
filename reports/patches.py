"""Where on an image: the values of its patches as a map."""

from __future__ import annotations

import re
from collections.abc import Iterable

from markupsafe import Markup

from reports import numbers
from reports.grids import Row, known_number, real
from reports.marks import percent, picture, text

NAMED = re.compile(r"patch row (\d+), column (\d+)")
DARKEST = 0.45  # of the accent's colour, so that a number in it stays legible
WIDE = 4  # patches a side up to which each shows its interval
MOST = 8  # patches a side up to which each shows its value


def placed(rows: Iterable[Row]) -> dict[tuple[int, int], Row] | None:
    """Return each row by its patch's place, or None where a feature is no patch or the map has holes."""
    found = {}
    for row in rows:
        named = NAMED.fullmatch(str(row["feature"]))
        if named is None:
            return None
        found[int(named[1]), int(named[2])] = row
    sides = [max(at[i] for at in found) for i in (0, 1)] if found else [0, 0]
    return found if found and len(found) == sides[0] * sides[1] else None


def drawn(places: dict[tuple[int, int], Row], label: str) -> Markup:
    """Return the map: the larger a patch's value in size, the darker, with the value and its interval in it."""
    down, across = max(i for i, _ in places), max(j for _, j in places)
    most = max(abs(known_number(row["value"])) for row in places.values()) or 1.0
    height, width, parts = 100 / down, 100 / across, []
    for (i, j), row in sorted(places.items()):
        x, y, value = (j - 1) * width, (i - 1) * height, known_number(row["value"])
        parts.append(
            Markup('<rect class="pt" x="{}" y="{}" width="{}" height="{}" fill-opacity="{:.3f}"/>').format(
                percent(x), percent(y), percent(width), percent(height), DARKEST * abs(value) / most
            )
        )
        if across > MOST:
            continue
        middle, low, high = x + width / 2, real(row["low"]), real(row["high"])
        parts.append(text("lb", middle, y + height / 2, numbers.number(value), "middle", "0"))
        if across <= WIDE and low is not None and high is not None:
            parts.append(text("pi", middle, y + height / 2, numbers.interval(low, high), "middle", "1.3em"))
    return picture("pts", parts, label)
