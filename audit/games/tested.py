"""An explanation put to the test: other parameters, moved inputs, other backgrounds, other seeds of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from audit import stats
from audit.attribution import randomisation
from audit.attribution.ranks import half_splits, spearman, top_overlap
from audit.attribution.sensitivity import max_sensitivity
from audit.evidence import Column, Estimate, Measurement, Table
from audit.games.explainers import one_by_one
from audit.games.study import Study, retrained
from audit.games.trust_options import TrustOptions
from audit.subject import Model

UNDEFINED = "one of the two explanations is all of one size, so that it ranks nothing"
ANEW = "each row with its own {what}"


def tested_rows(s: Study, rows: int) -> np.ndarray:
    """Return the rows explained again: one of each cluster where rows share some, so that they are independent."""
    cluster = s.game.rows.cluster
    if cluster is None:
        return np.arange(min(rows, len(s.values)))
    return np.sort(np.unique(cluster, return_index=True)[1])[:rows]


# ---------------------------------------------------------------- randomisation


def randomised(s: Study, options: TrustOptions, seed: int) -> tuple[Measurement, Table | None]:
    """Bound how alike the explanation stays once all parameters are drawn anew, and tabulate the cascade.

    Every row has its own random parameters, so the interval covers the choice of both.
    """
    params, rows = s.subject.model.params, tested_rows(s, options.tested_rows)
    apply = s.game.apply if s.subject.model.differentiable else None
    try:
        layers = randomisation.layers(apply, params, s.game.rows.x[:1])
    except TypeError as error:
        return _similarity(s, stats.not_estimable(f"{error}, so none can be randomised", n=len(rows))), None
    steps = randomisation.stages(layers, options.cascade)
    done = [(step, sum(steps[: i + 1], ())) for i, step in enumerate(steps)]
    alike = [_alike(s, rows, changed, params, seed) for _, changed in done]
    found = [_mean(a, rows, "parameters") for a in alike]
    whole = sum(layer.size for layer in layers)
    lines = [
        (", ".join(layer.name for layer in step), sum(x.size for x in changed) / whole, e)
        for (step, changed), e in zip(done, found, strict=True)
    ]
    if s.sampled:
        lines.insert(
            0, ("none: the sampling noise alone", 0.0, _mean(_alike(s, rows, (), params, seed), rows, "key"))
        )
    return _similarity(s, found[-1]), _cascade(s, lines)


def _similarity(s: Study, e: Estimate) -> Measurement:
    """Return the similarity after full randomisation."""
    return Measurement(
        name="randomisation_similarity",
        label=f"Rank correlation of {s.name} with that of randomised parameters",
        estimate=e,
        better="lower",
        where={"explainer": s.name},
    )


def _alike(
    s: Study, rows: np.ndarray, changed: Sequence[randomisation.Layer], params: Any, seed: int
) -> np.ndarray:
    """Return the rank correlation[n] of |values| with those under parameters drawn anew for every row."""

    def explain(i: np.ndarray) -> np.ndarray:
        other = randomisation.redrawn(params, np.random.default_rng([seed, int(i[0])]))
        return _again(s, randomisation.mixed(params, other, changed), rows[i])

    return similarity(s.values[rows], one_by_one(explain, len(rows)))


def _again(s: Study, params: Any, row: np.ndarray, background: np.ndarray | None = None) -> np.ndarray:
    """Return the explanation of one row, with sampling of its own."""
    key = jax.random.fold_in(jax.random.fold_in(s.key, 1), int(row[0]))
    filled = s.game.background if background is None else background
    return s.explain(params, s.game.rows.x[row], s.column[row], filled, key)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation[n] of |a| and |b|[n, players]; NaN where a value is not finite."""
    whole = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    return np.where(whole, spearman(np.abs(a), np.abs(b)), np.nan)


def _mean(alike: np.ndarray, rows: np.ndarray, what: str, low: float = -1.0) -> Estimate:
    """Bound a mean of likenesses from `low` to 1 over independent rows, without the undefined.

    The far end of the range counts only where all rows agree and show no spread of their own: otherwise it
    would stand for an explanation turned upside down, and widen the interval many times over.
    """
    there = np.isfinite(alike)
    if not there.any():
        return stats.not_estimable(UNDEFINED, n=len(rows))
    left = f"{int((~there).sum())} rows are left out: {UNDEFINED}" if not there.all() else ""
    note = ". ".join(part for part in (ANEW.format(what=what), left) if part)
    found = alike[there]
    return stats.mean(found, low=low if np.ptp(found) == 0 else None, high=1.0, note=note)


def _cascade(s: Study, lines: Sequence[tuple[str, float, Estimate]]) -> Table:
    """Tabulate the similarity at every step."""
    columns = (
        Column(name="layers", label="Randomised at this step", kind="text"),
        Column(name="share", label="Share of all parameters so far", kind="rate"),
        Column(name="similarity", label="Rank correlation with the original"),
        Column(name="low", label="Low"),
        Column(name="high", label="High"),
        Column(name="n", label="Rows", kind="count"),
    )
    return Table(
        name=f"cascade_{s.name}",
        title=f"What is left of {s.name} when parameters are randomised from the output down",
        columns=columns,
        rows=tuple((name, share, e.value, e.low, e.high, e.n) for name, share, e in lines),
        note="An explanation that stays the same does not depend on what the model has learnt. Inputs far from "
        "the ordinary stay prominent under any parameters, so a correlation somewhat above 0 is common.",
    )


# ---------------------------------------------------------------- moved inputs


def moved(s: Study, options: TrustOptions, seed: int) -> Measurement:
    """Bound the mean over rows of the largest relative change of the explanation under small random moves."""
    rows = tested_rows(s, options.tested_rows)
    x, params = s.game.rows.x[rows], s.subject.model.params
    steps = np.random.default_rng(seed).uniform(-1, 1, (options.moves, *x.shape)) * _reach(s, options.radius)
    near, data = x + steps.astype(x.dtype), s.subject.data
    if data.low is not None and data.high is not None:
        near = np.clip(near, np.minimum(data.low, x), np.maximum(data.high, x))

    def change(i: np.ndarray) -> np.ndarray:
        def f(params: Any, inputs: np.ndarray) -> np.ndarray:
            key = jax.random.fold_in(s.key, int(i[0]))  # the same draws for each input
            return s.explain(params, inputs, s.column[rows[i]], s.game.background, key)

        return max_sensitivity(f, params, x[i], near[:, i])

    found = one_by_one(change, len(rows))
    there = np.isfinite(found)
    left = (
        f"{int((~there).sum())} rows whose explanation is all zeros are left out" if not there.all() else ""
    )
    return Measurement(
        name="max_sensitivity",
        label=f"Largest relative change of {s.name} within {options.radius:g} of the input",
        estimate=stats.mean(found[there], low=0.0, side="at least", note=left)
        if there.any()
        else stats.not_estimable("every explanation is all zeros", n=len(rows)),
        better="lower",
        where={"explainer": s.name, "radius": options.radius},
    )


def _reach(s: Study, radius: float) -> np.ndarray:
    """Return how far each input may move: a categorical column stays."""
    data = s.subject.data
    if data.modality == "image":
        return np.asarray(radius)
    scale = data.reference.x.std(axis=0)
    numeric = np.array([f.kind == "numeric" for f in data.columns] or [True] * len(scale))
    return radius * scale * numeric


# ---------------------------------------------------------------- stability of ranks


def stable(
    s: Study, options: TrustOptions, seed: int, refit: Callable[..., Model] | None
) -> Iterator[Measurement]:
    """Say how far ranks depend on the rows explained, on the background, and on the seed of training."""
    k, rng = min(options.top, max(s.values.shape[1] // 2, 1)), np.random.default_rng(seed)
    halves = half_splits(np.abs(s.values), k, rng, cluster=s.game.rows.cluster)
    how = "mean over 200 random halvings of the rows"
    yield from _pair(s, "rows", k, [_shown(v, len(s.values), how) for v in halves])
    rows = tested_rows(s, options.tested_rows)
    other = one_by_one(lambda i: _other_background(s, rows[i], seed), len(rows))
    sizes = np.abs(s.values[rows]), np.abs(other)
    alike = similarity(*sizes)
    yield from _pair(
        s,
        "background",
        k,
        [_mean(alike, rows, "background"), _mean(top_overlap(*sizes, k), rows, "background", 0.0)],
    )
    if options.retrain:
        yield from _pair(s, "retraining", k, _of_retraining(s, options.retrain, k, seed, refit))


def _other_background(s: Study, row: np.ndarray, seed: int) -> np.ndarray:
    """Return the explanation of one row against train rows of its own."""
    train, rng = s.subject.data.reference.x, np.random.default_rng([seed, int(row[0])])
    background = train[rng.integers(len(train), size=len(s.game.background))]
    return _again(s, s.subject.model.params, row, background)


def _of_retraining(
    s: Study, times: int, k: int, seed: int, refit: Callable[..., Model] | None
) -> list[Estimate]:
    """Return the mean agreement of all rows' importance with that of models trained with other seeds."""
    if refit is None:
        return [stats.not_estimable("the model was not trained here, so it cannot be trained again")] * 2
    rows, mine = np.arange(len(s.values)), np.abs(s.values).mean(axis=0, keepdims=True)
    models = [refit(seed=(seed + i) % 2**31) for i in range(1, times + 1)]
    others = [np.abs(retrained(s, model, rows)).mean(axis=0, keepdims=True) for model in models]
    how = f"mean over {times} trainings with other seeds"
    found = [
        float(np.mean([f(mine, o)[0] for o in others])) for f in (spearman, lambda a, b: top_overlap(a, b, k))
    ]
    return [_shown(value, len(rows), how) for value in found]


def _shown(value: float, n: int, how: str) -> Estimate:
    """Return a number without an honest interval."""
    return stats.descriptive(value, n, how)


def _pair(s: Study, against: str, k: int, estimates: Sequence[Estimate]) -> Iterator[Measurement]:
    """Return rank correlation and overlap of the top under one change."""
    labels = ("Rank correlation of |values|", f"Overlap of the {k} most important players")
    for name, label, e in zip(("rank_stability", "top_overlap"), labels, estimates, strict=True):
        yield Measurement(
            name=name,
            label=f"{label} of {s.name} with other {against}",
            estimate=e,
            better="higher",
            where={"explainer": s.name, "against": against},
        )
