import time

import numpy as np
import pandas as pd
import pytest

from audit.data import files, tables
from audit.data.roles import Roles, SplitPlan
from audit.errors import DataError

ROLES = Roles(
    "income",
    positive="high",
    favourable="high",
    numeric=("age", "hours"),
    categorical=("job",),
    sensitive=("sex", "age"),
    bands={"age": (40.0,)},
    missing=("?",),
)
HALF = SplitPlan(validation=0.1, calibration=0.1, test=0.4)


def _frame(n=100, start=0):
    i = np.arange(start, start + n)
    return pd.DataFrame(
        {
            "person": [f"p{k}" for k in i],
            "age": 20 + i % 50,
            "hours": i / 4,
            "job": [("clerk", "cook", "?")[k % 3] for k in i],
            "sex": [("f", "m", "?")[k % 7 % 3] for k in i],
            "household": [f"h{k // 3}" for k in i],
            "income": [("high", "low", "low")[k % 3] for k in i],
        }
    )


def _load(frame, roles=ROLES, plan=HALF, test=None, task="binary"):
    return tables.from_frame("people", task, frame, test, roles, plan)


def _with(**changes):
    return Roles(**{**ROLES.__dict__, **changes})


def test_a_csv_becomes_a_dataset(tmp_path):
    path = tmp_path / "people.csv"
    _frame().to_csv(path, index=False)
    data = tables.load("people", "binary", path, None, ROLES, HALF, licence="CC0", sha256=files.digest(path))
    assert (data.name, data.task, data.modality, data.target) == ("people", "binary", "table", "income")
    assert data.classes == ("low", "high")
    assert data.favourable == 1
    assert [f.name for f in data.features] == ["age", "hours", "job"]
    assert list(data.splits) == ["train", "validation", "calibration", "test"]
    assert sum(map(len, data.splits.values())) == 100
    assert data.test.x.shape == (len(data.test), 3)
    assert data.test.x.dtype == np.float32
    assert set(data.test.groups) == {"sex", "age"}
    assert set(data.test.groups["sex"]) == {"f", "m", "(missing)"}
    assert set(data.test.groups["age"]) == {"under 40", "40 and over"}
    assert data.provenance.source == "people.csv"
    assert data.provenance.licence == "CC0"
    assert str(tmp_path) not in str(data.provenance)
    assert "person, household" in " ".join(data.provenance.notes)


def test_every_row_keeps_its_own_label_groups_and_inputs():
    frame = _frame()
    data = _load(frame, _with(id="person"))
    salted = dict(zip(_ids(frame, data), frame.itertuples(), strict=True))
    for split in data.splits.values():
        for i, one in enumerate(split.id):
            row = salted[one]
            assert split.x[i, 0] == row.age
            assert split.x[i, 1] == np.float32(row.hours)
            assert split.y[i] == (row.income == "high")
            assert split.groups["sex"][i] == row.sex.replace("?", "(missing)")
            job = data.features[2].categories[int(split.x[i, 2]) - 1]
            assert job == row.job.replace("?", "(missing)")


def _ids(frame, data):
    from audit.data.splits import hash_ids

    return hash_ids(frame["person"], data.provenance.salt).tolist()


def test_splits_are_disjoint_and_stratified():
    data = _load(_frame(300))
    ids = [one for split in data.splits.values() for one in split.id]
    assert len(set(ids)) == len(ids) == 300
    assert [len(split) for split in data.splits.values()] == [120, 30, 30, 120]
    assert [split.y.sum() for split in data.splits.values()] == [40, 10, 10, 40]


def test_the_order_of_rows_changes_neither_ids_nor_splits():
    frame = _frame()
    one, other = (_load(f, _with(id="person")) for f in (frame, frame.sample(frac=1, random_state=3)))
    for name, split in one.splits.items():
        assert set(split.id) == set(other.splits[name].id)


def test_ids_do_not_show_the_record_and_depend_on_the_content():
    frame = _frame()
    first, changed = _load(frame, _with(id="person")), _load(frame.assign(note="x"), _with(id="person"))
    assert not any("p1" == one or len(one) != 16 for one in first.test.id)
    assert not set(first.test.id) & set(changed.test.id)
    assert first.provenance.salt not in repr(first.provenance)


def test_a_test_file_is_the_test_split_and_row_order_is_kept():
    test = _frame(30, 200)
    data = _load(_frame(), test=test)
    assert [len(split) for split in data.splits.values()] == [80, 10, 10, 30]
    assert data.test.x[:, 1].tolist() == test["hours"].tolist()


def test_a_column_may_state_the_split():
    frame = _frame(8).assign(part=["train"] * 3 + ["validation", "calibration", "test", "test", "test"])
    data = _load(frame, plan=SplitPlan(by="column", column="part"))
    assert [len(split) for split in data.splits.values()] == [3, 1, 1, 3]
    assert data.test.x[:, 1].tolist() == frame["hours"][5:].tolist()
    unlabelled = frame.assign(income=["high", "?", *frame["income"][2:]])
    data = _load(unlabelled, plan=SplitPlan(by="column", column="part"))
    assert data.test.x[:, 1].tolist() == frame["hours"][5:].tolist()
    with pytest.raises(DataError, match="did you mean 'train'"):
        _load(frame.replace("train", "trian"), plan=SplitPlan(by="column", column="part"))
    with pytest.raises(DataError, match="has another role"):
        _load(frame, _with(categorical=("part",)), SplitPlan(by="column", column="part"))


def test_whole_clusters_go_to_one_split():
    plan = SplitPlan(by="cluster", test=0.4)
    data = _load(_frame(), _with(cluster="household"), plan)
    seen = [set(split.cluster) for split in data.splits.values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 34
    assert "h1" not in set.union(*seen)
    with pytest.raises(DataError, match="without a cluster column"):
        _load(_frame(), plan=plan)
    with pytest.raises(DataError, match="1 clusters of 'household' are in the test file"):
        _load(_frame(10), _with(cluster="household"), plan, test=_frame(9, 10))


def test_clusters_torn_by_a_row_split_are_noted():
    data = _load(_frame(), _with(cluster="household"))
    assert any("clusters of household have rows in more than one split" in n for n in data.provenance.notes)


def test_weight_time_and_legitimate_factors_travel_with_their_rows():
    frame = _frame().assign(w=np.arange(100) + 1.0, t=np.arange(100), edu="school")
    data = _load(frame, _with(weight="w", time="t", legitimate=("edu",)))
    assert (data.test.weight - 1 == data.test.x[:, 1] * 4).all()
    assert (data.test.time == data.test.x[:, 1] * 4).all()
    assert set(data.test.legitimate["edu"]) == {"school"}


def test_repeated_rows_in_test_are_counted_and_kept():
    train, test = _frame(), pd.concat([_frame(5), _frame(2, 300)])
    plan = SplitPlan(validation=0, calibration=0)
    assert _load(train, plan=plan, test=test).provenance.repeated_in_test == 5
    other_label = test.assign(income=["low" if one == "high" else "high" for one in test["income"]])
    assert _load(train, plan=plan, test=other_label).provenance.repeated_in_test == 0


def test_rows_without_a_label_are_dropped_and_counted():
    data = _load(_frame().assign(income=["?", "low", "high", "low"] * 25))
    assert data.provenance.dropped == {"missing target": 25}
    lost = data.splits["unlabelled"]
    assert sum(map(len, data.splits.values())) == 75 + len(lost) and len(lost) == 25 and set(lost.y) == {-1}


def test_a_missing_number_in_a_row_that_goes_anyway_is_no_mistake():
    frame = _frame()
    frame.loc[3, ["hours", "income"]] = [np.nan, "?"]
    assert _load(frame).provenance.dropped == {"missing target": 1}


def test_missing_numbers_are_refused_dropped_or_filled():
    frame = _frame()
    frame.loc[:4, "hours"] = np.nan
    frame.loc[50, "age"] = np.nan
    with pytest.raises(DataError) as error:
        _load(frame)
    assert "age (1), hours (5)" in str(error.value)
    assert "missing_numeric: drop (the rows) or median (of train)" in str(error.value)
    dropped = _load(frame, _with(missing_numeric="drop"))
    assert dropped.provenance.dropped == {"missing numeric feature": 6}
    filled = _load(frame, _with(missing_numeric="median"))
    known = [x for x in filled.splits["train"].x[:, 1] if x in frame["hours"].to_numpy(np.float32)]
    train = filled.splits["train"].x[:, 1]
    assert len(train) == 40
    assert np.isfinite(np.concatenate([s.x for s in filled.splits.values()])).all()
    assert {x for x in train if x not in known} <= {np.float32(np.median(known))}


def test_a_group_with_one_row_is_legal_and_noted():
    frame = _frame(20).assign(sex=["x"] + ["f"] * 19, part=["test"] * 10 + ["train"] * 10)
    data = _load(frame, plan=SplitPlan(by="column", column="part"))
    assert (data.test.groups["sex"] == "x").sum() == 1
    assert "sex: groups with a single test row: x" in data.provenance.notes


def test_scores_alone_need_no_train_rows():
    data = _load(_frame(), Roles("income", positive="high", sensitive=("sex",)), SplitPlan(
        validation=0, calibration=0, test=1.0
    ))  # fmt: skip
    assert len(data.test) == 100
    assert data.test.x.shape == (100, 0)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (_with(numeric=("agee", "hours"), bands={}), "did you mean 'age'?"),
        (_with(target="incom"), "column='incom'"),
        (_with(drop=("househld",)), "did you mean 'household'?"),
        (_with(id="job", categorical=()), "lacks a value in 33 rows"),
        (_with(id="household"), "holds 66 repeated ids"),
        (_with(numeric=("age", "sex")), "that are no number, such as 'f'"),
        (_with(positive="hihg"), "did you mean 'high'?"),
        (_with(favourable="medium"), "favourable='medium'"),
        (_with(classes=("low", "middle")), "class='high'"),
    ],
)
def test_roles_that_do_not_fit_the_table_are_refused(roles, words):
    with pytest.raises(DataError) as error:
        _load(_frame(), roles)
    assert words in str(error.value)


@pytest.mark.parametrize("plan", [SplitPlan(by="none"), SplitPlan(validation=0, calibration=0, test=1)])
def test_without_training_rows_medians_and_scales_are_of_the_judged_rows(plan):
    data = _load(_frame(), plan=plan)
    assert [len(split) for split in data.splits.values()] == [0, 0, 0, len(data.test)]
    assert data.features[0].scale == pytest.approx(data.test.x[:, 0].std(dtype=float))
    notes = " ".join(data.provenance.notes)
    assert "there are no training rows" in notes
    assert ("rows are judged" in notes) == (plan.by == "none")


@pytest.mark.parametrize(
    ("frame", "plan", "words"),
    [
        (_frame().assign(income="low"), HALF, "one value 'low'"),
        (_frame(), SplitPlan(test=0.0), "the test split of 100 rows is empty"),
        (_frame().assign(income=["high"] + ["low"] * 98 + ["?"]), SplitPlan(test=0.8, validation=0.1,
            calibration=0.05), "train split"),
        (_frame().assign(income="?"), HALF, "no row is left"),
        (_frame().assign(hours=np.inf), HALF, "'hours' holds 100 infinite values"),
    ],
)  # fmt: skip
def test_tables_unfit_for_an_audit_are_refused(frame, plan, words):
    with pytest.raises(DataError) as error:
        _load(
            frame,
            _with(positive="low" if (frame["income"] == "low").all() else "high", favourable=None),
            plan,
        )
    assert words in str(error.value)


def test_a_column_absent_from_the_test_file_is_named():
    with pytest.raises(DataError, match="column of the test file='hours'"):
        _load(_frame(), test=_frame(9).drop(columns="hours"))


def test_a_missing_file_a_wrong_digest_and_a_wrong_separator(tmp_path):
    path = tmp_path / "people.csv"
    with pytest.raises(DataError, match="to obtain it: from the office"):
        tables.load("p", "binary", path, None, ROLES, HALF, obtain="from the office")
    _frame().to_csv(path, index=False, sep=";")
    with pytest.raises(DataError, match="expected 00"):
        tables.load("p", "binary", path, None, ROLES, HALF, sha256="00")
    with pytest.raises(DataError, match="its header holds ';'"):
        tables.load("p", "binary", path, None, ROLES, HALF)
    (tmp_path / "same.csv").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="are the same file"):
        tables.load("p", "binary", path, tmp_path / "same.csv", ROLES, HALF)


def test_parquet_and_csv_give_the_same_dataset(tmp_path):
    frame = _frame()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    one, other = (
        tables.load("p", "binary", tmp_path / f"a.{kind}", None, ROLES, HALF) for kind in ("csv", "parquet")
    )
    assert (one.test.id == other.test.id).all()
    np.testing.assert_array_equal(one.test.x, other.test.x)


def test_regression_and_multilabel_tables():
    frame = _frame().assign(a=np.arange(100) % 2, b=1)
    data = _load(frame, Roles("hours", numeric=("age",)), task="regression")
    assert data.test.y.dtype == np.float64
    assert data.classes == ()
    many = _load(frame, Roles("a, b", numeric=("age",)), task="multilabel")
    assert many.test.y.shape == (40, 2)
    assert many.classes == ("a", "b")


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_seconds():
    frame = _frame(100_000).assign(age=np.arange(100_000) % 71)
    start = time.perf_counter()
    data = _load(frame, _with(id="person"))
    assert time.perf_counter() - start < 20  # a bound for slow machines; the usual is about 2 s
    assert len(data.test) == 40_000
