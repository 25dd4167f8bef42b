"""reports.charts, curves and marks: what is drawn lies where the numbers say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence import Column, Table
from reports import charts, curves, patches, plotted
from reports.grids import Context
from reports.marks import Scale, around, round_step, steps


def _floats(svg: str, tag: str, kind: str, *names: str) -> list[tuple[float, ...]]:
    found = []
    for element in re.findall(rf'<{tag} class="{kind}"[^>]*>', svg):
        found.append(tuple(float(re.search(rf' {n}="([-\d.]+)%', element)[1]) for n in names))  # type: ignore[index]
    return found


def _judged(make, **given):
    r = make.rule("A", "accuracy.overall.accuracy", **given)
    return make.decide(r, make.find(make.accuracy(), "accuracy"), "PASS")


@given(st.floats(-50, 50), st.floats(0.001, 50))
def test_axis_holds_its_values_with_round_ends(low, width):
    ends = around((low, low + width))
    assert ends[0] <= low and low + width <= ends[1]
    ticks = steps(*ends)
    assert 2 <= len(ticks) <= 7 and ticks == sorted(ticks)


def test_axis_stays_within_shares():
    assert around((0.004, 0.02))[0] == 0
    assert around((0.9, 0.99))[1] == 1


@given(st.floats(1e-6, 1e6))
def test_round_step(least):
    step = round_step(least)
    assert least * (1 - 1e-9) <= step <= least * 2.51


def test_row_mirrors_at_most(make):
    (low,) = _floats(charts.row(_judged(make, at_least=0.8)), "circle", "dot", "cx")
    (high,) = _floats(charts.row(_judged(make, at_most=0.8)), "circle", "dot", "cx")
    assert low[0] > 50 > high[0]
    assert low[0] - 50 == pytest.approx(50 - high[0], abs=0.01)


def test_row_without_estimate_is_a_dotted_lane(make):
    d = next(d for d in make.failing().decisions if d.rule.id == "F3")
    svg = charts.row(d)
    assert 'class="none"' in svg and "<circle" not in svg


def test_card_shades_the_side_that_passes(make):
    for given_, side in (({"at_least": 0.8}, 1), ({"at_most": 0.8}, -1)):
        svg = charts.card(_judged(make, **given_), "Accuracy")
        ((x, width),) = _floats(svg, "rect", "zone", "x", "width")
        (limit,), *_ = _floats(svg, "line", "lim", "x1")
        assert x == pytest.approx(limit if side > 0 else 4, abs=0.02)
        assert x + width == pytest.approx(96 if side > 0 else limit, abs=0.02)


def test_card_says_itself_in_a_sentence(make):
    svg = charts.card(_judged(make, at_least=0.8), "Accuracy")
    assert 'role="img"' in svg and "Accuracy 0.896 [0.876, 0.915]" in svg and "at least 0.80" in svg


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [
        (0.1, 0.2, "below"),
        (0.4, 0.5, "above"),
        (0.3, 0.5, "above"),
        (0.2, 0.4, "can’t tell"),
        (None, 0.5, "can’t tell"),
    ],
)
def test_side_of_the_line(low, high, side):
    assert charts.against(low, high, 0.3) == side


def test_curve_points_and_limits():
    points = (curves.Point(0, 0.8, 0.7, 0.9), curves.Point(0.1, 0.4, 0.3, 0.5))
    svg = curves.curves(
        [curves.Series("a", points)],
        x_title="eps",
        y_title="accuracy",
        label="said",
        marks=[curves.Mark(0.1, 0.5, "at least 0.50")],
        hollow=True,
    )
    dots = _floats(svg, "circle", "dot hol", "cx", "cy")
    assert dots[0][0] < dots[1][0] and dots[0][1] < dots[1][1]  # right, and lower on the page
    assert dots[1][1] - dots[0][1] == pytest.approx((86 - 9) * 0.4, abs=0.02)
    assert "at least 0.50" in svg and svg.count('class="brk"') == 1


def test_reliability_diagonal_and_histogram():
    svg = curves.reliability([curves.Point(0.5, 0.5, 0.4, 0.6)], x_title="p", label="said")
    ((cx, cy),) = _floats(svg, "circle", "dot", "cx", "cy")
    ((x1, x2, y1, y2),) = _floats(svg, "line", "diag", "x1", "x2", "y1", "y2")
    assert (cx, cy) == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2), abs=0.02)
    bars = _floats(curves.histogram([(0, 0.5, 10), (0.5, 1, 5)], label="said"), "rect", "bar", "height")
    assert bars[0][0] == pytest.approx(2 * bars[1][0])


def test_scale_clips():
    assert Scale(0, 1).at(7) == 96 and Scale(0, 1).at(-7) == 4


def test_lines_with_the_same_ends_are_named_where_they_are_apart():
    down = curves.Series(
        "falls early", tuple(curves.Point(x / 4, v) for x, v in enumerate((1, 0.2, 0, 0, 0)))
    )
    other = curves.Series(
        "falls late", tuple(curves.Point(x / 4, v) for x, v in enumerate((1, 1, 0.9, 0.8, 0)))
    )
    up = curves.Series("rises", tuple(curves.Point(x / 4, v) for x, v in enumerate((0, 0, 0.5, 1, 1))))
    drawn = str(curves.curves((down, other, up), x_title="x", y_title="y", label="l"))
    kinds = r'<text class="lb" x="([\d.]+)%" y="([\d.]+)%" dy="([^"]+)" text-anchor="middle">([^<]+)'
    found = {words: (float(x), float(y), dy) for x, y, dy, words in re.findall(kinds, drawn)}
    assert set(found) == {"falls early", "falls late", "rises"}
    assert all(curves.LEFT + 12 < x < curves.RIGHT - 12 for x, *_ in found.values())
    x, y, side = found["falls late"]  # above all others at a quarter of the way
    assert (x, y, side) == (30.5, curves.TOP, "-.9em")
    assert found["rises"][2] == "1.7em"  # beneath the nearest line at the middle
    assert down.at(0.125) == 0.6 and down.at(-1) == 1 and down.at(9) == 0


def test_a_curve_beside_one_with_the_same_ends_says_where_they_are_furthest_apart():
    rows = [(name, x, v, v, v) for name, vs in (("mine", (1.0, 0.2, 0.1)), ("random", (1.0, 0.7, 0.1)))
            for x, v in zip((0.0, 0.5, 1.0), vs, strict=True)]  # fmt: skip
    columns = [
        Column(name=n, label=n, kind="text" if n == "series" else "number")
        for n in ("series", "x", "value", "low", "high")
    ]
    table = Table(name="t", title="Taken away", kind="curve", columns=tuple(columns), rows=tuple(rows))
    (block,) = plotted.curve(
        table, [dict(zip([c.name for c in columns], r, strict=True)) for r in rows], Context()
    )
    assert block.title == "Taken away: at x 0.5, 0.200 (mine) and 0.700 (random)."


def _importance(names):
    columns = [
        Column(name=n, label=n, kind="text" if n == "feature" else "number")
        for n in ("feature", "value", "low", "high")
    ]
    rows = tuple((name, 1.0 + i, 0.5 + i, 1.5 + i) for i, name in enumerate(names))
    table = Table(
        name="importance", title="What it rests on", kind="importance", columns=tuple(columns), rows=rows
    )
    (block,) = plotted.importance(
        table, [dict(zip([c.name for c in columns], r, strict=True)) for r in rows], Context()
    )
    return block


def test_patches_of_an_image_are_a_map_with_their_numbers_in_place():
    names = [f"patch row {i}, column {j}" for i in (1, 2) for j in (1, 2)]
    block = _importance(names)
    (drawn,) = block.pictures
    cells = _floats(str(drawn), "rect", "pt", "x", "y", "width", "height")
    assert cells == [(0, 0, 50, 50), (50, 0, 50, 50), (0, 50, 50, 50), (50, 50, 50, 50)]
    shades = [float(v) for v in re.findall(r'fill-opacity="([.\d]+)"', str(drawn))]
    assert shades == pytest.approx([patches.DARKEST * v / 4 for v in (1, 2, 3, 4)], abs=1e-3)
    assert re.findall(r">([^<]+)</text>", str(drawn))[2:4] == ["2.000", "[1.500, 2.500]"]
    assert (
        block.title == "patch row 2, column 2 weighs most: 4.000 [3.500, 4.500]." and block.folded is not None
    )


@pytest.mark.parametrize(
    "names", [["patch row 1, column 1", "patch row 2, column 2"], ["patch row 1, column 1", "age"]]
)
def test_a_map_with_holes_or_other_features_stays_a_list(names):
    block = _importance(names)
    assert not block.pictures and block.grid is not None
