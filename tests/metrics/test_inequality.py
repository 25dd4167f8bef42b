"""Inequality indices, differential fairness and wrong labels against the definitions, written out naively."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.metrics import inequality

counts = st.lists(st.integers(0, 12), min_size=4, max_size=4).filter(lambda c: sum(c) > 0)


def _benefits(cells):
    """b = decision - truth + 1 of every row (Speicher et al. 2018; AIF360's generalized_entropy_index)."""
    rows = [(1, 1)] * cells[0] + [(1, 0)] * cells[1] + [(0, 1)] * cells[2] + [(0, 0)] * cells[3]
    return [decision - truth + 1 for truth, decision in rows]


@given(counts)
def test_entropy_indices_are_the_definitions_over_rows(cells):
    b = _benefits(cells)
    mean = sum(b) / len(b)
    ours = [inequality.entropy(np.array([1, 0, 2, 1]), np.array(cells), alpha) for alpha in (1, 2)]
    if mean == 0:
        assert all(map(math.isnan, ours))
        return
    theil = sum(x / mean * math.log(x / mean) for x in b if x) / len(b)
    squared = sum((x / mean) ** 2 - 1 for x in b) / (len(b) * 2 * (2 - 1))
    assert ours == pytest.approx([theil, squared], abs=1e-12)
    assert min(ours) >= -1e-12


def test_equal_benefits_are_no_inequality_and_the_published_two_person_case_is_a_half():
    assert inequality.entropy(np.array([1.0]), np.array([7]), 2) == 0
    assert inequality.entropy(np.array([0.0, 2.0]), np.array([1, 1]), 2) == pytest.approx(0.5)
    assert inequality.entropy(np.array([0.0, 2.0]), np.array([1, 1]), 1) == pytest.approx(math.log(2))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=5), st.floats(0.1, 5))
def test_differential_fairness_is_the_definition(groups, concentration):
    k, n = [a for a, _ in groups], [a + b for a, b in groups]
    worst = 0.0
    for i, j in combinations(range(len(k)), 2):
        for hits in (k, [m - a for a, m in zip(k, n, strict=True)]):  # both outcomes
            one, other = ((hits[g] + concentration / 2) / (n[g] + concentration) for g in (i, j))
            worst = max(worst, abs(math.log(one / other)))
    assert inequality.differential(np.array(k), np.array(n), concentration) == pytest.approx(worst, abs=1e-12)


def test_differential_fairness_of_the_published_admissions():
    # Foulds et al. (2020), table 1: admitted of applied by gender and race; epsilon 1.511 of both crossed,
    # 0.2329 of gender, 0.8667 of race
    k, n = np.array([[81, 192], [234, 55]]), np.array([[87, 263], [270, 80]])
    for hits, rows, published in (
        (k.ravel(), n.ravel(), 1.511),
        (k.sum(axis=1), n.sum(axis=1), 0.2329),
        (k.sum(axis=0), n.sum(axis=0), 0.8667),
    ):
        assert inequality.differential(hits, rows, 1e-9) == pytest.approx(published, abs=5e-4)


@given(
    st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(lambda c: c[0] + c[1] > 0), st.integers(0, 6)
)
def test_wrong_labels_reach_what_trying_them_all_reaches(cells, flips):
    hit, miss, false, other = cells
    rates = []
    for a in range(hit + 1):  # hits whose truth is not favourable, and so on
        for b in range(miss + 1):
            for c in range(false + 1):
                for d in range(other + 1):
                    rows = hit - a + c + miss - b + d
                    if a + b + c + d <= flips and rows:
                        rates.append((hit - a + c) / rows)
    low, high = inequality.reach(np.array(cells), flips)
    assert [low, high] == pytest.approx([min(rates), max(rates)], abs=1e-12)
