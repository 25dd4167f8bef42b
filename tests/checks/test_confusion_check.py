"""accuracy.confusion against counts by hand and SciPy's beta quantiles."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from audit.checks.accuracy_confusion import ConfusionOptions, confusion
from audit.errors import ConfigError
from audit.subject import Subject


@pytest.fixture
def toy(image_subject):
    """60 rows of three classes, of which 6 of 30 lefts are taken for middle, and 2 of 20 rights for left."""
    y = np.repeat([0, 1, 2], [30, 10, 20]).astype(np.int32)
    decided = y.copy()
    decided[:6], decided[40:42] = 1, 0
    test = replace(image_subject.data.test.take(np.arange(60)), y=y)
    data = replace(image_subject.data, splits={**image_subject.data.splits, "test": test})
    return Subject(image_subject.model, data, {"test": np.eye(3, dtype=np.float32)[decided]})


def test_the_most_confused_pairs_come_first_with_limits_for_all_pairs(toy, context):
    found = confusion(toy, ConfusionOptions(), context)
    (table,) = found.tables
    assert [row[:5] for row in table.rows] == [("left", "middle", 6, 30, 0.2), ("right", "left", 2, 20, 0.1)]
    half = 0.05 / 2 / 6
    assert table.rows[0][5] == pytest.approx(beta.ppf(half, 6, 25))
    assert table.rows[0][6] == pytest.approx(beta.isf(half, 7, 24))
    assert [row[7] for row in table.rows] == [0, 0]
    named = {m.name: m.estimate for m in found.measurements}
    assert named["largest_confusion"].value == 0.2
    assert named["largest_confusion"].kind == "descriptive"
    assert named["confused_pairs"].value == (table.rows[0][5] > 0.05) == 1
    assert len(confusion(toy, ConfusionOptions(most=1), context).tables[0].rows) == 1


def test_a_pair_named_beforehand_is_a_measure_with_its_own_interval(toy, context):
    found = confusion(toy, ConfusionOptions(pairs=[("left", "middle"), ("middle", "left")]), context)
    one, other = [m for m in found.measurements if m.name == "confusion"]
    assert one.where == {"true": "left", "decided": "middle"}
    assert (one.estimate.value, one.estimate.n) == (0.2, 30)
    assert one.estimate.low == pytest.approx(beta.ppf(0.025, 6, 25))
    assert other.estimate.value == 0


def test_a_model_without_errors_confuses_nothing(toy, context):
    right = Subject(toy.model, toy.data, {"test": np.eye(3, dtype=np.float32)[toy.data.test.y]})
    found = confusion(right, ConfusionOptions(), context)
    assert not found.tables[0].rows
    assert {m.name: m.estimate.value for m in found.measurements} == {
        "largest_confusion": 0,
        "confused_pairs": 0,
    }


@pytest.mark.parametrize(
    ("pair", "says"), [(("lefd", "middle"), "perhaps 'left'"), (("left", "left"), "different")]
)
def test_pairs_that_are_none_are_refused(toy, context, pair, says):
    with pytest.raises(ConfigError, match=says):
        confusion(toy, ConfusionOptions(pairs=[pair]), context)
