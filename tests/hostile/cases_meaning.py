"""What a model's outputs are, whether they are a row's own, and where its parameters come from: refused, or honest."""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hostile import Case, run

import audit
from audit.data.arrays import from_splits

N = 1200
RNG = np.random.default_rng(1)
MALE = RNG.random(N) < 0.5
X = np.stack([RNG.normal(size=N), np.where(MALE, 1.0, -1.0)], axis=1).astype(np.float32)
LOGIT = 3 * X[:, 0] + 1.5 * X[:, 1]
Y = (RNG.random(N) < 1 / (1 + np.exp(-LOGIT))).astype(int)
LEVEL = np.clip(np.digitize(X[:, 0] + 0.1 * RNG.normal(size=N), [-0.4, 0.4]), 0, 2)
LABELS = np.stack([Y, X[:, 0] + 0.1 * RNG.normal(size=N) > 0.3, X[:, 0] < 0.2], axis=1).astype(int)
FAIR = {"fairness.groups": {"intersections": "none"}}
SEEN = {"accuracy.overall": {}}
FOUR_FIFTHS = "four_fifths"
TRAIN = {"epochs": 4, "batch": 128, "learning_rate": 0.1}


def right(least: float = 0.7, measure: str = "accuracy.overall.accuracy") -> dict[str, Any]:
    """Return a policy of one rule, far below what the honest models reach."""
    rule = {"id": "R", "measure": measure, "at_least": least, "because": "a test"}
    return {"name": "p", "rules": [rule]}


def data(task: Any = "binary") -> audit.Dataset:
    """Return the rows, all of them to be judged."""
    y, classes = {
        "binary": (Y, ("no", "yes")),
        "multiclass": (LEVEL, ("low", "middle", "high")),
        "multilabel": (LABELS, ("a", "b", "c")),
        "regression": (LOGIT.astype(float), ()),
    }[task]
    good = classes[1] if task == "binary" else None
    split = audit.Split(X, y, np.array([f"r{i}" for i in range(N)]), {"sex": np.where(MALE, "m", "f")})
    return from_splits("rows", task, {"test": split}, classes=classes, favourable=good)


def handed(
    apply: Callable[..., Any], task: str = "binary", **given: Any
) -> Callable[[Path], tuple[int, str]]:
    """Return the attempt to audit a function given in Python; checks and policy default to fairness."""
    checks, policy = given.pop("checks", FAIR), given.pop("policy", FOUR_FIFTHS)
    config = {"name": "case", "checks": checks, "policy": policy}

    def attempt(folder: Path) -> tuple[int, str]:
        model = audit.Model("mine", apply=apply, **given)
        return run(config, folder, data=data(task), model=model)

    return attempt


def filed(
    model: dict[str, Any],
    net: str = "",
    scores: dict[str, Any] | None = None,
    checks: dict[str, Any] = SEEN,
    policy: Any = None,
    **more: Any,
) -> Callable[[Path], tuple[int, str]]:
    """Return the attempt to audit a configuration: a table, a network file or columns of scores beside its rows."""

    def attempt(folder: Path) -> tuple[int, str]:
        columns = {
            "y": np.where(Y == 1, "yes", "no"),
            "sex": np.where(MALE, "m", "f"),
            "a": X[:, 0],
            "b": X[:, 1],
        }
        columns |= scores or {}
        with (folder / "rows.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(columns)
            table.writerows(zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True))
        (folder / "net.py").write_text(textwrap.dedent(net))
        roles: dict[str, Any] = {
            "target": "y",
            "positive": "yes",
            "favourable": "yes",
            "sensitive": ["sex"],
        }
        roles |= {} if scores else {"numeric": ["a", "b"]}
        shares = (
            {"test": 1.0, "validation": 0, "calibration": 0} if scores else {"test": 0.5, "validation": 0.1}
        )
        block = {"source": "table", "path": "rows.csv", "columns": roles, "split": shares}
        config = {
            "name": "case",
            "data": block,
            "model": model,
            "checks": checks,
            "policy": policy or right(),
            **more,
        }
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        return run(folder / "config.yaml", folder)

    return attempt


def tuned(folder: Path) -> tuple[int, str]:
    """Train, then fine-tune the weights; return what the second audit gave, with its origin."""
    network, both = {"network": "./net.py:build"}, {**right(), "looks": 2}
    filed({**network, "train": TRAIN}, NNX, policy=both)(folder)
    weights = str(next((folder / "runs").glob("2*/weights")))
    code, said = filed(
        {**network, "weights": weights, "train": {**TRAIN, "start": "weights"}}, NNX, policy=both
    )(folder)
    newest = max((folder / "runs").glob("2*/evidence.json"), key=lambda path: path.stat().st_mtime)
    record = json.loads(newest.read_text())
    assert "start_weights" in record["digests"]
    return code, said + record["facts"]["model"]["origin"]


SMALL = {"hidden": [8], "bins": 0}


def logit(params: Any, x: Any) -> Any:
    return 3 * x[:, :1] + 1.5 * x[:, 1:]


def chance(params: Any, x: Any) -> Any:
    return jax.nn.sigmoid(logit(params, x))


def levels(params: Any, x: Any) -> Any:
    return jnp.concatenate([-9 * x[:, :1] - 3.6, 0 * x[:, :1], 9 * x[:, :1] - 3.6], axis=1)


def labels(params: Any, x: Any) -> Any:
    return jnp.concatenate([logit(params, x), 9 * x[:, :1] - 2.7, 1.8 - 9 * x[:, :1]], axis=1)


def counting(params: Any, x: Any, calls: list[int] = []) -> Any:  # noqa: B006  (its state is the fault)
    calls.append(1)
    return np.asarray(logit(params, x)) + 0.2 * len(calls)


def noisy(params: Any, x: Any) -> Any:
    return np.asarray(logit(params, x)) + RNG.normal(size=(len(x), 1))


def normed(params: Any, x: Any) -> Any:
    out = logit(params, x)
    return (out - out.mean(axis=0, keepdims=True)) / out.std(axis=0, keepdims=True)


P = np.asarray(chance(None, X), float)
SIGMOID = "import jax\ndef build():\n    return lambda x: jax.nn.sigmoid(3 * x[:, :1] + 1.5 * x[:, 1:])\n"
LINEAR = "def build():\n    return lambda x: 3 * x[:, :1] + 1.5 * x[:, 1:]\n"
BATCH_NORM = """
import jax.numpy as jnp
from flax import linen

class Net(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(1)(linen.BatchNorm(use_running_average={average})(x))

def build(shape, seed):
    import jax
    net = Net()
    variables = net.init(jax.random.key(0), jnp.zeros((1, 2)))
    dense = {{"kernel": jnp.array([[3.0], [1.5]]), "bias": jnp.zeros(1)}}
    variables = {{**variables, "params": {{**variables["params"], "Dense_0": dense}}}}
    return lambda x: net.apply(variables, x, mutable=["batch_stats"])[0]
"""
LINEN = """
from flax import linen

def build(outputs):
    return linen.Dense(outputs)
"""
NNX = """
from flax import nnx

def build(shape, outputs, seed):
    return nnx.Linear(shape[0], outputs, rngs=nnx.Rngs(seed))
"""
CALIBRATED = {"calibration.reliability": {}, "accuracy.overall": {}}
BRIER = {"name": "p", "rules": [{"id": "B", "measure": "calibration.reliability.brier", "at_most": 0.4,
                                 "because": "a test"}]}  # fmt: skip
CLASSES = {"task": "multiclass", "checks": SEEN, "policy": right()}
EACH = {
    "task": "multilabel",
    "checks": {"accuracy.multilabel": {}},
    "policy": right(0.5, "accuracy.multilabel.exact_match"),
}
SURE = {"checks": SEEN, "policy": right()}
EACH_RULE = {"decision": audit.DecisionRule("each")}

CASES = (
    Case("undeclared probabilities, Python", 2, handed(chance), "outputs: probabilities"),
    Case("undeclared booleans, Python", 2, handed(lambda p, x: logit(p, x) > 0), "outputs: decisions"),
    Case("undeclared 0 and 1, Python", 2, handed(lambda p, x: (logit(p, x) > 0).astype(int)), "outputs: decisions"),
    Case("undeclared percentages, Python", 2, handed(lambda p, x: 100 * chance(p, x)), "outputs: probabilities"),
    Case("undeclared log-probabilities, Python", 2, handed(lambda p, x: jax.nn.log_sigmoid(logit(p, x))), "log-prob"),
    Case("undeclared and mostly in 0 to 1, Python", 2, handed(lambda p, x: 0.5 + 0.12 * logit(p, x)),
         "like probabilities"),
    Case("undeclared two columns, Python", 2, handed(lambda p, x: jnp.concatenate([-logit(p, x), logit(p, x)], 1)),
         "could be either"),
    Case("undeclared softmax rows, Python", 2, handed(lambda p, x: jax.nn.softmax(levels(p, x)), **CLASSES),
         "outputs: probabilities"),
    Case("undeclared shares of a hundred, Python", 2,
         handed(lambda p, x: 100 * jax.nn.softmax(levels(p, x)), **CLASSES),
         "adds up to 100"),
    Case("undeclared class numbers, Python", 2, handed(lambda p, x: levels(p, x).argmax(1)[:, None], **CLASSES),
         "outputs: decisions"),
    Case("undeclared one-hot rows, Python", 2, handed(lambda p, x: jnp.eye(3)[levels(p, x).argmax(1)], **CLASSES),
         "outputs: decisions"),
    Case("undeclared probabilities of labels, Python", 2,
         handed(lambda p, x: jax.nn.sigmoid(labels(p, x)), **EACH, **EACH_RULE), "outputs: probabilities"),
    Case("probabilities declared, which they are: unfair", 1, handed(chance, outputs="probabilities")),
    Case("decisions declared, which they are: unfair", 1, handed(lambda p, x: logit(p, x) > 0, outputs="decisions")),
    Case("logits declared as probabilities, Python", 2, handed(logit, outputs="probabilities"), "declared as prob"),
    Case("probabilities declared as decisions, Python", 2, handed(chance, outputs="decisions"),
         "declared as decisions"),
    Case("an unknown word, Python", 2, handed(chance, outputs="probs"), "one of logits, probabilities"),
    Case("values for classes, Python", 2, handed(logit, outputs="values"), "logits, probabilities or decisions"),
    Case("logits for numbers, Python", 2, handed(logit, "regression", outputs="logits", **SURE), "expected values"),
    Case("decisions with a threshold, Python", 2,
         handed(lambda p, x: logit(p, x) > 0, outputs="decisions", decision=audit.DecisionRule("threshold"), **SURE),
         "leave the decision rule out"),
    Case("calibration of decisions, Python", 3,
         handed(lambda p, x: logit(p, x) > 0, outputs="decisions", checks=CALIBRATED, policy=BRIER), "probabilities"),
    Case("AUC of decisions, Python", 3,
         handed(lambda p, x: logit(p, x) > 0, outputs="decisions", checks=SEEN,
                policy=right(0.6, "accuracy.overall.auc"))),
    Case("random outputs, Python", 2, handed(noisy, differentiable=False, **SURE), "asked again"),
    Case("outputs that count calls, Python", 2, handed(counting, differentiable=False, **SURE), "asked again"),
    Case("rows that depend on their batch, Python", 2, handed(normed, **SURE), "other rows of its batch"),
    Case("rows that depend on their place, Python", 2,
         handed(lambda p, x: logit(p, x) + 0.01 * jnp.arange(len(x))[:, None], **SURE), "other rows of its batch"),
    Case("undeclared probabilities, a file of scores", 2,
         filed({"scores": "rows.csv", "columns": ["p"]}, scores={"p": P[:, 0]}, checks=FAIR, policy=FOUR_FIFTHS),
         "outputs: probabilities"),
    Case("probabilities declared, a file of scores: unfair", 1,
         filed({"scores": "rows.csv", "columns": ["p"], "outputs": "probabilities"}, scores={"p": P[:, 0]}, checks=FAIR,
               policy=FOUR_FIFTHS)),
    Case("undeclared decisions, a file of scores", 2,
         filed({"scores": "rows.csv", "columns": ["p"]}, scores={"p": P[:, 0] > 0.5}), "outputs: decisions"),
    Case("undeclared class names, a file of scores", 2,
         filed({"scores": "rows.csv", "columns": ["p"]}, scores={"p": np.where(P[:, 0] > 0.5, "yes", "no")}),
         "outputs: decisions"),
    Case("undeclared points, a file of scores", 2,
         filed({"scores": "rows.csv", "columns": ["p"]}, scores={"p": np.ceil(10 * P[:, 0])}),
         "outputs: probabilities"),
    Case("a threshold of decisions, a file of scores", 2,
         filed({"scores": "rows.csv", "columns": ["p"], "outputs": "decisions"}, scores={"p": P[:, 0] > 0.5},
               decision={"threshold": 0.3}), "decision.threshold"),
    Case("a network that ends in a sigmoid", 2, filed({"network": "./net.py:build"}, SIGMOID),
         "outputs: probabilities"),
    Case("batch statistics left on", 2, filed({"network": "./net.py:build"}, BATCH_NORM.format(average=False)),
         "other rows of its batch"),
    Case("probabilities of a network trained here", 2,
         filed({"network": "mlp", "options": SMALL, "train": TRAIN, "outputs": "probabilities"}), "whose loss is of"),
    Case("a built-in network without training", 2, filed({"network": "mlp", "options": SMALL}), "random numbers"),
    Case("a Linen module without training", 2, filed({"network": "./net.py:build"}, LINEN), "random numbers"),
    Case("an NNX module without training", 2, filed({"network": "./net.py:build"}, NNX), "random numbers"),
    Case("weights and training without a word", 2,
         filed({"network": "mlp", "options": SMALL, "weights": "w", "train": TRAIN}), "train.start: weights"),
    Case("fine-tuning of no weights", 2,
         filed({"network": "mlp", "options": SMALL, "train": {**TRAIN, "start": "weights"}}),
         "a checkpoint folder, beside"),
    Case("untrained and trained", 2,
         filed({"network": "mlp", "options": SMALL, "train": TRAIN, "untrained": True}),
         "without train, weights or scores"),
)  # fmt: skip

HONEST = (
    Case("logits undeclared, Python", 0, handed(logit, **SURE)),
    Case("probabilities, Python", 0, handed(chance, outputs="probabilities", **SURE)),
    Case("booleans as decisions, Python", 0, handed(lambda p, x: logit(p, x) > 0, outputs="decisions", **SURE)),
    Case("two columns of logits, Python", 0,
         handed(lambda p, x: jnp.concatenate([0 * logit(p, x), logit(p, x)], 1), outputs="logits", **SURE)),
    Case("values of a number, Python", 0,
         handed(logit, "regression", outputs="values", checks=SEEN,
                policy={"name": "p", "rules": [{"id": "E", "measure": "accuracy.overall.mean_absolute_error",
                                                "at_most": 0.5, "because": "a test"}]})),
    Case("logits of three classes undeclared, Python", 0, handed(levels, **CLASSES)),
    Case("one-hot decisions of three classes, Python", 0,
         handed(lambda p, x: jnp.eye(3)[levels(p, x).argmax(1)], outputs="decisions", **CLASSES)),
    Case("class numbers as decisions, not traced, Python", 0,
         handed(lambda p, x: np.asarray(levels(p, x)).argmax(1)[:, None], outputs="decisions", differentiable=False,
                **CLASSES)),
    Case("labels decided, Python", 0, handed(lambda p, x: labels(p, x) > 0, outputs="decisions", **EACH)),
    Case("logits of labels undeclared, Python", 0, handed(labels, **EACH, **EACH_RULE)),
    Case("probabilities, a file of scores", 0,
         filed({"scores": "rows.csv", "columns": ["p"], "outputs": "probabilities"}, scores={"p": P[:, 0]})),
    Case("class names as decisions, a file of scores", 0,
         filed({"scores": "rows.csv", "columns": ["p"], "outputs": "decisions"},
               scores={"p": np.where(P[:, 0] > 0.5, "yes", "no")})),
    Case("a network of fixed parameters, undeclared logits", 0, filed({"network": "./net.py:build"}, LINEAR)),
    Case("a network that ends in a sigmoid, and says so", 0,
         filed({"network": "./net.py:build", "outputs": "probabilities"}, SIGMOID)),
    Case("batch norm by running averages", 0, filed({"network": "./net.py:build"}, BATCH_NORM.format(average=True))),
    Case("fine-tuned, and says so", 0, tuned, "fine-tuned here from weights"),
    Case("untrained on purpose", 0,
         filed({"network": "mlp", "options": SMALL, "untrained": True}, policy=right(0.02))),
)  # fmt: skip
