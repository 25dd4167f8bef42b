"""Attacks on few and on many rows: the same points for the same rows, from one compilation."""

import jax
import numpy as np

from audit import devices
from audit.attacks.lanes import in_lanes
from audit.attacks.losses import Loss
from audit.attacks.mapped import fgsm_rows
from audit.attacks.walks import pgd_walk
from audit.registry import Context
from audit.trials.search import attack_rows, search, walk_rows

CONTEXT = Context(key=jax.random.key(4), seed=4)


def test_one_compilation_moves_any_number_of_rows_to_the_same_points(image_subject):
    attack = fgsm_rows(image_subject.model.apply, "l2", Loss())
    walk = pgd_walk(image_subject.model.apply, "l2", Loss(), 5, 1)
    every, few = search(image_subject, None, "cross-entropy", CONTEXT), np.array([3, 70, 8])
    sampled = search(image_subject, 40, "cross-entropy", CONTEXT)
    whole = np.arange(len(every.target.y))
    drawn = [int(np.flatnonzero(every.target.number == number)[0]) for number in sampled.target.number]
    for move in (
        lambda s, at: attack_rows(s, attack, "l2", 0.3, at),
        lambda s, at: walk_rows(s, walk, "l2", 0.3, at, 0.5),
    ):
        moved = move(every, whole).moved
        np.testing.assert_allclose(move(every, few).moved, moved[few], atol=1e-6)
        part = move(sampled, np.arange(40)).moved
        np.testing.assert_allclose(part, moved[drawn], atol=1e-6)
    assert devices.compiled(attack)._cache_size() == 1
    assert devices._on_each(in_lanes(walk), devices.mesh())._cache_size() == 1
