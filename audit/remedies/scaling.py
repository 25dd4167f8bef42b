"""The remedy scaling: scale the logits on the calibration rows, and let validation say whether it helps."""

from __future__ import annotations

from typing import NamedTuple

from audit.errors import DataError
from audit.evidence import Column, Estimate, Scalar, Table
from audit.remedies import Bench, Choice, remedy
from audit.remedies.options import Scaling
from audit.subject import Model, Subject

CHECK = "calibration.reliability"
MEASURES = ("brier", "calibration_error")
ASKED = "the model asked about"


class _Tried(NamedTuple):
    """A model, what it is, and its figures on the validation rows in the order of MEASURES."""

    says: str
    model: Model
    found: tuple[Estimate, ...]

    @property
    def brier(self) -> float:
        """Return the Brier score, which is there."""
        value = self.found[0].value
        assert value is not None
        return value


@remedy(
    "scaling",
    title="Temperature or vector scaling",
    needs=("classes", "probabilities"),
    checks=(CHECK,),
    splits=("calibration",),
)
def scaling(subject: Subject, options: Scaling, bench: Bench) -> Choice:
    """The model with its logits scaled by the method that validation chose, fitted on the calibration rows.

    Temperature scaling (Guo et al. 2017) divides all logits by one number and changes no decision of the largest
    output; vector scaling gives each output a slope and an intercept (Platt scaling where there is one). The
    method with the lowest Brier score on the validation rows is chosen, if it is below that of the model
    asked about: a proper score, so that probabilities cannot look better by saying less.
    """
    before = _tried(f"as asked: {ASKED}", subject.model, bench)
    tried = [_tried(method, bench.scale(method), bench) for method in dict.fromkeys(options.methods)]
    better = [one for one in tried if one.brier < before.brier]
    chosen = min(better, key=lambda one: one.brier, default=None)
    return Choice(
        model=chosen.model if chosen else None,
        says=f"{chosen.says} scaling" if chosen else "",
        rule=f"The method with the lowest Brier score on {before.found[0].n:,} validation rows, provided that it is "
        f"below that of {ASKED}; each fitted on the calibration rows.",
        candidates=_table(before, tried, chosen),
        reason="" if chosen else f"no scaling has a lower Brier score on the validation rows than {ASKED}",
    )


def _tried(says: str, model: Model, bench: Bench) -> _Tried:
    """Return a model with its figures on the validation rows; DataError where the check has none."""
    result = bench.measure(model, CHECK)
    found = {m.name: m.estimate for m in result.findings.measurements if not m.where}
    if result.status != "ok" or found["brier"].value is None:
        raise DataError(
            f"{CHECK} has no Brier score on validation ({result.reason or found['brier'].reason})"
        )
    return _Tried(says, model, tuple(found[name] for name in MEASURES))


def _table(before: _Tried, tried: list[_Tried], chosen: _Tried | None) -> Table:
    """Return every candidate's figures on the validation rows."""
    columns = [Column(name="candidate", label="Candidate", kind="text")]
    for name, label in zip(MEASURES, ("Brier score", "Calibration error"), strict=True):
        parts = ((name, label), (f"{name} low", "Low"), (f"{name} high", "High"))
        columns += [Column(name=key, label=text) for key, text in parts]
    columns.append(Column(name="word", label="Chosen?", kind="text"))
    rows: list[tuple[Scalar, ...]] = []
    for one in (before, *tried):
        figures = [value for e in one.found for value in (e.value, e.low, e.high)]
        word = "–" if one is before else "chosen" if one is chosen else "no gain"
        rows.append(
            (one.says, *figures, "less gain" if word == "no gain" and one.brier < before.brier else word)
        )
    return Table(
        name="candidates",
        title="Candidates on the validation rows",
        columns=tuple(columns),
        rows=tuple(rows),
        note=f"{before.found[0].n:,} validation rows. The chosen one's figures flatter it, since it was chosen by "
        "them; what it is worth, the test rows say.",
    )
