"""robustness.corruptions beside closed forms, SciPy and naive re-implementations, and what it must leave alone."""

import colorsys
import math
from dataclasses import replace
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from audit.checks.robustness_corruptions import EVERY, CorruptionOptions, corruptions_check
from audit.errors import DataError
from audit.registry import Context
from audit.subject import Dataset, DecisionRule, Model, Split, observe
from audit.trials.corruptions import FAMILIES, SIZES, corrupted, linear

CONTEXT = Context(key=None, seed=5)
COLOURED = np.random.default_rng(0).random((24, 32, 32, 3)).astype(np.float32)
ROWS = Split(COLOURED, np.zeros(24, np.int32), np.array([f"r{i}" for i in range(24)]))


@cache
def _made(name, severity, order=None):
    rows = ROWS if order is None else ROWS.take(np.asarray(order))
    return corrupted(name, severity, rows, 0.0, 1.0, CONTEXT.seed)


# ---------------------------------------------------------------- each corruption


def test_families_sizes_and_options_name_the_same_corruptions():
    assert set(EVERY) == set(SIZES) == {n for names in FAMILIES.values() for n in names}


@pytest.mark.parametrize("name", EVERY)
def test_a_worse_severity_moves_images_further_within_their_range_and_is_repeated(name):
    far = [float(((_made(name, s) - COLOURED) ** 2).mean()) for s in (1, 2, 3, 4, 5)]
    assert all(a < b for a, b in zip([0.0, *far[:-1]], far, strict=True))
    x = _made(name, 5)
    assert x.shape == COLOURED.shape and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
    np.testing.assert_array_equal(x, _made.__wrapped__(name, 5))
    order = tuple(range(23, -1, -1))
    np.testing.assert_allclose(_made(name, 5, order), x[::-1], atol=1e-6)  # a row's draws are its own


@pytest.mark.parametrize("name", ["gaussian_blur", "motion_blur", "pixelate", "contrast"])
def test_what_only_mixes_pixels_leaves_an_even_image_alone(name):
    even = replace(ROWS, x=np.full_like(COLOURED, 0.3))
    np.testing.assert_allclose(corrupted(name, 5, even, 0.0, 1.0, CONTEXT.seed), even.x, atol=1e-5)


def test_noises_have_their_moments():
    even = replace(ROWS, x=np.full_like(COLOURED, 0.4))  # 73,728 values
    z = corrupted("gaussian_noise", 3, even, 0.0, 1.0, CONTEXT.seed) - 0.4
    assert z.std() == pytest.approx(0.08, rel=0.02) and abs(z.mean()) < 0.002
    photons = corrupted("shot_noise", 5, even, 0.0, 1.0, CONTEXT.seed) * 50
    np.testing.assert_allclose(photons, np.round(photons), atol=1e-4)
    assert photons.mean() == pytest.approx(20, rel=0.01) and photons.var() == pytest.approx(20, rel=0.03)
    salt = corrupted("impulse_noise", 5, even, 0.0, 1.0, CONTEXT.seed)
    assert (salt == 0).mean() == pytest.approx(0.035, abs=0.003)
    assert (salt == 1).mean() == pytest.approx(0.035, abs=0.003)
    assert set(np.unique(salt)) == {np.float32(0), np.float32(0.4), np.float32(1)}


@pytest.mark.parametrize("side", [32, 64])
def test_a_blur_is_scipy_s_and_as_wide_for_its_image_whatever_its_size(side):
    made = linear("gaussian_blur", 1.0, 40, side)
    expected = gaussian_filter1d(np.eye(40), side / 32, axis=0, mode="nearest", truncate=4.0)
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_a_blur_goes_both_ways():
    twice = gaussian_filter1d(
        gaussian_filter1d(COLOURED, 1.0, axis=1, mode="nearest"), 1.0, axis=2, mode="nearest"
    )
    np.testing.assert_allclose(_made("gaussian_blur", 5), twice, atol=1e-5)


def test_coarser_pixels_are_means_of_what_they_cover():
    made = linear("pixelate", 0.5, 8, 8)
    np.testing.assert_allclose(made, np.kron(np.eye(4), np.full((2, 2), 0.5)))
    odd = linear("pixelate", 0.65, 8, 8)  # 5 of 8: each covers 1.6
    np.testing.assert_allclose(odd[0], [1 / 1.6, 0.6 / 1.6, 0, 0, 0, 0, 0, 0], atol=1e-6)
    assert len(np.unique(odd, axis=0)) == 5


def test_light_keeps_hue_and_low_contrast_keeps_means():
    for (r, g, b), out in zip(COLOURED[0, :3, 0], _made("brightness", 3)[0, :3, 0], strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(r, g, b)
        np.testing.assert_allclose(out, colorsys.hsv_to_rgb(hue, saturation, min(value + 0.15, 1)), atol=1e-6)
    mean = COLOURED.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(_made("contrast", 4), mean + 0.3 * (COLOURED - mean), atol=1e-5)


def test_a_streak_has_half_a_normal_curve_s_length():
    line = np.zeros((1, 32, 32, 1), np.float32)
    line[:, :, 16:] = 1  # an edge; a streak of angle a reads s cos(a) to the right of each pixel
    rows = Split(line, np.zeros(1, np.int32), np.array(["r"]))
    out = corrupted("motion_blur", 5, rows, 0.0, 1.0, CONTEXT.seed)[0, 16, :, 0]
    reach = float((out - line[0, 16, :, 0]).sum())  # the mean distance read ahead, in pixels
    half_normal = 2.5 * math.sqrt(2 / math.pi)
    assert half_normal * math.cos(math.pi / 4) - 0.3 < reach < half_normal + 0.3
    assert out[:6].max() == 0 and np.all(np.diff(out) >= -1e-6)


def test_other_units_give_the_same_images():
    scaled = replace(ROWS, x=COLOURED * 4 - 2)
    np.testing.assert_allclose(
        (corrupted("gaussian_noise", 2, scaled, -2.0, 2.0, CONTEXT.seed) + 2) / 4,
        _made("gaussian_noise", 2),
        atol=1e-5,
    )


# ---------------------------------------------------------------- the check

N = 3000
W = np.array([[2.0, -1.0], [0.5, -0.9]])
SHIFT = -0.3


def _apply(p, x):
    return (x[:, :, :, 0] * p[None]).sum(axis=(1, 2))[:, None] + SHIFT


def _subject(weights=W, cluster=False, **model):
    """A linear model of grey images of 2 x 2 pixels between 0.4 and 0.6, right on every row."""
    x = np.random.default_rng(1).uniform(0.4, 0.6, size=(N, 2, 2, 1)).astype(np.float32)
    y = (np.asarray(_apply(jnp.asarray(weights, jnp.float32), x))[:, 0] >= 0).astype(np.int32)
    rows = Split(x, y, np.array([f"t{i}" for i in range(N)]), cluster=np.arange(N) // 4 if cluster else None)
    ends = {"low": np.zeros((1, 1, 1)), "high": np.ones((1, 1, 1))}
    data = Dataset("a", "binary", "image", {"test": rows}, classes=("no", "yes"), **ends)
    params, rule = jnp.asarray(weights, jnp.float32), DecisionRule("threshold")
    made = Model("linear", _apply, params, outputs="logits", decision=rule, **model)
    return observe(made, data)


def _found(subject, **options):
    given = {"corruptions": ("gaussian_noise", "brightness"), "rows": None, **options}
    findings = corruptions_check(subject, CorruptionOptions(**given), CONTEXT)
    return {(m.name, *sorted(m.where.items())): m.estimate for m in findings.measurements}, findings


@cache
def _usual():
    return _found(_subject())


def test_noise_and_light_cost_a_linear_model_what_they_must():
    found, _ = _usual()
    x = np.asarray(_subject().data.test.x, np.float64)[:, :, :, 0]
    margin = (x * W).sum(axis=(1, 2)) + SHIFT
    lost = []
    for severity, (sigma, added) in enumerate(
        zip(SIZES["gaussian_noise"], SIZES["brightness"], strict=True), 1
    ):
        chance = float(norm.cdf(-np.abs(margin) / (sigma * np.linalg.norm(W))).mean())
        e = found["corrupted_accuracy", ("corruption", "gaussian_noise"), ("severity", severity)]
        assert e.value == pytest.approx(1 - chance, abs=0.025) and e.n == N  # three standard errors
        moved = ((margin + added * W.sum() >= 0) == (margin >= 0)).mean()
        e = found["corrupted_accuracy", ("corruption", "brightness"), ("severity", severity)]
        assert e.value == pytest.approx(moved, abs=0.002)
        lost += [chance, 1 - moved]
    noise, light = (found["accuracy_lost", ("corruption", c)] for c in ("gaussian_noise", "brightness"))
    assert noise.value == pytest.approx(np.mean(lost[::2]), abs=0.025)
    assert light.value == pytest.approx(np.mean(lost[1::2]), abs=0.002)
    assert noise.low < noise.value < noise.high < noise.value + 0.03
    assert found["mean_accuracy_lost",].value == pytest.approx((noise.value + light.value) / 2)
    assert found["mean_accuracy",].value == pytest.approx(1 - found["mean_accuracy_lost",].value)
    assert found["clean_accuracy",].value == 1.0


def test_a_model_that_looks_at_nothing_loses_nothing():
    subject, three = _subject(weights=np.zeros((2, 2))), ("gaussian_noise", "pixelate", "brightness")
    found, findings = _found(subject, corruptions=three, severities=(5,))
    lost = [e for key, e in found.items() if key[0].endswith("lost")]
    assert len(lost) == 4 and all(e.value == 0 and e.low <= 0 <= e.high for e in lost)
    assert [t.name for t in findings.tables] == ["noise", "blur", "light", "lost", "change"]


def test_clusters_widen_the_intervals():
    plain, clustered = _usual()[0], _found(_subject(cluster=True), severities=(5,))[0]
    at = ("corrupted_accuracy", ("corruption", "gaussian_noise"), ("severity", 5))
    assert clustered[at].value == plain[at].value and "750 clusters" in clustered[at].method
    assert "750 clusters" in clustered["mean_accuracy_lost",].method


def test_fewer_rows_are_the_same_rows_wherever_they_stand_and_the_rest_is_said():
    found, findings = _found(_subject(), rows=500, severities=(3,))
    subject = _subject()
    turned = replace(subject.data, splits={"test": subject.data.test.take(np.arange(N)[::-1])})
    again, _ = _found(observe(subject.model, turned), rows=500, severities=(3,))
    assert {k: e.value for k, e in found.items()} == {k: e.value for k, e in again.items()}
    assert found["clean_accuracy",].n == 500
    assert "The other 2,500 test rows, which were not corrupted." in findings.not_measured
    assert any("shot noise" in line for line in findings.not_measured)


def test_decisions_that_cannot_be_made_anew_are_refused():
    subject = _subject(decisions={"test": np.zeros(N, np.int32)})
    with pytest.raises(DataError, match="thresholds of each group"):
        _found(subject)
