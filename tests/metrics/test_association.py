"""Cramer's V: SciPy's before the correction, Bergsma's after it, and numbers in tenths."""

import numpy as np
import pytest
from scipy.stats.contingency import association

from audit.metrics.association import associations, cramers_v, in_bins


def corrected(table) -> float:
    """Bergsma (2013): phi2 and both sizes less what chance adds, from SciPy's V."""
    n, (r, c) = table.sum(), table.shape
    phi2 = association(table, method="cramer") ** 2 * (min(r, c) - 1)
    phi2 = max(0, phi2 - (r - 1) * (c - 1) / (n - 1))
    return np.sqrt(phi2 / (min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1))


@pytest.mark.parametrize("seed", range(5))
def test_cramers_v_is_scipys_after_bergsmas_correction(seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 30, (rng.integers(2, 5), rng.integers(2, 6)))
    a, b = np.indices(table.shape).reshape(2, -1)
    first, second = np.repeat(a, table.ravel()), np.repeat(b, table.ravel())
    assert cramers_v(first, second) == pytest.approx(corrected(table))
    assert cramers_v(second.astype(str), first) == pytest.approx(corrected(table))


def test_the_ends_of_the_scale():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 2000)
    assert cramers_v(a, a) == pytest.approx(1)
    assert cramers_v(a, rng.integers(0, 6, 2000)) < 0.05
    assert cramers_v(a, np.zeros(2000)) == 0


def test_a_common_value_at_either_end_keeps_its_bin():
    rng = np.random.default_rng(1)
    rare = np.where(rng.random(3000) < 0.08, rng.normal(size=3000) ** 2 + 1, 0.0)
    for values in (rare, -rare):
        found = in_bins(values)
        assert len(np.unique(found)) >= 2
        assert len(np.unique(found[values == 0])) == 1
        assert not np.isin(found[values != 0], found[values == 0]).all()
        assert cramers_v(in_bins(values), values != 0) > 0.9
    even = in_bins(rng.normal(size=5000))
    assert np.bincount(even).tolist() == pytest.approx([500] * 10, abs=1)


def test_every_column_is_taken_by_its_kind():
    rng = np.random.default_rng(2)
    group = np.where(rng.random(3000) < 0.5, "a", "b")
    x = np.stack(
        [rng.normal(size=3000) + 3 * (group == "a"), rng.integers(1, 4, 3000), 1.0 + (group == "a")], axis=1
    )
    found = associations(x, np.array([True, False, False]), group)
    assert found[0] > 0.7 and found[1] < 0.06 and found[2] == pytest.approx(1)
