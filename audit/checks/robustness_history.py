"""robustness.history: how much of a list of recommendations stays when a little of the history is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Findings, Measurement
from audit.games.game import draw
from audit.metrics import ranking
from audit.registry import Context, Measure, Options, check
from audit.subject import Split, Subject
from audit.trials import histories

SKEWED = "skewness-corrected t"
QUICK = 50  # the most rows whose every single deletion a quick run tries
Positive = Annotated[int, Field(ge=1)]
Change = Literal["drop", "replace"]
CHANGES: tuple[Change, ...] = ("drop", "replace")


class HistoryRobustnessOptions(Options):
    """How robustness.history changes histories."""

    k: int = Field(default=10, ge=1, description="length of the lists that are compared")
    changes: tuple[Change, ...] = Field(
        default=("drop", "replace"),
        min_length=1,
        description="items are taken out, or replaced by unseen ones",
    )
    items: tuple[Positive, ...] = Field(
        default=(1, 3), min_length=1, description="how many items of a history are changed"
    )
    worst_rows: int = Field(
        default=200,
        ge=0,
        description="rows, drawn by the seed, of which every single deletion is tried; 0: none",
    )


@check(
    "robustness.history",
    area="robustness",
    title="Recommendations under small changes of the history",
    broken="counted",
    needs=("catalogue", "function"),
    tasks=("ranking",),
    measures=(
        Measure("overlap", "higher", "Mean share of a list that is still shown after the change.", SKEWED),
        Measure(
            "ndcg_drop",
            "lower",
            "Mean NDCG before the change minus after it.",
            f"{SKEWED}, of the rows' differences",
            ends=(-1, 1),
        ),
        Measure(
            "worst_single_overlap",
            "higher",
            "Mean over rows of the least share of the list that stays, whichever one item is taken out.",
            SKEWED,
        ),
    ),
)
def robustness_history(subject: Subject, options: HistoryRobustnessOptions, ctx: Context) -> Findings:
    """Return how much of the lists stays, and what NDCG loses, when a few items of the history go or are others.

    Which items change is drawn for each row by its id; a replacement is drawn evenly from the items that the row has
    neither seen nor taken next. The candidates stay those of the unchanged row. A row counts where an item is left.
    The worst single deletion is found by trying every one, so it is the truth of these rows and not a bound.
    """
    test = subject.data.test
    before = histories.judged(subject, options.k)
    measurements: list[Measurement] = []
    numbers = sorted(set(options.items))
    asked: list[tuple[Change, int]] = [(c, m) for c in CHANGES if c in options.changes for m in numbers]
    for done, (change, number) in enumerate(asked):
        ctx.tick(done, len(asked) + 1)
        enough = histories.lengths(test.x["history"]) > number
        measurements += _changed(subject, before, change, number, enough, options.k, ctx.seed)
    rows = min(options.worst_rows, QUICK) if ctx.quick else options.worst_rows
    tried = 0
    if rows:
        split = draw(test, rows, ctx.seed)
        worst, tried = _worst(subject, split, options.k)
        measurements.append(
            _mean("worst_single_overlap", "Overlap after the worst single deletion", worst, split)
        )
    return Findings(
        measurements=tuple(measurements),
        not_measured=tuple(_not_measured(options)),
        cost={"forward": len(test) * len(asked) + tried},
    )


def _changed(
    subject: Subject,
    before: histories.Listed,
    change: Change,
    number: int,
    enough: np.ndarray,
    k: int,
    seed: int,
) -> Iterator[Measurement]:
    """Yield the overlap and the loss of NDCG of the rows whose history is longer than the change."""
    where: dict[str, str | float | int] = {"change": change, "items": number}
    of = f"{change} {number} item{'s' if number > 1 else ''}"
    rows = subject.data.test.take(np.flatnonzero(enough))
    if not len(rows):
        nothing = stats.not_estimable(f"no history is longer than {number}")
        yield Measurement(
            name="overlap", label=f"Overlap, {of}", estimate=nothing, better="higher", where=where
        )
        return
    steps = histories.drawn(rows, number, seed)
    if change == "drop":
        history = histories.without(rows.x["history"], steps)
    else:
        history = histories.replaced(rows, steps, histories.catalogue_of(subject).size, seed)
    after = histories.listed(subject.model, rows, history, k)
    same = histories.overlap(before.top[enough], after.top)
    lost = ranking.ndcg(before.rank[enough], k) - ranking.ndcg(after.rank, k)
    yield _mean("overlap", f"Overlap at {k}, {of}", same, rows, where)
    drop = stats.mean(lost, cluster=rows.cluster, low=-1.0, high=1.0)
    label = f"Loss of NDCG at {k}, {of}"
    yield Measurement(name="ndcg_drop", label=label, estimate=drop, better="lower", where=where)


def _worst(subject: Subject, rows: Split, k: int) -> tuple[np.ndarray, int]:
    """Return each row's least overlap[n] over all its single deletions, and the evaluations spent."""
    history = rows.x["history"]
    whole = histories.listed(subject.model, rows, history, k)
    least = np.ones(len(rows))
    for step in range(history.shape[1]):
        gone = np.zeros(history.shape, bool)
        gone[:, step] = history[:, step] > 0
        if not gone.any():
            continue
        after = histories.listed(subject.model, rows, histories.without(history, gone), k)
        least = np.where(gone[:, step], np.minimum(least, histories.overlap(whole.top, after.top)), least)
    return least, len(rows) * (1 + history.shape[1])


def _mean(
    name: str,
    label: str,
    share: np.ndarray,
    rows: Split,
    where: dict[str, str | float | int] | None = None,
) -> Measurement:
    """Return the bounded mean of shares[n]."""
    estimate = stats.mean(share, cluster=rows.cluster, low=0.0, high=1.0)
    return Measurement(name=name, label=label, estimate=estimate, better="higher", where=where or {})


def _not_measured(options: HistoryRobustnessOptions) -> Iterator[str]:
    """Yield what no figure here says."""
    yield "Changes chosen against the model beyond one deletion: the other changes are drawn at random."
    yield "Profiles made up to push an item in training (shilling): the model is not trained again."
    yield f"Lists of lengths other than {options.k}, and the order within a list beyond what NDCG sees."
