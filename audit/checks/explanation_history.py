"""explanation.history: which items of the history a recommendation rests on, and how much on none of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from audit import stats
from audit.attribution.ranks import spearman
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.games.game import draw
from audit.registry import Context, Measure, Options, check
from audit.subject import Split, Subject
from audit.trials import histories

SKEWED, EXACT = "skewness-corrected t", "exact (Clopper-Pearson)"
QUICK = 50  # the most rows that a quick run explains
LEAST = 1e-5  # of the spread of a row's scores: a smaller change is single precision's noise
PLACES = 10  # latest items shown one by one


class HistoryExplanationOptions(Options):
    """What explanation.history explains."""

    k: int = Field(default=10, ge=1, description="length of the lists that are compared")
    rows: int = Field(default=200, ge=2, description="test rows explained, drawn by the seed")


@dataclass(frozen=True, eq=False)
class _Explained:
    """The rows, each step's change[n, window] of the first item's margin, and the overlap[n] of two other lists."""

    rows: Split
    change: np.ndarray
    without_any: np.ndarray
    latest_alone: np.ndarray


@check(
    "explanation.history",
    area="explanation",
    title="What recommendations rest on",
    needs=("catalogue", "function"),
    tasks=("ranking",),
    measures=(
        Measure("unmoved", "neither", "Share of rows where no deletion moves the first item's score.", EXACT),
        Measure(
            "latest_share",
            "neither",
            "Mean share of the latest item in all that single deletions change of the first item's score.",
            SKEWED,
        ),
        Measure("even_share", "neither", "What that share would be if every item counted alike.", SKEWED),
        Measure(
            "popularity_correlation",
            "neither",
            "Mean rank correlation, within a history, of an item's popularity with what its deletion changes.",
            SKEWED,
            ends=(-1, 1),
        ),
        Measure(
            "overlap_without_history",
            "neither",
            "Mean share of the list that is shown to an empty history too: what rests on no item of it.",
            SKEWED,
        ),
        Measure(
            "overlap_latest_alone",
            "neither",
            "Mean share of the list that the latest item alone gives.",
            SKEWED,
        ),
    ),
)
def explanation_history(subject: Subject, options: HistoryExplanationOptions, ctx: Context) -> Findings:
    """Return how the score of the first item shown rests on the history, by deleting each of its items alone.

    What is explained is the first item's score minus the mean score of all items, which no constant moves. A
    deletion's size is the change of it (leave-one-out), which splits nothing between items that stand in for each
    other: two films of one series may both show little. Rows with one item or none, or that nothing moves, have no
    shares.
    """
    found = _explain(subject, options, ctx)
    rows, history = found.rows, found.rows.x["history"]
    size = np.abs(found.change)
    moved, long = size.sum(axis=1) != 0, histories.lengths(history) > 1
    share = size[moved & long] / size[moved & long].sum(axis=1, keepdims=True)
    cluster = None if rows.cluster is None else rows.cluster[moved & long]
    even = 1.0 / np.maximum(histories.lengths(history), 1)
    alike, known = _popularity(subject, history, size, moved & long)
    unmoved = stats.rate(~moved, cluster=rows.cluster)
    measurements = (
        _of("unmoved", "Rows that no deletion moves", unmoved),
        _of("latest_share", "Share of the latest item", _mean(share[:, -1], cluster)),
        _of("even_share", "Share of one item if all counted alike", _mean(even[moved & long], cluster)),
        _of(
            "popularity_correlation",
            "Rank correlation of popularity and change",
            _mean(alike, None if rows.cluster is None else rows.cluster[known], -1.0),
        ),
        _of("overlap_without_history", "Overlap with no history", _mean(found.without_any, rows.cluster)),
        _of("overlap_latest_alone", "Overlap with the latest alone", _mean(found.latest_alone, rows.cluster)),
    )
    return Findings(
        measurements=measurements,
        tables=(_table(share, cluster),) if len(share) else (),
        not_measured=tuple(_not_measured(len(rows))),
        cost={"forward": len(rows) * (3 + history.shape[1])},
    )


def _explain(subject: Subject, options: HistoryExplanationOptions, ctx: Context) -> _Explained:
    """Delete every item of some rows' histories alone, and all of them, and all but the latest."""
    rows = draw(subject.data.test, min(options.rows, QUICK) if ctx.quick else options.rows, ctx.seed)
    history, model = rows.x["history"], subject.model
    whole = histories.listed(model, rows, history, options.k)
    first = whole.top[:, 0]
    least = LEAST * whole.scores.std(axis=1)
    change = np.zeros(history.shape)
    for step in range(history.shape[1]):
        gone = np.zeros(history.shape, bool)
        gone[:, step] = history[:, step] > 0
        if gone.any():
            after = histories.listed(model, rows, histories.without(history, gone), options.k)
            moved = _margin(whole.scores, first) - _margin(after.scores, first)
            change[:, step] = np.where(gone[:, step] & ~(np.abs(moved) <= least), moved, 0.0)
        ctx.tick(step + 1, history.shape[1])
    empty = histories.listed(model, rows, np.zeros_like(history), options.k)
    alone = np.concatenate([np.zeros_like(history[:, 1:]), history[:, -1:]], axis=1)
    latest = histories.listed(model, rows, alone, options.k)
    return _Explained(
        rows, change, histories.overlap(whole.top, empty.top), histories.overlap(whole.top, latest.top)
    )


def _margin(scores: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return a column's score[n] minus the mean of its row."""
    own = np.take_along_axis(scores, np.maximum(column, 0)[:, None], axis=1)[:, 0]
    return own.astype(np.float64) - scores.mean(axis=1, dtype=np.float64)


def _popularity(
    subject: Subject, history: np.ndarray, size: np.ndarray, among: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank correlations of popularity and change, and the rows that have one."""
    counts = np.r_[0, histories.catalogue_of(subject).counts].astype(np.float64)
    known, found = [], []
    for i in np.flatnonzero(among):
        real = history[i] > 0
        one = float(spearman(counts[history[i][real]][None], size[i][real][None])[0])
        if np.isfinite(one):
            known.append(i)
            found.append(min(max(one, -1.0), 1.0))
    return np.array(found, np.float64), np.array(known, np.int64)


def _mean(values: np.ndarray, cluster: np.ndarray | None, low: float = 0.0) -> Estimate:
    """Return the bounded mean of numbers from low to 1."""
    return stats.mean(values, cluster=cluster, low=low, high=1.0)


def _of(name: str, label: str, estimate: Estimate) -> Measurement:
    """Return a measurement of the rows explained."""
    return Measurement(name=name, label=label, estimate=estimate)


def _table(share: np.ndarray, cluster: np.ndarray | None) -> Table:
    """Return the mean share of each of the latest items, and of all before them."""
    width = share.shape[1]
    heads = {_nth(place): share[:, width - place] for place in range(1, min(PLACES, width) + 1)}
    if width > PLACES:
        heads["all before them"] = share[:, : width - PLACES].sum(axis=1)
    rows = []
    for name, values in heads.items():
        e = _mean(np.clip(values, 0.0, 1.0), cluster)
        rows.append((name, float(values.mean()), e.low, e.high))
    columns = (
        Column(name="feature", label="Item of the history", kind="text"),
        Column(name="value", label="Share"),
        Column(name="low", label="95 % low"),
        Column(name="high", label="95 % high"),
    )
    title = "Share of what single deletions change, by place in the history"
    note = f"Means over {len(share):,} rows that a deletion moves and whose history has two items or more."
    return Table(name="places", title=title, kind="importance", columns=columns, rows=tuple(rows), note=note)


def _not_measured(rows: int) -> Iterator[str]:
    """Yield what no figure here says."""
    yield f"Rows other than the {rows:,} explained, and items shown below the first."
    yield "What items do together: each is deleted alone, so items that stand in for each other show little."
    yield "Why the model learned it: a deletion tells what the score rests on, not whether that is right."


def _nth(place: int) -> str:
    """Return the name of the item at a place from the end, 1 the latest."""
    ending = {2: "nd", 3: "rd"}.get(place, "th")
    return "Latest" if place == 1 else f"{place}{ending} latest"
