"""Subjects in doubt, rows judged too often, policies that prove nothing; and their honest twins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hostile import Case, command, run

import audit

N = 2000
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
Y = (X[:, 0] + 0.5 * RNG.normal(size=N) > 0).astype(int)
SEX = np.where(RNG.random(N) < 0.5, "f", "m")
GROUPS = "fairness.groups.impact_ratio"


def rule(measure: str, **limit: Any) -> dict[str, Any]:
    return {"id": measure.rpartition(".")[2], "measure": measure, "because": "a test", **limit}


ACCURATE = rule("accuracy.overall.accuracy", at_least=0.75)
PARITY = rule(GROUPS, at_least=0.8)


def table(
    folder: Path,
    scores: np.ndarray,
    x: np.ndarray = X,
    y: np.ndarray = Y,
    sex: np.ndarray = SEX,
    id: Any = None,
) -> str:
    """Write rows with a column of scores."""
    frame = pd.DataFrame(
        {
            "id": np.arange(len(y)) if id is None else id,
            "a": x[:, 0],
            "b": x[:, 1],
            "y": y,
            "sex": sex,
            "s": scores,
        }
    )
    frame.to_csv(folder / "d.csv", index=False)
    return str(folder / "d.csv")


def scored(
    folder: Path, scores: np.ndarray, rules: list[dict[str, Any]], *, features: bool = False, **more: Any
):
    """Return the exit of an audit of a file of scores; more: x, y, sex of the rows, outputs, policy."""
    policy = {"name": "p", "rules": rules, **more.pop("policy", {})}
    outputs = more.pop("outputs", "logits")
    path = table(folder, scores, **more)
    columns = {"id": "id", "target": "y", "positive": "1", "favourable": "1", "sensitive": ["sex"]}
    columns |= {"numeric": ["a", "b"]} if features else {}
    checks = {one["measure"].rpartition(".")[0]: {} for one in rules}
    return run(
        {
            "name": "scored",
            "data": {
                "source": "table", "path": path, "columns": columns,
                "split": {"test": 0.6 if features else 1.0, "validation": 0.0, "calibration": 0.0},
            },
            "model": {"scores": path, "columns": ["s"], "outputs": outputs},
            "checks": checks,
            "policy": policy,
        },
        folder,
    )  # fmt: skip


def model(shift: float = 0.0, scale: float = 3.0) -> audit.Model:
    return audit.Model(
        "linear", lambda p, x: x[:, :1] * p[0] + p[1], np.array([scale, shift], np.float32), outputs="logits"
    )


def given(folder: Path, rules: list[dict[str, Any]], of: audit.Model | None = None, **policy: Any):
    """Return the exit of an audit of a function on arrays."""
    rows = audit.Split(X, Y, np.arange(N).astype(str), groups={"sex": SEX})
    data = audit.from_splits("d", "binary", {"test": rows}, classes=("n", "y"), favourable="y")
    checks = {one["measure"].rpartition(".")[0]: {} for one in rules}
    config = {"name": "given", "checks": checks, "policy": {"name": "p", "rules": rules, **policy}}
    return run(config, folder, model=of or model(), data=data)


def twice(folder: Path, second: dict[str, Any], first: dict[str, Any] | None = None):
    """Return the exit of the second of two audits on the same rows."""
    given(folder, **{"rules": [ACCURATE], **(first or {})})
    return given(folder / "elsewhere", **{"rules": [ACCURATE], **second})


def copied_rows(folder: Path):
    x, y, sex = (np.r_[a[:1000], a[:1000]] for a in (X, Y, SEX))
    return scored(folder, 3 * x[:, 0], [ACCURATE], x=x, y=y, sex=sex, features=True)


def unlabelled(folder: Path, shift: float):
    """Return the exit where a fifth of the rows lack their label, and score `shift` higher."""
    lost = np.arange(N) % 5 == 0
    y = np.where(lost, "", Y.astype(str))
    return scored(folder, 3 * X[:, 0] + shift * lost, [ACCURATE], y=y)


def shuffled(folder: Path):
    scored(folder, 3 * X[:, 0], [ACCURATE])
    order = np.random.default_rng(1).permutation(N)
    (folder / "b").mkdir()
    return scored(folder / "b", 2 * X[order, 0], [ACCURATE], x=X[order], y=Y[order], sex=SEX[order], id=order)


def folded(folder: Path, judge: str):
    path = table(folder, X[:, 0])
    return run(
        {
            "name": "folded",
            "data": {
                "source": "table", "path": path, "split": {"by": "folds", "folds": 2, "judge": judge},
                "columns": {"id": "id", "target": "y", "positive": "1", "numeric": ["a", "b"]},
            },
            "model": {"network": "mlp", "options": {"hidden": [8], "bins": 0},
                      "train": {"epochs": 8, "batch": 64, "learning_rate": 0.01}},
            "checks": {"accuracy.overall": {}},
            "policy": {"name": "p", "rules": [ACCURATE]},
        },
        folder,
    )  # fmt: skip


def gated(folder: Path, limit: float):
    """Return the exit of a stored PASS under another policy: a second look."""
    given(folder, [ACCURATE])
    (stored,) = (folder / "runs").glob("2*")
    (folder / "other.yaml").write_text(
        f"name: other\nrules: [{{id: a, measure: accuracy.overall.accuracy, at_least: {limit}, because: b}}]\n"
    )
    return command(folder, "gate", str(stored), "--policy", "other.yaml")


def waived(folder: Path, **change: str):
    waiver = {"rule": "accuracy", "who": "A. Person", "why": "known", "until": "2027-01-31", **change}
    return given(folder, [rule("accuracy.overall.accuracy", at_least=0.99)], waivers=[waiver])


def weakened(folder: Path):
    (folder / "strict.yaml").write_text(
        "name: strict\nrules: [{id: accuracy, measure: accuracy.overall.accuracy, at_least: 0.99, because: b}]\n"
    )
    return given(
        folder, [rule("accuracy.overall.accuracy", at_least=-5)], include=str(folder / "strict.yaml")
    )


CASES = (
    Case("parity where all are selected", 3, lambda f: given(f, [PARITY], model(99)), "decided to be 'y'"),
    Case("parity of scores where all are selected", 3, lambda f: scored(f, X[:, 0] ** 2 + 2, [PARITY]), "'1'"),
    Case("the target as score", 3, lambda f: scored(f, Y * 4.0 - 2, [ACCURATE]), "the target in other words"),
    Case("every test row twice", 3, copied_rows, "repeat another"),
    Case("labels missing where the score is high", 3, lambda f: unlabelled(f, 3.0), "400 rows lack the target"),
    Case("folds, a model to be released", 3, lambda f: folded(f, "model"), "none of them is the one"),
    Case("a second model on the same rows", 3, lambda f: twice(f, {"of": model(0.01)}), "1 other model or policy"),
    Case("a second policy on the same rows", 3,
         lambda f: twice(f, {"rules": [rule("accuracy.overall.accuracy", at_least=0.7)]}), "have judged 1 other"),
    Case("a second model, the file in another order", 3, shuffled, "have judged 1 other"),
    Case("looks declared after the first", 3, lambda f: twice(f, {"of": model(0.01), "looks": 2}), "of the first"),
    Case("a stored PASS under a second policy", 3, lambda f: gated(f, 0.7), "have judged 1 other"),
    Case("accuracy at least -5", 2,
         lambda f: given(f, [rule("accuracy.overall.accuracy", at_least=-5)]), "every value"),
    Case("a difference at most 1", 2,
         lambda f: given(f, [rule("fairness.groups.selection_rate_difference", at_most=1)]), "every value"),
    Case("a ratio at most 0.8", 2, lambda f: given(f, [rule(GROUPS, at_most=0.8)]), "higher is better"),
    Case("a waiver by nobody", 2, lambda f: waived(f, who=" "), "a person's name"),
    Case("a waiver for ever", 2, lambda f: waived(f, until="2999-01-01"), "within a year"),
    Case("an included rule made empty", 2, weakened, "every value"),
)  # fmt: skip
HONEST = (
    Case("parity of a fair model", 0, lambda f: given(f, [PARITY])),
    Case("parity of fair scores", 0, lambda f: scored(f, 3 * X[:, 0], [PARITY])),
    Case("rows with features of their own", 0, lambda f: scored(f, 3 * X[:, 0], [ACCURATE], features=True)),
    Case("labels missing at random", 0, lambda f: unlabelled(f, 0.0)),
    Case("folds, the way of training judged", 0, lambda f: folded(f, "training_procedure")),
    Case("the same model again", 0, lambda f: twice(f, {})),
    Case("a second model, two looks declared", 0, lambda f: twice(f, {"of": model(0.01), "looks": 2}, {"looks": 2})),
    Case("a second policy, two looks declared", 0,
         lambda f: twice(f, {"rules": [rule("accuracy.overall.accuracy", at_least=0.7)], "looks": 2}, {"looks": 2})),
    Case("a waiver with a name and an end", 0, waived),
)  # fmt: skip
