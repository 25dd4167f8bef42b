"""accuracy.ranking: where the items that users took next stand among all items they had not seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics import ranking
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import histories

SKEWED, EXACT = "skewness-corrected t", "exact (Clopper-Pearson)"
Place = Annotated[int, Field(ge=1)]
Better = Literal["higher", "lower", "neither"]
MEASURES = (
    Measure(
        "ndcg",
        "higher",
        "Mean normalised discounted cumulative gain of the first k: 1 where the held-out items lead the list.",
        SKEWED,
    ),
    Measure("hit_rate", "higher", "Share of the rows with a held-out item among the first k.", EXACT),
    Measure(
        "mean_reciprocal_rank",
        "higher",
        "Mean of 1 over the rank of the best placed held-out item, over the whole catalogue.",
        SKEWED,
    ),
    Measure(
        "popularity_ndcg",
        "neither",
        "NDCG of showing everyone the unseen items that training histories hold most often: what has to be beaten.",
        SKEWED,
    ),
    Measure(
        "gain_over_popularity",
        "higher",
        "NDCG minus that of showing the most popular items, row by row.",
        f"{SKEWED}, of the rows' differences",
        ends=(-1, 1),
    ),
)


class RankingOptions(Options):
    """What accuracy.ranking measures."""

    k: tuple[Place, ...] = Field(
        default=(10,), min_length=1, description="lengths of the lists that are judged"
    )


@check(
    "accuracy.ranking",
    area="accuracy",
    title="Accuracy of recommendations",
    needs=("catalogue",),
    tasks=("ranking",),
    measures=MEASURES,
)
def accuracy_ranking(subject: Subject, options: RankingOptions, ctx: Context) -> Findings:
    """Return NDCG, hit rate and reciprocal rank of the held-out items, and of showing the most popular ones.

    All items that a row has not seen are ranked, those seen are left out; never a sample of them, under which the
    metrics can order models wrongly (Krichene and Rendle 2020). An item of equal score stands before the held-out
    one. Rows are the independent units, or users where they have several rows.
    """
    test, counts = subject.data.test, histories.catalogue_of(subject).counts
    found = histories.judged(subject, max(options.k))
    tiled = np.broadcast_to(counts.astype(np.float64), found.scores.shape)
    popular = ranking.ranked(tiled, test.x["seen"], test.y, 1).rank
    measurements: list[Measurement] = []
    for k in dict.fromkeys(options.k):
        own, of_popular = ranking.ndcg(found.rank, k), ranking.ndcg(popular, k)
        hits = stats.rate(ranking.hit(found.rank, k), cluster=test.cluster)
        gain = stats.mean(own - of_popular, cluster=test.cluster, low=-1.0, high=1.0)
        measurements += [
            _at(k, "ndcg", "NDCG", stats.mean(own, cluster=test.cluster, low=0.0, high=1.0), "higher"),
            _at(k, "hit_rate", "Hit rate", hits, "higher"),
            _at(
                k,
                "popularity_ndcg",
                "NDCG of the most popular items",
                stats.mean(of_popular, cluster=test.cluster, low=0.0, high=1.0),
                "neither",
            ),
            _at(k, "gain_over_popularity", "NDCG above that of the most popular items", gain, "higher"),
        ]
    mrr = stats.mean(ranking.reciprocal(found.rank), cluster=test.cluster, low=0.0, high=1.0)
    measurements.append(
        Measurement(name="mean_reciprocal_rank", label="Mean reciprocal rank", estimate=mrr, better="higher")
    )
    return Findings(
        measurements=tuple(measurements),
        tables=(_places(found.rank, popular),),
        not_measured=tuple(_not_measured(subject)),
    )


def _at(k: int, name: str, label: str, estimate: Estimate, better: Better) -> Measurement:
    """Return a measurement of lists of one length."""
    return Measurement(name=name, label=f"{label} at {k}", estimate=estimate, better=better, where={"k": k})


def _places(rank: np.ndarray, popular: np.ndarray) -> Table:
    """Return how far down the held-out items stand."""
    columns = (
        Column(name="within", label="Rank within", kind="count"),
        Column(name="model", label="Rows", kind="count"),
        Column(name="popular", label="Rows, by popularity", kind="count"),
    )
    places = (1, 3, 10, 30, 100, 300, 1000)
    rows = tuple((p, int(ranking.hit(rank, p).sum()), int(ranking.hit(popular, p).sum())) for p in places)
    note = f"Of {len(rank):,} rows, those whose best placed held-out item is among so many unseen ones."
    return Table(name="places", title="Where held-out items stand", columns=columns, rows=rows, note=note)


def _not_measured(subject: Subject) -> Iterator[str]:
    """Yield what no figure here says."""
    yield (
        "Whether an item that ranks above the held-out one would have been liked: only what users took on their own "
        "counts as right, so that every figure is low and favours what users meet without the model."
    )
    yield "The effect of recommendations on what users take: the data were recorded without this model."
    unknown = (histories.catalogue_of(subject).counts[subject.data.test.y - 1] == 0).any(axis=1).sum()
    if unknown:
        yield f"Items new to training apart: {unknown} rows hold one out, and count as any other."
