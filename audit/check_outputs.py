"""What a check's findings say of outputs that were not finite: how many, and that nothing may PASS on what is left."""

from __future__ import annotations

from typing import Literal

from audit.evidence import Estimate, Findings
from audit.outputs import Tally

Broken = Literal["counted", "doubted"]


def told(findings: Findings, tally: Tally, broken: Broken) -> Findings:
    """Return the findings with a sentence on the outputs that were not finite, where there were any.

    broken: 'counted' where the check itself counts such a row against the model; 'doubted' where it cannot, so that
    each of its estimates carries a doubt, which bars a PASS.
    """
    if not tally.broken:
        return findings
    said = f"the model gave a NaN or an infinite output for {tally.broken:,} of the {tally.asked:,} inputs"
    if broken == "counted":
        note = f"What {said} that this check asked it about, mean: each counts against the model."
        return findings.model_copy(update={"not_measured": (*findings.not_measured, note)})
    doubt = f"{said} asked for"
    measured = tuple(
        m.model_copy(update={"estimate": _doubted(m.estimate, doubt)}) for m in findings.measurements
    )
    note = f"What the outputs rest on where {said} that this check asked it about."
    return findings.model_copy(
        update={"measurements": measured, "not_measured": (*findings.not_measured, note)}
    )


def _doubted(e: Estimate, doubt: str) -> Estimate:
    """Return the estimate with this doubt, or with it among the reasons why there is no value."""
    if e.value is None:
        return e.model_copy(update={"reason": f"{e.reason}; {doubt}"})
    return e.model_copy(update={"doubt": "; ".join(filter(None, (e.doubt, doubt)))})
