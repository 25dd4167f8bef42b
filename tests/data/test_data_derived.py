"""Columns made of columns, and splits in the order of time."""

import numpy as np
import pandas as pd
import pytest

from audit.assemble import read_data
from audit.config import load
from audit.data import arrays, derived, splits, tables
from audit.data.derived import Derived
from audit.data.roles import Roles, SplitPlan
from audit.errors import DataError

DAYS = 40
PLAN = SplitPlan(by="time", validation=0.1, calibration=0.1, test=0.2)
ROLES = Roles("cars", numeric=("rain", "before"), categorical=("hour",), sensitive=("day",), time="when",
              cluster="date", missing_numeric="median")  # fmt: skip
MADE = {
    "date": Derived("when", part="date"),
    "hour": Derived("when", part="hour"),
    "weekday": Derived("when", part="weekday"),
    "day": Derived("weekday", map={"Saturday": "weekend", "Sunday": "weekend"}, rest="working day"),
    "feast": Derived("holiday", over="date", blank="None"),
    "rain": Derived("fallen", within=(0, 100)),
    "before": Derived("cars", lag=24),
}


def _frame() -> pd.DataFrame:
    """Forty days of hours from a Monday on: cars are the hour's number, one rain gauge is broken, 5 hours are lost."""
    when = pd.date_range("2024-01-01", periods=DAYS * 24, freq="h").delete([30, 31, 32, 33, 34])
    hours = ((when - when[0]) / pd.Timedelta("1h")).astype(int)
    frame = pd.DataFrame(
        {"when": when.astype(str), "cars": hours.astype(str), "fallen": "1.5", "holiday": "None"}
    )
    frame.loc[frame.index[frame["when"] == "2024-01-10 00:00:00"], "holiday"] = "Feast"
    frame.loc[3, "fallen"] = "9831"
    return pd.concat([frame, frame.iloc[[100, 100]]], ignore_index=True)  # one hour with three weather lines


def _load(frame=None, plan=PLAN, made=MADE, roles=ROLES):
    frame = _frame() if frame is None else frame
    return tables.from_frame("road", "regression", frame, None, roles, plan, derive=made)


def test_derived_columns_hold_what_they_are_declared_to_hold():
    whole, none, notes = derived.add(_frame(), None, MADE, ROLES)
    when = pd.to_datetime(whole["when"])
    assert none is None
    assert whole["hour"].astype(int).tolist() == when.dt.hour.tolist()
    assert (whole["date"] == when.dt.strftime("%Y-%m-%d")).all()
    assert ((whole["day"] == "weekend") == (when.dt.day_of_week >= 5)).all()
    assert ((whole["feast"] == "Feast") == (whole["date"] == "2024-01-10")).all()
    known = whole["before"] != ""
    assert (whole["before"][known].astype(int) == whole["cars"][known].astype(int) - 24).all()
    assert (~known).sum() == 24 + 5  # the first day, and a day after the gap
    assert whole.loc[3, "rain"] == "" and (whole["rain"] == "1.5").sum() == len(whole) - 1
    assert notes == (
        "rain: 1 rows have no value, their fallen lies outside 0 to 100",
        "before: 29 rows have no value, no row's time is 24 earlier",
    )


def test_a_lag_reaches_from_the_test_file_into_the_other_and_takes_the_mean_of_repeats():
    one = pd.DataFrame({"t": ["0", "1", "1"], "v": ["5", "6", "8"]})
    other = pd.DataFrame({"t": ["2", "3"], "v": ["9", ""]})
    roles = Roles("v", numeric=("b",), time="t")
    made = derived.add(one, other, {"b": Derived("v", lag=1)}, roles)
    assert made[0]["b"].tolist() == ["", "5", "5"]
    assert made[1] is not None and made[1]["b"].tolist() == ["7", "9"]


def test_prefixes_and_maps_keep_missing_values_missing():
    frame = pd.DataFrame({"code": ["250.1", "?", "V45"], "sex": ["A91", "A92", "?"]})
    made = {
        "short": Derived("code", prefix=2),
        "s": Derived("sex", map={"A91": "m"}),
        "r": Derived("sex", map={"A91": "m"}, rest="f"),
    }
    found = derived.add(frame, None, made, Roles("y", missing=("?",)))[0]
    assert found["short"].tolist() == ["25", "", "V4"]
    assert found["s"].tolist() == ["m", "A92", ""]
    assert found["r"].tolist() == ["m", "f", ""]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"cars": Derived("when", part="hour")}, "'cars' is a column of the file"),
        ({"h": Derived("wen", part="hour")}, "did you mean 'when'"),
        ({"h": Derived("when")}, "by nothing"),
        ({"h": Derived("when", part="hour", prefix=2)}, "by part and prefix"),
        ({"h": Derived("cars", part="hour")}, "plain numbers"),
        ({"h": Derived("holiday", part="hour")}, "such as 2024-05-31T12:00"),
        ({"h": Derived("holiday", map={"Fest": "yes"})}, "did you mean 'Feast'"),
        ({"h": Derived("holiday", within=(0, 1))}, "that are no number"),
        ({"h": Derived("cars", within=(3, 1))}, "a low below a high"),
        ({"h": Derived("cars", over="holiday")}, "holds '0' and '1'"),
    ],
)
def test_derivations_that_cannot_be_made_are_refused(made, words):
    with pytest.raises(DataError) as error:
        derived.add(_frame(), None, made, ROLES)
    assert words in str(error.value)


def test_a_lag_needs_a_time_column():
    with pytest.raises(DataError, match="a lag above 0 and a time column"):
        derived.add(_frame(), None, {"b": Derived("cars", lag=24)}, Roles("cars"))


def test_a_configuration_derives_columns_and_splits_by_time(tmp_path):
    _frame().to_csv(tmp_path / "road.csv", index=False)
    columns = {
        "target": "cars",
        "time": "when",
        "cluster": "date",
        "numeric": ["rain", "before"],
        "categorical": ["hour"],
        "sensitive": ["day"],
        "missing_numeric": "median",
        "derive": {
            "date": {"of": "when", "part": "date"},
            "hour": {"of": "when", "part": "hour"},
            "weekday": {"of": "when", "part": "weekday"},
            "day": {
                "of": "weekday",
                "map": {"Saturday": "weekend", "Sunday": "weekend"},
                "rest": "working day",
            },
            "rain": {"of": "fallen", "within": [0, 100]},
            "before": {"of": "cars", "lag": 24},
        },
    }
    data = {
        "source": "table",
        "task": "regression",
        "path": str(tmp_path / "road.csv"),
        "columns": columns,
        "split": {"by": "time"},
    }
    made = read_data(load({"name": "n", "data": data, "checks": {"accuracy.overall": {}}}))
    direct = _load(made={k: v for k, v in MADE.items() if k != "feast"})
    for name, split in made.splits.items():
        np.testing.assert_array_equal(split.x, direct.splits[name].x)
        assert split.time.tolist() == direct.splits[name].time.tolist()
    unused = next(note for note in made.provenance.notes if note.startswith("columns without a role"))
    assert unused == "columns without a role, not used: holiday"


# ---------------------------------------------------------------- splits in the order of time


def test_no_row_of_a_later_split_lies_before_one_of_an_earlier():
    data = _load()
    ends = [(split.time.min(), split.time.max()) for split in data.splits.values()]
    assert list(data.splits) == ["train", "validation", "calibration", "test"]
    assert all(before[1] < after[0] for before, after in zip(ends, ends[1:], strict=False))
    n = sum(map(len, data.splits.values()))
    for name, share in (("train", 0.6), ("validation", 0.1), ("calibration", 0.1), ("test", 0.2)):
        assert len(data.splits[name]) / n == pytest.approx(share, abs=25 / n)  # exact to a day
    owners = [set(split.cluster.tolist()) for split in data.splits.values()]
    assert sum(map(len, owners)) == len(set().union(*owners)) == DAYS


def test_gaps_repeats_and_the_ends_of_splits_are_noted():
    notes = " | ".join(_load().provenance.notes)
    assert "times: train from 2024-01-01T00:00:00 to 2024-01-24T23:00:00" in notes
    assert "2 rows repeat the time of another row" in notes
    assert (
        "1 gaps, 5 steps of 1 hours without a row; the longest is of 6 hours after 2024-01-02T05:00:00"
        in notes
    )


def test_repeated_times_stay_on_one_side_and_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(3)
    time = rng.integers(0, 60, 400).astype(float)
    part = splits.by_time(time, time, PLAN, test=True)
    assert all(len(set(part[time == t])) == 1 for t in np.unique(time))
    order = rng.permutation(400)
    assert (splits.by_time(time[order], time[order], PLAN, test=True) == part[order]).all()
    ranks = [list(splits.NAMES[::-1]).index(name) for name in part[np.argsort(time, kind="stable")]]
    assert ranks == sorted(ranks)
    assert "test" not in splits.by_time(time, time, PLAN, test=False)


def test_arrays_are_split_in_the_order_of_time():
    time = np.arange(100)[::-1]
    data = arrays.from_arrays("a", "regression", np.ones((100, 2)), np.arange(100.0), time=time, plan=PLAN)
    assert data.test.time.tolist() == list(range(99, 79, -1))
    with pytest.raises(DataError, match="split by=time without times"):
        arrays.from_arrays("a", "regression", np.ones((100, 2)), np.arange(100.0), plan=PLAN)


def test_clusters_and_test_files_that_reach_back_in_time_are_refused():
    time = np.arange(100.0)
    with pytest.raises(DataError, match="every split later than the ones before it"):
        splits.by_time(np.array(["a", "b"] * 50), time, PLAN, test=True)
    frame = _frame()
    late, early = frame.iloc[400:-2], frame.iloc[:400]
    ok = tables.from_frame("road", "regression", early, late, ROLES, PLAN, derive=MADE)
    assert ok.test.time.min() > max(ok.splits[n].time.max() for n in ("train", "validation", "calibration"))
    with pytest.raises(DataError, match="test starts at 2024-01-01"):
        tables.from_frame("road", "regression", late, early, ROLES, PLAN, derive=MADE)
    with pytest.raises(DataError, match="split by: time without a time column"):
        _load(roles=Roles("cars", categorical=("holiday",)), made={})


def test_targets_that_are_missing_are_dropped_and_words_are_refused():
    frame = _frame()
    frame.loc[5, "cars"] = ""
    assert _load(frame).provenance.dropped == {"missing target": 1}
    frame.loc[5, "cars"] = "many"
    with pytest.raises(DataError, match="no number, such as 'many'"):
        _load(frame)
    floats = _frame().assign(cars=lambda f: f["cars"].astype(float) + 0.5)
    assert float(_load(floats).test.y[0] % 1) == 0.5
