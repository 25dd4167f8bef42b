"""Outputs on inputs that the audit makes, and searches that find nothing: never a PASS by a NaN or by a coarse grid."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from hostile import Case, run

import audit
from audit.subject import Tokens

N = 240
RNG = np.random.default_rng(4)
A = np.round(RNG.random(N), 1)  # tenths alone: what lies between them only an audit asks about
B, C = RNG.random(N), RNG.integers(0, 2, N)
X = np.stack([A, B, C], axis=1).astype(np.float32)
Y = (A + B > 1).astype(np.int32)
FAR = np.abs(A + B - 1) > 0.15  # rows that a small step doesn't turn
FEATURES = (
    audit.Feature("a", low=0.0, high=1.0, scale=0.3),
    audit.Feature("b", low=0.0, high=1.0, scale=0.3),
    audit.Feature("c", "categorical", categories=("x", "y"), scale=0.0, mutable=False),
)
RISING = {"name": "t", "kind": "monotone", "feature": "a", "expect": "rising", "tolerance": 0.001}
SLOW = {**RISING, "tolerance": 0.02, "points": 17}
UNUSED = {"name": "t", "kind": "invariance", "set": {"c": "x"}}
HOLDS = {"name": "t", "kind": "rule", "when": {"b": {"at_least": 0.4}}, "then": {"score_at_most": 0.999}}


def between(x: Any) -> Any:
    """Where the first feature is no tenth."""
    return jnp.abs(x[:, 0] * 10 - jnp.round(x[:, 0] * 10)) > 1e-3


def model(params: dict[str, Any], x: Any) -> Any:
    """A line, with a dip about a place (by b: a slant), and another value off the tenths, or in a hole without rows."""
    place = params["place"] + params["slant"] * x[:, 1]
    dip = jnp.where(jnp.abs(x[:, 0] - place) < params["width"], 2.0, 0.0)
    value = params["slope"] * x[:, 0] + params["b"] * (x[:, 1] - 1) - dip
    value = jnp.where((params["off"] != 0) & between(x), params["off"], value)
    hole = (params["hole"] != 0) & (jnp.abs(x[:, 0] + x[:, 1] - 1) < 0.1)
    return jnp.where(hole, params["hole"], value)[:, None]


def line(**given: float) -> dict[str, Any]:
    """Return the parameters of the model: a plain line but for what is given."""
    plain = {"slope": 9.0, "b": 9.0, "place": 0.537, "width": 0.0, "slant": 0.0, "off": 0.0, "hole": 0.0}
    return {key: np.float32(value) for key, value in {**plain, **given}.items()}


def rule(measure: str, where: dict[str, Any] | None = None, **limit: float) -> dict[str, Any]:
    """Return a policy of one rule."""
    return {
        "name": "p",
        "rules": [{"id": "R", "measure": measure, "where": where or {}, "because": "a test", **limit}],
    }


def rows() -> audit.Dataset:
    """Return the rows; training rows are the same values in another order."""
    x, y = X[FAR], Y[FAR]

    def split(name: str, at: np.ndarray) -> audit.Split:
        ids = np.array([f"{name}{i}" for i in range(len(at))])
        return audit.Split(x[at], y[at], ids, {"c": np.where(x[at, 2] > 0, "y", "x")})

    at = np.arange(len(x))
    coded = {"train": split("u", at[::-1]), "test": split("r", at)}
    return audit.Dataset(
        "rows", "binary", "table", coded, classes=("no", "yes"), favourable=1, features=FEATURES,
        low=np.array([0, 0, 0], np.float32), high=np.array([1, 1, 2], np.float32),
        scale=np.array([0.3, 0.3, 0.0], np.float32),
    )  # fmt: skip


def handed(
    check: str, options: dict[str, Any], policy: dict[str, Any], **given: float
) -> Callable[[Path], tuple[int, str]]:
    """Return the attempt to audit the model with these parameters, given in Python."""

    def attempt(folder: Path) -> tuple[int, str]:
        made = audit.Model("mine", model, line(**given), outputs="logits")
        config = {"name": "case", "checks": {check: options}, "policy": policy}
        return run(config, folder, data=rows(), model=made)

    return attempt


def tested(
    test: dict[str, Any], name: str = "violation_rate", limit: float = 0.05, **given: float
) -> Callable[[Path], tuple[int, str]]:
    """Return the attempt to audit one behavioural test under a rule that allows so many of the rows."""
    policy = rule(f"behaviour.tests.{name}", {"test": "t"}, at_most=limit)
    return handed("behaviour.tests", {"tests": [test]}, policy, **given)


NET = """
import jax.numpy as jnp

def build(shape, outputs, seed):
    def f(x):
        off = jnp.abs(x[:, 0] * 10 - jnp.round(x[:, 0] * 10)) > 1e-3
        return ({})[:, None]
    return f
"""


def filed(value: str, test: dict[str, Any]) -> Callable[[Path], tuple[int, str]]:
    """Return the attempt to audit a configuration: a table, and a network file whose function is `value` of x, off."""

    def attempt(folder: Path) -> tuple[int, str]:
        with (folder / "rows.csv").open("w", newline="") as file:
            write = csv.writer(file)
            write.writerow(["a", "b", "y"])
            write.writerows([[a, round(b, 4), "yes" if y else "no"] for a, b, y in zip(A, B, Y, strict=True)])
        (folder / "net.py").write_text(NET.format(value))
        config = {
            "version": 1,
            "name": "case",
            "data": {
                "source": "table",
                "task": "binary",
                "path": str(folder / "rows.csv"),
                "columns": {"target": "y", "positive": "yes", "favourable": "yes", "numeric": ["a", "b"]},
                "split": {"test": 0.6},
            },
            "model": {"network": f"{folder}/net.py:build", "outputs": "logits"},
            "checks": {"behaviour.tests": {"tests": [test]}},
            "policy": rule("behaviour.tests.violation_rate", {"test": "t"}, at_most=0.08),
        }
        return run(config, folder)

    return attempt


WORDS = {"good": 2, "bad": 3, "very": 4, "film": 5}


def encode(texts: Any) -> np.ndarray:
    """Return ids [n, 6] of texts: 1 for an unknown word."""
    ids = [[WORDS.get(word, 1) for word in text.split()][:6] for text in texts]
    return np.array([row + [0] * (6 - len(row)) for row in ids], np.int32)


def judged(params: Any, x: Any) -> Any:
    """The log-odds of praise; NaN, if so told, for a text with an unknown word."""
    score = 4.0 * (x == 2).sum(axis=1) - 4.0 * (x == 3).sum(axis=1)
    return jnp.where((params["off"] > 0) & (x == 1).any(axis=1), jnp.nan, score)[:, None]


def texts(off: float) -> Callable[[Path], tuple[int, str]]:
    """Return the attempt to audit a model of texts under edits of their letters."""

    def attempt(folder: Path) -> tuple[int, str]:
        y = np.arange(120, dtype=np.int32) % 2
        written = np.array([f"very very film {'good good' if one else 'bad bad'}" for one in y], object)
        split = audit.Split(encode(written), y, np.array([f"t{i}" for i in range(120)]), text=written)
        data = audit.Dataset(
            "texts", "binary", "text", {"test": split, "train": split}, classes=("no", "yes"),
            tokens=Tokens(encode, 6, b"{}", "words of a list"),
        )  # fmt: skip
        made = audit.Model("mine", judged, {"off": np.float32(off)}, outputs="logits")
        options = {"kinds": ["character"], "edits": [1], "draws": 2, "words": 2, "tries": 4}
        policy = rule("robustness.text.edited_accuracy", {"edit": "character", "edits": 1}, at_least=0.8)
        config = {"name": "case", "checks": {"robustness.text": options}, "policy": policy}
        return run(config, folder, data=data, model=made)

    return attempt


NOISE = ("robustness.noise", {"noise": [0.1], "draws": 2, "lost": None})
STEADY = rule("robustness.noise.accuracy_lost", {"noise": 0.1}, at_most=0.2)
PGD = ("robustness.pgd", {"norms": ["linf"], "eps": [0.02], "steps": 10})
ROBUST = rule("robustness.pgd.robust_accuracy", at_least=0.8)
SHAPLEY = ("explanation.shapley", {"rows": 60, "background": 16, "agreement_rows": 0})
LITTLE = rule("explanation.shapley.reliance", {"attribute": "c"}, at_most=0.5)
NAN, INF = float("nan"), float("inf")

CASES = (
    Case("NaN on the grid of a monotone test", 1, tested(RISING, off=NAN), "1.00 ["),
    Case("infinity on the grid of a monotone test", 1, tested(RISING, off=INF), "1.00 ["),
    Case("NaN on the grid, a network file", 1, filed("jnp.where(off, jnp.nan, x[:, 0])", RISING), "1.00 ["),
    Case("a dip between the values of an even grid", 1, tested(RISING, width=0.004), "is above"),
    Case(
        "a dip, a network file", 1,
        filed("x[:, 0] - jnp.where(jnp.abs(x[:, 0] - 0.537) < 0.004, 2.0, 0.0)", RISING), "is above",
    ),
    Case("dips so narrow that a probe alone finds some", 3,
         tested(RISING, limit=0.25, width=0.00005, place=0.1, slant=0.8), "a probe of"),
    Case("a slow fall everywhere", 1, tested(SLOW, slope=-0.5, b=1.0), "is above"),
    Case("a slow fall everywhere, a network file", 1, filed("-0.5 * x[:, 0]", SLOW), "is above"),
    Case("NaN where a rule is searched", 1, tested({**HOLDS, "when": {"a": {"at_least": 0.55}}},
         "searched_violation_rate", off=NAN), "is above"),
    Case("NaN under noise", 1, handed(*NOISE, STEADY, off=NAN), "is above"),
    Case("NaN under an attack's moves", 1, handed(*PGD, ROBUST, off=NAN), "is below"),
    Case("NaN when letters are mistyped", 1, texts(1.0), "is below"),
    Case("infinite outputs of coalitions", 3, handed(*SHAPLEY, LITTLE, hole=INF), "infinite output"),
)  # fmt: skip
HONEST = (
    Case("a score that rises", 0, tested(RISING), "as far as was searched"),
    Case(
        "a score that rises, a network file",
        0,
        filed("4.0 * x[:, 0] - 2.0", RISING),
        "as far as was searched",
    ),
    Case("an unused feature is changed", 0, tested(UNUSED)),
    Case(
        "a rule that holds wherever it is about",
        0,
        tested(HOLDS, "searched_violation_rate", slope=1.0, b=1.0),
    ),
    Case("decisions far from the boundary under noise", 0, handed(*NOISE, STEADY)),
    Case("a line far from its rows under an attack", 0, handed(*PGD, ROBUST)),
    Case("words that a slip of the pen leaves", 0, texts(0.0)),
    Case("an attribute that the model does not read", 0, handed(*SHAPLEY, LITTLE)),
)
