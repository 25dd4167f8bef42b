"""robustness.noise beside closed forms of linear models, and what it must leave alone."""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from audit.checks.robustness_noise import NoiseOptions, noise_check
from audit.errors import ConfigError, DataError
from audit.registry import Context
from audit.subject import Dataset, DecisionRule, Feature, Model, Split, observe
from audit.trials import noise

N = 4000
W = np.array([2.0, -1.0, 3.0, 0.0])
CONTEXT = Context(key=None, seed=5)


def _subject(*, classes=False, low=None, high=None, fixed=(), error=0.0, order=None, cluster=False):
    """A linear model of four features of scales 1, 2, 0.5 and 1, right on every row (regression: off by `error`)."""
    rng = np.random.default_rng(1)
    scales = (1.0, 2.0, 0.5, 1.0)
    made = {}
    for name, n in (("train", 501), ("test", N)):
        x = np.round(rng.normal(size=(n, 4)) * scales, 6).astype(np.float32)
        value = x @ W.astype(np.float32) + (0.3 if classes else error)
        y = (value >= 0).astype(np.int32) if classes else (value - error).astype(np.float64)
        rows = np.arange(n)
        made[name] = Split(x, y, np.array([f"{name}-{i}" for i in rows]), time=rows // 2 * 1.0,
                           cluster=rows // 4 if cluster else None)  # fmt: skip
    if order is not None:
        made["test"] = made["test"].take(order)
    features = tuple(Feature(f"f{j}", scale=s, mutable=f"f{j}" not in fixed) for j, s in enumerate(scales))
    ends = {"low": low, "high": high}
    data = Dataset("a", "binary" if classes else "regression", "table", made, features=features,
                   classes=("no", "yes") if classes else (),
                   **{k: None if v is None else np.full(4, v, np.float32) for k, v in ends.items()})  # fmt: skip
    shift = 0.3 if classes else error
    model = Model("linear", lambda p, x: (x @ p)[:, None] + shift, jnp.asarray(W, jnp.float32),
                  outputs="logits" if classes else "values",
                  decision=DecisionRule("threshold" if classes else "none"))  # fmt: skip
    return observe(model, data)


def _found(subject, **options):
    findings = noise_check(subject, NoiseOptions(**{"lost": None, "rows": None, **options}), CONTEXT)
    return {(m.name, *sorted(m.where.items())): m.estimate for m in findings.measurements}, findings


# ---------------------------------------------------------------- closed forms


def test_the_error_that_noise_adds_to_a_linear_model_is_that_of_a_normal():
    found, _ = _found(_subject(), noise=(0.1, 0.5), draws=8)
    spread = math.sqrt((2 * 1) ** 2 + (1 * 2) ** 2 + (3 * 0.5) ** 2)  # w_j times the feature's scale
    for size in (0.1, 0.5):
        expected = size * spread * math.sqrt(2 / math.pi)
        for name in ("error_added", "noisy_error", "output_moved"):
            e = found[name, ("noise", size)]
            assert e.value == pytest.approx(expected, rel=0.02), name
            assert e.low < expected < e.high, name


def test_an_error_there_was_before_is_taken_off_row_by_row():
    found, _ = _found(_subject(error=1.0), noise=(0.5,), draws=8)
    s = 0.5 * math.sqrt(4 + 4 + 2.25)  # E|1 + s z| of the folded normal, minus 1
    folded = s * math.sqrt(2 / math.pi) * math.exp(-1 / (2 * s * s)) + 1 - 2 * norm.cdf(-1 / s)
    e = found["error_added", ("noise", 0.5)]
    assert e.low < folded - 1 < e.high
    assert found["clean_error",].value == pytest.approx(1.0, abs=1e-5)


def test_the_accuracy_that_noise_takes_is_the_mean_chance_to_cross():
    subject = _subject(classes=True)
    found, _ = _found(subject, noise=(0.5,), draws=8)
    margin = np.abs(np.asarray(subject.data.test.x, float) @ W + 0.3)
    chance = float(norm.cdf(-margin / (0.5 * math.sqrt(4 + 4 + 2.25))).mean())
    lost, changed = found["accuracy_lost", ("noise", 0.5)], found["decision_changed", ("noise", 0.5)]
    assert lost.value == pytest.approx(chance, rel=0.05)
    assert lost.value == pytest.approx(changed.value)  # the model was right everywhere
    assert found["clean_accuracy",].value == 1.0
    assert found["noisy_accuracy", ("noise", 0.5)].value == pytest.approx(1 - lost.value)


def test_a_lost_feature_is_the_train_median_in_every_row():
    subject = _subject()
    found, findings = _found(subject, lost=("f0", "f3"), noise=())
    test, train = subject.data.test, subject.data.splits["train"]
    expected = np.abs(W[0] * (test.x[:, 0] - np.median(train.x[:, 0]))).mean()
    e = found["error_added", ("filled", "median"), ("lost", "f0")]
    assert e.value == pytest.approx(expected, rel=1e-4)
    assert e.low < e.value < e.high
    unused = found["error_added", ("filled", "median"), ("lost", "f3")]
    assert (unused.value, unused.kind) == (0.0, "descriptive")
    (table,) = findings.tables
    assert [row[0] for row in table.rows] == ["f0", "f3"]


def test_the_value_before_is_that_of_the_latest_earlier_time():
    x = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]], np.float32)
    split = Split(x, np.zeros(5), np.array(list("baedc")), time=np.array([1.0, 1.0, 2.0, 5.0, 5.0]))
    assert noise.previous(split, 0, -9.0).tolist() == [-9.0, -9.0, 2.0, 3.0, 3.0]
    found, _ = _found(_subject(), lost=("f0",), fill=("previous",), noise=())
    subject = _subject()
    column = subject.data.test.x[:, 0]
    before = noise.previous(subject.data.test, 0, float(np.median(subject.data.splits["train"].x[:, 0])))
    e = found["error_added", ("filled", "previous"), ("lost", "f0")]
    assert e.value == pytest.approx(np.abs(2 * (column - before)).mean(), rel=1e-4)


# ---------------------------------------------------------------- what is left alone


def test_noise_is_standard_normal_independent_between_features_and_stays_for_an_id():
    subject = _subject()
    data, test = subject.data, subject.data.test
    z = (noise.noisy(data, test, 1.0, 0, 3) - test.x) / np.array([f.scale for f in data.features])
    assert all(kstest(z[:, j], "norm").pvalue > 1e-3 for j in range(4))
    assert np.abs(np.corrcoef(z.T) - np.eye(4)).max() < 0.06
    few = np.array([17, 3, 99])
    np.testing.assert_array_equal(
        noise.noisy(data, test.take(few), 1.0, 0, 3), noise.noisy(data, test, 1.0, 0, 3)[few]
    )
    for other in ((1, 3), (0, 4)):  # another draw, another seed
        assert (noise.noisy(data, test, 1.0, *other) != noise.noisy(data, test, 1.0, 0, 3)).all()


def test_bounds_fixed_features_and_categories_are_respected(table_subject):
    data, test = table_subject.data, table_subject.data.test
    x = noise.noisy(data, test, 3.0, 0, 0)
    assert (x >= data.low).all() and (x <= data.high).all()
    moved = (x != test.x).mean(axis=0)
    assert [f.name for f in data.features] == ["income", "debt", "years", "savings", "region"]
    assert moved[2] == moved[4] == 0  # immutable, categorical
    assert (moved[[0, 1, 3]] > 0.9).all()
    assert ((x == 4.0) | (x == -4.0))[:, 0].any()  # clipped, not dropped
    assert noise.usual(data.splits["train"], data.features[4], 4) in (0, 1, 2, 3)
    inner = _subject(low=-20.0, high=20.0)
    assert (np.abs(noise.noisy(inner.data, inner.data.test, 50.0, 0, 0)) <= 20).all()


def test_the_order_of_rows_changes_nothing_even_where_some_are_drawn():
    order = np.random.default_rng(0).permutation(N)
    options = {"noise": (0.5,), "lost": ("f0",), "fill": ("median", "previous"), "rows": 700}
    one, other = _found(_subject(), **options)[0], _found(_subject(order=order), **options)[0]
    assert one.keys() == other.keys()
    for key, estimate in one.items():
        assert estimate.n == other[key].n == 700
        assert estimate.value == pytest.approx(other[key].value, rel=1e-5)  # batches may round otherwise


def test_rows_of_clusters_have_wider_intervals():
    alone, grouped = (
        _found(_subject(cluster=c), noise=(0.5,))[0]["noisy_error", ("noise", 0.5)] for c in (False, True)
    )
    assert "1000 clusters" in grouped.method and "clusters" not in alone.method


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lost": ("f9",)}, "one of f0, f1, f2, f3"),
        ({"lost": ("f1",)}, "a feature that is not immutable"),
    ],
)
def test_features_that_cannot_fall_out_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        _found(_subject(fixed=("f1",)), **options)


def test_what_cannot_be_tried_is_refused():
    subject = _subject()
    timeless = replace(subject.data.test, time=None)
    data = replace(subject.data, splits={**subject.data.splits, "test": timeless})
    with pytest.raises(ConfigError, match="data with a time column"):
        _found(replace(subject, data=data), lost=(), fill=("previous",))
    with pytest.raises(DataError, match="no feature that noise may move"):
        _found(_subject(fixed=("f0", "f1", "f2", "f3")))
