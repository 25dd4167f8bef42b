"""Copies of test rows outside and within test are counted, or said not to be."""

import numpy as np

import audit
from audit.data.arrays import from_splits
from audit.subject import Split

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10) % 2


def _split(rows, at):
    return Split(x=X[rows], y=Y[rows], id=np.array([f"{at}{i}" for i in range(len(rows))]))


def test_copies_in_every_other_split_and_within_test_are_counted():
    data = from_splits(
        "t",
        "binary",
        {
            "train": _split([0, 1], "a"),
            "validation": _split([2], "b"),
            "calibration": _split([3], "c"),
            "test": _split([0, 2, 3, 3, 3, 4, 5], "d"),
        },
    )
    assert data.provenance.repeated_in_test == 5
    assert data.provenance.repeated_within_test == 2


def test_what_was_not_counted_is_none():
    data = audit.from_arrays("t", "binary", X, Y)
    assert data.provenance.repeated_in_test is None
    assert data.provenance.repeated_within_test == 0
    assert audit.from_arrays("t", "binary", X[:, :0], Y).provenance.repeated_within_test is None
