"""Doubts about the subject itself, found once before the checks: what a concern touches cannot PASS, but can FAIL.

Each has a threshold that only data which a careful statistician would refuse reach, and says what would remove it.
What the statistics bound honestly (clusters, folds' spread, weights) is no concern.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit import row_digests
from audit.evidence import Concern
from audit.metrics.repeats import copies
from audit.metrics.sanity import looks_like_probabilities
from audit.subject import JUDGED, UNLABELLED, Dataset, Split, Subject, decide

EVERYTHING = ("*",)
FEW_ROWS = 50  # fewer rows show neither a copied target nor repeated rows
REPEATED = (
    0.01  # of the test rows, and FEWEST of them: copies beyond chance that would count as rows of their own
)
FEWEST = 10
MOST_INSIDE = 0.9  # of single outputs in [0, 1], none of them far outside
FEW_LOST = 30  # rows without a label, fewer of which show nothing
OTHERWISE = 0.05  # of the decisions: a difference between rows with and without a label that matters,
FAR = 4.0  # and so many standard errors, which chance does not give
OF_PROBABILITIES = (  # what reads probabilities of logits where the decision is the largest output in any case
    "calibration.*",
    "accuracy.overall.log_loss",
    "accuracy.overall.auc",
    "accuracy.overall.macro_auc",
    "fairness.auc.*",
    "robustness.*",
    "explanation.*",
    "behaviour.*",
)
OF_DECISIONS = (  # what compares decisions with each other, and finds nothing to compare where all are one
    "fairness.groups.*",
    "fairness.classes.*",
    "fairness.conditional.*",
    "fairness.ll144.*",
    "fairness.flip.*",
    "fairness.inequality.*",
    "behaviour.tests.*",
    "robustness.*.attack_success",
    "robustness.noise.decision_changed",
)


def found(subject: Subject, *, procedure: bool = False, trained_here: bool = False) -> tuple[Concern, ...]:
    """Return the concerns of a subject whose outputs are known.

    procedure: the configuration says that the verdict is meant for the way of training, not for one network.
    trained_here: the loss, and so what the outputs mean, is known.
    """
    tests: tuple[Callable[[Subject], Concern | None], ...] = (
        _one_decision,
        _copied_target,
        _repeated_rows,
        _missing_labels,
    )
    concerns = [test(subject) for test in tests]
    concerns.append(None if trained_here else _meaning(subject))
    concerns.append(None if procedure else _folds(subject.data))
    return tuple(concern for concern in concerns if concern is not None)


def _meaning(subject: Subject) -> Concern | None:
    """Return the concern that outputs read as logits look like probabilities."""
    outputs = np.asarray(subject.outputs["test"], np.float64)
    if subject.model.outputs != "logits" or subject.data.task not in ("binary", "multiclass", "multilabel"):
        return None
    exclusive = subject.data.task != "multilabel"
    if not (looks_like_probabilities(outputs, exclusive=exclusive) or _nearly_probabilities(outputs)):
        return None
    largest = subject.model.decision.kind == "argmax" and outputs.shape[1] > 1
    return Concern(
        name="outputs_meaning",
        says=f"the outputs are read as logits, yet all {len(outputs):,} rows' lie between {outputs.min():.3g} and "
        f"{outputs.max():.3g} as probabilities do",
        todo="declare what the outputs are (outputs: probabilities), or drop the network's last sigmoid or softmax",
        touches=OF_PROBABILITIES if largest else EVERYTHING,
        evidence={"lowest": float(outputs.min()), "highest": float(outputs.max()), "rows": len(outputs)},
    )


def _nearly_probabilities(outputs: np.ndarray) -> bool:
    """Return whether single outputs keep to [0, 1] as those of a linear probability model do: most inside, none far."""
    inside = (outputs >= 0) & (outputs <= 1)
    near = (
        outputs.shape[1] == 1 and len(outputs) >= FEW_ROWS and -0.5 <= outputs.min() and outputs.max() <= 1.5
    )
    return bool(near and inside.mean() >= MOST_INSIDE)


def _one_decision(subject: Subject) -> Concern | None:
    """Return the concern that every row is decided alike, which makes parity vacuous."""
    if subject.data.task == "ranking":
        return None
    regression = subject.data.task == "regression"
    decided = np.asarray(subject.outputs["test"] if regression else subject.predictions())
    if not len(decided) or (decided != decided[:1]).any():
        return None
    if regression:
        what = f"the output is {decided.ravel()[0]:.6g} for all {len(decided):,} test rows"
    elif subject.data.task == "multilabel":
        what = f"all {len(decided):,} test rows are given the same labels"
    else:
        what = f"all {len(decided):,} test rows are decided to be {subject.data.classes[int(decided.ravel()[0])]!r}"
    return Concern(
        name="one_decision",
        says=f"{what}, so that equal treatment of groups is no evidence",
        todo="audit rows of which some are decided otherwise, or mend the model or its threshold",
        touches=("fairness.regression.*", "behaviour.tests.*") if regression else OF_DECISIONS,
        evidence={"rows": len(decided)},
    )


def _copied_target(subject: Subject) -> Concern | None:
    """Return the concern that scores from a file are the target itself; a model that runs is asked, not copied."""
    if subject.model.apply is not None:
        return None
    y, outputs = np.asarray(subject.data.test.y), np.asarray(subject.outputs["test"], np.float64)
    if len(y) < FEW_ROWS or subject.data.task in ("ranking", "multilabel"):
        return None
    if subject.data.task == "regression":
        same = bool(np.allclose(outputs[:, 0], y, rtol=1e-6, atol=1e-12)) and len(np.unique(y)) > 1
    else:
        same = subject.model.outputs != "decisions" and _one_to_one(outputs, y)
    if not same:
        return None
    return Concern(
        name="copied_target",
        says=f"the outputs of all {len(y):,} test rows are the target in other words: one output a class",
        todo="give the model's own scores; a column made from the target, or known only after it, is no prediction",
        touches=EVERYTHING,
        evidence={"rows": len(y)},
    )


def _one_to_one(outputs: np.ndarray, y: np.ndarray) -> bool:
    """Return whether each class has one output[n, k] and each output one class, of two classes or more."""
    _, which = np.unique(outputs, axis=0, return_inverse=True)
    pairs = set(zip(which.reshape(-1).tolist(), y.tolist(), strict=True))
    classes, values = {b for _, b in pairs}, {a for a, _ in pairs}
    return 1 < len(classes) == len(values) == len(pairs)


def _repeated_rows(subject: Subject) -> Concern | None:
    """Return the concern that test rows repeat each other beyond what their features' own values would give."""
    data, test = subject.data, subject.data.test
    n = len(test)
    if n < FEW_ROWS or data.task == "ranking":
        return None
    if data.modality == "table" and data.features:
        extra = copies(_columns(data, test), test.cluster)
    elif data.modality == "image":
        rows = [hash(one) for one in row_digests.contents(test, data, groups=False)]
        extra = copies([np.asarray(rows)], test.cluster)
    else:  # short texts and histories recur by themselves; facts.not_measured says so
        return None
    if extra <= max(REPEATED * n, FEWEST):
        return None
    return Concern(
        name="repeated_rows",
        says=f"about {round(extra):,} of {n:,} test rows repeat another in every feature and the target, as drawing "
        "rows does not (so many pairs, so few triples), and would be counted as evidence of their own",
        todo="drop the copies, or declare what they share (columns.cluster)",
        touches=EVERYTHING,
        evidence={"repeated": round(extra), "rows": n},
    )


def _missing_labels(subject: Subject) -> Concern | None:
    """Return the concern that rows without a label are decided otherwise than those with one."""
    lost = subject.outputs.get(UNLABELLED)
    if lost is None or subject.data.task in ("ranking", "multilabel") or subject.model.decisions:
        return None
    judged = subject.outputs[JUDGED]
    if len(lost) < max(FEW_LOST, REPEATED * len(judged)):
        return None
    splits = [subject.data.splits[name] for name in (JUDGED, UNLABELLED)]
    if subject.data.task == "regression":
        middle = np.median(judged)
        decided = [np.asarray(out)[:, 0] > middle for out in (judged, lost)]
        kinds, what = [True], "the share above the judged rows' median output is"
    else:
        decided = [decide(out, subject.model) for out in (judged, lost)]
        kinds, what = (
            list(range(len(subject.data.classes))),
            "the share decided alike differs most where it is",
        )
    whole = [(f"{what}", [d == kind for d in decided], splits) for kind in kinds]
    parts = [
        (f"{what}, among {attribute} {group},", [d[where] == kind for d, where in zip(decided, at, strict=True)],
         [split.take(np.flatnonzero(where)) for split, where in zip(splits, at, strict=True)])
        for attribute, group, at in _groups(splits)
        for kind in kinds
    ]  # fmt: skip
    found = [
        (said, [_share(c, split) for c, split in zip(chosen, of, strict=True)])
        for said, chosen, of in (*whole, *parts)
    ]
    least = (FAR**2 + 2 * np.log(len(found))) ** 0.5
    far = [
        (abs(here - there), said, here, there)
        for said, ((here, e), (there, f)) in found
        if abs(here - there) > max(OTHERWISE, least * float(np.hypot(e, f)))
    ]
    if not far:
        return None
    _, what, here, there = max(far)
    return Concern(
        name="missing_labels",
        says=f"{len(lost):,} rows lack the target and are not judged, and the model takes them otherwise than the "
        f"{len(judged):,} judged ones: {what} {there:.2f} there and {here:.2f} here",
        todo="label them, or a random part of them; leave them out of the file where they are not asked about",
        touches=EVERYTHING,
        evidence={"unlabelled": len(lost), "judged": len(judged), "there": there, "here": here},
    )


def _groups(splits: list[Split]) -> list[tuple[str, str, list[np.ndarray]]]:
    """Return every group that both splits hold FEW_LOST rows of: its attribute, name and rows[n] of each split."""
    found = []
    for attribute, values in splits[0].groups.items():
        both = [np.asarray(split.groups.get(attribute, np.zeros(len(split), str))) for split in splits]
        for name in np.unique(np.asarray(values)):
            at = [column == name for column in both]
            if min(int(where.sum()) for where in at) >= FEW_LOST:
                found.append((attribute, str(name), at))
    return found


def _share(chosen: np.ndarray, split: Split) -> tuple[float, float]:
    """Return a share of rows and its standard error, by clusters where there are any; no error where they are few."""
    p, n = float(chosen.mean()), len(chosen)
    if split.cluster is None:
        plain = (chosen.sum() + 2) / (n + 4)  # not 0 where all are alike (Agresti and Coull 1998)
        return p, float(np.sqrt(plain * (1 - plain) / (n + 4)))
    _, which = np.unique(np.asarray(split.cluster), return_inverse=True)
    sums = np.bincount(which.reshape(-1), weights=chosen - p)
    many = len(sums)
    return p, np.inf if many < FEW_LOST else float(np.sqrt((sums**2).sum() * many / (many - 1)) / n)


def _columns(data: Dataset, split: Split) -> list[np.ndarray]:
    """Return a table's features and target as columns[n]."""
    x, target = np.asarray(split.x), np.asarray(split.y).reshape(len(split), -1)
    return [*(x[:, i] for i in range(len(data.features))), *target.T]


def _folds(data: Dataset) -> Concern | None:
    """Return the concern that none of the networks judged is the one to be released."""
    if data.folds is None:
        return None
    return Concern(
        name="not_the_released_model",
        says=f"{len(data.folds)} networks were judged, each on the fold that it had not seen, and none of them is the "
        "one to be released",
        todo="say `judge: training_procedure` in data.split where the verdict is meant for the way of training, or "
        "judge the network itself on rows of its own",
        touches=EVERYTHING,
        evidence={"networks": len(data.folds)},
    )
