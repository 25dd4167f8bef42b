"""Joint cells against a naive loop over rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.metrics import cells as cells_module
from audit.metrics.cells import count_cells, group_counts


@st.composite
def _columns(draw):
    n, axes = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    column = st.lists(st.integers(0, 5), min_size=n, max_size=n)
    return {f"a{i}": np.asarray(draw(column)) for i in range(axes)}


@given(_columns(), st.sampled_from([1, 8, 1 << 22]))
def test_cells_count_every_combination_once_dense_or_sorted(columns, dense):
    original, cells_module.DENSE = cells_module.DENSE, dense
    try:
        cells = count_cells(columns)
    finally:
        cells_module.DENSE = original
    rows = list(zip(*columns.values(), strict=True))
    naive = sorted(Counter(tuple(int(v) for v in row) for row in rows).items())
    assert [tuple(code) for code in cells.codes.tolist()] == [code for code, _ in naive]
    assert cells.count.tolist() == [count for _, count in naive]
    assert [tuple(cells.codes[c]) for c in cells.cell] == rows


@given(_columns())
def test_crossing_axes_gives_the_groups_that_have_rows(columns):
    cells = count_cells(columns)
    axes = tuple(columns)[:2]
    groups, group = cells.cross(axes)
    naive = Counter(zip(*(columns[axis].tolist() for axis in axes), strict=True))
    assert [tuple(g) for g in groups.tolist()] == sorted(naive)
    counts = group_counts(group, cells.count, len(groups))
    assert counts.tolist() == [naive[tuple(g)] for g in groups.tolist()]
    assert [tuple(g) for g in groups[group[cells.cell]].tolist()] == list(
        zip(*(columns[axis].tolist() for axis in axes), strict=True)
    )


def test_many_wide_axes_do_not_overflow():
    rng = np.random.default_rng(0)
    columns = {f"a{i}": rng.integers(0, 100_000, 500) for i in range(12)}  # 10^60 combinations
    cells = count_cells(columns)
    assert cells.count.tolist() == [1] * 500
    assert np.array_equal(cells.codes[cells.cell], np.stack(list(columns.values()), axis=1))


@pytest.mark.parametrize("columns", [{}, {"a": np.asarray([], int)}, {"a": np.asarray([0, -1])}])
def test_nothing_to_count_or_a_negative_code_is_refused(columns):
    with pytest.raises(ValueError, match="expected"):
        count_cells(columns)
