"""What a model that is always right would show: every rule's denominators, from the data alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from audit import stats
from audit.check_run import run_check
from audit.clock import Clock
from audit.config import Loaded
from audit.evidence import CheckResult, Estimate, Findings, Measurement
from audit.meaning import OF_NUMBERS
from audit.metrics.sampling import sample
from audit.registry import Context, find
from audit.subject import JUDGED, Dataset, DecisionRule, Model, Split, Subject

Function = Callable[[Any, Any, Context], Findings]
Where = dict[str, str | float | int]
SIDES: dict[str, Literal["at most", "at least"]] = {
    "robust_accuracy": "at most",
    "attack_success": "at least",
}
COUNTED = ("accuracy.overall", "calibration.reliability", "fairness.groups", "fairness.ll144")


def oracle(loaded: Loaded, data: Dataset) -> Subject:
    """Return the data with outputs that decide every test row rightly, with confidences spread evenly."""
    given = loaded.config.model
    decides = given is not None and given.outputs == "decisions" and data.task in ("binary", "multiclass")
    values = data.task in OF_NUMBERS
    model = Model(
        name="always right",
        apply=lambda params, x: x,  # never called: it stands for the network that is not trained yet
        outputs="decisions" if decides else "values" if values else "probabilities",
        decision=DecisionRule("given" if decides else "argmax"),
        differentiable=given is None or given.scores is None,
    )
    if given is not None and given.scores is not None:
        model = replace(model, apply=None)
    kept = [name for name in (JUDGED, "calibration") if len(data.splits.get(name, ()))]
    outputs = {name: _outputs(data, data.splits[name]) for name in kept}
    if decides:
        outputs = {name: np.asarray(data.splits[name].y, np.float64)[:, None] for name in kept}
    return Subject(model, data, outputs)


def results(loaded: Loaded, subject: Subject) -> tuple[CheckResult, ...]:
    """Return every configured check's result on the oracle; a check that needs a real model finds nothing.

    Skipped checks are skipped for the reason that a run would give.
    """
    found = []
    for name, options in loaded.options.items():
        check = find(name)
        stood_in = check if name in COUNTED else replace(check, function=STAND_IN.get(name, _nothing))
        seed = loaded.config.seed
        clock = Clock(lambda stage, done, total: None, {})
        found.append(
            run_check(stood_in, subject, options, seed, True, None, {}, None, clock, loaded.policy)[0]
        )
    return tuple(found)


def _outputs(data: Dataset, split: Split) -> np.ndarray:
    """Return outputs[n, k]: the true class at .5 to 1, the others sharing the rest; numbers slightly off."""
    y, n = np.asarray(split.y), len(split)
    spread = (np.arange(n) + 0.5) / n
    if data.task not in ("binary", "multiclass"):
        return np.asarray(y, np.float64).reshape(n, -1) + spread[:, None]
    classes = max(len(data.classes), 2)
    true = 0.5 + spread / 2
    outputs = np.tile(((1 - true) / (classes - 1))[:, None], (1, classes))
    outputs[np.arange(n), y] = true
    return outputs


def _attacked(subject: Subject, options: Any, ctx: Context) -> Findings:
    """Return what an attack that never succeeds would leave: the rows tried, per norm and radius."""
    norms = dict.fromkeys(options.norms)
    radii = {norm: options.l2_eps if norm == "l2" and options.l2_eps else options.eps for norm in norms}
    places: list[Where] = [{"norm": norm, "eps": eps} for norm in norms for eps in sorted(set(radii[norm]))]
    return _unmoved(subject, options.rows, ctx, places, ("robust_accuracy", "attack_success"))


def _edited(subject: Subject, options: Any, ctx: Context) -> Findings:
    """Return what edits that never matter would leave: the texts tried, per kind and number of edits."""
    kinds, numbers = dict.fromkeys(options.kinds), sorted(set(options.edits))
    places: list[Where] = [{"edit": kind, "edits": edits} for kind in kinds for edits in numbers]
    names = ("edited_accuracy", "robust_accuracy", "attack_success")
    return _unmoved(subject, options.rows, ctx, places, names)


def _unmoved(
    subject: Subject, rows: int | None, ctx: Context, places: list[Where], names: tuple[str, ...]
) -> Findings:
    """Return rates of the rows drawn, all decided rightly wherever they are moved."""
    test = subject.data.test
    at = sample(test.id, rows, ctx.seed)
    cluster = None if test.cluster is None else test.cluster[at]

    def made(name: str, where: Where) -> Measurement:
        hit = np.full(len(at), name != "attack_success")
        rate: Estimate = stats.rate(hit, cluster=cluster, side=SIDES.get(name, "two-sided"))
        said = [f"{k} {v:g}" if isinstance(v, (int, float)) else f"{v}" for k, v in where.items()]
        label = ", ".join([name.replace("_", " ").capitalize(), *said])
        return Measurement(name=name, label=label, estimate=rate, where=where)

    every = [made(name, where) for where in places for name in names]
    return Findings(measurements=(made("clean_accuracy", {}), *every))


def _nothing(subject: Subject, options: Any, ctx: Context) -> Findings:
    """Return no finding: these numbers depend on the trained model."""
    return Findings()


STAND_IN: dict[str, Function] = {
    name: _attacked
    for name in ("robustness.fgsm", "robustness.pgd", "robustness.autoattack", "robustness.minimum")
} | {"robustness.text": _edited}
PLANNED = (*COUNTED, *STAND_IN)
