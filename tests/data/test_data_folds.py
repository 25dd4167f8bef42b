"""Folds: who is in which, what each network may see, and tables that are divided so."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.data import folds, splits, tables
from audit.data.roles import Roles, SplitPlan
from audit.errors import DataError

CLASSES = st.lists(st.integers(0, 2), min_size=30, max_size=120)
ROLES = Roles(target="y", positive="1", numeric=("a",), categorical=("kind",), sensitive=("sex",), id="id")


def _plan(count=5, validation=0.2, seed=0):
    return SplitPlan(by="folds", folds=count, validation=validation, calibration=0, test=1, seed=seed)


@settings(max_examples=30)
@given(CLASSES, st.integers(2, 6), st.integers(0, 5))
def test_every_row_is_in_one_fold_and_every_class_spread_evenly(classes, count, seed):
    y = np.array(classes)
    part = folds.draw(splits.row_numbers("data", len(y)), y, _plan(count, seed=seed))
    assert ((part == "test").sum(axis=0) == 1).all() and set(part.ravel()) <= {"train", "validation", "test"}
    for level in set(classes):
        own = (part[:, y == level] == "test").sum(axis=1)
        assert own.max() - own.min() <= 1
    fitted = (part == "train").sum(axis=1)
    assert (fitted == round(0.8 * (len(y) - (part == "test").sum(axis=1).max()))).all()


@settings(max_examples=30)
@given(CLASSES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_part(classes, random):
    y = np.array(classes)
    ids = np.array([f"person {i}" for i in range(len(y))], object)
    order = np.array(random.sample(range(len(y)), len(y)))
    part = folds.draw(ids, y, _plan())
    assert (folds.draw(ids[order], y[order], _plan()) == part[:, order]).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_cluster_is_whole_in_every_part_of_every_network(seed):
    rng = np.random.default_rng(seed)
    cluster = np.array([f"patient {c}" for c in rng.integers(40, size=150)], object)
    part = folds.draw(cluster, rng.integers(2, size=150), _plan(3, seed=seed))
    assert all(splits.straddling(one, cluster) == 0 for one in part)
    assert (part == "test").sum(axis=1).min() > 30 and (part == "validation").sum(axis=1).min() > 10


def test_without_validation_every_other_row_is_fitted():
    part = folds.draw(splits.row_numbers("data", 103), np.zeros(103, int), _plan(4, validation=0.0))
    assert not (part == "validation").any()


def _frame(n=60, **changes):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(n)],
            "a": rng.normal(size=n).astype(str),
            "kind": rng.choice(["u", "v"], n),
            "sex": rng.choice(["m", "f"], n),
            "y": (np.arange(n) % 2).astype(str),
        }
    )
    return frame.assign(**changes)


def _table(frame, roles=ROLES, plan=None, test=None, task="binary"):
    return tables.from_frame("t", task, frame, test, roles, plan or _plan())


def test_the_fold_is_the_last_column_and_no_feature():
    data = _table(_frame())
    assert data.test.x.shape == (60, 3) and [f.name for f in data.features] == ["a", "kind"]
    assert [f.name for f in data.columns] == ["a", "kind", "fold"]
    assert (data.test.x[:, -1] == data.fold).all() and (data.fold == (data.folds == "test").argmax(0)).all()
    assert data.scale[-1] == 0 and data.low[-1] == 0 and data.high[-1] == 4
    assert len(data.splits["train"]) == 60 and not len(data.splits["calibration"])
    assert any("judged by one of 5 networks that had not seen it" in note for note in data.provenance.notes)


def test_a_missing_number_becomes_the_median_of_the_rows_its_network_was_trained_on():
    frame = _frame()
    frame.loc[7, "a"] = ""
    roles = Roles(**{**vars(ROLES), "missing_numeric": "median"})
    data = _table(frame, roles)
    k = data.fold[7]
    fitted = np.flatnonzero(data.folds[k] == "train")
    assert data.test.x[7, 0] == np.float32(np.median(frame["a"].to_numpy()[fitted].astype(float)))
    assert any("median of the train rows of the network" in note for note in data.provenance.notes)


def test_a_category_that_its_network_never_met_is_code_0_there_alone():
    frame = _frame()
    frame.loc[3, "kind"] = "rare"
    data = _table(frame)
    assert data.features[1].categories == ("rare", "u", "v")
    assert data.test.x[3, 1] == 0 and (np.delete(data.test.x[:, 1], 3) > 0).all()
    assert any("code 0" in note for note in data.provenance.notes)


def test_repeated_rows_count_where_the_judging_network_was_trained_on_their_like():
    frame = _frame()
    same = _table(frame.assign(a="1.5", kind="u", y=["0", "1"] * 30))
    assert same.provenance.repeated_in_test == 60 and _table(frame).provenance.repeated_in_test == 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"test": _frame().assign(id=[f"q{i}" for i in range(60)])}, "folds with a test file"),
        ({"roles": Roles(target="y", positive="1", sensitive=("sex",), id="id")}, "folds without features"),
        ({"plan": _plan(61)}, "one is empty"),
        ({"frame": _frame(y=["1", *["0"] * 59])}, "the train split of fold"),
    ],
)
def test_what_cannot_be_folded_is_one_line(given, says):
    with pytest.raises(DataError, match=says) as error:
        _table(**{"frame": _frame(), **given})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", [{"by": "folds"}, {"folds": 3}, {"by": "folds", "folds": 1}])
def test_folds_and_their_number_belong_together(given):
    with pytest.raises(DataError, match="two folds or more"):
        SplitPlan(**given)
