"""One unit for every check: images in levels, standardised or in [0, 1] give the same numbers, and say what eps is."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

import audit
from audit.checks.explanation_trust import trust
from audit.checks.robustness_corruptions import CorruptionOptions, corruptions_check
from audit.checks.robustness_fgsm import FgsmOptions, fgsm
from audit.checks.robustness_minimum import MinimumOptions, minimum
from audit.errors import DataError
from audit.games.trust_options import TrustOptions
from audit.registry import Context
from audit.remedies.hooks import hooks
from audit.remedies.options import Adversarial
from audit.subject import observe
from audit.trials import hygiene
from audit.trials.search import search

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 256, size=(1200, 6, 6, 1)).astype(np.float32)
W = RNG.normal(size=36).astype(np.float32)
W /= np.abs(W).sum()
SCORE = (LEVELS.reshape(-1, 36) - 127.5) @ W
LEVELS, SCORE = LEVELS[abs(SCORE) > 1], SCORE[abs(SCORE) > 1]
UNITS = {
    "levels": (0.0, 1.0, "of the pixel range 0 to 255"),
    "shares": (0.0, 255.0, "of the pixel range 0 to 1"),
    "both signs": (127.5, 127.5, "of the pixel range -1 to 1"),
    "standardised": (100.0, 50.0, "of the pixel range -2 to 3.1"),
}


def apply(params, x):
    """Return the log-odds[n, 1] of images that are (level - centre) / unit."""
    w, centre, unit = params
    return (((x * unit + centre).reshape(x.shape[0], -1) - 127.5) @ w)[:, None]


def subject(name):
    """Return the linear model on images in one unit."""
    centre, unit, _ = UNITS[name]
    ends = {"low": (0 - centre) / unit, "high": (255 - centre) / unit}
    data = audit.from_arrays("images", "binary", (LEVELS - centre) / unit, (SCORE > 0).astype(int),
                             id=np.arange(len(SCORE)), **ends)  # fmt: skip
    salted = {k: replace(s, id=np.array([f"{k}-{i}" for i in range(len(s))])) for k, s in data.splits.items()}
    params = (W, np.float32(centre), np.float32(unit))
    return observe(audit.Model("linear", apply=apply, params=params), replace(data, splits=salted))


def context(seed=3):
    return Context(key=jax.random.key(seed), seed=seed)


def found(findings, name):
    return [m for m in findings.measurements if m.name == name]


@pytest.mark.parametrize("name", UNITS)
def test_a_single_step_on_a_linear_model_is_exact_in_every_unit(name):
    own = subject(name)
    eps = 8 / 255
    [m] = found(fgsm(own, FgsmOptions(norms=("linf",), eps=(eps,), rows=None), context()), "robust_accuracy")
    x = np.asarray(own.data.test.x, np.float64) * UNITS[name][1] + UNITS[name][0]
    s, toward = (x.reshape(-1, 36) - 127.5) @ W, np.sign((x.reshape(-1, 36) - 127.5) @ W)
    moved = np.clip(x.reshape(-1, 36) - 8 * toward[:, None] * np.sign(W), 0, 255)
    exact = ((moved - 127.5) @ W * toward > 0).mean()
    assert m.estimate.value == pytest.approx(exact, abs=1.5 / len(s))
    assert m.estimate.value < 0.8
    assert m.eps_unit == UNITS[name][2]
    assert m.label.endswith(f"eps 0.0313725 {UNITS[name][2]}")


def test_the_smallest_perturbations_have_one_size_in_every_unit():
    o = MinimumOptions(norms=("linf",), eps=(8 / 255,), steps=60, rows=40, probes=False)
    sizes = {}
    for name in ("levels", "shares"):
        [m] = found(minimum(subject(name), o, context()), "median_size")
        sizes[name] = m.estimate.value
        assert m.unit == UNITS[name][2]
    assert sizes["levels"] == pytest.approx(sizes["shares"], rel=0.02)
    assert 0.01 < sizes["levels"] < 0.1


def test_corruptions_are_the_same_in_every_unit():
    o = CorruptionOptions(
        corruptions=("gaussian_noise", "brightness", "contrast"), severities=(5,), rows=None
    )
    tables = [corruptions_check(subject(name), o, context()).tables[-1] for name in UNITS]
    for table in tables:
        assert [row[2] for row in table.rows] == pytest.approx([row[2] for row in tables[0].rows], rel=1e-3)


def test_adversarial_training_moves_rows_by_shares_of_the_range():
    for name, (_, unit, _) in UNITS.items():
        space = hooks(Adversarial(method="pgd", eps=0.1), subject(name).data).perturb.space
        assert np.unique(space.scale) == pytest.approx(255 / unit)


def test_a_radius_of_an_explanation_is_a_share_of_the_range():
    few = {"rows": 8, "tested_rows": 2, "background": 4, "patches": 2, "moves": 2, "cascade": 1, "fills": 1}
    o = TrustOptions(explainers=("gradient",), **few, random_orders=1, subsets=2)
    values = []
    for name in ("levels", "shares"):
        [m] = found(trust(subject(name), o, context()), "max_sensitivity")
        assert UNITS[name][2] in m.label
        values.append(m.estimate.value)
    assert values[0] == pytest.approx(values[1], rel=1e-3, abs=1e-5)
    own = subject("standardised")
    with pytest.raises(DataError, match="declare low and high"):
        trust(replace(own, data=replace(own.data, low=None, high=None, scale=None)), o, context())


# ---------------------------------------------------------------- rows in any order


def late(params, x):
    """Return the logits[n, 10] of a linear model, without gradient where the decision is class 5 or later."""
    out = 8 * (x.reshape(x.shape[0], -1) @ params[:-1] + params[-1:])
    return jnp.where(out.argmax(axis=1, keepdims=True) >= 5, jax.lax.stop_gradient(out), out)


@pytest.mark.parametrize("how", ["as in the file", "sorted", "sorted backwards"])
def test_gradients_hidden_for_late_classes_are_seen_in_any_order(how):
    """Rows in file order put classes 0 and 1 alone among the first 128: nothing was missing there."""
    x, y = load_digits(return_X_y=True)
    fitted = RidgeClassifier().fit(x / 16, y)
    order = {"as in the file": np.arange(len(y)), "sorted": np.argsort(y, kind="stable"),
             "sorted backwards": np.argsort(-y, kind="stable")}[how]  # fmt: skip
    rows = audit.Split(x=(x / 16).reshape(-1, 8, 8, 1)[order], y=y[order], id=order.astype(str))
    data = audit.from_splits("digits", "multiclass", {"test": rows}, low=0.0, high=1.0)
    params = np.vstack([fitted.coef_.T, fitted.intercept_]).astype(np.float32)
    s = search(observe(audit.Model("late", apply=late, params=params), data), 600, "margin", context())
    signs = {sign.what: sign for sign in hygiene.general(s).signs}
    gone = signs["the gradient does not vanish (share that does)"]
    assert gone.result == "warn"
    assert gone.n == hygiene.SAMPLE
    assert gone.value == pytest.approx((s.target.y[s.target.correct] >= 5).mean(), abs=0.03)
