"""The frozen types that flow from a check to the gate, the record and every report (no JAX, no arrays)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from audit.evidence_policy import Control, Crosswalk, Policy, Rule, Severity, Waiver
from audit.evidence_statistics import (
    Frozen,
    GroupMeans,
    GroupRates,
    Mapped,
    Moments,
    Normal,
    Rate,
    RateOverHighest,
    RatePair,
    Replicates,
    Statistic,
)

__all__ = [
    "Area",
    "Artifact",
    "CheckResult",
    "Column",
    "Concern",
    "Control",
    "Crosswalk",
    "DataFacts",
    "Decision",
    "Estimate",
    "Facts",
    "FeatureFacts",
    "Findings",
    "Frozen",
    "GroupMeans",
    "GroupRates",
    "Mapped",
    "Measurement",
    "ModelFacts",
    "Moments",
    "Normal",
    "Policy",
    "Rate",
    "RateOverHighest",
    "RatePair",
    "Record",
    "Remedied",
    "Replicates",
    "Rule",
    "SCHEMA",
    "Scalar",
    "Severity",
    "Statistic",
    "Table",
    "Verdict",
    "Volatile",
    "WORST_FIRST",
    "Waiver",
]

SCHEMA = "jax-audit/record/1"

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT-ESTIMABLE"]
WORST_FIRST: tuple[Verdict, ...] = ("FAIL", "NOT-ESTIMABLE", "INCONCLUSIVE", "PASS")
Area = Literal[
    "accuracy", "robustness", "fairness", "explanation", "calibration", "privacy", "data", "behaviour"
]
Scalar = str | int | float | bool | None


class Estimate(Frozen):
    """A number with its n, its 95 % interval and the statistics that bound it at any other level."""

    value: float | None
    n: int
    method: str
    kind: Literal["bounded", "descriptive"] = "bounded"
    side: Literal["two-sided", "at most", "at least"] = "two-sided"
    level: float = 0.95
    low: float | None = None
    high: float | None = None
    statistic: Statistic | None = None
    note: str = ""
    reason: str = ""
    doubt: str = Field(default="", description="why the measuring is in doubt: it bars a PASS, never a FAIL")

    @model_validator(mode="after")
    def _consistent(self) -> Estimate:
        if self.value is None and not self.reason:
            raise ValueError("an estimate without a value needs a reason")
        if self.value is not None and self.kind == "bounded" and self.statistic is None:
            raise ValueError("a bounded estimate needs the statistics that bound it")
        return self


class Measurement(Frozen):
    """One named estimate, what is better, and where it holds ({"eps": 0.1}, {"attribute": "sex"})."""

    name: str
    label: str
    estimate: Estimate
    better: Literal["higher", "lower", "neither"] = "neither"
    where: dict[str, str | float | int] = Field(default_factory=dict)
    unit: str = ""
    eps_unit: str = Field(default="", description="what the eps of `where` counts, in words after its number")


class Column(Frozen):
    """A table's column: its key, heading and what its cells are."""

    name: str
    label: str
    kind: Literal["text", "count", "number", "rate", "picture"] = "number"


class Table(Frozen):
    """Numbers that a report may draw. `kind` says what they mean and so which columns must be there.

    groups: attribute, group, metric, k, n, value, low, high. curve: series, x, value, low, high, n.
    reliability: lower, upper, confidence, accuracy, low, high, n. importance: feature, value, low, high.
    loss: epoch, train, validation. matrix: row label first, then a column a class. plain: anything.
    """

    name: str
    title: str
    kind: Literal["plain", "groups", "curve", "reliability", "importance", "loss", "matrix"] = "plain"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Scalar, ...], ...]
    note: str = ""

    @field_validator("rows", mode="before")
    @classmethod
    def _none_where_not_finite(cls, rows: Any) -> Any:
        """Leave a cell empty that is NaN or infinite: what is shown is no number."""
        return tuple(
            tuple(None if isinstance(c, float) and not math.isfinite(c) else c for c in row) for row in rows
        )

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.name}: every row needs {len(self.columns)} cells")
        return self


class Artifact(Frozen):
    """A sidecar file of the record: where it lies in the run folder, what it is, its digest."""

    name: str
    media_type: str
    path: str
    sha256: str
    caption: str = ""


class Findings(Frozen):
    """What a check returns."""

    measurements: tuple[Measurement, ...] = ()
    tables: tuple[Table, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    not_measured: tuple[str, ...] = ()
    cost: dict[str, int] = Field(default_factory=dict)


class CheckResult(Frozen):
    """A check's findings with its status; skipped and crashed checks say why."""

    check: str
    area: Area
    title: str
    status: Literal["ok", "skipped", "error"]
    reason: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    findings: Findings = Findings()


# ---------------------------------------------------------------- judgement


class Concern(Frozen):
    """A doubt about the subject itself, found once before the checks: what it touches cannot PASS, but can FAIL.

    name: one word of the list in docs/evidence.md. says: what was found, with its numbers. todo: what would remove it.
    touches: patterns of CHECK.MEASURE ('*' is everything). evidence: the numbers it rests on.
    """

    name: str
    says: str
    todo: str
    touches: tuple[str, ...]
    evidence: dict[str, float | int | str] = Field(default_factory=dict)

    def bears_on(self, measure: str) -> bool:
        """Return whether the concern touches a measure, CHECK.MEASURE."""
        return any(fnmatchcase(measure, pattern) for pattern in self.touches)


class Decision(Frozen):
    """A rule's verdict on one matched measurement, with the bound that decided it."""

    rule: Rule
    verdict: Verdict
    where: dict[str, str | float | int] = Field(default_factory=dict)
    estimate: Estimate | None = None
    label: str = ""
    eps_unit: str = ""
    bound: float | None = None
    bound_level: float | None = None
    p_fail: float | None = None
    rows_needed: int | None = None
    rows_by_group: dict[str, int] = Field(
        default_factory=dict, description="rows each group with too few needs, beside those of the others"
    )
    passes_at: float | None = Field(None, description="truth from which these rows show PASS with that power")
    fails_at: float | None = Field(None, description="truth from which these rows show FAIL with that power")
    excluded_groups: tuple[str, ...] = ()
    cause: str = Field(default="", description="the concern that bars PASS, by its name")
    reason: str = ""
    waiver: Waiver | None = None


# ---------------------------------------------------------------- the record


class FeatureFacts(Frozen):
    """A feature as the record knows it: name, kind, unit, range."""

    name: str
    kind: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    mutable: bool = True


class DataFacts(Frozen):
    """The data as the record knows them: sizes, target, groups, provenance; never a row."""

    name: str
    task: str
    modality: str
    target: str
    classes: tuple[str, ...]
    favourable: str | None
    splits: dict[str, int]
    features: tuple[FeatureFacts, ...] = ()
    groups: dict[str, dict[str, int]] = Field(default_factory=dict)
    source: str = ""
    licence: str = ""
    sha256: str = ""
    dropped: dict[str, int] = Field(default_factory=dict)
    repeated_in_test: int | None = Field(
        default=None,
        description="test rows with the features and label of a row of another split; null: not counted",
    )
    repeated_within_test: int | None = Field(
        default=None, description="test rows beyond the first of equal features and label; null: not counted"
    )
    notes: tuple[str, ...] = ()
    unit: str = Field(default="", description="what eps counts, in words after its number")
    folds: int | None = Field(
        default=None, description="networks that judge the test rows, each its own fold; null: one judges all"
    )


class ModelFacts(Frozen):
    """The model as the record knows it."""

    name: str
    network: str
    parameters: int | None
    outputs: str
    decision: str
    differentiable: bool
    sha256: str
    origin: str = ""
    training: Table | None = None
    notes: tuple[str, ...] = ()


class Facts(Frozen):
    """What was audited, as declared and as found."""

    data: DataFacts
    model: ModelFacts
    system: dict[str, str] = Field(default_factory=dict)
    software: dict[str, str] = Field(default_factory=dict)


class Remedied(Frozen):
    """A remedy as tried: what validation chose, and what the same audit says of the chosen model.

    says: the chosen way in a few words. rule: by what rule it was chosen, on which rows. reason: why there
    is no remedied model. verdict, exit_code: the remedied model's own; they never change the record's.
    record: the digest of its own record, in `folder` of the run's folder. tables: the candidates on
    validation; before and after on the test rows. notes: what to know before believing them.
    """

    remedy: str
    title: str
    status: Literal["audited", "none chosen", "skipped", "error"]
    options: dict[str, Any] = Field(default_factory=dict)
    says: str = ""
    rule: str = ""
    reason: str = ""
    verdict: Verdict | None = None
    exit_code: int | None = None
    record: str = ""
    folder: str = ""
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


class Volatile(Frozen):
    """What differs between two equal runs: identity, times, machine."""

    run_id: str = ""
    started: dt.datetime | None = None
    finished: dt.datetime | None = None
    judged: dt.datetime | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    reused: tuple[str, ...] = ()
    machine: dict[str, str] = Field(default_factory=dict)
    earlier_judgements: int | None = Field(
        default=None,
        description="other models or policies that these test rows judged before; null: not counted",
    )
    nonce: str = Field(
        default="", description="drawn by the command line before the audit; binds the record to it"
    )
    places: dict[str, str] = Field(default_factory=dict, description="file:line of each rule, by its id")


class Record(Frozen):
    """Everything a report, a comparison or a second judgement needs."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    tool: str
    name: str
    config: dict[str, Any]
    facts: Facts
    concerns: tuple[Concern, ...] = Field(default=(), description="doubts about the subject that bar PASS")
    results: tuple[CheckResult, ...]
    policy: Policy
    decisions: tuple[Decision, ...]
    unmet: tuple[str, ...] = Field(default=(), description="the policy's `requires` that nothing answers")
    verdict: Verdict
    exit_code: int
    quick: bool = False
    not_measured: tuple[str, ...] = ()
    remedies: tuple[Remedied, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict)
    volatile: Volatile = Volatile()
    unverified: bool = Field(
        default=False, exclude=True, description="read from a bare record: set by readers, never stored"
    )

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    def to_bytes(self, *, volatile: bool = True) -> bytes:
        """Return the record as canonical UTF-8 JSON (sorted keys), the volatile block optional."""
        left_out = None if volatile else {"volatile"}
        return canonical(self.model_dump(mode="json", by_alias=True, exclude=left_out))

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the record without its volatile block."""
        return hashlib.sha256(self.to_bytes(volatile=False)).hexdigest()


def canonical(value: Any) -> bytes:
    """Return plain values as canonical UTF-8 JSON: sorted keys, one layout."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def policy_digest(policy: Policy) -> str:
    """Return the SHA-256 of a policy's canonical JSON: its rules, levels, requirements, waivers and crosswalks."""
    return hashlib.sha256(canonical(policy.model_dump(mode="json"))).hexdigest()
