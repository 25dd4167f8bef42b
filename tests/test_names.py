"""What reads alike has one name, and only that."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from audit.names import MISSING, name_of


@pytest.mark.parametrize(
    "value", [1, 1.0, "1", "1.0", " 1 ", b"1", np.int64(1), np.float32(1), np.bytes_(b"1"), Decimal("1.0")]
)
def test_a_whole_number_has_one_name(value):
    assert name_of(value) == "1"


def test_other_values_stay_apart():
    values = ["1", "01", "1.5", "1.50", True, "TRUE", "F", "f", -1, "1e0", "é", 2**60]
    assert len({name_of(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    "value", [None, np.nan, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), "", "  ", b""]
)
def test_missing_values_have_one_name(value):
    assert name_of(value) == MISSING


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "True"),
        (np.bool_(False), "False"),
        (b"F", "F"),
        ("e\u0301", "\u00e9"),
        (0.5, "0.5"),
        (np.float32(0.1), "0.1"),
        (-0.0, "0"),
        (dt.date(2024, 5, 31), "2024-05-31"),
        (pd.Timestamp("2024-05-31"), "2024-05-31"),
    ],
)
def test_names_of_other_kinds(value, name):
    assert name_of(value) == name
