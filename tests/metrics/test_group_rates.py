"""Group rates against naive loops, scikit-learn and fairlearn."""

from __future__ import annotations

import fairlearn.metrics as fairlearn
import numpy as np
import pytest
import sklearn.metrics as sklearn
from hypothesis import given
from hypothesis import strategies as st

from audit.metrics.cells import count_cells
from audit.metrics.fairlearn_rates import fairlearn_rates
from audit.metrics.group_rates import GAPS, RATES, outcome

PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def _rate(name, true, predicted, favourable=1):
    seen = outcome(true, predicted, favourable)
    hits, among = RATES[name].hits(seen), RATES[name].among(seen)
    return (hits & among).sum(), among.sum()


@given(PAIRS)
def test_group_rates_are_the_textbook_counts(pairs):
    true, predicted = np.asarray(pairs).T
    expected = {
        "selection_rate": (sum(p == 1 for t, p in pairs), len(pairs)),
        "true_positive_rate": (sum(p == 1 and t == 1 for t, p in pairs), sum(t == 1 for t, p in pairs)),
        "false_positive_rate": (sum(p == 1 and t != 1 for t, p in pairs), sum(t != 1 for t, p in pairs)),
        "positive_predictive_value": (
            sum(p == 1 and t == 1 for t, p in pairs),
            sum(p == 1 for t, p in pairs),
        ),
        "false_omission_rate": (sum(p != 1 and t == 1 for t, p in pairs), sum(p != 1 for t, p in pairs)),
        "accuracy": (sum(p == t for t, p in pairs), len(pairs)),
    }
    assert {metric: _rate(metric, true, predicted) for metric in RATES} == expected


def test_group_rates_equal_fairlearn_and_sklearn():
    rng = np.random.default_rng(3)
    true, predicted = rng.integers(0, 2, 500), rng.integers(0, 2, 500)
    oracle = {
        "selection_rate": fairlearn.selection_rate(true, predicted),
        "true_positive_rate": fairlearn.true_positive_rate(true, predicted),
        "false_positive_rate": fairlearn.false_positive_rate(true, predicted),
        "positive_predictive_value": sklearn.precision_score(true, predicted),
        "false_omission_rate": 1 - sklearn.precision_score(1 - true, 1 - predicted),
        "accuracy": sklearn.accuracy_score(true, predicted),
    }
    for metric in RATES:
        k, n = _rate(metric, true, predicted)
        assert k / n == pytest.approx(oracle[metric], abs=1e-12), metric


def test_an_empty_denominator_stays_empty_where_fairlearn_says_zero():
    true, predicted = np.zeros(8, int), np.asarray([0, 1] * 4)
    assert _rate("true_positive_rate", true, predicted) == (0, 0)
    assert fairlearn.true_positive_rate(true, predicted) == 0.0


@pytest.mark.parametrize("favourable", [0, 1, 2])
def test_fairlearn_finds_on_weighted_cells_what_it_finds_on_rows(favourable):
    rng = np.random.default_rng(5)
    true, predicted, group = rng.integers(0, 3, 800), rng.integers(0, 3, 800), rng.integers(0, 4, 800)
    cells = count_cells({"g": group, "t": true, "p": predicted})
    columns = [cells.column(axis) for axis in "tpg"]
    on_cells = fairlearn_rates(RATES, *columns, cells.count, favourable)
    on_rows = fairlearn_rates(RATES, true, predicted, group, np.ones(800), favourable)
    for name in RATES:
        ours = [_rate(name, true[group == g], predicted[group == g], favourable) for g in range(4)]
        assert on_cells[name] == pytest.approx(on_rows[name], abs=1e-12), name
        assert on_cells[name] == pytest.approx([k / n for k, n in ours], abs=1e-12), name


def test_every_gap_summarises_a_rate_that_exists():
    assert {gap.rate for gap in GAPS.values()} == set(RATES)
