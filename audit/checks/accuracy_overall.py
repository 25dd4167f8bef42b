"""accuracy.overall: how often and how far the model is wrong, over all judged rows and for each class."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Rate, Table
from audit.metrics.clusters import inflation, rate_covariance
from audit.metrics.confusion import confusion_matrix
from audit.registry import Context, Measure, Options, check, nearest
from audit.subject import JUDGED, Dataset, Split, Subject

EXACT, SKEWED, NONE = "exact (Clopper-Pearson)", "skewness-corrected t", "none: descriptive"
Better = Literal["higher", "lower", "neither"]
LEAST = float(np.finfo(np.float64).eps)
MEASURES = (
    Measure("accuracy", "higher", "Share of rows whose predicted class is the true one.", EXACT),
    Measure(
        "majority_share",
        "neither",
        "Accuracy of always guessing the class that is commonest in training: what accuracy has to beat.",
        EXACT,
    ),
    Measure("balanced_accuracy", "higher", "Mean of the classes' recalls.", "mean of exact limits"),
    Measure("recall", "higher", "Share of a class's rows that are predicted to be of it.", EXACT),
    Measure("precision", "higher", "Share of the rows predicted to be of a class that are of it.", EXACT),
    Measure(
        "f1", "higher", "Twice a class's hits over its rows and its predictions.", "exact, of the overlap"
    ),
    Measure("macro_f1", "higher", "Mean over the classes of F1.", "studentised bootstrap"),
    Measure(
        "auc",
        "higher",
        "Chance that a row of the class gets a higher probability of it than a row of another class does.",
        "exact binomial at DeLong's effective number of pairs",
    ),
    Measure(
        "macro_auc",
        "higher",
        "Mean over the classes of one-vs-rest AUC.",
        "exact binomial at DeLong's effective number of pairs",
    ),
    Measure(
        "log_loss",
        "lower",
        "Mean of minus the log of the true class's probability, in nats.",
        SKEWED,
        ends=(0, None),
    ),
    Measure(
        "mean_absolute_error", "lower", "Mean distance of prediction and target.", SKEWED, ends=(0, None)
    ),
    Measure(
        "baseline_mean_absolute_error",
        "neither",
        "Mean distance of the training median and the target: what the model has to beat.",
        SKEWED,
        ends=(0, None),
    ),
    Measure(
        "mean_squared_error",
        "lower",
        "Mean squared distance of prediction and target.",
        SKEWED,
        ends=(0, None),
    ),
    Measure(
        "root_mean_squared_error",
        "lower",
        "Root of the mean squared error.",
        f"root of the {SKEWED}",
        ends=(0, None),
    ),
    Measure(
        "r2",
        "higher",
        "R squared: 1 minus the squared error over that of guessing the test rows' mean.",
        NONE,
        ends=(None, 1),
    ),
)


class AccuracyOptions(Options):
    """What accuracy.overall measures."""

    classes: tuple[str, ...] = Field(
        default=(), description="classes whose recall, precision, F1 and AUC are measured; empty: every one"
    )


@check(
    "accuracy.overall",
    area="accuracy",
    title="Accuracy",
    tasks=("binary", "multiclass", "regression"),
    measures=MEASURES,
)
def accuracy_overall(subject: Subject, options: AccuracyOptions, ctx: Context) -> Findings:
    """Return accuracy, its baseline, each class's recall, precision, F1 and AUC; for numbers, their errors.

    Every rate has its own denominator; a class without rows has no recall, not a recall of 0. In binary
    tasks the AUC is that of class 1, in multiclass tasks each class is held against the rest.
    """
    if subject.data.task == "regression":
        return _regression(subject)
    wanted = _classes(subject, options.classes)
    test, predicted = subject.data.test, subject.predictions()
    matrix = confusion_matrix(test.y, predicted, len(subject.data.classes))
    recall = {c: _rate(predicted == c, test.y == c, test) for c in range(len(matrix))}
    precision = {c: _rate(test.y == c, predicted == c, test) for c in range(len(matrix))}
    f1 = {c: stats.f1(predicted == c, test.y == c, cluster=test.cluster) for c in range(len(matrix))}
    scored = _scored(subject, wanted) if "probabilities" in subject.has else []
    per_class = [
        _of_class(subject, name, label, c, estimates[c])
        for name, label, estimates in (
            ("recall", "Recall", recall),
            ("precision", "Precision", precision),
            ("f1", "F1", f1),
        )
        for c in wanted
    ]
    return Findings(
        measurements=(*_overall(subject, predicted, recall), *scored, *per_class),
        tables=(_matrix_table(subject, matrix), _class_table(subject, matrix, recall, precision)),
        not_measured=_not_measured(subject, scored=bool(scored)),
    )


# ---------------------------------------------------------------- classes


def _classes(subject: Subject, asked: tuple[str, ...]) -> tuple[int, ...]:
    """Return the codes of the classes asked for, else of all; ConfigError for an unknown one."""
    known = subject.data.classes
    for name in asked:
        if name not in known:
            raise ConfigError(f"accuracy.overall: classes={name!r}", nearest(name, known), "mend the list")
    return tuple(known.index(name) for name in dict.fromkeys(asked or known))


def _rate(hits: np.ndarray, among: np.ndarray, test: Split) -> Estimate:
    """Return the bounded share of hits among these rows."""
    return stats.rate(hits[among], cluster=None if test.cluster is None else test.cluster[among])


def _overall(subject: Subject, predicted: np.ndarray, recall: dict[int, Estimate]) -> list[Measurement]:
    """Return accuracy, what it has to beat, and balanced accuracy."""
    test = subject.data.test
    commonest = _commonest(subject)
    baseline = stats.rate(
        test.y == commonest, cluster=test.cluster, note=f"always guessing {subject.data.classes[commonest]}"
    )
    return [
        _measurement("accuracy", "Accuracy", stats.rate(predicted == test.y, cluster=test.cluster)),
        _measurement(
            "majority_share", "Accuracy of always guessing the commonest class", baseline, "neither"
        ),
        _measurement("balanced_accuracy", "Balanced accuracy", _balanced(subject, predicted, recall)),
        _measurement("macro_f1", "Mean F1 over the classes", _macro_f1(subject, predicted)),
    ]


def _commonest(subject: Subject) -> int:
    """Return the commonest class of the training rows (the lowest code of equals), else of the test rows."""
    train = subject.data.splits.get("train")
    y = subject.data.test.y if train is None or not len(train) else train.y
    return int(np.bincount(y).argmax())


def _balanced(subject: Subject, predicted: np.ndarray, recall: dict[int, Estimate]) -> Estimate:
    """Return the mean of the classes' recalls, from their effective counts where rows are clustered."""
    test, classes = subject.data.test, subject.data.classes
    counts = [
        (e.statistic.k, e.statistic.n) if isinstance(e.statistic, Rate) else (0, 0) for e in recall.values()
    ]
    factor = 1.0
    if test.cluster is not None:
        present, dense = np.unique(test.y, return_inverse=True)
        cluster = np.unique(test.cluster, return_inverse=True)[1]
        covariance = rate_covariance(predicted == test.y, dense, cluster)
        factor = inflation(covariance, "mean") if len(present) > 1 else 1.0
    sizes = tuple(float((test.y == c).sum()) for c in recall)
    k, n = (tuple(count[i] / factor for count in counts) for i in (0, 1))
    return stats.groups(classes, k, n, sizes, of="mean")


def _macro_f1(subject: Subject, predicted: np.ndarray) -> Estimate:
    """Return the plain mean of the classes' F1; a class that no row is of or predicted to be leaves none."""
    test, classes = subject.data.test, subject.data.classes
    absent = [name for c, name in enumerate(classes) if not ((predicted == c) | (test.y == c)).any()]
    if absent:
        return stats.not_estimable(f"no row is of class {absent[0]} or predicted to be", n=len(test))
    return stats.macro_f1(predicted, test.y, len(classes), cluster=test.cluster)


def _scored(subject: Subject, wanted: tuple[int, ...]) -> list[Measurement]:
    """Return what the probabilities give: AUC of class 1, or of every class, and the log loss."""
    test, probabilities = subject.data.test, subject.probabilities()
    binary = probabilities.shape[1] == 2
    aucs = {
        c: stats.auc(probabilities[:, c], test.y == c, cluster=test.cluster, fold=subject.data.fold)
        for c in ((1,) if binary else range(probabilities.shape[1]))
    }
    true = probabilities[np.arange(len(test)), test.y]
    zeros = int((true < LEAST).sum())
    note = f"{zeros} rows gave their class less than {LEAST:.1e}, counted as that" if zeros else ""
    loss = stats.mean(-np.log(np.maximum(true, LEAST)), cluster=test.cluster, low=0.0, note=note)
    found = [_measurement("log_loss", "Log loss", loss, "lower", unit="nats")]
    if binary:
        return [_measurement("auc", f"AUC of {_event(subject)}", aucs[1]), *found]
    return [
        *found,
        _measurement(
            "macro_auc",
            "Mean one-vs-rest AUC",
            _macro_auc(probabilities, subject.data),
        ),
        *(_of_class(subject, "auc", "One-vs-rest AUC", c, aucs[c]) for c in wanted),
    ]


def _event(subject: Subject) -> str:
    """Return class 1 by name; with the target's where the name is no word, as 1."""
    name = subject.data.classes[1]
    return name if any(c.isalpha() for c in name) else f"{subject.data.target} = {name}"


def _macro_auc(probabilities: np.ndarray, data: Dataset) -> Estimate:
    """Return the plain mean of the classes' AUCs; a class that no row, or every row, is of leaves none."""
    test, classes = data.test, data.classes
    is_class = np.eye(len(classes), dtype=bool)[test.y]
    lost = [name for name, one in zip(classes, is_class.T, strict=True) if one.all() or not one.any()]
    if lost:
        return stats.not_estimable(f"class {lost[0]} has no AUC: no row is of it, or every row", n=len(test))
    return stats.macro_auc(probabilities, is_class, cluster=test.cluster, fold=data.fold)


def _of_class(subject: Subject, name: str, label: str, c: int, estimate: Estimate) -> Measurement:
    """Return a measurement of one class."""
    which = subject.data.classes[c]
    return _measurement(name, f"{label}, class = {which}", estimate, where={"class": which})


def _measurement(
    name: str,
    label: str,
    estimate: Estimate,
    better: Better = "higher",
    *,
    where: dict[str, str | float | int] | None = None,
    unit: str = "",
) -> Measurement:
    """Return a measurement, of all judged rows unless `where` says otherwise."""
    return Measurement(name=name, label=label, estimate=estimate, better=better, where=where or {}, unit=unit)


# ---------------------------------------------------------------- numbers


def _regression(subject: Subject) -> Findings:
    """Return the errors of predicted numbers."""
    test = subject.data.test
    y, predicted = np.asarray(test.y, np.float64), np.asarray(subject.outputs[JUDGED], np.float64)[:, 0]
    error, n = predicted - y, len(test)
    spread = float(((y - y.mean()) ** 2).sum())
    train = subject.data.splits.get("train")
    guess = float(np.median(y if train is None or not len(train) else train.y))
    absolute = stats.mean(np.abs(error), cluster=test.cluster, low=0.0)
    baseline = stats.mean(np.abs(y - guess), cluster=test.cluster, low=0.0, note=f"always guessing {guess:g}")
    root = stats.root_mean(error**2, cluster=test.cluster)
    r2 = (
        stats.descriptive(1 - float((error**2).sum()) / spread, n, "1 - squared error / spread of the target")
        if spread > 0
        else stats.not_estimable("the target is constant over the judged rows", n=n)
    )
    squared = stats.mean(error**2, cluster=test.cluster, low=0.0)
    return Findings(
        measurements=(
            _measurement("mean_absolute_error", "Mean absolute error", absolute, "lower"),
            _measurement(
                "baseline_mean_absolute_error", "Error of guessing the training median", baseline, "neither"
            ),
            _measurement("mean_squared_error", "Mean squared error", squared, "lower"),
            _measurement("root_mean_squared_error", "Root mean squared error", root, "lower"),
            _measurement("r2", "R squared", r2),
        ),
        not_measured=_not_measured(subject, scored=True),
    )


# ---------------------------------------------------------------- tables and what was not measured


def _matrix_table(subject: Subject, matrix: np.ndarray) -> Table:
    """Return the confusion matrix: a row a true class, a column a predicted class."""
    classes = subject.data.classes
    columns = (
        Column(name="true", label="True class", kind="text"),
        *(Column(name=f"predicted {name}", label=name, kind="count") for name in classes),
    )
    rows = tuple((name, *(int(v) for v in row)) for name, row in zip(classes, matrix, strict=True))
    title = "Confusion matrix (rows: true class, columns: predicted class)"
    return Table(name="confusion", title=title, kind="matrix", columns=columns, rows=rows)


def _class_table(
    subject: Subject, matrix: np.ndarray, recall: dict[int, Estimate], precision: dict[int, Estimate]
) -> Table:
    """Return every class with its rows, predictions, recall and precision."""
    columns = [Column(name="class", label="Class", kind="text")]
    columns += [Column(name=n, label=n.capitalize(), kind="count") for n in ("rows", "predicted", "right")]
    for name in ("recall", "precision"):
        columns.append(Column(name=name, label=name.capitalize(), kind="rate"))
        columns += [
            Column(name=f"{name} {end}", label=f"{name.capitalize()} 95 % {end}", kind="rate")
            for end in ("low", "high")
        ]
    rows = tuple(
        (
            name,
            int(matrix[c].sum()),
            int(matrix[:, c].sum()),
            int(matrix[c, c]),
            *(recall[c].value, recall[c].low, recall[c].high),
            *(precision[c].value, precision[c].low, precision[c].high),
        )
        for c, name in enumerate(subject.data.classes)
    )
    return Table(name="classes", title="Classes", columns=tuple(columns), rows=rows)


def _not_measured(subject: Subject, *, scored: bool) -> tuple[str, ...]:
    """Return what no figure here says."""
    notes = ["Whether the labels are right: the recorded outcomes are taken as true."]
    if not scored:
        notes.append("AUC and log loss: the model gives no probabilities.")
    return tuple(notes)
