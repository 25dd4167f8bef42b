"""Set a configured recommender beside item-kNN, popularity and chance: the same split, all unseen items ranked.

    python -m benchmarks.ranking movielens

prints one line a model: NDCG@10, hit rate@10, MRR on the test rows, and how it was chosen. Item-kNN is cosine
similarity of items' columns (Sarwar et al. 2001) with shrinkage, the neighbours, the shrinkage and the number of
recent items that count all chosen by NDCG@10 on the validation rows.
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np

from audit.assemble import read_data, read_model
from audit.config import load
from audit.digests import dataset_digest
from audit.metrics import ranking
from audit.subject import Dataset, Split, run_model

K = 10


def quality(scores: np.ndarray, split: Split) -> tuple[float, float, float]:
    """Return NDCG@10, hit rate@10 and the mean reciprocal rank of scores[n, items]."""
    rank = ranking.ranked(scores, split.x["seen"], split.y, K).rank
    return (
        float(ranking.ndcg(rank, K).mean()),
        float(ranking.hit(rank, K).mean()),
        float(ranking.reciprocal(rank).mean()),
    )


def trained_pairs(data: Dataset) -> np.ndarray:
    """Return the 0/1 matrix[users, items] of what trains."""
    train = data.splits["train"]
    assert train.cluster is not None
    assert data.catalogue is not None
    users, owner = np.unique(train.cluster, return_inverse=True)
    matrix = np.zeros((len(users), data.catalogue.size + 1), np.float32)
    for codes in (train.x["history"], train.y):
        matrix[owner[:, None], codes] = 1
    return matrix[:, 1:]


def item_knn(data: Dataset) -> tuple[dict[str, float], np.ndarray]:
    """Return the best settings on validation and the scores[n, items] of the test rows."""
    x = trained_pairs(data)
    together, counts = x.T @ x, x.sum(axis=0)
    np.fill_diagonal(together, 0)
    best: tuple[float, dict[str, int]] = (-1.0, {})
    for neighbours, shrink, recent in itertools.product((20, 50, 100, 400), (0, 20), (3, 5, 10, 20, 50)):
        similar = nearest(together, counts, neighbours, shrink)
        score = quality(summed(similar, data.splits["validation"], recent), data.splits["validation"])[0]
        if score > best[0]:
            best = score, {"neighbours": neighbours, "shrink": shrink, "recent": recent}
    o = best[1]
    similar = nearest(together, counts, o["neighbours"], o["shrink"])
    return {**o, "validation NDCG@10": best[0]}, summed(similar, data.test, o["recent"])


def nearest(together: np.ndarray, counts: np.ndarray, neighbours: int, shrink: float) -> np.ndarray:
    """Return each item's shrunk cosine to its nearest neighbours[items, items], 0 to others."""
    cosine = together / (np.sqrt(np.outer(counts, counts)) + shrink + 1e-9)
    if neighbours < len(cosine):
        least = np.partition(cosine, -neighbours, axis=1)[:, [-neighbours]]
        cosine = np.where(cosine >= least, cosine, 0)
    return cosine


def summed(similar: np.ndarray, split: Split, recent: int) -> np.ndarray:
    """Return the sums[n, items] of similarities to the last `recent` items of each history."""
    last = split.x["history"][:, -recent:]
    rows = np.zeros((len(split), len(similar) + 1), np.float32)
    np.put_along_axis(rows, last, 1.0, axis=1)
    return rows[:, 1:] @ similar.T


def line(name: str, scores: np.ndarray, test: Split, how: str) -> None:
    """Print a model's quality on the test rows."""
    ndcg, hits, mrr = quality(scores, test)
    print(f"| {name} | {ndcg:.4f} | {hits:.4f} | {mrr:.4f} | {how} |", flush=True)


def main(config: str, *overrides: str) -> None:
    """Print the baselines, then the configured model, trained here (overrides are a.b=c)."""
    loaded = load(config, overrides)
    data = read_data(loaded)
    catalogue, test = data.catalogue, data.test
    assert catalogue is not None
    print(f"{len(test)} test rows, {catalogue.size} items, all unseen ones ranked")
    print("| model | NDCG@10 | hit rate@10 | MRR | how |\n|---|---|---|---|---|", flush=True)
    line("chance", np.random.default_rng(0).random((len(test), catalogue.size)), test, "uniform scores")
    line("popularity", np.tile(catalogue.counts.astype(float), (len(test), 1)), test, "training counts")
    chosen, knn = item_knn(data)
    line("item-kNN", knn, test, ", ".join(f"{name} {value:.4g}" for name, value in chosen.items()))
    start = time.perf_counter()
    made = read_model(loaded, data, dataset_digest(data), None, lambda done, total: None)
    spent, validation = time.perf_counter() - start, data.splits["validation"]
    own = quality(run_model(made.model, validation.x), validation)[0]
    epochs = len(made.training.rows) if made.training else 0
    how = f"{epochs} epochs, {spent:.0f} s, validation NDCG@10 {own:.4f}"
    line(made.model.name, run_model(made.model, test.x), test, how)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["movielens"]))
