"""The frozen types that flow from a check to the gate, the record and every report (no JAX, no arrays)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = "jax-audit/record/1"

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT-ESTIMABLE"]
WORST_FIRST: tuple[Verdict, ...] = ("FAIL", "NOT-ESTIMABLE", "INCONCLUSIVE", "PASS")
Severity = Literal["blocking", "advisory"]
Area = Literal[
    "accuracy", "robustness", "fairness", "explanation", "calibration", "privacy", "data", "behaviour"
]
Scalar = str | int | float | bool | None


class Frozen(BaseModel):
    """An immutable value with strict keys and finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# ---------------------------------------------------------------- sufficient statistics


class Rate(Frozen):
    """k successes of n trials; both are effective (fractional) sizes where rows are clustered."""

    family: Literal["rate"] = "rate"
    k: float
    n: float


class RatePair(Frozen):
    """Two independent rates: the first minus, or over, the second."""

    family: Literal["rate pair"] = "rate pair"
    of: Literal["difference", "ratio"]
    k1: float
    n1: float
    k2: float
    n2: float


class GroupRates(Frozen):
    """One rate in several disjoint groups, and the summary taken over them.

    `difference` is the largest minus the smallest rate, `ratio` the smallest over the largest,
    `minimum`, `maximum` and `mean` the rate of that name. `sizes` are the rows of each group
    (a rate's own denominator n may be smaller).
    """

    family: Literal["group rates"] = "group rates"
    of: Literal["difference", "ratio", "minimum", "maximum", "mean"]
    groups: tuple[str, ...]
    k: tuple[float, ...]
    n: tuple[float, ...]
    sizes: tuple[float, ...]


class Moments(Frozen):
    """Size, mean, variance and third central moment of independent values (effective n if clustered)."""

    family: Literal["moments"] = "moments"
    n: float
    mean: float
    variance: float
    third: float
    low: float | None = None
    high: float | None = None


class Normal(Frozen):
    """A value whose link-transformed estimate is normal (t when df is given) with standard error se.

    `value` and `se` are on the link's scale: identity v, log exp(v), logit expit(v), square sqrt(max(v, 0)).
    """

    family: Literal["normal"] = "normal"
    value: float
    se: float
    link: Literal["identity", "log", "logit", "square"] = "identity"
    df: float | None = None


Statistic = Annotated[Rate | RatePair | GroupRates | Moments | Normal, Field(discriminator="family")]


# ---------------------------------------------------------------- what a check finds


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


class Column(Frozen):
    """A table's column: its key, heading and what its cells are."""

    name: str
    label: str
    kind: Literal["text", "count", "number", "rate"] = "number"


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


# ---------------------------------------------------------------- policy and judgement


class Rule(Frozen):
    """One requirement: a measure of a configured check, where, its limit, and where the limit comes from."""

    id: str
    measure: str = Field(description="check and measure, for example fairness.groups.impact_ratio")
    where: dict[str, str | float | int] = Field(default_factory=dict)
    at_least: float | None = None
    at_most: float | None = None
    severity: Severity = "blocking"
    because: str = Field(description="why this limit, in one sentence")
    source: str = Field(default="chosen by the policy's author", description="citation of the limit")
    controls: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_limit(self) -> Rule:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"rule {self.id}: give exactly one of at_least and at_most")
        if "." not in self.measure:
            raise ValueError(f"rule {self.id}: measure={self.measure!r} is not CHECK.MEASURE")
        return self

    @property
    def limit(self) -> float:
        """Return the limit, whichever side it is on."""
        return self.at_least if self.at_least is not None else float(self.at_most)  # type: ignore[arg-type]

    @property
    def check(self) -> str:
        """Return the check's name."""
        return self.measure.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Return the measure's name within its check."""
        return self.measure.rpartition(".")[2]


class Waiver(Frozen):
    """A named person's reason to let a rule pass the exit code until a date; it never changes the verdict."""

    rule: str
    who: str
    why: str
    until: dt.date


class Policy(Frozen):
    """A set of rules with its error level and waivers."""

    name: str
    version: str = "1"
    title: str = ""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    power: float = Field(default=0.8, gt=0.5, lt=1)
    minimum_group_share: float = Field(default=0.0, ge=0, lt=0.5)
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()


class Decision(Frozen):
    """A rule's verdict on one matched measurement, with the bound that decided it."""

    rule: Rule
    verdict: Verdict
    where: dict[str, str | float | int] = Field(default_factory=dict)
    estimate: Estimate | None = None
    label: str = ""
    bound: float | None = None
    bound_level: float | None = None
    p_fail: float | None = None
    rows_needed: int | None = None
    excluded_groups: tuple[str, ...] = ()
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
    repeated_in_test: int = 0
    notes: tuple[str, ...] = ()


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


class Volatile(Frozen):
    """What differs between two equal runs: identity, times, machine."""

    run_id: str = ""
    started: dt.datetime | None = None
    finished: dt.datetime | None = None
    judged: dt.datetime | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    reused: tuple[str, ...] = ()
    machine: dict[str, str] = Field(default_factory=dict)
    earlier_judgements: int | None = None


class Record(Frozen):
    """Everything a report, a comparison or a second judgement needs."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    tool: str
    name: str
    config: dict[str, Any]
    facts: Facts
    results: tuple[CheckResult, ...]
    policy: Policy
    decisions: tuple[Decision, ...]
    verdict: Verdict
    exit_code: int
    quick: bool = False
    not_measured: tuple[str, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict)
    volatile: Volatile = Volatile()

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    def to_bytes(self, *, volatile: bool = True) -> bytes:
        """Return the record as canonical UTF-8 JSON (sorted keys), the volatile block optional."""
        data = self.model_dump(mode="json", by_alias=True, exclude=None if volatile else {"volatile"})
        text = json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the record without its volatile block."""
        return hashlib.sha256(self.to_bytes(volatile=False)).hexdigest()
