"""What eps counts: a share of an image's pixel range, a table's deviations on train, or what was declared."""

from dataclasses import replace

import numpy as np
import pytest

import audit
from audit.digests import dataset_digest
from audit.errors import DataError
from audit.subject import Feature
from audit.subject_unit import eps_scale, eps_unit, pixel_range

RNG = np.random.default_rng(0)
Y = np.arange(100) % 2
SHARES = RNG.random((100, 4, 4, 2)).astype(np.float32)
SERIES = RNG.normal(size=(100, 5, 2)).clip(-3, 3)


def data(x, **given):
    return audit.from_arrays("mine", "binary", x, Y, **given)


@pytest.mark.parametrize(
    ("x", "given", "scale", "unit"),
    [
        (SHARES, {"low": 0, "high": 1}, 1, "of the pixel range 0 to 1"),
        (255 * SHARES, {"low": 0, "high": 255}, 255, "of the pixel range 0 to 255"),
        (2 * SHARES - 1, {"low": -1, "high": 1}, 2, "of the pixel range -1 to 1"),
        ((255 * SHARES).astype(np.uint8), {}, 255, "of the pixel range 0 to 255"),
        (SHARES * [2, 4], {"low": [0, 0], "high": [2, 4]}, [2, 4], "of each channel's pixel range"),
        (SHARES, {"low": 0, "high": 1, "scale": 0.5}, 0.5, "of the declared scale"),
        (SHARES, {"low": 0, "high": 1, "scale": 0.5, "unit": "of half the range"}, 0.5, "of half the range"),
        (SERIES, {"low": -3, "high": 3, "scale": 1, "modality": "series"}, 1, "of the inputs' own unit"),
        (SERIES, {"low": -3, "high": 3, "scale": 2, "modality": "series", "unit": "mV"}, 2, "mV"),
    ],
    ids=["0-1", "0-255", "-1-1", "bytes", "channels", "scale", "named scale", "series", "named series"],
)  # fmt: skip
def test_the_unit_of_eps_is_derived_or_declared(x, given, scale, unit):
    made = data(x, **given)
    assert eps_scale(made) == pytest.approx(np.asarray(scale))
    assert eps_unit(made) == unit


def test_a_table_counts_its_deviations_on_train_also_where_features_are_named():
    x = RNG.normal(size=(100, 2)) * [1, 50]
    bare = data(x, plan=audit.SplitPlan(), low=-300, high=300)
    named = data(
        x, plan=audit.SplitPlan(), low=-300, high=300, features=[Feature("a"), Feature("pay", unit="EUR")]
    )
    deviation = bare.splits["train"].x.std(axis=0)
    for made in (bare, named):
        assert made.scale == pytest.approx(deviation, rel=1e-5)
        assert [f.scale for f in made.features] == pytest.approx(deviation, rel=1e-5)
        assert eps_unit(made) == "standard deviations on train"
    own = data(
        x, plan=audit.SplitPlan(), low=-300, high=300, features=[Feature("a"), Feature("pay", scale=10)]
    )
    assert own.scale[1] == 10
    assert eps_unit(own) == "of each feature's declared scale"
    assert (
        eps_unit(data(x, plan=audit.SplitPlan(), low=-300, high=300, scale=[1, 2])) == "of the declared scale"
    )


@pytest.mark.parametrize(
    ("x", "given", "words"),
    [
        (SHARES, {"low": 0, "high": 255}, "images from .* in a pixel range of 0 to 255"),
        ((SHARES > 0.5).astype(np.uint8), {}, "images from 0 to 1 in a pixel range of 0 to 255"),
        (SERIES, {"low": -3, "high": 3, "modality": "series"}, "without a scale for series"),
        (SHARES, {"low": 0, "high": 1, "unit": "levels"}, "unit='levels' without a scale"),
        (SHARES, {"scale": 2.0}, "a scale without bounds"),
    ],
)
def test_what_has_no_clear_unit_is_refused(x, given, words):
    with pytest.raises(DataError, match=words):
        data(x, **given)


def test_images_whose_range_nobody_declared_have_no_scale():
    standardised = data((SHARES - 0.5) / 0.25)
    assert pixel_range(standardised) is None
    assert eps_scale(standardised) is None
    assert eps_scale(data(SHARES)) == 1


def test_rounding_puts_no_value_outside_its_bounds():
    mean, deviation = np.float32(0.4), np.float32(0.2)
    x = np.where(SHARES > 0.9, 1, np.where(SHARES < 0.1, 0, SHARES)).astype(np.float32)
    data((255 * x - 255 * mean) / (255 * deviation), low=-mean / deviation, high=(1 - mean) / deviation)


def test_the_digest_sees_the_unit_and_what_kind_of_inputs_there_are():
    made = data(SHARES, low=0, high=1, scale=2.0, unit="a")
    others = [replace(made, unit="b"), replace(made, modality="series"), replace(made, scale=np.ones(()))]
    assert len({dataset_digest(one)["data"] for one in (made, *others)}) == 4
