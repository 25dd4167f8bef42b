"""Words' values as tables: the words that weigh most, by class too, the output along their order, texts if asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit import stats
from audit.evidence import Column, Scalar, Table
from audit.games.word_values import Along, Explainer, Texts
from audit.games.wording import plain

NAMES: dict[Explainer, str] = {"shapley": "Shapley values", "integrated": "integrated gradients"}
LISTED, OF_A_CLASS = 40, 5  # words in the table of all, and of each class
NAMED = 5  # words named for and against in a text that is shown
Line = tuple[str, int, float, float | None, float | None]  # word, rows, mean value, low, high


def words(t: Texts, values: np.ndarray, name: Explainer, least: int) -> Table:
    """Return the words of the largest mean value for the class decided, with its interval."""
    found = _lines(t, values, np.ones(len(t.w.rows), bool), least)
    columns = (
        Column(name="feature", label="word", kind="text"),
        Column(name="value", label="mean value for the class decided, log-odds"),
        Column(name="low", label="low"),
        Column(name="high", label="high"),
        Column(name="n", label="rows", kind="count"),
    )
    note = (
        f"{NAMES[name].capitalize()} of {len(t.w.rows):,} random test rows, a mean over the rows that hold the word; "
        f"only words of {least} or more. Below 0 the word speaks against what was decided. An interval is one word's "
        "own, and the largest of many means is large by chance too."
    )
    return Table(
        name="words",
        title="Words that decisions rest on",
        kind="importance",
        columns=columns,
        rows=tuple((word, value, low, high, n) for word, n, value, low, high in found[:LISTED]),
        note=note,
    )


def by_class(t: Texts, values: np.ndarray, name: Explainer, least: int) -> Iterator[Table]:
    """Yield for each class decided the words that speak for it most, among words of several rows; no empty table."""
    rows: list[tuple[Scalar, ...]] = []
    for k, label in enumerate(t.subject.data.classes):
        found = [line for line in _lines(t, values, t.decided == k, least) if line[2] > 0]
        rows += [(label, *line) for line in found[:OF_A_CLASS]]
    columns = (
        Column(name="class", label="Class decided", kind="text"),
        Column(name="word", label="Word", kind="text"),
        Column(name="n", label="Rows", kind="count"),
        Column(name="value", label="Mean value, log-odds"),
        Column(name="low", label="Low"),
        Column(name="high", label="High"),
    )
    note = f"{NAMES[name].capitalize()}; the {OF_A_CLASS} largest above 0 of a class, among words of {least} rows."
    title = "Words that speak for a class"
    if rows:
        yield Table(name="class_words", title=title, columns=columns, rows=tuple(rows), note=note)


def _lines(t: Texts, values: np.ndarray, among: np.ndarray, least: int) -> list[Line]:
    """Return each word of at least so many rows (and clusters) with its mean value, the largest sizes first."""
    sums: dict[str, dict[int, float]] = defaultdict(dict)
    for i in np.flatnonzero(among):
        for word, value in zip(t.w.words[i], values[i].tolist(), strict=False):
            if key := plain(word):
                sums[key][int(i)] = sums[key].get(int(i), 0.0) + value
    cluster, found = t.w.rows.cluster, []
    for word, own in sums.items():
        at, value = np.array(list(own)), np.array(list(own.values()))
        if len(at if cluster is None else np.unique(cluster[at])) < least:
            continue
        e = stats.mean(value, cluster=None if cluster is None else cluster[at])
        found.append((word, len(at), float(value.mean()), e.low, e.high))
    return sorted(found, key=lambda line: (-abs(line[2]), line[0]))


def curves(t: Texts, own: Mapping[Explainer, Along], chance: Along, shares: Sequence[float]) -> Table:
    """Return the mean probability of the class decided along each order of the words, left out and kept alone."""
    columns = (
        Column(name="series", label="Curve", kind="text"),
        Column(name="x", label="share of the words", kind="rate"),
        Column(name="value", label="Probability of the class decided", kind="rate"),
        Column(name="low", label="Low", kind="rate"),
        Column(name="high", label="High", kind="rate"),
        Column(name="n", label="Rows", kind="count"),
    )
    rows: list[tuple[Scalar, ...]] = []
    for name, found in (*((NAMES[k], a) for k, a in own.items()), ("random words", chance)):
        for what, values in (("left out", found.without), ("kept alone", found.alone)):
            for share, column in zip(shares, values.T, strict=True):
                p = np.clip(column, 0.0, 1.0)
                e = stats.mean(p, cluster=t.w.rows.cluster, low=0.0, high=1.0)
                rows.append((f"{name}, {what}", share, float(p.mean()), e.low, e.high, len(p)))
    note = "Words are ranked by how much they speak for the class decided. Good ranks fall fast, and stay high alone."
    title = "Leaving out, or keeping alone, the words ranked first"
    return Table(name="curves", title=title, kind="curve", columns=columns, rows=tuple(rows), note=note)


def shown(t: Texts, values: np.ndarray, name: Explainer, most: int) -> Table:
    """Return so many of the explained texts with the words that speak most for and against the class decided."""
    columns = (
        Column(name="text", label="Text", kind="text"),
        Column(name="decided", label="Decided", kind="text"),
        Column(name="for", label="Words for it", kind="text"),
        Column(name="against", label="Words against it", kind="text"),
    )
    classes, rows = t.subject.data.classes, []
    for i in range(min(most, len(t.w.rows))):
        own = list(zip(t.w.words[i], values[i].tolist(), strict=False))
        rows.append((" ".join(t.w.words[i]), classes[t.decided[i]], _named(own, 1.0), _named(own, -1.0)))
    title = f"Texts and their words, by {NAMES[name]}"
    return Table(name="texts", title=title, columns=columns, rows=tuple(rows))


def _named(own: list[tuple[str, float]], sign: float) -> str:
    """Return the words that weigh most on one side: 'stolen +2.1, card +0.4'."""
    side = sorted((pair for pair in own if sign * pair[1] > 0), key=lambda pair: -sign * pair[1])
    return ", ".join(f"{word} {value:+.2g}" for word, value in side[:NAMED])
