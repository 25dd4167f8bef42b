"""explanation.dependence: curves and effects in closed form, scikit-learn's partial dependence, directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.checks.explanation_dependence import DependenceOptions, dependence
from audit.errors import ConfigError
from audit.registry import Context
from audit.subject import Dataset, Feature, Model, Split, Subject, observe

CONTEXT = Context(key=jax.random.key(3), seed=3)
NAMES = ("income", "age", "unused", "region")
EFFECT = np.array([0.0, 0.5, -1.0, 2.0], np.float32)


def curved(params, x):
    z = x[:, 0] * jnp.abs(x[:, 1]) + x[:, 1] ** 2 + params[x[:, 3].astype(jnp.int32)]
    return jnp.stack([jnp.zeros_like(z), z], axis=1)


def split(name, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 3] = rng.integers(1, 4, n)
    return Split(x, (x[:, 0] > 0).astype(np.int32), np.array([f"{name}-secret-{i}" for i in range(n)]))


@pytest.fixture(scope="module")
def toy() -> Subject:
    splits = {"train": split("train", 400, 0), "test": split("test", 300, 1)}
    features = (*map(Feature, NAMES[:3]), Feature("region", kind="categorical", categories=("n", "s", "w")))
    data = Dataset("toy", "binary", "table", splits, classes=("no", "yes"), features=features)
    return observe(Model("toy", curved, EFFECT, outputs="logits"), data)


@pytest.fixture(scope="module")
def found(toy):
    return dependence(toy, DependenceOptions(points=12, monotone={"income": "up", "age": "up"}), CONTEXT)


def one(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def table(findings, name):
    return next(t for t in findings.tables if t.name == name)


def test_the_curve_is_partial_dependence_less_the_mean_output(toy, found):
    x = toy.data.test.x.astype(float)

    def logit(rows):
        return rows[:, 0] * np.abs(rows[:, 1]) + rows[:, 1] ** 2 + EFFECT[rows[:, 3].astype(int)]

    rows = table(found, "curve age").rows
    assert table(found, "curve age").kind == "curve" and len(rows) == 12
    for _, value, mean, low, high, n in rows:
        there = x.copy()
        there[:, 1] = value
        change = logit(there) - logit(x)
        assert mean == pytest.approx(change.mean(), rel=1e-3, abs=1e-3)
        spread = change.std(ddof=1) / np.sqrt(n)
        assert high - low == pytest.approx(2 * 1.97 * spread, rel=0.1) and n == 300
    values = np.array([row[1] for row in rows])
    size = []
    for value in values:
        there = x.copy()
        there[:, 1] = value
        size.append(np.abs(logit(there) - logit(x)))
    effect = one(found, "effect", feature="age")
    assert effect.value == pytest.approx(np.mean(size), rel=1e-3) and effect.low < effect.value < effect.high


def test_categories_have_their_effects_and_shares(toy, found):
    rows = table(found, "curve region").rows
    mean = EFFECT[toy.data.test.x[:, 3].astype(int)].mean()
    assert [row[0] for row in rows] == ["n", "s", "w"]
    assert [row[2] for row in rows] == pytest.approx((EFFECT[1:] - mean).tolist(), abs=1e-3)
    assert sum(row[1] for row in rows) == pytest.approx(1)


def test_directions_are_judged_and_unused_features_have_no_bound(found):
    assert one(found, "monotone_rows", feature="income").value == 1
    assert one(found, "monotone_rows", feature="age").value == 0
    assert one(found, "monotonicity", feature="income").value == pytest.approx(1)
    assert abs(one(found, "monotonicity", feature="age").value) < 0.6
    assert one(found, "monotonicity", feature="income").kind == "descriptive"
    nothing = one(found, "effect", feature="unused")
    assert (nothing.value, nothing.kind) == (0.0, "descriptive")
    assert [row[0] for row in table(found, "effects").rows][-1] == "unused"
    assert "secret" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("monotone", "said"), [({"incom": "up"}, "income"), ({"region": "up"}, "no order")], ids=str
)
def test_directions_of_nothing_are_refused(toy, monotone, said):
    with pytest.raises(ConfigError, match=said):
        dependence(toy, DependenceOptions(monotone=monotone), CONTEXT)
