"""Rows whose outputs are not their own are caught, on rows that differ; rounding is not."""

import numpy as np
import pytest

from models.rows_apart import fault, various

NOISE = np.random.default_rng(1)
X = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)


def counting(calls):
    def run(x):
        calls.append(1)
        return x[:, :1] + 0.1 * len(calls)

    return run


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (lambda x: x - x.mean(axis=0), "other rows"),
        (lambda x: x + np.arange(len(x))[:, None], "other rows"),
        (lambda x: x + (len(x) == 1), "other rows"),
        (lambda x: x + NOISE.normal(size=x.shape), "asked again"),
        (counting([]), "asked again"),
        (lambda x: x / (len(x) - 1.0), "other rows"),  # infinite alone
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_is_not_a_row_s_own_is_said(run, says):
    assert says in fault(run, X)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_rounding_is_forgiven_at_every_scale_and_the_rest_is_not(scale, offset):
    def run(x):
        return scale * (x + offset) * np.float32(1 + 1e-6 * (len(x) == 1))

    assert not fault(run, X)
    assert "other rows" in fault(lambda x: scale * (x + offset + 0.1 * (len(x) == 1)), X)


def test_outputs_known_from_larger_batches_are_compared():
    assert not fault(lambda x: x, X, X)
    assert "other rows" in fault(lambda x: x, X, X + 0.5)
    assert not fault(lambda x: x["a"], {"a": X})


def test_rows_that_differ_come_first_and_the_seed_draws_them():
    x = np.repeat(np.arange(5.0), 100)[:, None]
    at = various(x, 8, 0)
    assert sorted(x[at[:5], 0].tolist()) == [0, 1, 2, 3, 4] and len(set(at.tolist())) == 8
    assert at.tolist() == various(x, 8, 0).tolist() != various(x, 8, 1).tolist()
    assert len(various(x[:3], 8, 0)) == 3
