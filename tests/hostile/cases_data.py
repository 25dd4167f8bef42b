"""Data that are not what they seem: weights nobody uses, labels from 1, names written in two ways, rows not judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hostile import Case, run

import audit

N = 1200
RNG = np.random.default_rng(7)
X = RNG.normal(size=(N, 2)).astype(np.float32)
Y = (X[:, 0] + 0.3 * RNG.normal(size=N) > 0).astype(int)
SEX = RNG.integers(1, 3, N)
AGE = RNG.integers(0, 2, N)
Attempt = Callable[[Path], tuple[int, str]]


def rule(measure: str, limit: float, **where: Any) -> dict[str, Any]:
    """Return a rule that asks for at least the limit."""
    return {"id": f"{measure} {where}", "measure": measure, "at_least": limit, "where": where, "because": "x"}


ACCURATE = rule("accuracy.overall.accuracy", 0.8)


def config(*rules: dict[str, Any], **blocks: Any) -> dict[str, Any]:
    """Return a configuration of the checks that the rules name."""
    named = {one["measure"].rpartition(".")[0]: {} for one in rules}
    return {
        "version": 1,
        "name": "data",
        "checks": named,
        "policy": {"name": "p", "rules": list(rules)},
        **blocks,
    }


def linear() -> audit.Model:
    """Return a model that is right for about nine rows of ten."""
    return audit.Model("linear", apply=lambda params, x: 9.0 * x[:, :1])


def arrays(*rules: dict[str, Any], says_rows: int | None = None, **given: Any) -> Attempt:
    """Return the audit of the arrays in Python; says_rows: the test rows that the record must tell of."""

    def attempt(folder: Path) -> tuple[int, str]:
        try:
            told = {"x": X, "y": Y, "classes": ("no", "yes"), "favourable": "yes", **given}
            data = audit.from_arrays("arrays", "binary", **told)
        except audit.AuditError as error:
            return 2, str(error)
        assert says_rows is None or abs(len(data.test) - says_rows) < 3  # a stratum is cut to a row
        return run(config(*(rules or (ACCURATE,))), folder, data=data, model=linear())

    return attempt


def many(y: np.ndarray, **given: Any) -> Attempt:
    """Return the audit of a classifier that knows its labels, as far as they are."""

    def attempt(folder: Path) -> tuple[int, str]:
        k = len(given.get("classes", range(int(y.max()) + 1)))
        x = np.eye(k, dtype=np.float32)[y]
        try:
            data = audit.from_arrays("arrays", "multiclass", x, y, **given)
        except audit.AuditError as error:
            return 2, str(error)
        return run(
            config(ACCURATE),
            folder,
            data=data,
            model=audit.Model("m", apply=lambda params, x: 9.0 * x, outputs="logits"),
        )

    return attempt


def frame(**columns: Any) -> pd.DataFrame:
    """Return a table of the rows with scores that are right for about nine of ten."""
    score = np.where(X[:, 0] > 0, 0.9, 0.1)
    return pd.DataFrame({"id": range(N), "y": Y, "score": score, "sex": SEX, **columns})


def scored(
    table: pd.DataFrame, *rules: dict[str, Any], files: dict[str, Any] | None = None, **roles: Any
) -> Attempt:
    """Return the audit of a table whose column `score` stands in a model's place; files: path or test, and split."""

    def attempt(folder: Path) -> tuple[int, str]:
        table.to_csv(folder / "t.csv", index=False)
        columns = {
            "id": "id",
            "target": "y",
            "positive": "1",
            "favourable": "1",
            "sensitive": ["sex"],
            **roles,
        }
        data = {"source": "table", "columns": columns, **(files or {"path": str(folder / "t.csv")})}
        model = {"scores": str(folder / "t.csv"), "columns": ["score"], "outputs": "probabilities"}
        return run(config(*(rules or (ACCURATE,)), data=data, model=model), folder)

    return attempt


def network(
    table: pd.DataFrame, split: Any = None, test: pd.DataFrame | None = None, **model: Any
) -> Attempt:
    """Return the audit of a network of one's own, or one trained here, on the columns a and kind."""

    def attempt(folder: Path) -> tuple[int, str]:
        table.to_csv(folder / "t.csv", index=False)
        (folder / "net.py").write_text("def build(shape, outputs):\n    return lambda x: 9.0 * x[:, :1]\n")
        columns = {
            "target": "y",
            "positive": 1,
            "numeric": ["a"],
            "categorical": ["kind"] * ("kind" in table),
        }
        data = {"source": "table", "path": str(folder / "t.csv"), "columns": columns, "split": split}
        if test is not None:
            test.to_csv(folder / "test.csv", index=False)
            data["test"] = str(folder / "test.csv")
        own = {"network": str(folder / "net.py") + ":build", "outputs": "logits"}
        return run(config(ACCURATE, data=data, model=model or own), folder)

    return attempt


def weighted(weight: Any) -> Attempt:
    """Return the audit of decisions whose weighted gap is .17 and whose unweighted gap is about 0, limit .1."""

    def attempt(folder: Path) -> tuple[int, str]:
        rng = np.random.default_rng(0)
        n = 6000
        sex, stratum = rng.integers(0, 2, n), rng.integers(0, 2, n)
        rate = np.where(stratum == sex, 0.4, 0.6)
        decided = (rng.random(n) < rate).astype(int)
        w = np.where(stratum == 0, weight, 1.0)
        table = pd.DataFrame(
            {
                "y": decided,
                "sex": sex,
                "w": w,
                "score": np.where(decided, 0.9, 0.1) + rng.uniform(-0.05, 0.05, n),
            }
        )
        table["id"] = range(n)
        gap = rule("fairness.groups.selection_rate_difference", 0.1)
        gap["at_most"] = gap.pop("at_least")
        return scored(table, gap, ACCURATE, weight="w")(folder)

    return attempt


KIND = np.where(RNG.random(N) < 0.5, "a", "b")
TABLE = pd.DataFrame({"a": X[:, 0], "y": Y})
CODED = TABLE.assign(kind=KIND)
TRAINED = {"network": "mlp", "options": {"hidden": [4]}, "train": {"epochs": 30, "learning_rate": 0.02}}
RATIO = rule("fairness.groups.impact_ratio", 0.7)


def selected(group: Any) -> dict[str, Any]:
    """Return the rule that a group of sex is selected often enough."""
    return rule("fairness.groups.selection_rate", 0.3, attribute="sex", group=group)


TRUTH = SEX == 1
IMAGES = np.repeat(np.arange(1, 11), 30)

CASES = (
    Case("weights declared and not used", 3, weighted(9.0), "declared weights"),
    Case("weights in Python", 3, arrays(weight=1.0 + AGE), "declared weights"),
    Case("labels 1 to 10", 2, many(IMAGES), "y: 1 to 10, so class 0 has no row; expected 0 to 9"),
    Case("label 255 for none", 2, many(np.where(np.arange(300) < 3, 255, np.arange(300) % 3)), "class 3 has no row"),
    Case("a group that is not there", 3, arrays(selected(3), groups={"sex": SEX}), "group=3 (a number)"),
    Case("true is not 1", 3, arrays(selected(1), groups={"sex": TRUTH}), "only at attribute=sex group=False"),
    Case("01 is not 1", 3, scored(frame(sex=np.where(TRUTH, "01", "02")), selected(1)), "group=1 (a number)"),
    Case("groups written 1 and 1.0", 2, scored(frame(sex=np.where(AGE, "1", "1.0"))), "read alike"),
    Case("groups written 1 and 1.0 in Python", 2, arrays(groups={"sex": ["1", "1.0"] * (N // 2)}), "read alike"),
    Case("test file in other words", 2, network(CODED, test=CODED.assign(kind=np.char.upper(KIND)), **TRAINED),
         "values that both files hold"),
    Case("codes guessed from the judged rows", 2, network(CODED), "categories of 'kind' without training rows"),
    Case("training on no rows", 2, network(TABLE, {"by": "none"}, **TRAINED), "no training rows"),
    Case("test alone and divided", 2, scored(frame(), files={"test": "t.csv", "split": {"test": 0.5}}), "test alone"),
    Case("two groups a row", 2, arrays(groups={"sex": np.stack([SEX, AGE], 1)}), "one value each"),
    Case("a cluster without a name", 2, arrays(cluster=[None, *range(N - 1)]), "cluster lacks a value"),
)  # fmt: skip
HONEST = (
    Case("weights that are all equal", 0, weighted(1.0)),
    Case("every row of a ready test set is judged", 0, arrays(says_rows=N)),
    Case("a split that is asked for", 0, arrays(plan=audit.SplitPlan(test=0.5), says_rows=N // 2)),
    Case("a rule on group 1, in Python", 0, arrays(RATIO, selected(1), selected(2.0), groups={"sex": SEX})),
    Case("a rule on group 1, in a file", 0, scored(frame(), RATIO, selected(1), selected("2"))),
    Case("a rule on group true", 0, scored(frame(sex=TRUTH), RATIO, selected(True))),
    Case("groups as bytes", 0, arrays(selected("F"), groups={"sex": np.where(TRUTH, b"F", b"M")})),
    Case("crossings by whole numbers", 0, arrays(rule("fairness.groups.crossed_impact_ratio", 0.5,
         attribute="sex x age"), groups={"sex": SEX, "age": AGE.astype(float)})),
    Case("missing in pandas' strings", 0, arrays(RATIO, groups={"sex": pd.Series(SEX).astype("string").where(
         pd.Series(X[:, 1]) > -1)})),
    Case("a pandas category", 0, arrays(RATIO, groups={"sex": pd.Series(SEX).astype("category")})),
    Case("labels 0 to 9", 0, many(IMAGES - 1)),
    Case("labels 1 to 10 of declared classes", 0, many(IMAGES, classes=tuple(range(11)))),
    Case("scores of every row", 0, scored(frame(), ACCURATE, RATIO)),
    Case("a test file alone", 0, lambda folder: scored(frame(), files={"test": str(folder / "t.csv")})(folder)),
    Case("floats beside a missing group", 0, scored(frame(sex=np.where(X[:, 1] > -1, SEX * 1.0, np.nan)),
         RATIO, selected(1))),
    Case("a network of one's own on every row", 0, network(TABLE)),
    Case("a network trained here", 0, network(CODED, {"test": 0.5}, **TRAINED)),
)  # fmt: skip
