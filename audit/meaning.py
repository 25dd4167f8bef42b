"""What a model's outputs mean: declared, fixed by the task, or logits where nothing else fits; and what follows."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from audit.errors import ModelError
from audit.outputs import finite

Outputs = Literal["logits", "probabilities", "decisions", "values"]
OF_NUMBERS = ("regression", "ranking")  # tasks whose outputs are values and nothing else
MOST = 0.5  # share of single outputs in [0, 1] from which those beyond it do not settle what they are
ROUNDING = 1e-6  # how far single precision may push a probability beyond 0 or 1
SUMS = 1e-3  # how far the sums of rows of probabilities may lie apart
WHY = "read the wrong way, every decision and every gap between groups would be another one"


def declared(outputs: str | None, task: str, model: str) -> Outputs | None:
    """Return what outputs were declared to be, or the only thing that the task allows; None where nothing tells.

    Raises ModelError for an unknown word, and for one that does not go with the task.
    """
    if outputs is not None and outputs not in get_args(Outputs):
        raise ModelError(f"model {model}: outputs={outputs!r}", f"one of {', '.join(get_args(Outputs))}")
    numbers = task in OF_NUMBERS
    if outputs is not None and (outputs == "values") != numbers:
        wanted = "values" if numbers else "logits, probabilities or decisions"
        raise ModelError(
            f"model {model}: outputs={outputs} for a {task} task", wanted, "declare what they are"
        )
    return "values" if numbers else outputs  # type: ignore[return-value]  (one of the words, by the first line)


def undeclared(outputs: np.ndarray, task: str, classes: int, model: str) -> str:
    """Return why undeclared outputs[n, k] of a task of classes can be nothing but logits.

    Raises ModelError, with the word to write, where they could be something else: half of them or more in [0, 1], all
    of one sign (percentages, points, log-probabilities), rows that add up to the same, class numbers, two columns of
    a binary task. Of outputs of a wrong shape, or not finite, nothing is told: they are refused as such.
    """
    out = np.asarray(outputs)
    if out.ndim != 2 or out.shape[1] not in {"binary": (1, 2)}.get(task, (1, classes)):
        return "of a shape that is refused"
    out = np.asarray(out[np.isfinite(out.astype(np.float64)).all(axis=1)], np.float64)
    if not out.size:
        return "not finite"
    doubt, word = _doubt(out, task)
    if doubt:
        raise ModelError(
            f"model {model}: what its outputs are is not declared, and {doubt}",
            f"outputs: {word}"
            + ("" if word == "logits" else ", or outputs: logits if that is what they are"),
            WHY,
        )
    return f"they range from {out.min():.3g} to {out.max():.3g}"


def _doubt(out: np.ndarray, task: str) -> tuple[str, str]:
    """Return why outputs may be no logits, and the likeliest word for what they are; nothing where they must be."""
    exclusive = task != "multilabel" and out.shape[1] > 1
    inside = (out >= -ROUNDING) & (out <= 1 + ROUNDING)
    if (out == np.round(out)).all() and (out >= 0).all():
        if task == "multiclass" and not exclusive:
            return "one column of whole numbers looks like the classes decided", "decisions"
        if inside.all():
            return "all are 0 or 1 (or booleans), like decisions", "decisions"
    if inside.mean() >= (1 if exclusive else MOST):
        return f"{_share(inside)} of them lie in [0, 1], like probabilities", "probabilities"
    sums = out.sum(axis=1)
    if exclusive and np.ptp(sums) <= SUMS * max(1.0, abs(float(sums[0]))) and (out >= 0).all():
        return f"each row adds up to {sums[0]:.4g}, like shares", "probabilities"
    if exclusive and (np.abs(sums - 1) <= SUMS).all():
        return "each row adds up to 1", "probabilities"
    if task == "binary" and exclusive:
        return "two columns for two classes could be either", "logits"
    if not exclusive and ((out >= 0).all() or (out <= 0).all()):
        scale = "points or percentages" if out.max() > 0 else "log-probabilities"
        more = " (with span, for a file of points)" if out.max() > 0 else ""
        return f"all lie from {out.min():.3g} to {out.max():.3g}, like {scale}", f"probabilities{more}"
    return "", ""


def _share(inside: np.ndarray) -> str:
    """Return the share in words."""
    return "all" if inside.all() else f"{100 * inside.mean():.0f} %"


def of_decisions(outputs: np.ndarray, classes: int, *, each: bool) -> str:
    """Return why finite outputs[n, k] are no decisions, or nothing.

    Decisions are one column of class numbers (0/1 or booleans of two classes), or a column a class of which each row
    has one 1; each: any number of labels a row, 0 or 1 in each column.
    """
    out = np.asarray(outputs, np.float64)
    if each or out.shape[1] > 1:
        if not np.isin(out, (0.0, 1.0)).all():
            return f"from {out.min():.3g} to {out.max():.3g}, where each is 0 or 1"
        many = int((out.sum(axis=1) != 1).sum())
        return "" if each or not many else f"with {many} rows of no single 1"
    if (out != np.round(out)).any() or out.min() < 0 or out.max() > classes - 1:
        return f"from {out.min():.3g} to {out.max():.3g}, where each is a class's number, 0 to {classes - 1}"
    return ""


def probabilities(outputs: np.ndarray, kind: str | None) -> np.ndarray:
    """Return class probabilities[n, classes] from outputs[n, k] of a kind ('logits' or 'probabilities').

    A row with an output that is not finite has NaN only. ValueError for outputs that are neither.
    """
    _of_probabilities(kind)
    out = _whole_rows(outputs)
    if kind == "probabilities":
        return np.concatenate([1 - out, out], axis=1) if out.shape[1] == 1 else out
    logits = np.concatenate([np.zeros_like(out), out], axis=1) if out.shape[1] == 1 else out
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def label_probabilities(outputs: np.ndarray, kind: str | None) -> np.ndarray:
    """Return each label's own probability[n, k] from outputs[n, k] of a kind ('logits' or 'probabilities').

    A row with an output that is not finite has NaN only.
    """
    _of_probabilities(kind)
    out = _whole_rows(outputs)
    return out if kind == "probabilities" else 0.5 * (1 + np.tanh(0.5 * out))


def _whole_rows(outputs: np.ndarray) -> np.ndarray:
    """Return outputs[n, k] (float64), NaN throughout a row that is not finite throughout."""
    out = np.asarray(outputs, np.float64)
    return np.where(finite(out)[:, None], out, np.nan)


def _of_probabilities(kind: str | None) -> None:
    """Raise ValueError for outputs that have no probabilities."""
    if kind not in ("logits", "probabilities"):
        raise ValueError(f"probabilities of outputs that are {kind}; only logits and probabilities have them")


def given(out: np.ndarray, *, each: bool) -> np.ndarray:
    """Return the class[n] given by its number or its column, or the labels[n, k] given."""
    whole = np.where(np.isfinite(out) & (out == np.round(out)) & (out >= 0), out, -1).astype(np.int32)
    if each or out.shape[1] == 1:
        return whole if each else whole[:, 0]
    return np.where((whole == 1).sum(axis=1) == 1, whole.argmax(axis=1), -1).astype(np.int32)
