"""accuracy.multilabel: how often a row's labels are right, all of them, each of them, and on average."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.registry import Context, Measure, Options, check, nearest
from audit.stats.bootstrap import Smooth
from audit.stats.overlap import mean_f1
from audit.subject import Subject

EXACT, SKEWED, BOOTSTRAP = "exact (Clopper-Pearson)", "skewness-corrected t", "studentised bootstrap"
PAIRS = "exact binomial at DeLong's effective number of pairs"
LEAST = float(np.finfo(np.float64).eps)
Better = Literal["higher", "lower", "neither"]


class MultilabelOptions(Options):
    """What accuracy.multilabel measures."""

    labels: tuple[str, ...] = Field(
        default=(), description="labels that are measured one by one; empty: every one"
    )


@check(
    "accuracy.multilabel",
    area="accuracy",
    title="Accuracy of several labels a row",
    tasks=("multilabel",),
    measures=(
        Measure("exact_match", "higher", "Share of rows all of whose labels are right.", EXACT),
        Measure(
            "majority_share",
            "neither",
            "Exact match of always giving the combination that is commonest in training: what has to be beaten.",
            EXACT,
        ),
        Measure("hamming_accuracy", "higher", "Mean over rows of the share of labels right.", SKEWED),
        Measure("macro_f1", "higher", "Mean over the labels of F1.", BOOTSTRAP),
        Measure("micro_f1", "higher", "F1 of all rows' labels together.", BOOTSTRAP),
        Measure("macro_auc", "higher", "Mean over the labels of AUC.", PAIRS),
        Measure("log_loss", "lower", "Mean over rows and labels of the cross-entropy, nats.", SKEWED, ends=(0, None)),
        Measure("label_accuracy", "higher", "Share of rows where one label is right.", EXACT),
        Measure("recall", "higher", "Share of the rows with a label that are given it.", EXACT),
        Measure("precision", "higher", "Share of the rows given a label that have it.", EXACT),
        Measure(
            "f1",
            "higher",
            "Twice the rows rightly given a label over the rows with it and those given it.",
            "exact, of the overlap",
        ),
        Measure(
            "auc", "higher", "Chance that a row with a label gets a higher probability of it than one without.",
            PAIRS,
        ),
    ),
)  # fmt: skip
def accuracy_multilabel(subject: Subject, options: MultilabelOptions, ctx: Context) -> Findings:
    """Return how often all labels of a row are right, how many are, and how good each label is.

    A row is the unit of every joint figure: its labels are not independent. A label that no row has has no recall and
    no AUC, and the means over labels then have no value.
    """
    test, names = subject.data.test, subject.data.classes
    true, given = test.y.astype(bool), subject.predictions().astype(bool)
    p = subject.label_probabilities() if "probabilities" in subject.has else None
    wanted = _labels(names, options.labels)
    measured = [*_joint(subject, true, given, p), *_each(names, wanted, true, given, p, test.cluster)]
    return Findings(
        measurements=tuple(measured),
        tables=(_table(names, wanted, true, given, measured),),
        not_measured=_not_measured(subject, scored=p is not None),
    )


def _labels(known: tuple[str, ...], asked: tuple[str, ...]) -> tuple[int, ...]:
    """Return the places of the labels asked for, else of all; ConfigError for an unknown one."""
    for name in asked:
        if name not in known:
            raise ConfigError(f"accuracy.multilabel: labels={name!r}", nearest(name, known), "mend the list")
    return tuple(known.index(name) for name in dict.fromkeys(asked or known))


# ---------------------------------------------------------------- all labels of a row


def _joint(subject: Subject, true: np.ndarray, given: np.ndarray, p: np.ndarray | None) -> list[Measurement]:
    """Return what the labels are worth together; true and given[n, k], probabilities p[n, k] where there are some."""
    cluster, right = subject.data.test.cluster, given == true
    usual = (true == _commonest(subject)).all(axis=1)
    match = stats.rate(right.all(axis=1), cluster=cluster)
    baseline = stats.rate(usual, cluster=cluster)
    hamming = stats.mean(right.mean(axis=1), cluster=cluster, low=0.0, high=1.0)
    return [
        _measurement("exact_match", "Rows all of whose labels are right", match),
        _measurement("majority_share", "Always giving the commonest combination", baseline, "neither"),
        _measurement("hamming_accuracy", "Share of labels right, mean over rows", hamming),
        _measurement("macro_f1", "Mean F1 over the labels", _macro_f1(subject, true, given)),
        _measurement("micro_f1", "F1 of all labels together", _micro_f1(true, given, cluster)),
        *([] if p is None else _scored(subject, true, p)),
    ]


def _scored(subject: Subject, true: np.ndarray, p: np.ndarray) -> list[Measurement]:
    """Return what probabilities p[n, k] of the labels true[n, k] are worth together."""
    loss = -np.log(np.maximum(np.where(true, p, 1 - p), LEAST)).mean(axis=1)
    bounded = stats.mean(loss, cluster=subject.data.test.cluster, low=0.0)
    return [
        _measurement("macro_auc", "Mean AUC over the labels", _macro_auc(subject, true, p)),
        _measurement("log_loss", "Log loss", bounded, "lower", unit="nats"),
    ]


def _commonest(subject: Subject) -> np.ndarray:
    """Return the combination of labels that most training rows have (of equals the first), else most test rows."""
    train = subject.data.splits.get("train")
    y = subject.data.test.y if train is None or not len(train) else train.y
    rows, counts = np.unique(y.astype(bool), axis=0, return_counts=True)
    return rows[counts.argmax()]


def _macro_f1(subject: Subject, true: np.ndarray, given: np.ndarray) -> Estimate:
    """Return the mean of the labels' F1; a label that no row has or is given leaves none."""
    either = true | given
    absent = [name for c, name in enumerate(subject.data.classes) if not either[:, c].any()]
    if absent:
        return stats.not_estimable(f"no row has label {absent[0]} or is given it", n=len(true))
    columns = np.concatenate([true & given, true.astype(int) + given], axis=1)
    return _bootstrapped(columns, mean_f1(true.shape[1]), subject.data.test.cluster)


def _micro_f1(true: np.ndarray, given: np.ndarray, cluster: np.ndarray | None) -> Estimate:
    """Return F1 of all rows' labels together."""
    hits, both = (true & given).sum(axis=1), true.sum(axis=1) + given.sum(axis=1)
    if not both.any():
        return stats.not_estimable("no row has a label or is given one", n=len(true))
    return _bootstrapped(np.stack([hits, both], axis=1), mean_f1(1), cluster)


def _bootstrapped(columns: np.ndarray, function: Smooth, cluster: np.ndarray | None) -> Estimate:
    """Return a smooth function of the totals of the rows' columns[n, c], between 0 and 1."""
    return stats.smooth(columns, function, cluster=cluster, low=0.0, high=1.0)


def _macro_auc(subject: Subject, true: np.ndarray, p: np.ndarray) -> Estimate:
    """Return the mean of the labels' AUC; a label that no row, or every row, has leaves none."""
    rows = true.sum(axis=0)
    lost = [name for c, name in enumerate(subject.data.classes) if rows[c] in (0, len(true))]
    if lost:
        return stats.not_estimable(f"label {lost[0]} has no AUC: no row has it, or every row", n=len(true))
    return stats.macro_auc(p, true, cluster=subject.data.test.cluster)


# ---------------------------------------------------------------- each label


def _each(
    names: tuple[str, ...],
    wanted: tuple[int, ...],
    true: np.ndarray,
    given: np.ndarray,
    p: np.ndarray | None,
    cluster: np.ndarray | None,
) -> list[Measurement]:
    """Return accuracy, recall, precision, F1 and, of probabilities, AUC of every label asked for."""

    def rate(hits: np.ndarray, among: np.ndarray) -> Estimate:
        return stats.rate(hits[among], cluster=None if cluster is None else cluster[among])

    made = []
    for c in wanted:
        t, g = true[:, c], given[:, c]
        made += [
            _measurement(name, f"{label}, label = {names[c]}", estimate, label=names[c])
            for name, label, estimate in (
                ("label_accuracy", "Accuracy", stats.rate(t == g, cluster=cluster)),
                ("recall", "Recall", rate(g, t)),
                ("precision", "Precision", rate(t, g)),
                ("f1", "F1", stats.f1(g, t, cluster=cluster)),
            )
        ]
        if p is not None:
            auc = stats.auc(p[:, c], t, cluster=cluster)
            made.append(_measurement("auc", f"AUC, label = {names[c]}", auc, label=names[c]))
    return made


def _measurement(
    name: str, words: str, estimate: Estimate, better: Better = "higher", *, label: str = "", unit: str = ""
) -> Measurement:
    """Return a measurement of all labels, or of one."""
    where: dict[str, str | float | int] = {"label": label} if label else {}
    return Measurement(name=name, label=words, estimate=estimate, better=better, where=where, unit=unit)


def _table(
    names: tuple[str, ...],
    wanted: tuple[int, ...],
    true: np.ndarray,
    given: np.ndarray,
    measured: list[Measurement],
) -> Table:
    """Return every label with its rows, how many are given it, how many rightly, and its rates."""
    columns = [Column(name="label", label="Label", kind="text")]
    columns += [Column(name=n, label=n.capitalize(), kind="count") for n in ("rows", "given", "right")]
    rates = {
        "label_accuracy": "Accuracy",
        "recall": "Recall",
        "precision": "Precision",
        "f1": "F1",
        "auc": "AUC",
    }
    for name, heading in rates.items():
        columns.append(Column(name=name, label=heading, kind="rate"))
        columns += [
            Column(name=f"{name} {e}", label=f"{heading} 95 % {e}", kind="rate") for e in ("low", "high")
        ]
    at = {(m.name, m.where.get("label")): m.estimate for m in measured}
    none = stats.not_estimable("the model gives no probabilities", n=len(true))
    rows: list[tuple[Scalar, ...]] = []
    for c in wanted:
        counts = (int(true[:, c].sum()), int(given[:, c].sum()), int((true & given)[:, c].sum()))
        found = [at.get((name, names[c]), none) for name in rates]
        rows.append((names[c], *counts, *(v for e in found for v in (e.value, e.low, e.high))))
    return Table(name="labels", title="Labels", columns=tuple(columns), rows=tuple(rows))


def _not_measured(subject: Subject, *, scored: bool) -> tuple[str, ...]:
    """Return what no figure here says."""
    notes = ["Whether the labels are right: the recorded ones are taken as true."]
    if not scored:
        notes.append("AUC and log loss: the model gives no probabilities.")
    return (*notes, "Which labels go together, and whether combinations that cannot be are given.")
