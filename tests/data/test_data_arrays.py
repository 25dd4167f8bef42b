import numpy as np
import pytest

from audit.data.arrays import from_arrays, from_splits
from audit.data.roles import SplitPlan
from audit.errors import DataError
from audit.subject import Feature, Split

X = np.arange(200.0).reshape(100, 2)
Y = np.arange(100) % 2


def _split(rows=slice(None), **changes):
    given = {"x": X[rows], "y": Y[rows], "id": np.arange(100)[rows]}
    return Split(**{**given, **changes})


def test_arrays_become_a_dataset():
    data = from_arrays(
        "mine",
        "binary",
        X,
        Y,
        classes=("no", "yes"),
        favourable="yes",
        groups={"sex": ["f", None] * 50},
        plan=SplitPlan(),
    )
    assert [len(split) for split in data.splits.values()] == [60, 10, 10, 20]
    assert (data.modality, data.classes, data.favourable) == ("table", ("no", "yes"), 1)
    assert [f.name for f in data.features] == ["x0", "x1"]
    assert data.low is None
    for split in data.splits.values():
        assert split.x.dtype == np.float32
        assert split.y.dtype == np.int32
        assert (split.x[:, 0] / 2 % 2 == split.y).all()
        assert (split.groups["sex"] == np.where(split.y == 1, "(missing)", "f")).all()
    train = data.splits["train"].x[:, 0]
    assert data.features[0].scale == pytest.approx(train.std())


def test_every_row_of_a_ready_test_set_is_judged():
    data = from_arrays("mine", "binary", X, Y, id=np.arange(100), cluster=np.arange(100) // 4)
    assert [len(split) for split in data.splits.values()] == [0, 0, 0, 100]
    assert data.test.x.tolist() == X.tolist()
    assert len(set(data.test.cluster)) == 25
    assert data.reference is data.test
    assert data.features[0].scale == pytest.approx(X[:, 0].std())
    notes = " ".join(data.provenance.notes)
    assert "all 100 rows are judged" in notes and "no training rows" in notes


def test_ids_decide_the_split_and_are_hashed():
    names = np.array([f"p{i}" for i in range(100)])
    order = np.random.default_rng(0).permutation(100)
    one = from_arrays("mine", "binary", X, Y, id=names, plan=SplitPlan())
    other = from_arrays("mine", "binary", X[order], Y[order], id=names[order], plan=SplitPlan())
    for name, split in one.splits.items():
        assert set(split.id) == set(other.splits[name].id)
        assert not set(split.id) & set(names)


def test_clusters_stay_together():
    people = np.arange(100) // 4
    data = from_arrays("mine", "binary", X, Y, cluster=people, plan=SplitPlan(by="cluster"))
    seen = [set(split.cluster) for split in data.splits.values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 25
    with pytest.raises(DataError, match="by: cluster with clusters"):
        from_arrays("mine", "binary", X, Y, cluster=people, plan=SplitPlan())


def test_a_dict_of_arrays_is_kept_apart():
    x = {"tokens": np.arange(300).reshape(100, 3), "length": np.full(100, 2.5)}
    data = from_arrays("mine", "binary", x, Y, modality="text")
    assert data.test.x["tokens"].dtype == np.int32
    assert data.test.x["length"].dtype == np.float32
    assert (data.test.x["tokens"][:, 0] // 3 % 2 == data.test.y).all()
    assert data.features == ()
    with pytest.raises(DataError, match="modality not given"):
        from_arrays("mine", "binary", x, Y)


def test_bounds_and_declared_features():
    features = (Feature("age", scale=5.0), Feature("job", kind="categorical"))
    data = from_arrays("mine", "binary", X, Y, features=features, low=0, high=[200, 200])
    assert data.features == features
    assert data.scale.tolist() == [5, 0]
    images = from_arrays("mine", "binary", np.zeros((100, 4, 4, 1)), Y, low=0, high=1)
    assert (images.modality, float(images.scale)) == ("image", 1)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"low": 0}, "both low and high"),
        ({"low": 1, "high": 300}, "1 input values outside low and high"),
        ({"low": [0, 0, 0], "high": 300}, "low of shape (3,)"),
        ({"low": np.zeros((1, 2)), "high": 300}, "broadcastable to one example (2,)"),
        ({"low": 300, "high": 0}, "low at most high"),
        ({"low": 0, "high": np.inf}, "finite"),
        ({"low": 0, "high": 300, "scale": -1}, "scale at least 0"),
    ],
)
def test_bad_bounds_are_refused(bounds, words):
    with pytest.raises(DataError) as error:
        from_arrays("mine", "binary", X, Y, **bounds)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("task", "x", "y", "more", "words"),
    [
        ("binary", X[:99], Y, {}, "x has shape (99, 2); expected 100 rows"),
        ("binary", X, Y, {"groups": {"sex": ["f"]}}, "groups['sex'] has shape (1,)"),
        ("binary", X, Y, {"weight": np.full(100, -1.0)}, "weight holds negative"),
        ("binary", np.where(X == 3, np.nan, X), Y, {}, "x holds 1 NaN or infinite values"),
        ("binary", X.astype(object), Y, {}, "x holds object"),
        ("binary", X, Y + 1, {}, "y from 1 to 2; expected 0 to 1"),
        ("binary", X, Y.astype(str), {}, "for binary; expected whole numbers"),
        ("binary", X, Y * 0, {}, "one class only"),
        ("binary", X, Y, {"classes": ("a", "b", "c")}, "3 classes for binary; expected 2"),
        ("binary", X, Y, {"id": Y}, "holds 98 repeated ids"),
        ("binary", X, Y, {"favourable": "2"}, "favourable='2'"),
        ("binary", X, Y, {"features": (Feature("a"),)}, "1 features for x of 2 columns"),
        ("multiclass", X, np.arange(100) % 4, {"classes": ("a", "b", "c")}, "y from 0 to 3; expected 0 to 2"),
        ("regression", X, np.full(100, np.inf), {}, "finite numbers"),
        ("regression", X, Y, {"classes": ("a", "b")}, "it has no classes"),
        ("multilabel", X, Y, {}, "whole numbers, 2-d"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(task, x, y, more, words):
    with pytest.raises(DataError) as error:
        from_arrays("mine", task, x, y, **more)
    assert words in str(error.value)


def test_ready_splits_are_checked_and_completed():
    data = from_splits("mine", "binary", {"train": _split(slice(0, 80)), "test": _split(slice(80, 100))})
    assert [len(split) for split in data.splits.values()] == [80, 0, 0, 20]
    assert data.splits["validation"].x.shape == (0, 2)
    scores_only = from_splits("mine", "binary", {"test": _split()})
    assert len(scores_only.test) == 100


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"train": _split()}, "without test rows"),
        ({"train": _split(), "test": _split(slice(0, 5))}, "holds 5 repeated ids"),
        ({"train": _split(), "tset": _split()}, "did you mean 'test'?"),
        ({"test": _split(slice(0, 0))}, "without test rows"),
    ],
)
def test_ready_splits_that_overlap_or_lack_test_are_refused(given, words):
    with pytest.raises(DataError) as error:
        from_splits("mine", "binary", given)
    assert words in str(error.value)


def test_other_tasks():
    assert from_arrays("mine", "regression", X, X[:, 0]).test.y.dtype == np.float64
    many = from_arrays("mine", "multilabel", X, np.stack([Y, 1 - Y], axis=1), classes=("a", "b"))
    assert many.test.y.shape == (100, 2)
    assert from_arrays("mine", "multiclass", X, np.arange(100) % 3).classes == ("0", "1", "2")
