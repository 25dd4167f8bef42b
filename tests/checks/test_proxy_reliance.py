"""explanation.proxies: a model of the proxy alone is caught, one of independent features is not."""

import jax
import numpy as np
import pytest

from audit.checks.explanation_proxies import ProxiesOptions, proxies
from audit.registry import Context
from audit.subject import Dataset, Feature, Model, Split, Subject, observe

CONTEXT = Context(key=jax.random.key(3), seed=3)
NAMES = ("income", "height", "sex", "noise")
OPTIONS = ProxiesOptions(rows=200, background=32)


def scored(params, x):
    return x @ params


def split(name, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    code = rng.integers(1, 3, n)
    x[:, 1] += 2 * (code == 2)
    x[:, 2] = code
    groups = {"sex": np.where(code == 1, "female", "male"), "race": np.where(rng.random(n) < 0.5, "a", "b")}
    return Split(
        x, (x[:, 0] > 0).astype(np.int32), np.array([f"{name}-{i}" for i in range(n)]), groups=groups
    )


def subject(*weights, **model) -> Subject:
    splits = {"train": split("train", 600, 0), "test": split("test", 300, 1)}
    features = (
        *map(Feature, NAMES[:2]),
        Feature("sex", kind="categorical", categories=("f", "m")),
        Feature("noise"),
    )
    data = Dataset("toy", "binary", "table", splits, classes=("no", "yes"), features=features)
    return observe(
        Model("toy", scored, np.array(weights, np.float32)[:, None], **{"outputs": "logits", **model}), data
    )


def one(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def reliance(*weights):
    found = proxies(subject(*weights), OPTIONS, CONTEXT)
    return one(found, "proxy_reliance", attribute="sex"), one(found, "joint_reliance", attribute="sex")


def test_a_model_of_the_proxy_alone_is_caught():
    proxy, joint = reliance(0, 1, 0, 0)
    assert proxy.value == 1 and proxy.low > 0.95
    assert joint.value == 1


def test_a_model_of_independent_features_is_not():
    proxy, joint = reliance(1, 0, 0, 0.5)
    assert proxy.value == 0 and proxy.low == 0 and 0 < proxy.high < 0.05
    assert joint.value == 0


def test_shares_of_a_linear_model_are_in_closed_form():
    found = proxies(subject(0.5, 1, 2, 0), ProxiesOptions(rows=300, background=600), CONTEXT)
    toy = subject(0.5, 1, 2, 0)
    x, z = toy.data.test.x.astype(float), toy.data.splits["train"].x.astype(float)
    size = np.abs((x - z.mean(axis=0)) * [0.5, 1, 2, 0])
    proxy, joint = (
        one(found, "proxy_reliance", attribute="sex"),
        one(found, "joint_reliance", attribute="sex"),
    )
    assert proxy.value == pytest.approx(size[:, 1].sum() / size.sum(), rel=1e-3)
    assert joint.value == pytest.approx(size[:, 1:3].sum() / size.sum(), rel=1e-3)
    assert proxy.low < proxy.value < proxy.high


def test_an_attribute_without_proxies_is_not_estimable_and_the_table_says_who_is_one():
    found = proxies(subject(1, 1, 1, 1), OPTIONS, CONTEXT)
    none = one(found, "proxy_reliance", attribute="race")
    assert none.value is None and "no feature is associated" in none.reason
    parts = {(row[0], row[1]): row[3] for row in found.tables[0].rows}
    assert parts["sex", "height"] == "proxy" and parts["sex", "sex"] == "own column"
    assert parts["sex", "income"] == "other" and parts["race", "height"] == "other"


def test_proxies_are_joined_so_that_a_duplicate_changes_nothing():
    def doubled(params, x):
        return (x @ params + 0 * x[:, :1]).astype(np.float32)

    toy = subject(1, 1, 0, 0)
    eager = observe(Model("toy", doubled, toy.model.params, outputs="logits", differentiable=False), toy.data)
    ours, theirs = (
        one(proxies(s, OPTIONS, CONTEXT), "proxy_reliance", attribute="sex").value for s in (toy, eager)
    )
    assert ours == pytest.approx(theirs, rel=1e-4) and 0.3 < ours < 0.8
