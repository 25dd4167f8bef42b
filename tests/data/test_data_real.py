"""Counts of published data, where JAX_AUDIT_DATA names their folder."""

import numpy as np
import pytest

from audit.data import images, tables
from audit.data.roles import Roles, SplitPlan

ADULT = Roles(
    "income",
    positive=">50K",
    favourable=">50K",
    numeric=("age", "education_num", "capital_gain", "capital_loss", "hours_per_week"),
    categorical=("workclass", "occupation", "native_country"),
    sensitive=("sex", "race", "age"),
    bands={"age": (40, 60)},
    missing=("?",),
)


def test_adult(data_root):
    folder = data_root / "adult"
    if not folder.is_dir():
        pytest.skip("no adult in the data folder")
    data = tables.load("adult", "binary", folder / "train.csv.gz", folder / "test.csv.gz", ADULT, SplitPlan())
    fitted = [data.splits[name] for name in ("train", "validation", "calibration")]
    assert sum(map(len, fitted)) == 32561
    assert sum(int(split.y.sum()) for split in fitted) == 7841
    assert (len(data.test), int(data.test.y.sum())) == (16281, 3846)
    sex, y = (
        np.concatenate([part(s) for s in fitted]) for part in (lambda s: s.groups["sex"], lambda s: s.y)
    )
    assert y[sex == "Male"].mean() == pytest.approx(0.3057, abs=5e-5)
    assert y[sex == "Female"].mean() == pytest.approx(0.1095, abs=5e-5)
    codes = {
        f.name: (j, f.categories.index("(missing)") + 1) for j, f in enumerate(data.features) if f.categories
    }
    rows = [np.any([s.x[:, j] == code for j, code in codes.values()], axis=0) for s in (*fitted, data.test)]
    assert int(np.concatenate(rows[:3]).sum()) == 2399
    assert int(rows[3].sum()) == 1221


def test_diabetes_readmission_keeps_patients_apart(data_root):
    path = data_root / "diabetes_readmission" / "diabetic_data.csv.gz"
    if not path.is_file():
        pytest.skip("no diabetes_readmission in the data folder")
    roles = Roles(
        "readmitted",
        positive="<30",
        classes=("<30", ">30", "NO"),
        numeric=("time_in_hospital", "num_medications"),
        sensitive=("race", "gender"),
        id="encounter_id",
        cluster="patient_nbr",
        missing=("?",),
    )
    data = tables.load("readmission", "binary", path, None, roles, SplitPlan(by="cluster"))
    assert sum(map(len, data.splits.values())) == 101766
    assert sum(int(split.y.sum()) for split in data.splits.values()) == 11357
    patients = [set(split.cluster) for split in data.splits.values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 71518
    assert sum(int((s.groups["race"] == "(missing)").sum()) for s in data.splits.values()) == 2273
    assert len(data.test) == pytest.approx(0.2 * 101766, abs=40)


def test_fashion_mnist(data_root):
    folder = data_root / "fashion_mnist"
    if not folder.is_dir():
        pytest.skip("no fashion_mnist in the data folder")
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    paths = [folder / f"{name}-ubyte.gz" for name in names]
    data = images.load("fashion_mnist", *paths, (), SplitPlan())
    fitted = [data.splits[name] for name in ("train", "validation", "calibration")]
    n = sum(split.x.size for split in fitted)
    mean = sum(float(split.x.sum(dtype=np.float64)) for split in fitted) / n
    square = sum(float(np.square(split.x).sum(dtype=np.float64)) for split in fitted) / n
    assert (mean, np.sqrt(square - mean**2)) == (
        pytest.approx(0.2860, abs=5e-5),
        pytest.approx(0.3530, abs=5e-5),
    )
    assert [len(split) for split in data.splits.values()] == [48000, 6000, 6000, 10000]
    assert all(len(set(np.bincount(split.y))) == 1 for split in data.splits.values())
