"""The remedy adversarial_training: train each candidate, and let validation choose."""

from __future__ import annotations

from typing import NamedTuple

from audit.errors import DataError
from audit.evidence import Column, Estimate, Measurement, Scalar, Table
from audit.remedies import Bench, Choice, remedy
from audit.remedies.options import AdversarialTraining
from audit.subject import Model, Subject

CHECK = "robustness.pgd"
ASKED = "the model asked about"


class _Score(NamedTuple):
    """A model on the validation rows: its accuracy, and that under attack at each place it is judged by."""

    clean: Estimate
    robust: tuple[Measurement, ...]

    @property
    def accuracy(self) -> float:
        """Return the clean accuracy."""
        return _value(self.clean)

    @property
    def mean(self) -> float:
        """Return the mean robust accuracy over the places."""
        return sum(_value(m.estimate) for m in self.robust) / len(self.robust)


class _Tried(NamedTuple):
    """A candidate: what it is, its model and its score."""

    says: str
    model: Model
    score: _Score


@remedy(
    "adversarial_training",
    title="Adversarial training",
    needs=("gradient", "bounds", "classes"),
    checks=(CHECK,),
    trains=True,
)
def adversarial_training(subject: Subject, options: AdversarialTraining, bench: Bench) -> Choice:
    """The model trained again from the same start on rows that an attack moved, in the way validation chose.

    Each candidate is trained on the training rows. Of those that lose at most `accuracy_loss` of the
    accuracy on the validation rows, the one with the largest robust accuracy there is chosen: by
    robustness.pgd as configured, averaged over the places that the policy's blocking rules judge, or over
    all where they judge none. One that is no more robust there than the model asked about is never chosen.
    """
    before = _Tried(f"as asked: {ASKED}", subject.model, _score(bench, subject.model))
    tried: list[_Tried] = []
    for candidate in options.candidates:
        model = bench.train(candidate)
        score = _score(bench, model)
        tried.append(_Tried(f"{candidate} {score.robust[0].eps_unit}".rstrip(), model, score))
    chosen = _chosen(before, tried, options.accuracy_loss)
    return Choice(
        model=chosen.model if chosen else None,
        says=chosen.says if chosen else "",
        rule=_rule(before, options),
        candidates=_table(before, tried, chosen, options.accuracy_loss),
        reason="" if chosen else _none(before, tried, options.accuracy_loss),
    )


def _score(bench: Bench, model: Model) -> _Score:
    """Return a model's score on the validation rows; DataError where the check has no numbers."""
    result = bench.measure(model, CHECK)
    found = {m.name: m for m in result.findings.measurements}
    every = [m for m in result.findings.measurements if m.name == "robust_accuracy"]
    if result.status != "ok" or any(m.estimate.value is None for m in (*every, found["clean_accuracy"])):
        raise DataError(f"{CHECK} has no numbers on validation ({result.reason or 'nothing to attack'})")
    judged = [m for m in bench.judged(result) if m.name == "robust_accuracy"]
    return _Score(found["clean_accuracy"].estimate, tuple(judged or every))


def _value(estimate: Estimate) -> float:
    """Return an estimate's value, which is there."""
    assert estimate.value is not None
    return estimate.value


def _keeps(before: _Tried, one: _Tried, loss: float) -> bool:
    """Tell whether a candidate keeps its accuracy (a millionth is rounding)."""
    return one.score.accuracy >= before.score.accuracy - loss - 1e-6


def _chosen(before: _Tried, tried: list[_Tried], loss: float) -> _Tried | None:
    """Return the candidate that the rule chooses, the first of equals."""
    fit = [t for t in tried if _keeps(before, t, loss) and t.score.mean > before.score.mean]
    return max(fit, key=lambda t: t.score.mean, default=None)


def _rule(before: _Tried, options: AdversarialTraining) -> str:
    """Return the rule in words."""
    places = "; ".join(_place(m) for m in before.score.robust)
    mean = "mean " if len(before.score.robust) > 1 else ""
    return (
        f"Of the candidates whose accuracy on {before.score.clean.n:,} validation rows is at most "
        f"{options.accuracy_loss:g} below that of {ASKED}, the one with the largest {mean}accuracy there "
        f"under {CHECK} ({places}), provided that it is larger than that of {ASKED}."
    )


def _place(m: Measurement) -> str:
    """Return where a measurement holds."""
    said = ", ".join(f"{key} {value}" for key, value in m.where.items())
    return f"{said} {m.eps_unit}" if m.eps_unit else said


def _none(before: _Tried, tried: list[_Tried], loss: float) -> str:
    """Return why no candidate was chosen."""
    keep = [t for t in tried if _keeps(before, t, loss)]
    if not keep:
        return f"no candidate kept its accuracy on the validation rows within {loss:g}"
    return f"no candidate that kept its accuracy is more robust on the validation rows than {ASKED}"


def _table(before: _Tried, tried: list[_Tried], chosen: _Tried | None, loss: float) -> Table:
    """Return every candidate's figures on the validation rows."""
    several = len(before.score.robust) > 1
    columns = [Column(name="candidate", label="Candidate", kind="text"), *_bounded("clean", "Accuracy")]
    for i, m in enumerate(before.score.robust):
        columns += _bounded(f"robust{i}", f"Under attack, {_place(m)}")
    columns += [Column(name="mean", label="Mean under attack", kind="rate")] if several else []
    columns.append(Column(name="word", label="Chosen?", kind="text"))
    rows: list[tuple[Scalar, ...]] = []
    for one in (before, *tried):
        cells: list[Scalar] = [one.says]
        for e in (one.score.clean, *(m.estimate for m in one.score.robust)):
            cells += [e.value, e.low, e.high]
        cells += [one.score.mean] if several else []
        rows.append((*cells, _word(before, one, chosen, loss)))
    return Table(
        name="candidates",
        title="Candidates on the validation rows",
        columns=tuple(columns),
        rows=tuple(rows),
        note=f"{before.score.clean.n:,} validation rows. The chosen one's figures flatter it, since it was "
        "chosen by them; what it is worth, the test rows say.",
    )


def _bounded(name: str, label: str) -> list[Column]:
    """Return a rate's three columns."""
    parts = ((name, label), (f"{name} low", "Low"), (f"{name} high", "High"))
    return [Column(name=key, label=text, kind="rate") for key, text in parts]


def _word(before: _Tried, one: _Tried, chosen: _Tried | None, loss: float) -> str:
    """Return what became of a candidate."""
    if one is before:
        return "–"
    if one is chosen:
        return "chosen"
    if not _keeps(before, one, loss):
        return "loses too much accuracy"
    return "less robust" if one.score.mean > before.score.mean else "no gain"
