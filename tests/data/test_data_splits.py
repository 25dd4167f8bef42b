import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.data import splits
from audit.data.roles import SplitPlan
from audit.errors import DataError

SHARES = st.sampled_from([(0.1, 0.1, 0.2), (0.0, 0.25, 0.5), (0.2, 0.2, 0.6), (0.15, 0.05, 0.3)])
CLASSES = st.lists(st.integers(0, 3), min_size=1, max_size=120)


def _plan(shares, seed=0, by="fraction"):
    return SplitPlan(by=by, validation=shares[0], calibration=shares[1], test=shares[2], seed=seed)


@given(CLASSES, SHARES, st.integers(0, 9))
def test_every_class_is_divided_to_the_row(classes, shares, seed):
    y, plan = np.array(classes), _plan(shares, seed)
    part = splits.draw(splits.row_numbers("data", len(y)), y, plan, test=True)
    assert set(part) <= set(splits.NAMES)
    for level in set(classes):
        rows = y == level
        for name in ("validation", "calibration", "test"):
            wanted = getattr(plan, name) * rows.sum()
            assert abs((part[rows] == name).sum() - wanted) <= 1


@given(CLASSES, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_rows_moves_no_row_to_another_split(classes, shares, random):
    y = np.array(classes)
    ids = np.array([f"person {i}" for i in range(len(y))], object)
    order = np.array(random.sample(range(len(y)), len(y)))
    part = splits.draw(ids, y, _plan(shares), test=True)
    assert (splits.draw(ids[order], y[order], _plan(shares), test=True) == part[order]).all()


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 1)), min_size=1, max_size=120), SHARES)
def test_a_cluster_never_straddles(rows, shares):
    cluster = np.array([f"patient {c}" for c, _ in rows], object)
    part = splits.draw(cluster, np.array([y for _, y in rows]), _plan(shares, by="cluster"), test=True)
    assert splits.straddling(part, cluster) == 0
    assert all(len(set(part[cluster == one])) == 1 for one in set(cluster))


def test_cluster_splits_keep_the_shares_of_rows():
    cluster = np.repeat([f"p{i}" for i in range(1000)], np.arange(1000) % 7 + 1)
    part = splits.draw(cluster, np.zeros(len(cluster), int), _plan((0.1, 0.1, 0.2)), test=True)
    assert (part == "test").mean() == pytest.approx(0.2, abs=7 / len(cluster))
    assert (part == "train").mean() == pytest.approx(0.6, abs=7 / len(cluster))


def test_another_seed_draws_other_rows_and_the_same_seed_the_same():
    ids, y = splits.row_numbers("data", 500), np.zeros(500, int)
    first, again, other = (splits.draw(ids, y, _plan((0.1, 0.1, 0.2), seed), test=True) for seed in (1, 1, 2))
    assert (first == again).all()
    # two independent draws agree on a share of .1² + .1² + .2² + .6² = .42 of the rows
    assert 0.3 < (first == other).mean() < 0.54


def test_a_single_row_of_a_class_goes_to_train():
    y = np.array([0] * 50 + [1])
    part = splits.draw(splits.row_numbers("data", 51), y, SplitPlan(), test=True)
    assert part[-1] == "train"


def test_no_row_is_drawn_for_test_where_test_has_its_own_file():
    part = splits.draw(splits.row_numbers("data", 100), np.zeros(100, int), SplitPlan(), test=False)
    assert {name: int((part == name).sum()) for name in splits.NAMES} == {
        "test": 0,
        "calibration": 10,
        "validation": 10,
        "train": 80,
    }


def test_numbers_are_divided_within_each_fifth():
    y = np.arange(1000.0)
    part = splits.draw(
        splits.row_numbers("data", 1000), splits.strata(y, "regression"), SplitPlan(), test=True
    )
    for low in range(0, 1000, 200):
        assert abs((part[low : low + 200] == "test").sum() - 40) <= 1


def test_ids_are_salted_and_short():
    salt = splits.salt_of(b"content")
    (one,) = splits.hash_ids(["patient 7"], salt)
    assert one == hashlib.sha256(f"{salt}:patient 7".encode()).hexdigest()[:16]
    assert one != splits.hash_ids(["patient 7"], splits.salt_of(b"other content"))[0]
    assert salt != hashlib.sha256(b"content").hexdigest()  # the published digest is not the salt


def test_repeated_ids_are_counted():
    with pytest.raises(DataError, match="holds 2 repeated ids"):
        splits.refuse_repeats(np.array(["a", "b", "a", "a"], object), "id column 'k'")


def test_a_split_column_may_hold_the_four_names_only():
    values = np.array(["train", "test", "valid"], object)
    with pytest.raises(DataError, match="did you mean 'validation'"):
        splits.named(values, "part", test=True)
    with pytest.raises(DataError, match="value='test'"):
        splits.named(values, "part", test=False)
