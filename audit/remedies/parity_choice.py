"""How validation chooses among candidates for parity: nearest to it, of those that keep their accuracy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from audit.errors import DataError
from audit.evidence import CheckResult, Column, Estimate, Measurement, Scalar, Table
from audit.remedies import Bench, Choice
from audit.remedies.options import Constraint, Reductions, Thresholds
from audit.subject import Model

CHECK, ACCURACY = "fairness.groups", "accuracy.overall"
ASKED = "the model asked about"
Seeking = Thresholds | Constraint | Reductions


class _Tried(NamedTuple):
    """A model on the validation rows: its accuracy, plain and balanced, and the gaps that it is judged by."""

    says: str
    model: Model
    accuracy: Estimate
    balanced: Estimate
    gaps: tuple[Measurement, ...]

    @property
    def mean(self) -> float:
        """Return the mean distance of the gaps from parity: a difference from 0, a ratio from 1."""
        return sum(_distance(gap) for gap in self.gaps) / len(self.gaps)


def choose(asked: Model, options: Seeking, make: Callable[..., Model], bench: Bench) -> Choice:
    """Return the choice among the models that `make` makes of the candidates, by their validation rows.

    Of those that lose at most accuracy_loss of the accuracy of the model asked about, and at most
    balanced_accuracy_loss of its balanced accuracy, the one whose gaps are nearest to parity on average: those that
    the policy's blocking rules judge, else every difference and impact ratio of the candidates' attributes. One
    that is no nearer than the model asked about is never chosen.
    """
    attributes = {how.attribute for how in options.candidates}
    before = _tried(f"as asked: {ASKED}", asked, bench, attributes)
    tried = [_tried(str(how), make(how), bench, attributes) for how in options.candidates]
    keep = [one for one in tried if not _lost(before, one, options)]
    nearer = [one for one in keep if one.mean < before.mean]
    chosen = min(nearer, key=lambda one: one.mean, default=None)
    none = (
        f"is nearer to parity there than {ASKED}"
        if keep
        else f"kept its accuracy within {options.accuracy_loss:g} and its balanced accuracy within "
        f"{options.balanced_accuracy_loss:g}"
    )
    return Choice(
        model=chosen.model if chosen else None,
        says=chosen.says if chosen else "",
        rule=f"Of the candidates whose accuracy on {before.accuracy.n:,} validation rows is at most "
        f"{options.accuracy_loss:g} below that of {ASKED}, and whose balanced accuracy is at most "
        f"{options.balanced_accuracy_loss:g} below, the one whose gaps there are nearest to parity on average "
        f"({'; '.join(gap.label for gap in before.gaps)}), provided that it is nearer than {ASKED}.",
        candidates=_table(before, tried, chosen, options),
        reason="" if chosen else f"no candidate {none}",
    )


def _tried(says: str, model: Model, bench: Bench, attributes: set[str]) -> _Tried:
    """Return a model's figures on the validation rows; DataError where the checks have none."""
    fair, accuracy = bench.measure(model, CHECK), bench.measure(model, ACCURACY)
    found = {m.name: m.estimate for m in accuracy.findings.measurements if not m.where}
    names, gaps = ("accuracy", "balanced_accuracy"), _gaps(fair, bench, attributes)
    if any(name not in found or found[name].value is None for name in names) or not gaps:
        raise DataError(f"{CHECK} and {ACCURACY} have no numbers on validation ({fair.reason or 'no gap'})")
    return _Tried(says, model, found["accuracy"], found["balanced_accuracy"], gaps)


def _gaps(fair: CheckResult, bench: Bench, attributes: set[str]) -> tuple[Measurement, ...]:
    """Return the gaps that blocking rules judge, else all of the attributes; those without a value left out."""
    judged = [m for m in bench.judged(fair) if _is_gap(m)]
    own = [m for m in fair.findings.measurements if _is_gap(m) and m.where.get("attribute") in attributes]
    return tuple(m for m in judged or own if m.estimate.value is not None)


def _is_gap(m: Measurement) -> bool:
    """Tell whether a measurement compares groups."""
    return m.name.endswith(("_difference", "impact_ratio"))


def _distance(gap: Measurement) -> float:
    """Return how far a gap is from parity."""
    value = _value(gap.estimate)
    return 1 - value if gap.name.endswith("ratio") else value


def _value(estimate: Estimate) -> float:
    """Return an estimate's value, which is there."""
    assert estimate.value is not None
    return estimate.value


def _lost(before: _Tried, one: _Tried, options: Seeking) -> str:
    """Return of what a candidate loses too much, or nothing (a millionth is rounding).

    Balanced accuracy is asked too, for one answer to everybody has no gap, and where a class is rare little error.
    """
    limits = (
        ("accuracy", before.accuracy, one.accuracy, options.accuracy_loss),
        ("balanced accuracy", before.balanced, one.balanced, options.balanced_accuracy_loss),
    )
    return next((name for name, a, b, loss in limits if _value(b) < _value(a) - loss - 1e-6), "")


def _table(before: _Tried, tried: list[_Tried], chosen: _Tried | None, options: Seeking) -> Table:
    """Return every candidate's figures on the validation rows."""
    columns = [Column(name="candidate", label="Candidate", kind="text"), *_bounded("accuracy", "Accuracy")]
    columns += _bounded("balanced", "Balanced accuracy")
    names = [(gap.name, tuple(gap.where.items())) for gap in before.gaps]
    for i, gap in enumerate(before.gaps):
        columns += _bounded(f"gap{i}", gap.label)
    columns += [
        Column(name="mean", label="Mean distance from parity"),
        Column(name="word", label="Chosen?", kind="text"),
    ]
    rows: list[tuple[Scalar, ...]] = []
    for one in (before, *tried):
        own = {(gap.name, tuple(gap.where.items())): gap.estimate for gap in one.gaps}
        cells: list[Scalar] = [one.says]
        for e in (one.accuracy, one.balanced, *(own.get(name) for name in names)):
            cells += [e.value, e.low, e.high] if e else [None, None, None]
        rows.append((*cells, one.mean, _word(before, one, chosen, options)))
    return Table(
        name="candidates",
        title="Candidates on the validation rows",
        columns=tuple(columns),
        rows=tuple(rows),
        note=f"{before.accuracy.n:,} validation rows. The chosen one's figures flatter it, since it was chosen by "
        "them; what it is worth, the test rows say.",
    )


def _bounded(name: str, label: str) -> list[Column]:
    """Return a rate's three columns."""
    parts = ((name, label), (f"{name} low", "Low"), (f"{name} high", "High"))
    return [Column(name=key, label=text, kind="rate") for key, text in parts]


def _word(before: _Tried, one: _Tried, chosen: _Tried | None, options: Seeking) -> str:
    """Return what became of a candidate."""
    if one is before:
        return "–"
    if one is chosen:
        return "chosen"
    if lost := _lost(before, one, options):
        return f"loses too much {lost}"
    return "farther from parity" if one.mean < before.mean else "no gain"
