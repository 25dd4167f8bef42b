"""Tasks of several labels a row: each label by itself as a task of two classes, and what a check finds of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from audit.evidence import Findings
from audit.subject import DecisionRule, Subject

Function = Callable[[Subject, Any, Any], Findings]


def alone(subject: Subject, label: int) -> Subject:
    """Return the subject whose only label is this one: class 1 is to have it.

    It has outputs and rows, but no function: the network gives all labels at once. The label is the favourable class
    where the data declare it so; otherwise no class is.
    """
    data, model = subject.data, subject.model
    name = data.classes[label]
    one = replace(
        data,
        task="binary",
        splits={split: replace(rows, y=rows.y[:, label]) for split, rows in data.splits.items()},
        target=name,
        classes=(f"not {name}", name),
        favourable=1 if data.favourable == label else None,
    )
    rule = DecisionRule("threshold", model.decision.threshold)
    outputs = {split: found[:, label : label + 1] for split, found in subject.outputs.items()}
    return Subject(replace(model, apply=None, scores=outputs, decision=rule), one, outputs)


def each(function: Function, subject: Subject, options: Any, ctx: Any, labels: tuple[int, ...]) -> Findings:
    """Return what a check for two classes finds of each of these labels; every measurement says of which.

    Tables are named by their label too, where there are several.
    """
    names = [subject.data.classes[label] for label in labels]
    found = [function(alone(subject, label), options, ctx) for label in labels]
    measured = [
        m.model_copy(update={"where": {"label": name, **m.where}, "label": f"{m.label}; label {name}"})
        for name, one in zip(names, found, strict=True)
        for m in one.measurements
    ]
    tables = [
        t.model_copy(
            update={
                "name": f"{t.name}, {name}" if len(labels) > 1 else t.name,
                "title": f"{t.title}; label {name}",
            }
        )
        for name, one in zip(names, found, strict=True)
        for t in one.tables
    ]
    said = dict.fromkeys(line for one in found for line in one.not_measured)
    together = "Labels together: each is judged by itself here."
    return Findings(measurements=tuple(measured), tables=tuple(tables), not_measured=(*said, together))
