"""The frozen types of a policy: rules, waivers, and crosswalks from a law's clauses to the evidence for them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from audit.evidence_statistics import Frozen
from audit.names import name_of

Severity = Literal["blocking", "advisory"]
LONGEST_WAIVER = dt.timedelta(days=366)


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

    @field_validator("where", mode="before")
    @classmethod
    def _named(cls, where: Any) -> Any:
        """Return where with true and false as the names that groups have; pydantic would make them 1 and 0."""
        if not isinstance(where, dict):
            return where
        return {key: name_of(value) if isinstance(value, bool) else value for key, value in where.items()}

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

    @field_validator("who", "why")
    @classmethod
    def _said(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("a person's name and a reason, not an empty text")
        return text

    def counts(self, on: dt.date) -> bool:
        """Return whether the waiver counts on a day: until its date, which lies within a year."""
        return on <= self.until <= on + LONGEST_WAIVER


class Control(Frozen):
    """One clause of a law or standard: its id, what it asks for, and where evidence for it would stand.

    evidence: AREA, CHECK, CHECK.NAME of a measure or table, or a declared fact: facts.PART.FIELD,
    record.FIELD. It sets no limit: what judges are the policy's rules.
    """

    id: str
    title: str = Field(description="what it asks for, in one sentence")
    evidence: tuple[str, ...] = Field(
        default=(), description="AREA, CHECK, CHECK.NAME, facts.PART.FIELD or record.FIELD"
    )
    source: str = Field(default="", description="where the clause stands")
    note: str = Field(default="", description="what the evidence does not show, in one sentence")


class Crosswalk(Frozen):
    """A law or standard as controls, each mapped to evidence; it judges nothing."""

    name: str
    title: str
    source: str = ""
    controls: tuple[Control, ...]

    @model_validator(mode="after")
    def _apart(self) -> Crosswalk:
        ids = [control.id for control in self.controls]
        twice = next((id_ for id_ in ids if ids.count(id_) > 1), None)
        if twice is not None:
            raise ValueError(f"crosswalk {self.name}: control id={twice!r} twice")
        return self


class Policy(Frozen):
    """A set of rules with its error level and waivers."""

    name: str
    version: str = "1"
    title: str = ""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    power: float = Field(default=0.8, gt=0.5, lt=1)
    minimum_group_share: float = Field(default=0.0, ge=0, lt=0.5)
    looks: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="how many models or policies these test rows may judge; alpha is divided by it",
    )
    budget: Literal["full", "verdict"] = Field(
        default="full", description="verdict: an attack stops once no rule's verdict can change"
    )
    rules: tuple[Rule, ...] = ()
    requires: tuple[str, ...] = Field(
        default=(), description="what must have been measured: CHECK, or CHECK.NAME of its table or measure"
    )
    waivers: tuple[Waiver, ...] = ()
    crosswalk: tuple[Crosswalk, ...] = Field(
        default=(), description="clauses of laws and standards, mapped to the evidence for them"
    )
    weakened: tuple[str, ...] = Field(
        default=(), description="found where policies are included: what is weaker here than in them"
    )

    @property
    def level(self) -> float:
        """Return the error level of one look at the test rows: alpha over the looks declared."""
        return self.alpha / self.looks
