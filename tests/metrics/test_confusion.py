"""Confusion counts against a naive loop and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sklearn
from hypothesis import given
from hypothesis import strategies as st

from audit.metrics.confusion import confusion_matrix

PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


@given(PAIRS)
def test_confusion_matrix_is_the_naive_count(pairs):
    true, predicted = np.asarray(pairs).T
    naive = np.zeros((3, 3), int)
    for t, p in pairs:
        naive[t, p] += 1
    assert np.array_equal(confusion_matrix(true, predicted, 3), naive)
    assert np.array_equal(naive, sklearn.confusion_matrix(true, predicted, labels=[0, 1, 2]))


@pytest.mark.parametrize(("true", "predicted"), [([0, 3], [0, 1]), ([0, 1], [-1, 1])])
def test_a_class_outside_is_refused(true, predicted):
    with pytest.raises(ValueError, match=r"expected class codes 0\.\.2"):
        confusion_matrix(np.asarray(true), np.asarray(predicted), 3)
