"""counterfactuals: closed-form optima on linear models, brute force on categories, constraints to the bit."""

from dataclasses import replace
from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest

from audit.attribution.counterfactual import counterfactuals
from audit.attribution.decision import toward
from audit.attribution.recourse import Space
from audit.devices import map_examples

ROWS, FEATURES = 40, 6
TURNED = toward(1, "logits", 0.5)


def linear(params, x):
    w, b = params
    return (x @ w + b)[:, None]


def numbers(unit, low=-2.0, high=2.0, direction=0, fixed=False, d=FEATURES) -> Space:
    def each(value):
        return np.full(d, value)

    points = tuple(np.linspace(low, high, 9) for _ in range(d))
    return Space(each(True), np.asarray(unit), each(low), each(high), each(direction), each(fixed), points)


def problem(seed):
    rng = np.random.default_rng(seed)
    w, b = rng.normal(size=FEATURES).astype(np.float32), np.float32([-rng.uniform(0, 6)])
    x = np.clip(rng.normal(size=(ROWS, FEATURES)), -2, 2).astype(np.float32)
    return (w, b), x, numbers(rng.uniform(0.5, 1.5, FEATURES))


def knapsack(w, b, x, space) -> float:
    """The least L1 cost that turns a linear model: the features by |w| unit, each as far as it may go."""
    need, paid, (low, high) = -(float(x @ w) + float(b[0])), 0.0, space.ends(x[None])
    rate = np.abs(w) * space.unit
    for j in np.argsort(-rate):
        if need <= 0:
            break
        room = float((high[0, j] - x[j]) if w[j] > 0 else (x[j] - low[0, j]))
        step = min(room, need / abs(w[j]))
        need, paid = need - step * abs(w[j]), paid + step / space.unit[j]
    return paid if need <= 1e-6 else np.inf


@pytest.mark.parametrize("seed", range(4))
def test_a_linear_model_is_turned_at_its_optimum_or_not_at_all(seed):
    (w, b), x, space = problem(seed)
    found = counterfactuals(linear, (w, b), x, space, toward=TURNED)
    best = np.array([knapsack(w, b, row, space) for row in x])
    assert (found.found == np.isfinite(best)).all()
    there = found.found
    assert (found.distance[there] >= best[there] - 1e-6).all()
    assert (found.distance[there] <= best[there] * 1.03 + 1e-3).all()
    assert np.isinf(found.distance[~there]).all() and (found.x[~there] == x[~there]).all()
    assert space.allows(x, found.x).all()
    margin = found.x[there] @ w + b
    assert (margin > 0).all()
    assert (margin[best[there] > 0] < 0.01).all()  # just across


def test_every_constraint_is_kept_to_the_bit():
    (w, b), x, space = problem(1)
    w = np.array([1.5, -1.0, 0.8, 2.0, -0.5, 0.3], np.float32)
    direction = np.array([1, 1, -1, 0, 0, 0])
    fixed = np.array([False, False, False, True, False, False])
    high = np.array([2, 2, 2, 2, 2, 0.5])
    space = replace(space, direction=direction, fixed=fixed, high=high)
    found = counterfactuals(linear, (w, b), x, space, toward=TURNED)
    best = np.array([knapsack(w, b, row, space) for row in x])
    assert (found.found == np.isfinite(best)).all() and 5 < found.found.sum() < ROWS
    assert found.distance[found.found] == pytest.approx(best[found.found], rel=0.03, abs=1e-3)
    assert (found.x[:, 3].view(np.int32) == x[:, 3].view(np.int32)).all()
    assert (found.x[:, 0] >= x[:, 0]).all() and (found.x[:, 1] == x[:, 1]).all()
    assert (found.x[:, 2] == x[:, 2]).all()  # down alone, which does not help
    assert (found.x[:, 5] <= np.maximum(x[:, 5], 0.5)).all()


def test_what_the_space_forbids_is_seen():
    space = replace(numbers(np.ones(FEATURES)), direction=np.array([1, -1, 0, 0, 0, 0]))
    space = replace(space, fixed=np.arange(FEATURES) == 2)
    x = np.zeros((1, FEATURES), np.float32)
    for j, value in ((0, -0.1), (1, 0.1), (2, 1e-7), (3, 2.1), (4, np.nan)):
        new = x.copy()
        new[0, j] = value
        assert not space.allows(x, new)[0], j
    outside = np.full((1, FEATURES), 3.0, np.float32)  # beyond the range, where it may stay
    assert space.allows(outside, outside)[0]


def categories(d, k) -> Space:
    def each(value):
        return np.full(d, value)

    codes = tuple(np.arange(1, k + 1) for _ in range(d))
    return Space(each(False), each(1.0), each(1), each(k), each(0), each(False), codes)


def tabled(params, x):
    """A margin with an effect of every category and of every pair of categories."""
    one, pair = params
    hot = (x[:, :, None] == jnp.arange(1, 4)[None, None]).astype(jnp.float32)
    return (hot * one[None]).sum(axis=(1, 2))[:, None] + jnp.einsum("nia,njb,iajb->n", hot, hot, pair)[
        :, None
    ]


def test_categories_are_turned_with_the_fewest_flips_brute_force_finds():
    near, missed, rng = [], 0, np.random.default_rng(0)
    everything = np.array(list(product((1, 2, 3), repeat=4)), np.float32)
    for _ in range(6):
        one, pair = rng.normal(size=(4, 3)), 0.15 * rng.normal(size=(4, 3, 4, 3))
        params = (one.astype(np.float32) - 0.4, pair.astype(np.float32))
        good = np.asarray(tabled(params, everything))[:, 0] > 0
        x = everything[~good][rng.permutation((~good).sum())[:16]]
        x = np.concatenate([x, np.repeat(x[:1], 16 - len(x), axis=0)])
        flips = (x[:, None] != everything[good][None]).sum(axis=2)
        best = flips.min(axis=1) if good.any() else np.full(len(x), np.inf)
        found = counterfactuals(tabled, params, x, categories(4, 3), toward=TURNED)
        assert (found.distance >= best).all()
        assert (np.asarray(tabled(params, found.x))[found.found, 0] > 0).all()
        assert np.isin(found.x, (1, 2, 3)).all()
        missed += int((~found.found & np.isfinite(best)).sum())
        near += [found.distance[found.found] == best[found.found]]
    assert missed == 0 and np.concatenate(near).mean() > 0.97


def test_categories_and_numbers_share_the_way():
    def both(params, x):
        return (x[:, 0] + params[x[:, 1].astype(jnp.int32)])[:, None]

    space = Space(
        np.array([True, False]), np.array([1.0, 1.0]), np.array([-9.0, 1]), np.array([1.0, 3]),
        np.zeros(2, int), np.zeros(2, bool), (np.linspace(-9, 1, 9), np.arange(1, 4)),
    )  # fmt: skip
    effect = np.array([-50.0, 0.0, 2.0, -3.0], np.float32)
    x = np.array([[-0.5, 1], [-2.5, 1], [-3.9, 2], [-2.0, 0]], np.float32)  # the last category was never seen
    found = counterfactuals(both, effect, x, space, toward=TURNED, over=map_examples)
    assert found.distance == pytest.approx([0.5, 1.5, 1.9, 1.0 + 0.0], abs=1e-3)
    assert found.x[:, 1].tolist() == [1, 2, 2, 2]
    assert found.x[0, 0] == pytest.approx(0, abs=1e-3)


def test_a_row_does_not_depend_on_the_others_and_a_turned_one_stays():
    (w, b), x, space = problem(2)
    found = counterfactuals(linear, (w, b), x, space, toward=TURNED)
    alone = counterfactuals(linear, (w, b), np.repeat(x[7:8], ROWS, axis=0), space, toward=TURNED)
    assert (alone.x[3] == found.x[7]).all() and alone.distance[3] == found.distance[7]
    already = np.clip(x + 2 * np.sign(w), -2, 2).astype(np.float32)
    there = already @ w + b > 0.01
    again = counterfactuals(linear, (w, b), already, space, toward=TURNED)
    assert there.any() and (again.x[there] == already[there]).all() and (again.distance[there] == 0).all()


def test_nothing_to_change_is_nothing_found():
    x = np.zeros((3, FEATURES), np.float32)
    found = counterfactuals(linear, None, x, numbers(np.ones(FEATURES), fixed=True), toward=TURNED)
    assert not found.found.any() and np.isinf(found.distance).all() and (found.x == x).all()
    with pytest.raises(ValueError, match="6 features"):
        counterfactuals(linear, None, x[:, :2], numbers(np.ones(FEATURES)), toward=TURNED)
    with pytest.raises(ValueError, match="no order"):
        replace(categories(2, 3), direction=np.array([1, 0]))


def test_margins_agree_with_the_decisions():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 3)).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for target in range(3):
        chosen = logits.argmax(axis=1) == target
        assert ((np.asarray(toward(target, "logits")(logits)) > 0) == chosen).all()
        assert np.asarray(toward(target, "probabilities")(p)) == pytest.approx(
            np.asarray(toward(target, "logits")(logits)), abs=1e-4
        )
    two = logits[:, :2]
    score = np.exp(two[:, 1]) / np.exp(two).sum(axis=1)
    for cut in (0.2, 0.7):
        one = np.asarray(toward(1, "logits", cut)(two))
        assert ((one > 0) == (score > cut)).all()
        assert np.asarray(toward(0, "logits", cut)(two)) == pytest.approx(-one)
        assert np.asarray(toward(1, "probabilities", cut)(score[:, None])) == pytest.approx(one, abs=1e-4)
    with pytest.raises(ValueError, match="values"):
        toward(1, "values")
