"""Tables that are drawn: curves, losses, reliability, importance, confusion."""

from __future__ import annotations

from audit.evidence import Table
from reports import charts, curves, numbers, patches, phrases
from reports.grids import (
    Block,
    Cell,
    Context,
    Grid,
    Line,
    Row,
    as_grid,
    by,
    caption_of,
    head,
    headline,
    known_number,
    plain,
    real,
    value_cell,
)
from reports.marks import Scale, around

MOST_FEATURES = 25
MOST_CLASSES = 20
MOST_ERRORS = 20


def curve(table: Table, rows: list[Row], context: Context) -> list[Block]:
    """Return lines over x, one per series."""
    whole = [r for r in rows if real(r["value"]) is not None and real(r["x"]) is not None]
    series = [
        curves.Series(name, tuple(sorted((_as_point(r, "x") for r in of), key=lambda p: p.x)))
        for name, of in by(whole, "series").items()
    ]
    if not series:
        return plain(table, rows, context)
    labels = {c.name: c.label for c in table.columns}
    title = _fall(headline(table), series, labels["x"])
    picture = curves.curves(
        series,
        x_title=numbers.name(labels["x"]),
        y_title=numbers.name(labels["value"]),
        label=f"{title} The numbers are in the table below the figure.",
        marks=_marks(context, series),
        hollow=context.attacked,
    )
    read = "Hollow circles: what an attack leaves, an upper bound of the truth." if context.attacked else ""
    caption = caption_of(read, "Band: 95\u00a0% intervals.", table.note)
    return [Block("Figure", title, caption, None, (picture,), as_grid(table))]


def _as_point(row: Row, x: str) -> curves.Point:
    """Return a row as a point."""
    return curves.Point(known_number(row[x]), known_number(row["value"]), real(row["low"]), real(row["high"]))


def _fall(what: str, series: list[curves.Series], x: str) -> str:
    """Return from where to where the lowest line runs, or where it is furthest from one with the same ends."""
    s = min(series, key=lambda s: s.points[-1].value)
    a, b = s.points[0], s.points[-1]
    who = f", {numbers.name(s.name, 40)}" if len(series) > 1 else ""
    x = numbers.name(x, 30)
    x = x[:1].lower() + x[1:] if x[1:2].islower() else x
    twins = [t for t in series if t is not s and _ends(t) == _ends(s) and len(t.points) > 2]
    if twins:
        at = max(s.points, key=lambda p: abs(p.value - twins[0].at(p.x)))
        return (
            f"{what}: at {x} {_at(at.x)}, {numbers.number(at.value)} ({numbers.name(s.name, 40)}) "
            f"and {numbers.number(twins[0].at(at.x))} ({numbers.name(twins[0].name, 40)})."
        )
    return (
        f"{what}{who}: {numbers.number(a.value)} at {x} {_at(a.x)}, "
        f"{numbers.number(b.value)} at {x} {_at(b.x)}."
    )


def _at(x: float) -> str:
    """Return a place on the axis, at three significant digits where it has many."""
    return phrases.radius(x if len(f"{x:g}") < 7 else float(f"{x:.3g}"))


def _ends(series: curves.Series) -> tuple[float, float]:
    """Return a line's first and last value."""
    return series.points[0].value, series.points[-1].value


def _marks(context: Context, series: list[curves.Series]) -> list[curves.Mark]:
    """Return the radii at which accuracy is judged."""
    low = min(p.x for s in series for p in s.points)
    high = max(p.x for s in series for p in s.points)
    marks = []
    for d in context.decisions:
        eps = (d.where or d.rule.where).get("eps")
        if d.rule.name == "robust_accuracy" and isinstance(eps, (int, float)) and low <= eps <= high:
            marks.append(curves.Mark(float(eps), d.rule.limit, numbers.asked(d.rule)))
    return list(dict.fromkeys(marks))


def loss(table: Table, rows: list[Row], context: Context) -> list[Block]:
    """Return the training and validation loss by epoch."""
    series = []
    for name in ("train", "validation"):
        points = [
            curves.Point(known_number(r["epoch"]), value)
            for r in rows
            if (value := real(r.get(name))) is not None
        ]
        series += [curves.Series(name, tuple(points))] if points else []
    if not series:
        return plain(table, rows, context)
    title = _loss_said(series)
    picture = curves.curves(
        series,
        x_title="epoch",
        y_title="loss",
        dots=False,
        label=f"{title} The numbers are in the table below the figure.",
    )
    return [Block("Figure", title, caption_of(table.note), None, (picture,), as_grid(table))]


def _loss_said(series: list[curves.Series]) -> str:
    """Return where the losses ended and where the last one was lowest."""
    ends = ", ".join(f"{s.name} {numbers.number(s.points[-1].value)}" for s in series)
    last = series[-1]
    best = min(last.points, key=lambda p: p.value)
    epochs = numbers.plural(last.points[-1].x, "epoch")
    return f"Loss after {epochs}: {ends}; {last.name} was lowest at epoch {best.x:g}."


def reliability(table: Table, rows: list[Row], context: Context) -> list[Block]:
    """Return observed against stated frequency by bin, and the rows in each bin."""
    bins = [r for r in rows if real(r["confidence"]) is not None and real(r["accuracy"]) is not None]
    points = [
        curves.Point(
            known_number(r["confidence"]), known_number(r["accuracy"]), real(r["low"]), real(r["high"])
        )
        for r in bins
    ]
    inside = sum(p.low is not None and p.high is not None and p.low <= p.x <= p.high for p in points)
    title = f"In {inside} of {numbers.plural(len(points), 'bin')} the interval holds the stated frequency."
    if not points:
        return plain(table, rows, context)
    said = f"Reliability diagram. {title} The numbers are in the table below the figure."
    bars = [(known_number(r["lower"]), known_number(r["upper"]), real(r["n"]) or 0) for r in rows]
    pictures = [curves.reliability(points, x_title="stated probability", label=said)]
    if _even(bars):
        label = f"Rows in each of {len(bars)} bins of stated probability."
        pictures.append(curves.histogram(bars, label=label))
    counts = [n for *_, n in bars]
    total = numbers.plural(sum(counts), "row")
    spread = f"{numbers.count(min(counts))} to {numbers.count(max(counts))} a bin"
    read = f"{headline(table)}. {total}, {spread}; 95\u00a0% intervals. On the diagonal stated and observed agree."
    return [Block("Figure", title, caption_of(read, table.note), None, tuple(pictures), as_grid(table))]


def _even(bars: list[tuple[float, float, float]]) -> bool:
    """Tell whether bins are equally wide, so that their heights may be compared."""
    widths = [high - low for low, high, _ in bars]
    return max(widths) - min(widths) < 1e-6


def importance(table: Table, rows: list[Row], context: Context) -> list[Block]:
    """Return the largest values with a dot and interval each; the rest are counted."""
    known = sorted(
        (r for r in rows if real(r["value"]) is not None),
        key=lambda r: -abs(known_number(r["value"])),
    )
    if not known:
        return plain(table, rows, context)
    top = known[:MOST_FEATURES]
    ends = [v for r in top for v in (real(r["value"]), real(r["low"]), real(r["high"])) if v is not None]
    scale = Scale(*around((0.0, *ends), pad=0.02), 1, 99)
    lines = tuple(
        Line(
            (
                Cell(str(r["feature"]), css="c-nm"),
                value_cell(r["value"], r["low"], r["high"]),
                Cell(
                    css="c-b",
                    svg=charts.dot_row(scale, known_number(r["value"]), real(r["low"]), real(r["high"])),
                ),
            )
        )
        for r in top
    )
    labels = {c.name: c.label for c in table.columns}
    heads = (head(labels["feature"]), head(labels["value"], "num"), head("", "c-b", charts.axis_row(scale)))
    first = top[0]
    value, interval = (
        numbers.number(real(first["value"])),
        numbers.interval(real(first["low"]), real(first["high"])),
    )
    most = "weighs most" if table.name == "importance" else "comes first"
    title = f"{numbers.name(first['feature'])} {most}: {value} {interval}."
    rest = len(known) - len(top)
    more = f"The {MOST_FEATURES} largest of {numbers.count(len(known))}." if rest else ""
    caption = caption_of(f"{headline(table)}.", "With 95\u00a0% intervals.", more, table.note)
    grid = Grid(heads, lines, "imp stack", ("nm", "v", ""))
    places = None if rest else patches.placed(known)
    if places:
        shown = patches.drawn(places, f"{title} The numbers are in the table below the figure.")
        return [
            Block("Figure", title, caption_of("A map of the image.", caption), None, (shown,), as_grid(table))
        ]
    return [Block("Figure", title, caption, grid, folded=as_grid(table) if rest else None)]


def matrix(table: Table, rows: list[Row], context: Context) -> list[Block]:
    """Return a confusion matrix, or its most frequent errors where there are many classes."""
    classes = [c.label for c in table.columns[1:]]
    errors = [
        (known_number(x), str(row[0]), classes[j])
        for i, row in enumerate(table.rows)
        for j, x in enumerate(row[1:])
        if i != j and real(x)
    ]
    errors.sort(key=lambda e: -e[0])
    title = "No row is taken for another class."
    if errors:
        n, true, taken = errors[0]
        pair = f"{numbers.name(true, 40)} taken for {numbers.name(taken, 40)}"
        title = f"The most frequent error: {pair}, {numbers.plural(n, 'row')}."
    caption = caption_of(f"{headline(table)}.", table.note)
    if len(classes) <= MOST_CLASSES:
        return [Block("Table", title, caption, as_grid(table))]
    heads = (head("True class"), head("Taken for"), head("Rows", "num"))
    lines = tuple(
        Line((Cell(t), Cell(p), Cell(numbers.count(n), css="num"))) for n, t, p in errors[:MOST_ERRORS]
    )
    kept = (
        f"{len(classes)} classes: the {len(lines)} most frequent errors; the whole matrix is in the record."
    )
    return [Block("Table", title, caption_of(caption, kept), Grid(heads, lines))]
