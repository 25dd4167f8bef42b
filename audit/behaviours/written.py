"""Behavioural tests as a configuration writes them, one frozen type a kind (Ribeiro et al. 2020)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from audit.evidence import Frozen

Value = str | float
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Within(Frozen):
    """What a feature's value must be for a row to count: numbers from at_least to at_most, or among categories."""

    at_least: float | None = None
    at_most: float | None = None
    among: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Within:
        if (self.at_least is None and self.at_most is None) == (not self.among):
            raise ValueError("at_least or at_most for a number, or among for a category")
        return self


class _Test(Frozen):
    name: Name = Field(
        description="what the test is called, in the report and in a rule's where: {test: ...}"
    )
    when: dict[str, Within] = Field(
        default_factory=dict, description="rows it is about, by feature; empty: all"
    )


class Changed(_Test):
    """A change of features: set to values or categories, or added to numbers."""

    set: dict[str, Value] = Field(default_factory=dict, description="values that features are set to")
    add: dict[str, float] = Field(
        default_factory=dict, description="what is added to numeric features, within their range"
    )
    tolerance: float = Field(0.0, ge=0, description="a change of the score up to this is none")

    @model_validator(mode="after")
    def _changes_something(self) -> Changed:
        if not self.set and not self.add or set(self.set) & set(self.add):
            raise ValueError("set or add with at least one feature, and none in both")
        return self


class Invariance(Changed):
    """The change must leave the decision as it is; with `score: true`, or in regression, the score within tolerance."""

    kind: Literal["invariance"]
    score: bool = Field(False, description="the score is compared, with the tolerance, not the decision")


class Direction(Changed):
    """The change must not move the score the other way."""

    kind: Literal["direction"]
    expect: Literal["not_lower", "not_higher"] = Field(
        description="where the score may not go after the change"
    )


class Monotone(_Test):
    """The score must only rise, or only fall, in one numeric feature, all else as it is."""

    kind: Literal["monotone"]
    feature: str
    expect: Literal["rising", "falling"]
    points: int = Field(
        17, ge=3, le=257, description="values of the feature tried, evenly over its training range"
    )
    tolerance: float = Field(1e-4, ge=0, description="a step of the score the wrong way up to this is none")


class Then(Frozen):
    """What must hold of the output: the decision among classes, or bounds on the score."""

    decision: tuple[str, ...] = ()
    score_at_least: float | None = None
    score_at_most: float | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Then:
        if bool(self.decision) == (self.score_at_least is not None or self.score_at_most is not None):
            raise ValueError("decision, or score_at_least and score_at_most")
        return self


class Logic(_Test):
    """Where `when` holds, `then` must; searched too: rows moved there, then by up to `reach` against the rule."""

    kind: Literal["rule"]
    then: Then
    reach: float = Field(
        0.0,
        ge=0,
        description="how far the search moves other numeric, mutable features, in standard deviations",
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Logic:
        if not self.when:
            raise ValueError("when with at least one feature")
        return self


Written = Annotated[Invariance | Direction | Monotone | Logic, Field(discriminator="kind")]
