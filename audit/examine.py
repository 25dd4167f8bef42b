"""Refuse a subject whose outputs cannot be audited, before any check spends time on it."""

from __future__ import annotations

import numpy as np

from audit import meaning
from audit.errors import ModelError
from audit.subject import JUDGED, Dataset, Model, Subject, run_model
from models import rows_apart

ROWS = 16  # test rows that are run alone, together and again


def examine(subject: Subject, seed: int = 0) -> None:
    """Raise ModelError where outputs are not finite, of a wrong shape, not as declared, or not a row's own.

    A row's outputs must be the same alone, among others, in another order and when asked again; `seed` draws the rows
    on which that is tried.
    """
    for split, outputs in subject.outputs.items():
        rows = len(subject.data.splits[split])
        _shape(subject.data, subject.model, np.asarray(outputs), rows, split)
        _values(subject, np.asarray(outputs), split)
    rule = subject.model.decision
    if subject.data.task == "multilabel" and rule.kind not in ("each", "given_each"):
        raise ModelError(
            f"model {subject.model.name} decides for {rule}",
            "a decision for each label",
            'DecisionRule("each")',
        )
    if subject.model.apply is not None:
        _rows_apart(subject, seed)


def _rows_apart(subject: Subject, seed: int) -> None:
    """Check on a few test rows that outputs depend on nothing but the row."""
    every, outputs = subject.data.test, np.asarray(subject.outputs[JUDGED])
    by_id = np.argsort(every.id, kind="stable")  # the same rows whatever the order of the file
    few = by_id[rows_apart.various(outputs[by_id], ROWS, seed)]
    fault = rows_apart.fault(lambda x: run_model(subject.model, x), every.take(few).x, outputs[few])
    if fault:
        raise ModelError(f"model {subject.model.name}: {fault}", *rows_apart.CURE)


def _shape(data: Dataset, model: Model, outputs: np.ndarray, rows: int, split: str) -> None:
    """Check [n, k] against the rows and the classes."""
    classes = len(data.classes)
    items = data.catalogue.size if data.catalogue is not None else 1
    several = (1, classes) if model.outputs == "decisions" else (classes,)
    widths = {"binary": (1, 2), "multiclass": several, "multilabel": (classes,), "ranking": (items,)}
    columns = widths.get(data.task, (1,))
    if outputs.ndim != 2 or outputs.shape[0] != rows or outputs.shape[1] not in columns:
        wanted = " or ".join(f"({rows}, {k})" for k in columns)
        raise ModelError(
            f"model {model.name}: outputs of the {split} rows have shape {outputs.shape}",
            f"{wanted} for a {data.task} task with {classes} classes" if classes else wanted,
            "let apply return one row of outputs an example",
        )


def _values(subject: Subject, outputs: np.ndarray, split: str) -> None:
    """Check that outputs are finite, and the probabilities or decisions that they are said to be."""
    model, one = subject.model, subject.data.task != "multilabel"
    bad = int((~np.isfinite(outputs)).any(axis=1).sum())
    if bad:
        raise ModelError(
            f"model {model.name}: {bad} of {len(outputs)} {split} rows have a NaN or infinite output",
            "finite outputs",
            "look for diverged training or unscaled inputs",
        )
    if model.outputs == "decisions":
        why = meaning.of_decisions(outputs, len(subject.data.classes), each=not one)
        if why:
            given, wanted = f"model {model.name}: outputs declared as decisions run {why}", "decisions"
            raise ModelError(given, wanted, "declare outputs: logits or outputs: probabilities, or mend them")
    if model.outputs != "probabilities":
        return
    sums = outputs.sum(axis=1) if one and outputs.shape[1] > 1 else np.ones(len(outputs))
    if outputs.min() < -1e-6 or outputs.max() > 1 + 1e-6 or np.abs(sums - 1).max() > 1e-3:
        raise ModelError(
            f"model {model.name}: outputs declared as probabilities range from {outputs.min():.3g} to "
            f"{outputs.max():.3g}",
            "numbers in [0, 1]" + (" that add up to 1 in each row" if one else ""),
            f"declare outputs: logits, or apply a {'softmax' if one else 'sigmoid'}",
        )
