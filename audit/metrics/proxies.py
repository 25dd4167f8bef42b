"""How well a group is recognised from features: a forest on all of them, a small tree on each alone."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

TREES, LEAF = 100, 5
LEAVES, LEAF_ALONE = 32, 20


def recognise(x: np.ndarray, group: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return each group's chance[m, groups] for asked[m, d], learned from x[n, d] and group[n] codes from 0.

    A random forest (Breiman 2001) of scikit-learn in which every group weighs the same, so that one half of a rare
    group's chance is as remarkable as of a common one's. One thread and a fixed seed: equal data, equal chances.
    """
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=LEAF, class_weight="balanced", n_jobs=1, random_state=0
    )
    return np.asarray(forest.fit(x, group).predict_proba(asked))


def recognise_alone(x: np.ndarray, group: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the chances that a small decision tree finds from one feature alone, x[n] and asked[m]."""
    tree = DecisionTreeClassifier(
        max_leaf_nodes=LEAVES, min_samples_leaf=min(LEAF_ALONE, max(len(x) // 10, 1)), class_weight="balanced",
        random_state=0,
    )  # fmt: skip
    return np.asarray(tree.fit(x[:, None], group).predict_proba(asked[:, None]))
