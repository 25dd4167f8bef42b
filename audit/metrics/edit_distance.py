"""How many edits lie between two texts, or two lists of words (NumPy-free, apart from any attack)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def damerau(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the Damerau-Levenshtein distance: the fewest insertions, deletions, substitutions and transpositions.

    Transpositions are of neighbours, and what lies between them may be edited as well (Lowrance and Wagner 1975).
    """
    start = next((i for i, (c, d) in enumerate(zip(a, b, strict=False)) if c != d), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    same = next(
        (i for i, (c, d) in enumerate(zip(a[::-1], b[::-1], strict=False)) if c != d), min(len(a), len(b))
    )
    return _between(a[: len(a) - same], b[: len(b) - same])


def _between(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the distance of two sequences whose ends differ."""
    far = len(a) + len(b)
    cost = {(-1, -1): far}
    for i in range(len(a) + 1):
        cost[i, -1], cost[i, 0] = far, i
    for j in range(len(b) + 1):
        cost[-1, j], cost[0, j] = far, j
    row_of: dict[Hashable, int] = {}
    for i in range(1, len(a) + 1):
        column = 0
        for j in range(1, len(b) + 1):
            k, m, same = row_of.get(b[j - 1], 0), column, a[i - 1] == b[j - 1]
            column = j if same else column
            cost[i, j] = min(
                cost[i - 1, j - 1] + (not same),
                cost[i, j - 1] + 1,
                cost[i - 1, j] + 1,
                cost[k - 1, m - 1] + (i - k - 1) + 1 + (j - m - 1),
            )
        row_of[a[i - 1]] = i
    return cost[len(a), len(b)]
