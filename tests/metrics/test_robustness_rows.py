"""What may count as an adversarial example, and which rows are tried."""

import numpy as np
import pytest

from audit.metrics.robustness import batch_of, inside, movable_scale, numbers
from audit.metrics.sanity import Tried, beats, does_not_fall, gradients, still_falls
from audit.subject import Feature

X = np.array([[0.5, 0.5, 100.0]], np.float32)
SPACE = {"scale": np.array([1, 0, 50], np.float32), "low": np.float32(0), "high": np.float32(200)}


@pytest.mark.parametrize(
    ("move", "norm", "eps", "counts"),
    [
        ([0.1, 0, 5], "linf", 0.1, True),
        ([0.1, 0, 5.1], "linf", 0.1, False),
        ([0.06, 0, 4], "l2", 0.1, True),
        ([0.07, 0, 4], "l2", 0.1, False),
        ([0.06, 0, 2], "l1", 0.1, True),
        ([0.06, 0, 4], "l1", 0.1, False),
        ([0, 1e-7, 0], "linf", 0.1, False),
        ([-0.6, 0, 0], "linf", 1.0, False),
        ([np.nan, 0, 0], "linf", 1.0, False),
        ([0, 0, 0], "linf", 1e-9, True),
    ],
)
def test_only_points_in_ball_and_box_with_fixed_features_count(move, norm, eps, counts):
    moved = X + np.array([move], np.float32)
    assert inside(X, moved, eps=eps, norm=norm, **SPACE).tolist() == [counts]


def test_a_fixed_feature_must_be_bit_equal():
    x = np.array([[0.0, -0.0]], np.float32)
    space = {"eps": 1.0, "norm": "l2", "scale": np.zeros(2), "low": -1.0, "high": 1.0}
    assert inside(x, x.copy(), **space).all() and not inside(x, np.zeros_like(x), **space).any()


def test_a_row_outside_the_box_may_not_move_further_out():
    x = np.array([[300.0, 0.5, 100.0]], np.float32)
    for step, counts in ((-1, True), (0, True), (1, False)):
        moved = x + np.array([[step, 0, 0]], np.float32)
        assert inside(x, moved, eps=2.0, norm="linf", **SPACE)[0] == counts


def test_row_numbers_come_from_the_id_alone():
    assert numbers(["123456789"])[0] == 0xCBF43926  # CRC-32's published check value
    assert (numbers(["a", "b"]) == numbers(["b", "a"])[::-1]).all()


def test_fixed_and_categorical_features_never_move():
    features = (Feature("a", scale=2.0), Feature("b", mutable=False), Feature("c", kind="categorical"))
    assert movable_scale(None, features, (3,)).tolist() == [2, 0, 0]
    assert movable_scale(np.array([1.0, 1, 1]), features, (3,)).tolist() == [1, 0, 0]
    assert (movable_scale(None, (), (2, 2, 1)) == 1).all()


def test_fallen_rows_fill_the_last_batch():
    standing, fallen = np.arange(10), np.arange(100, 130)
    assert batch_of(standing, fallen, 16, 4).tolist() == [*range(10), *range(100, 106)]
    assert len(batch_of(standing, fallen, 8, 4)) == 16
    assert len(batch_of(standing, fallen[:0], 8, 4)) == 10
    assert len(batch_of(standing[:0], fallen[:0], 8, 4)) == 0


def test_signs_of_a_broken_attack_warn_and_those_of_a_sound_one_pass():
    yes, no = np.ones(10, bool), np.zeros(10, bool)
    assert beats("", "l2", [yes, yes], [no, yes]).result == "pass"
    weak = beats("", "l2", [yes, no], [no, yes])
    assert (weak.result, weak.value, weak.n) == ("warn", -1.0, 10)
    assert beats("", "l2", [no[:0]], [no[:0]]).result == "not applicable"
    assert does_not_fall("l2", [no, yes]).result == "pass"
    assert does_not_fall("l2", [no, yes, no]).result == "warn"
    assert does_not_fall("l2", [no]).result == "not applicable"
    half = np.arange(10) < 5
    lost, kept = (Tried("l2", 0.1, by, no, no, half) for by in (~half, half))
    assert (still_falls("l2", [lost]).result, still_falls("l2", [lost]).n) == ("warn", 5)
    assert still_falls("l2", [kept]).result == "pass"
    every = np.ones(49, bool)
    by_chance, too_many = (Tried("l2", 0.1, np.arange(49) >= k, every, every, every) for k in (1, 4))
    assert still_falls("l2", [by_chance]).result == "pass"  # 1 of 49: the truth may well be 1 of 100
    assert still_falls("l2", [too_many]).result == "warn"  # 4 of 49: probability .0016 at 1 of 100
    assert [s.result for s in gradients(np.array([1.0, 2.0]))] == ["pass", "pass"]
    assert [s.result for s in gradients(np.array([0.0, np.nan]))] == ["warn", "warn"]
