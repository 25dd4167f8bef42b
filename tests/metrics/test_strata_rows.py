"""Strata: numbers in bands of about equal rows, texts as they are, missing values apart."""

import numpy as np
import pytest

from audit.metrics.strata import strata


def test_texts_and_few_numbers_stay_as_they_are():
    found = strata({"school": np.array(["b", "a", "b"]), "year": np.array(["10", "9", "10"])}, 4)
    assert found.names == ("school a, year 9", "school b, year 10")
    assert found.code.tolist() == [1, 0, 1]
    assert found.banded == ()
    assert found.described == "school, year"


def test_few_numbers_come_in_their_own_order():
    found = strata({"year": np.array(["10", "9", "(missing)", "100"])}, 4)
    assert found.names == ("year 9", "year 10", "year 100", "year (missing)")
    assert found.code.tolist() == [1, 0, 3, 2]


def test_many_numbers_are_cut_at_quantiles_and_equal_ones_stay_together():
    hours = np.array([20, 30, *[40] * 10, 45, 50, 55, 60])
    found = strata({"hours": np.array([*map(str, hours), "(missing)"])}, 4)
    assert found.names == ("hours 20 to 30", "hours 40", "hours 45 to 60", "hours (missing)")
    assert found.banded == ("hours",)
    assert set(found.code[2:12]) == {1}
    assert np.bincount(found.code).tolist() == [2, 10, 4, 1]


def test_bands_hold_about_equal_rows():
    values = np.random.default_rng(0).permutation(1000)
    found = strata({"x": values.astype(str)}, 5)
    assert np.bincount(found.code).tolist() == [200] * 5
    order = np.argsort(values)
    assert (np.diff(found.code[order]) >= 0).all()


def test_numbers_beside_a_text_and_infinite_ones_are_texts():
    assert strata({"x": np.array(["1", "2", "3", "x"])}, 2).banded == ()
    assert strata({"x": np.array(["1", "2", "3", "inf"])}, 2).banded == ()
    with pytest.raises(ValueError, match="at least one factor"):
        strata({}, 4)
