"""Declared row weights: what a check that counts every row once has measured is shown and never judged."""

from __future__ import annotations

from audit.evidence import Estimate, Findings
from audit.registry import Check
from audit.subject import Dataset

UNUSED = "rows have declared weights, which this measure does not use yet; without them every row counts once"
SENTENCE = (
    "Weighted figures were not measured: the test rows have declared weights, but every row counts once here, so no "
    "rule is judged on {which}."
)


def judgeable(check: Check, data: Dataset, findings: Findings) -> Findings:
    """Return the findings, their estimates only shown where test rows are weighted and the check does not weigh."""
    if check.weighs or not data.test.weighted:
        return findings
    shown = tuple(
        m.model_copy(update={"estimate": _shown(m.estimate)}) if m.estimate.value is not None else m
        for m in findings.measurements
    )
    return findings.model_copy(update={"measurements": shown})


def said(checks: dict[str, bool], data: Dataset) -> tuple[str, ...]:
    """Return the record's sentence on weights that checks {name: whether it weighs} did not use, or nothing."""
    if not data.test.weighted or all(checks.values()):
        return ()
    unweighed = [name for name, weighs in checks.items() if not weighs]
    which = "these figures" if len(unweighed) == len(checks) else f"the figures of {', '.join(unweighed)}"
    return (SENTENCE.format(which=which),)


def _shown(estimate: Estimate) -> Estimate:
    """Return an estimate without what would bound it, and why it cannot be judged."""
    unbounded = {"kind": "descriptive", "low": None, "high": None, "statistic": None, "reason": UNUSED}
    return estimate.model_copy(update=unbounded)
