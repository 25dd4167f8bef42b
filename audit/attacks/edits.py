"""Small edits of a text: what hurried fingers and careless copying make of it (plain Python, no model)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

EditKind = Literal["character", "word"]
CHARACTER = ("swap", "delete", "insert", "neighbour", "case")
WORD = ("drop", "repeat", "exchange")
_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def _beside() -> dict[str, str]:
    """Return the keys beside each key of a QWERTY keyboard, each row half a key to the right of the one above."""
    found: dict[str, str] = {}
    for r, row in enumerate(_ROWS):
        for c, key in enumerate(row):
            around = [(r, c - 1), (r, c + 1), (r - 1, c), (r - 1, c + 1), (r + 1, c - 1), (r + 1, c)]
            keys = [_ROWS[i][j] for i, j in around if 0 <= i < len(_ROWS) and 0 <= j < len(_ROWS[i])]
            found[key] = "".join(keys)
    return found


BESIDE = _beside()


def words(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each word: what lies between blanks and holds a letter or a digit."""
    return [m.span() for m in re.finditer(r"\S+", text) if any(c.isalnum() for c in m.group())]


def character_edits(text: str, start: int, end: int) -> list[str]:
    """Return every text, other than this one, that one edit of a character within text[start:end] makes.

    swap: two unequal neighbouring characters change places. delete: a character goes, of a word of two or more.
    insert: a key beside a character's on the keyboard is hit as well; a character that has no key is doubled.
    neighbour: a key beside is hit instead. case: a letter is written large for small or small for large. Only
    letters and digits are edited. Each is one operation of the Damerau-Levenshtein distance.
    """
    inside = [i for i in range(start, end) if text[i].isalnum()]
    found = [
        text[:i] + text[i + 1] + text[i] + text[i + 2 :]
        for i in inside
        if i + 1 < end and text[i + 1].isalnum() and text[i] != text[i + 1]
    ]
    for i in inside:
        c, head, tail = text[i], text[:i], text[i + 1 :]
        keys = [_cased(key, c) for key in BESIDE.get(c.lower(), "")]
        found += [head + tail] if len(inside) > 1 else []
        found += [head + c + key + tail for key in keys or [c]]
        found += [head + key + tail for key in keys]
        other = c.swapcase()
        found += [head + other + tail] if other != c and len(other) == 1 else []
    return [one for one in dict.fromkeys(found) if one != text]


def word_edits(text: str, at: int) -> list[str]:
    """Return every text, other than this one, that one edit of word number `at` makes; words are parted by one blank.

    drop: the word goes, where it is not the only one. repeat: it is written twice. exchange: it and the next one
    change places.
    """
    given = text.split()
    found = [given[:at] + given[at + 1 :]] if len(given) > 1 else []
    found.append(given[: at + 1] + given[at:])
    if at + 1 < len(given) and given[at] != given[at + 1]:
        found.append([*given[:at], given[at + 1], given[at], *given[at + 2 :]])
    return [" ".join(one) for one in found]


def one_edit(text: str, kind: EditKind, rng: np.random.Generator) -> str:
    """Return the text after one random edit: a word by chance, then one of its edits; itself where there is none."""
    makers = _makers(text, kind)
    for place in rng.permutation(len(makers)):
        options = makers[place]()
        if options:
            return options[rng.integers(len(options))]
    return text


def some_edits(text: str, kind: EditKind, edits: int, rng: np.random.Generator) -> str:
    """Return the text after `edits` random edits, one after the other."""
    for _ in range(edits):
        text = one_edit(text, kind, rng)
    return text


def edits_at(text: str, kind: EditKind, place: int) -> list[str]:
    """Return every text that one edit of word number `place` makes; places count as in `places`."""
    return _makers(text, kind)[place]()


def places(text: str, kind: EditKind) -> int:
    """Return in how many words the text can be edited."""
    return len(_makers(text, kind))


def without(text: str, kind: EditKind, place: int) -> str:
    """Return the text without word number `place`, counted as in `places`: how much it matters is asked so."""
    if kind == "word":
        given = text.split()
        return " ".join(given[:place] + given[place + 1 :])
    start, end = words(text)[place]
    return text[:start] + text[end:]


def _makers(text: str, kind: EditKind) -> Sequence[Callable[[], list[str]]]:
    """Return for each word the function that lists its edits."""
    if kind == "word":
        return [lambda i=i: word_edits(text, i) for i in range(len(text.split()))]
    return [lambda a=a, b=b: character_edits(text, a, b) for a, b in words(text)]


def _cased(key: str, like: str) -> str:
    """Return a key's letter, large where `like` is large."""
    return key.upper() if like.isupper() else key
