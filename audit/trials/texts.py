"""Try edits on test texts, at random and by search, and count only what a rerun of the model confirms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from audit.attacks.edits import EditKind, edits_at, one_edit, places, without
from audit.metrics.edit_distance import damerau
from audit.metrics.robustness import numbers
from audit.metrics.sampling import sample
from audit.registry import Context
from audit.subject import Subject, decide, run_model
from audit.trials.search import loss_of

BATCH = 256
NEVER = 10**6  # edits that a row which did not fall needed


class Texts(NamedTuple):
    """The rows tried: texts[n], classes y[n], decided correctly before any edit[n], what their draws depend on."""

    subject: Subject
    text: list[str]
    y: np.ndarray
    correct: np.ndarray
    number: np.ndarray
    cluster: np.ndarray | None
    seed: int


class Judged(NamedTuple):
    """What the model makes of texts: the margin[n] of their true class (below 0: wrong), whether right[n]."""

    margin: np.ndarray
    right: np.ndarray
    asked: int
    changed: float = 1.0


class Tried(NamedTuple):
    """One kind of edits: right[draws, budgets, n] after random ones, the fewest edits that felled a row [n] by whom.

    found[n]: the text that felled a row, itself where none did. changed: the share of the search's candidates whose
    tokens differ. asked: texts that the model was run on. finished: False where time ran out.
    """

    kind: EditKind
    right: np.ndarray
    by_chance: np.ndarray
    by_search: np.ndarray
    found: list[str]
    changed: float
    asked: int
    finished: bool


def texts(subject: Subject, limit: int | None, seed: int) -> Texts:
    """Return all test rows, or `limit` of them drawn by the seed."""
    at = sample(subject.data.test.id, limit, seed)
    rows = subject.data.test.take(at)
    assert rows.text is not None
    correct = subject.predictions()[at] == rows.y
    text = [str(one) for one in rows.text]
    return Texts(subject, text, np.asarray(rows.y), correct, numbers(rows.id), rows.cluster, seed)


def judge(t: Texts, given: Sequence[str], of: np.ndarray) -> Judged:
    """Return what the model makes of the given texts, each a version of row of[m]; equal tokens are run once."""
    tokens, model = t.subject.data.tokens, t.subject.model
    assert tokens is not None
    if not len(given):
        return Judged(np.zeros(0), np.zeros(0, bool), 0)
    ids, back = np.unique(tokens.encode(given), axis=0, return_inverse=True)
    outputs = run_model(model, ids, batch=BATCH)[back.reshape(-1)]
    margin = np.asarray(loss_of(t.subject, "margin").margin(jnp.asarray(outputs), jnp.asarray(t.y[of])))
    return Judged(margin, decide(outputs, model) == t.y[of], len(ids))


def tried(
    t: Texts, kind: EditKind, budgets: Sequence[int], draws: int, words: int, tries: int, ctx: Context
) -> Tried:
    """Return what random edits and a search do at each number of edits (budgets, ascending)."""
    right, chance, by_chance, asked = _at_random(t, kind, budgets, draws, ctx)
    searched, by_search, changed, more, finished = _search(t, kind, budgets[-1], words, tries, ctx)
    found = [s if b <= c else r for s, r, b, c in zip(searched, chance, by_search, by_chance, strict=True)]
    sure = _confirmed(t, kind, found, np.minimum(by_search, by_chance))
    return Tried(
        kind,
        right,
        np.where(sure, by_chance, NEVER),
        np.where(sure, by_search, NEVER),
        [f if ok else own for f, ok, own in zip(found, sure, t.text, strict=True)],
        changed,
        asked + more + len(t.text),
        finished,
    )


def _at_random(
    t: Texts, kind: EditKind, budgets: Sequence[int], draws: int, ctx: Context
) -> tuple[np.ndarray, list[str], np.ndarray, int]:
    """Return right[draws, budgets, n], texts that felled rows, with how many edits at the fewest, texts asked for."""
    n, every, asked = len(t.text), np.arange(len(t.text)), 0
    right = np.zeros((draws, len(budgets), n), bool)
    found, fewest = list(t.text), np.full(n, NEVER)
    for draw in range(draws):
        ctx.tick(draw, draws)
        dice = [_dice(t, i, kind, draw) for i in range(n)]
        now = list(t.text)
        for done in range(1, budgets[-1] + 1):
            now = [one_edit(text, kind, die) for text, die in zip(now, dice, strict=True)]
            if done not in budgets:
                continue
            judged = judge(t, now, every)
            right[draw, list(budgets).index(done)], asked = judged.right, asked + judged.asked
            for i in np.flatnonzero(t.correct & ~judged.right & (done < fewest)):
                found[i], fewest[i] = now[i], done
    return right, found, fewest, asked


def _search(
    t: Texts, kind: EditKind, most: int, words: int, tries: int, ctx: Context
) -> tuple[list[str], np.ndarray, float, int, bool]:
    """Return texts that a greedy search ends with, the edits that felled rows, share changed, texts asked, finished.

    In each round the words that the margin leans on most (without them it is lowest) are edited in up to `tries`
    ways each, and the text of the lowest margin goes on (after Gao et al. 2018 and Li et al. 2019).
    """
    now, fell, asked, changed = list(t.text), np.full(len(t.text), NEVER), 0, []
    margin = judge(t, now, np.arange(len(now))).margin.copy()
    dice = [_dice(t, i, kind, -1) for i in range(len(now))]
    for done in range(1, most + 1):
        active = [int(i) for i in np.flatnonzero(t.correct & (fell == NEVER))]
        if not active:
            break
        if ctx.expired():
            return now, fell, _mean(changed), asked, False
        chosen, more = _leant_on(t, now, kind, active, words)
        options = [(i, one) for i in active for one in _options(now[i], kind, chosen[i], tries, dice[i])]
        of = np.array([i for i, _ in options], int)
        judged = judge(t, [one for _, one in options], of)
        asked += more + judged.asked
        changed.append(_changed(t, now, options))
        for i in active:
            mine = np.flatnonzero(of == i)
            if not len(mine):
                continue
            wrong = mine[~judged.right[mine]]
            best = int(wrong[0]) if len(wrong) else int(mine[judged.margin[mine].argmin()])
            if len(wrong) or judged.margin[best] < margin[i]:
                now[i], margin[i] = options[best][1], judged.margin[best]
            fell[i] = done if len(wrong) else NEVER
    return now, fell, _mean(changed), asked, True


def _leant_on(
    t: Texts, now: list[str], kind: EditKind, active: list[int], words: int
) -> tuple[dict[int, list[int]], int]:
    """Return the places of each active row to edit, and how many texts the model was asked for that.

    A word's own edits are few: every word is tried. Of characters it is `words` words.
    """
    count = {i: places(now[i], kind) for i in active}
    if kind == "word":
        return {i: list(range(count[i])) for i in active}, 0
    less = [(i, p, without(now[i], kind, p)) for i in active for p in range(count[i])]
    judged = judge(t, [text for _, _, text in less], np.array([i for i, _, _ in less], int))
    ranked: dict[int, list[tuple[float, int]]] = {i: [] for i in active}
    for (i, p, _), margin in zip(less, judged.margin.tolist(), strict=True):
        ranked[i].append((margin, p))
    return {i: [p for _, p in sorted(ranked[i])[:words]] for i in active}, judged.asked


def _options(text: str, kind: EditKind, at: list[int], tries: int, die: np.random.Generator) -> list[str]:
    """Return the edited texts to try, at most `tries` a place, drawn by chance where there are more."""
    found: list[str] = []
    for place in at:
        every = edits_at(text, kind, place)
        keep = (
            range(len(every)) if len(every) <= tries else sorted(die.choice(len(every), tries, replace=False))
        )
        found += [every[j] for j in keep]
    return found


def _changed(t: Texts, now: list[str], options: list[tuple[int, str]]) -> float:
    """Return the share of the candidates whose tokens differ from those of the text they were made of."""
    tokens = t.subject.data.tokens
    assert tokens is not None
    if not options:
        return 0.0
    before, after = tokens.encode([now[i] for i, _ in options]), tokens.encode([one for _, one in options])
    return float((before != after).any(axis=1).mean())


def _confirmed(t: Texts, kind: EditKind, found: list[str], edits: np.ndarray) -> np.ndarray:
    """Return which rows[n] fall again when the model is run on the found text, within the edits it claims."""
    right = judge(t, found, np.arange(len(found))).right
    near = [
        bool(k < NEVER) and damerau(*((a, b) if kind == "character" else (a.split(), b.split()))) <= k
        for a, b, k in zip(t.text, found, edits, strict=True)
    ]
    return np.array(near, bool) & ~right & t.correct


def _dice(t: Texts, i: int, kind: EditKind, draw: int) -> np.random.Generator:
    """Return the random numbers of a row and draw, the same wherever the row stands."""
    return np.random.default_rng([t.seed, int(t.number[i]), len(kind), draw + 1])


def _mean(shares: list[float]) -> float:
    """Return the mean share, 1 where nothing was tried."""
    return float(np.mean(shares)) if shares else 1.0
