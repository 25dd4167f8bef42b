"""The worked examples' data as their configurations read them, beside published counts."""

import numpy as np
import pytest

from audit.assemble import read_data
from audit.config import load


def _read(data_root, name, folder):
    if not (data_root / folder).is_dir():
        pytest.skip(f"no {folder} in the data folder")
    return read_data(load(name))


def test_hourly_traffic_is_split_in_the_order_of_time(data_root):
    data = _read(data_root, "traffic_volume", "traffic_volume")
    assert sum(map(len, data.splits.values())) == 48204
    ends = [(split.time.min(), split.time.max()) for split in data.splits.values()]
    assert all(before[1] < after[0] for before, after in zip(ends, ends[1:], strict=False))
    owners = [set(split.cluster.tolist()) for split in data.splits.values()]
    assert len(set().union(*owners)) == sum(map(len, owners))
    notes = " | ".join(data.provenance.notes)
    assert "temperature: 10 rows have no value" in notes
    assert "rain: 1 rows have no value" in notes
    assert "7629 rows repeat the time of another row" in notes
    assert "the longest is of 7387 hours after 2014-08-08T01:00:00" in notes
    assert max(split.x[:, 1].max() for split in data.splits.values()) < 100  # mm of rain in an hour
    holidays = data.test.groups["public_holiday"] == "yes"
    assert len(set(data.test.time[holidays].astype("datetime64[D]").tolist())) == 10
    day = data.test.time.astype("datetime64[D]").astype(int)
    assert (
        (data.test.groups["day"] == "weekend") == np.isin((day + 3) % 7, (5, 6))
    ).all()  # 1970-01-01: Thursday


def test_frames_of_a_sign_stay_together(data_root):
    data = _read(data_root, "gtsrb", "gtsrb_subset")
    assert (len(data.test), data.test.x.shape[1:]) == (932, (32, 32, 3))
    fitted = [data.splits[name] for name in ("train", "validation", "calibration")]
    assert sum(map(len, fitted)) == 2400
    owners = [set(split.cluster.tolist()) for split in fitted]
    assert len(set().union(*owners)) == sum(map(len, owners)) == 650
    assert data.classes[:2] == ("speed limit 30", "speed limit 50")
    assert set(data.test.groups["sign_size"]) == {"under 45", "45 to 64", "65 and over"}


def test_sex_is_read_from_the_personal_status(data_root):
    data = _read(data_root, "german_credit", "german_credit")
    sex = np.concatenate([split.groups["sex"] for split in data.splits.values()])
    assert {name: int((sex == name).sum()) for name in ("male", "female")} == {"male": 690, "female": 310}
    assert (data.classes, data.favourable) == (("repaid", "default"), 0)
    assert sum(int(split.y.sum()) for split in data.splits.values()) == 300
