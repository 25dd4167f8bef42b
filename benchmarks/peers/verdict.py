"""AutoAttack as the audit runs it under `budget: verdict`: no stage begins once a rule's verdict is settled."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import Any

import jax
import numpy as np

from audit.checks.robustness_autoattack import AutoAttackOptions
from audit.evidence import Policy, Rule
from audit.gate_settled import settled
from audit.registry import Context, find
from audit.subject import Dataset, Model, Split, observe
from models.network import Network

CHECK = "robustness.autoattack"


def until_settled(
    network: Network, x: np.ndarray, y: np.ndarray, eps: float, at_least: float, seed: int
) -> dict[str, Any]:
    """Return robust accuracy as far as it was searched, what was left out, and of each stage seconds and rows."""
    subject = observe(Model("victim", network.apply, network.params, "logits"), _data(x, y))
    rule = Rule(
        id="R", measure=f"{CHECK}.robust_accuracy", at_least=at_least, because="The benchmark asks it."
    )
    policy = Policy(name="benchmark", budget="verdict", rules=(rule,))
    spent: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Any:
        start = perf_counter()
        yield
        spent[part] = perf_counter() - start

    ctx = Context(jax.random.key(seed), seed, settled=lambda m: settled(CHECK, m, policy), timed=timed)
    options = AutoAttackOptions.model_validate(
        {"eps": (eps,), "annealed": False, "probes": False, "rows": None}
    )
    found = find(CHECK).function(subject, options, ctx)
    value = next(m.estimate.value for m in found.measurements if m.name == "robust_accuracy")
    table = next(table for table in found.tables if table.name == "stages")
    at = {column.name: place for place, column in enumerate(table.columns)}
    kept = [
        {name: row[at[name]] for name in ("stage", "rows", "felled", "left_out")}
        | {"seconds": spent.get(str(row[at["stage"]]), 0.0)}
        for row in table.rows
    ]
    return {"value": value, "stages": kept}


def _data(x: np.ndarray, y: np.ndarray) -> Dataset:
    """Return the images as the test split of a data set."""
    return Dataset(
        "victim's images",
        "multiclass",
        "image",
        {"test": Split(x, y, np.arange(len(y)))},
        classes=tuple(str(k) for k in range(10)),
        low=np.zeros(x.shape[1:], np.float32),
        high=np.ones(x.shape[1:], np.float32),
    )
