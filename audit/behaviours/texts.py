"""Texts as a behavioural test changes them: every version it makes, and which rows break it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.behaviours.answers import Broken, answered, most
from audit.behaviours.rows import Judged
from audit.behaviours.written import Changed, words


def versions(test: Changed, text: str) -> dict[str, str]:
    """Return what the test makes of a text, by what makes it: each phrase, or each set of alternatives.

    Of several patterns, version number j puts each pattern's alternative number j (from the first again where it
    has fewer) in the place of what it finds; the text is read once, so that two words may change places. What
    leaves the text as it is makes no version.
    """
    made = {f"{phrase} …": f"{phrase} {text}" for phrase in test.before}
    made |= {f"… {phrase}": f"{text} {phrase}" for phrase in test.after}
    if test.replace:
        found, others = words(test.replace), list(test.replace.values())
        for j in range(max(map(len, others))):
            put = ", ".join(dict.fromkeys(own[j % len(own)] for own in others))
            made[put] = found.sub(lambda m, j=j: _other(others, m.lastgroup or "", j), text)
    return {name: one for name, one in made.items() if one != text}


def by_words(about: Judged, test: Changed, ids: np.ndarray, text: Sequence[str]) -> Broken:
    """Return the texts[n] of which the model reads a version otherwise, and which break the test in any version."""
    tokens = about.subject.data.tokens
    assert tokens is not None
    made = [(i, name, one) for i, own in enumerate(text) for name, one in versions(test, own).items()]
    of, after = np.array([i for i, _, _ in made], int), tokens.encode([one for _, _, one in made])
    read = (after != ids[of]).any(axis=1)
    rows, back = np.unique(of[read], return_inverse=True)
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    old, new = about.outputs(ids[rows]), about.outputs(after[read])
    was = None if old[1] is None else old[1][back]
    hits, wrong = answered(test, (old[0][back], was), new)
    each = np.zeros(len(rows), bool)
    np.logical_or.at(each, back, hits)
    worst = most(wrong) if about.has_score else None
    names = np.array([name for _, name, _ in made], object)[read]
    parts = tuple(
        (str(n), int((names == n).sum()), int(hits[names == n].sum())) for n in dict.fromkeys(names)
    )
    return Broken(rows, each, worst, len(rows) + int(read.sum()), parts=parts)


def _other(others: list[tuple[str, ...]], group: str, j: int) -> str:
    """Return the alternative number j of the pattern that was found."""
    own = others[int(group.removeprefix("p"))]
    return own[j % len(own)]
