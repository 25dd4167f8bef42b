"""Texts as a behavioural test changes them: every version it makes, and which rows break it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.behaviours.answers import Broken, answered
from audit.behaviours.rows import Judged
from audit.behaviours.written import Changed, words


def versions(test: Changed, text: str) -> list[str]:
    """Return what the test makes of a text, a version for each alternative or phrase; itself is none.

    Of several patterns, version number j puts each pattern's alternative number j (from the first again where it
    has fewer) in the place of what it finds; the text is read once, so that two words may change places.
    """
    made = [f"{phrase} {text}" for phrase in test.before] + [f"{text} {phrase}" for phrase in test.after]
    if test.replace:
        found, others = words(test.replace), list(test.replace.values())
        for j in range(max(map(len, others))):
            made.append(found.sub(lambda m, j=j: _other(others, m.lastgroup or "", j), text))
    return [one for one in dict.fromkeys(made) if one != text]


def by_words(about: Judged, test: Changed, ids: np.ndarray, text: Sequence[str]) -> Broken:
    """Return the texts[n] of which the model reads a version otherwise, and which break the test in any version."""
    tokens = about.subject.data.tokens
    assert tokens is not None
    made = [versions(test, one) for one in text]
    of = np.repeat(np.arange(len(text)), [len(some) for some in made])
    after = tokens.encode([one for some in made for one in some])
    read = (after != ids[of]).any(axis=1)
    rows, back = np.unique(of[read], return_inverse=True)
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    old, new = about.outputs(ids[rows]), about.outputs(after[read])
    was = None if old[1] is None else old[1][back]
    hits, wrong = answered(test, (old[0][back], was), new)
    each = np.zeros(len(rows), bool)
    np.logical_or.at(each, back, hits)
    worst = max(float(wrong.max()), 0.0) if about.has_score else None
    return Broken(rows, each, worst, len(rows) + int(read.sum()))


def _other(others: list[tuple[str, ...]], group: str, j: int) -> str:
    """Return the alternative number j of the pattern that was found."""
    own = others[int(group.removeprefix("p"))]
    return own[j % len(own)]
