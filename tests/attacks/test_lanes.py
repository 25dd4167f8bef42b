"""Rows in lanes: each ends as it would alone, whoever fell before, however many lanes and devices there are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import audit.attacks.autoattack as suite
from audit.attacks.anneal import anneal
from audit.attacks.apgd import apgd
from audit.attacks.fab import fab
from audit.attacks.gradient import TRAVEL, pgd
from audit.attacks.lanes import LANES, Walk, in_lanes, lanes
from audit.attacks.losses import Loss
from audit.attacks.mapped import Rows, Shared, keys_of
from audit.attacks.square import square
from audit.attacks.walks import Budget, anneal_walk, apgd_walk, budgeted_walk, pgd_walk
from audit.attacks.walks_search import fab_walk, square_walk
from audit.devices import queue_examples

N, D = 40, 12
RNG = np.random.default_rng(8)
X = RNG.uniform(0.05, 0.95, (N, D)).astype(np.float32)
NET = {
    "a": RNG.normal(0, 1, (D, 10)).astype(np.float32),
    "b": RNG.normal(0, 1, (10, 5)).astype(np.float32),
}
Y = np.argmax(np.tanh(X @ NET["a"]) @ NET["b"], axis=1).astype(np.int32)
ROWS = Rows(X, Y, np.arange(N, dtype=np.uint32))
EPS = {"linf": 0.05, "l2": 0.12, "l1": 0.2}
MARGIN = Loss("margin")


def _net(params, x):
    """Return logits[n, 5]."""
    return jnp.tanh(x @ params["a"]) @ params["b"]


def _shared(norm):
    step = TRAVEL[norm] / 12
    return Shared(NET, jax.random.key(3), np.float32(EPS[norm]), np.ones(D, np.float32), 0.0, 1.0, step)


def _fell(moved):
    return np.asarray(Loss().margin(_net(NET, moved), Y)) < 0


def _whole(name, norm):
    """Return what the attack makes of all rows when none is dropped."""
    s = _shared(norm)
    given = (_net, NET, X, Y, keys_of(s, ROWS))
    space = {"eps": EPS[norm], "norm": norm, "low": 0.0, "high": 1.0}
    if name == "pgd":
        return pgd(*given, **space, steps=12, restarts=2, targets=2, momentum=0.5)
    if name == "apgd":
        return apgd(*given, **space, steps=20, restarts=1, targets=2, loss=Loss("dlr"))
    if name == "anneal":
        return anneal(*given, **space, steps=20, targets=2, loss=MARGIN)
    if name == "fab":
        found = fab(*given, **space, steps=10, restarts=2, targets=2)
        return np.where(np.asarray(found.size <= EPS[norm])[:, None], found.x, X)
    return square(*given, **space, queries=300).x


def _walk(name, norm):
    """Return the same attack as a walk."""
    if name == "pgd":
        return pgd_walk(_net, norm, Loss(), 12, 2, targets=2, momentum=0.5)
    if name == "apgd":
        return apgd_walk(_net, norm, Loss("dlr"), 20, 1, targets=2)
    if name == "anneal":
        return anneal_walk(_net, norm, MARGIN, 20, 1, targets=2)
    if name == "fab":
        return fab_walk(_net, norm, Loss(), 10, 2, 2)
    return square_walk(_net, norm, Loss(), 300)


def _laned(name, norm, width, order=slice(None), count=N):
    """Return what the walk makes of the first `count` rows in this order."""
    rows = jax.tree.map(lambda a: a[order], ROWS)
    out = jax.jit(in_lanes(_walk(name, norm), width))(_shared(norm), rows, np.arange(N) < count)
    moved = np.asarray(getattr(out, "x", out))
    if name == "fab":
        moved = np.where((np.asarray(out.size) <= EPS[norm])[:, None], moved, rows.x)
    return moved


slow = pytest.mark.slow
CASES = [
    ("pgd", "linf", 5),
    ("apgd", "l2", 5),
    ("fab", "l2", 5),
    ("square", "linf", 64),
    pytest.param("anneal", "linf", 5, marks=slow),
    pytest.param("apgd", "l1", 5, marks=slow),
    pytest.param("apgd", "linf", 64, marks=slow),
    pytest.param("square", "l2", 5, marks=slow),
]


@pytest.mark.parametrize(("name", "norm", "width"), CASES)
def test_rows_that_stand_end_where_they_end_alone_and_the_same_rows_fall(name, norm, width):
    whole, laned = np.asarray(_whole(name, norm)), _laned(name, norm, width)
    fell = _fell(whole)
    assert 3 < fell.sum() < N - 3
    np.testing.assert_array_equal(_fell(laned), fell)
    np.testing.assert_allclose(laned[~fell], whole[~fell], atol=1e-5)


def test_one_compilation_of_auto_pgd_serves_every_budget_and_goes_on_after_a_fall_where_asked_to():
    walk = jax.jit(in_lanes(budgeted_walk(_net, "l2", Loss("dlr")), 8))
    s, keys, real = _shared("l2"), keys_of(_shared("l2"), ROWS), np.ones(N, bool)
    space = {"eps": EPS["l2"], "norm": "l2", "low": 0.0, "high": 1.0, "loss": Loss("dlr")}
    for steps, restarts in ((6, 1), (15, 2)):
        whole = np.asarray(apgd(_net, NET, X, Y, keys, **space, steps=steps, restarts=restarts))
        given = Budget(s, np.int32(steps), np.int32(restarts))
        stops, goes_on = (
            np.asarray(walk(given._replace(on=np.bool_(on)), ROWS, real)) for on in (False, True)
        )
        fell = _fell(whole)
        assert 3 < fell.sum() < N - 3
        np.testing.assert_allclose(goes_on, whole, atol=1e-5)
        np.testing.assert_array_equal(_fell(stops), fell)
        np.testing.assert_allclose(stops[~fell], whole[~fell], atol=1e-5)
        assert np.abs(stops[fell] - whole[fell]).max() > 1e-3
    assert walk._cache_size() == 1


def test_autoattack_fells_the_same_rows_alone_and_in_the_queues_of_two_devices(monkeypatch):
    assert jax.device_count() == 2
    monkeypatch.setattr(suite, "QUERIES", 200)
    given = (_net, NET, jnp.asarray(X), jnp.asarray(Y), jax.random.key(3))
    space = {"eps": EPS["l2"], "norm": "l2", "low": 0.0, "high": 1.0, "classes": 5}
    alone = suite.autoattack(*given, **space)
    queued = suite.autoattack(*given, **space, queued=partial(queue_examples, batch=64))
    assert 3 < (alone.by >= 0).sum() < N - 3
    np.testing.assert_array_equal(queued.by, alone.by)
    np.testing.assert_array_equal(_fell(queued.x), _fell(alone.x))


def test_order_and_padding_change_nothing():
    first = _laned("apgd", "l2", 7)
    order = RNG.permutation(N)
    np.testing.assert_allclose(_laned("apgd", "l2", 7, order)[np.argsort(order)], first, atol=1e-5)
    few = _laned("apgd", "l2", 7, count=9)
    np.testing.assert_allclose(few[:9], first[:9], atol=1e-5)
    np.testing.assert_array_equal(few[9:], 0)


def test_dropping_saves_steps_and_no_lane_waits_for_the_slowest():
    seen = []
    need = np.where(np.arange(N) % 4 == 0, 10, 1)

    def begin(s, rows):
        return 10 - jnp.asarray(rows.x)[:, 0].astype(jnp.int32)

    def step(s, rows, state):
        jax.debug.callback(lambda: seen.append(1))
        return state + 1

    walk = Walk(begin, step, lambda s, state: state >= 10, lambda s, rows, state: state)
    rows = Rows(np.repeat(need[:, None], 2, 1).astype(np.float32), Y, ROWS.number)
    out = in_lanes(walk, 4)(None, rows, np.ones(N, bool))
    jax.effects_barrier()
    np.testing.assert_array_equal(out, 10)
    work = need.sum() / 4
    assert work <= len(seen) <= 1.3 * work + 10  # in batches of 4 it would be 10 steps each: 100


def test_the_lanes_are_fewer_for_larger_inputs():
    small, image, photo = (lanes(np.zeros((1, *shape))) for shape in [(8,), (28, 28, 1), (224, 224, 3)])
    assert LANES[1] == small > image > photo == LANES[0]


def test_a_queue_on_the_devices_gives_every_row_its_own_result():
    walk = _walk("apgd", "l2")
    whole = _laned("apgd", "l2", 64)
    dealt = queue_examples(in_lanes(walk), _shared("l2"), ROWS, batch=16)
    np.testing.assert_allclose(dealt, whole, atol=1e-5)
    with pytest.raises(ValueError, match="at least one row"):
        queue_examples(in_lanes(walk), _shared("l2"), jax.tree.map(lambda a: a[:0], ROWS), batch=16)
