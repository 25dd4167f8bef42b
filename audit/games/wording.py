"""Texts as games of words: which rows are explained, their words, what each word's tokens are (NumPy)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from audit.attribution.words import packed
from audit.games.game import draw
from audit.subject import Split, Subject


@dataclass(frozen=True, eq=False)
class Wording:
    """Rows with their words: words[n] as written, x[n, words, pieces] of tokens, real[n, words], the word of[n, t].

    of is -1 at padding. unread: rows drawn whose tokens are not those of their words one by one; they are left out.
    """

    rows: Split
    words: tuple[tuple[str, ...], ...]
    x: np.ndarray
    real: np.ndarray
    of: np.ndarray
    unread: int

    @property
    def counts(self) -> np.ndarray:
        """Return how many words[n] each row has."""
        return self.real.sum(axis=1)


def wording(subject: Subject, rows: int, seed: int) -> Wording:
    """Return so many random test rows as words, which are what blanks part; a cut-off text's words end with it.

    A row is left out where an encoder's tokens of the text are not those of its words one after the other: then
    no token belongs to one word.
    """
    tokens = subject.data.tokens
    assert tokens is not None
    drawn = draw(subject.data.test, rows, seed)
    assert drawn.text is not None
    written = [str(text).split() for text in drawn.text]
    known = _pieces(tokens.encode, sorted({word for text in written for word in text}))
    length, kept, words, ids = drawn.x.shape[1], [], [], []
    for i, text in enumerate(written):
        pieces = _cut([known[word] for word in text], length)
        if [p for word in pieces for p in word] == drawn.x[i][drawn.x[i] != 0].tolist() and pieces:
            kept.append(i)
            words.append(tuple(text[: len(pieces)]))
            ids.append(pieces)
    x = packed(ids)
    of = np.full((len(kept), length), -1)
    for row, pieces in zip(of, ids, strict=True):
        places = np.repeat(np.arange(len(pieces)), [len(word) for word in pieces])
        row[: len(places)] = places
    rows_kept = drawn.take(np.array(kept, int))
    return Wording(rows_kept, tuple(words), x, (x != 0).any(axis=2), of, len(written) - len(kept))


def _pieces(encode: Callable[[Sequence[str]], np.ndarray], words: list[str]) -> dict[str, list[int]]:
    """Return the token ids of each word by itself."""
    return {word: ids[ids != 0].tolist() for word, ids in zip(words, encode(words), strict=True)}


def _cut(pieces: list[list[int]], length: int) -> list[list[int]]:
    """Return the words whose tokens are read, the last of them perhaps in part."""
    found, left = [], length
    for word in pieces:
        if left <= 0:
            break
        found.append(word[:left])
        left -= len(found[-1])
    return found


def by_word(w: Wording, values: np.ndarray) -> np.ndarray:
    """Return the sums[n, words] of values[n, t] over each word's tokens."""
    sums = np.zeros(w.real.shape)
    for row, of, own in zip(sums, w.of, values, strict=True):
        np.add.at(row, of[of >= 0], own[of >= 0])
    return sums


def plain(word: str) -> str:
    """Return what equal words share: small letters, no signs at either end; nothing where there is no letter."""
    letters = [i for i, c in enumerate(word) if c.isalnum()]
    return word[letters[0] : letters[-1] + 1].casefold() if any(c.isalpha() for c in word) else ""
