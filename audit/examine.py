"""Refuse a subject whose outputs cannot be audited, before any check spends time on it."""

from __future__ import annotations

import numpy as np

from audit.errors import ModelError
from audit.subject import Dataset, Model, Subject


def examine(subject: Subject) -> None:
    """Raise ModelError when outputs are non-finite, wrongly shaped or not what they are declared to be."""
    for split, outputs in subject.outputs.items():
        rows = len(subject.data.splits[split])
        _shape(subject.data, subject.model, np.asarray(outputs), rows, split)
        _values(subject.model, np.asarray(outputs), split, one=subject.data.task != "multilabel")
    rule = subject.model.decision
    if subject.data.task == "multilabel" and rule.kind != "each":
        raise ModelError(
            f"model {subject.model.name} decides for {rule}",
            "a decision for each label",
            'DecisionRule("each")',
        )


def _shape(data: Dataset, model: Model, outputs: np.ndarray, rows: int, split: str) -> None:
    """Check [n, k] against the rows and the classes."""
    classes = len(data.classes)
    items = data.catalogue.size if data.catalogue is not None else 1
    widths = {"binary": (1, 2), "multiclass": (classes,), "multilabel": (classes,), "ranking": (items,)}
    columns = widths.get(data.task, (1,))
    if outputs.ndim != 2 or outputs.shape[0] != rows or outputs.shape[1] not in columns:
        wanted = " or ".join(f"({rows}, {k})" for k in columns)
        raise ModelError(
            f"model {model.name}: outputs of the {split} rows have shape {outputs.shape}",
            f"{wanted} for a {data.task} task with {classes} classes" if classes else wanted,
            "let apply return one row of outputs an example",
        )


def _values(model: Model, outputs: np.ndarray, split: str, *, one: bool) -> None:
    """Check that outputs are finite, and probabilities, of one class a row where so, where they are said to be."""
    bad = int((~np.isfinite(outputs)).any(axis=1).sum())
    if bad:
        raise ModelError(
            f"model {model.name}: {bad} of {len(outputs)} {split} rows have a NaN or infinite output",
            "finite outputs",
            "look for diverged training or unscaled inputs",
        )
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
